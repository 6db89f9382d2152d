use super::*;
use crate::samples;
use proptest::prelude::*;

fn ifname() -> impl Strategy<Value = String> {
    "[a-z0-9._-]{1,15}".prop_filter("no directory", |name| name != "." && name != "..")
}

fn counts() -> impl Strategy<Value = (u16, u16)> {
    (1..=WORKERS_MAX as u16).prop_flat_map(|workers| (Just(workers), 0..=workers + 1))
}

fn to_plane() -> impl Strategy<Value = ToPlane> {
    prop_oneof![
        (any::<u64>(), ifname(), counts(), any::<u32>(), any::<u32>()).prop_map(
            |(generation, ifname, (workers, sockets), offloads, uid)| ToPlane::Start {
                generation,
                ifname,
                workers,
                sockets,
                offloads,
                uid
            }
        ),
        any::<u64>().prop_map(|generation| ToPlane::Attach { generation }),
        (0..SOCKETS_MAX, 0..=WORKERS_MAX as u16 + 1).prop_map(|(set, count)| ToPlane::Sockets { set, count }),
        Just(ToPlane::Dump),
        Just(ToPlane::Rebuilt),
        Just(ToPlane::Stop),
    ]
}

fn from_plane() -> impl Strategy<Value = FromPlane> {
    prop_oneof![
        Just(FromPlane::Ready),
        "\\PC{0,100}".prop_map(|text| FromPlane::Failed { text }),
        (ifname(), counts(), any::<u32>()).prop_map(|(ifname, (workers, sockets), offloads)| {
            FromPlane::Hello { ifname, workers, sockets, offloads }
        }),
        (0..SOCKETS_MAX, 0..=WORKERS_MAX as u16 + 1)
            .prop_map(|(set, count)| FromPlane::Sockets { set, count }),
        samples::command().prop_map(FromPlane::State),
        Just(FromPlane::End),
        Just(FromPlane::Moved),
    ]
}

proptest! {
    #[test]
    fn messages_survive_the_socket(to in to_plane(), from in from_plane()) {
        prop_assert_eq!(decode(&encode(&to)), Ok(to));
        prop_assert_eq!(decode(&encode(&from)), Ok(from));
    }

    #[test]
    fn a_changed_byte_is_refused_or_means_something_else(to in to_plane(), from in from_plane(), at: usize, byte: u8) {
        let mut bytes = encode(&to);
        let at_byte = at % bytes.len();
        bytes[at_byte] = byte;
        if let Ok(taken) = decode::<ToPlane>(&bytes) && bytes[4..8] == VERSION.to_le_bytes() {
            prop_assert_eq!(encode(&taken), bytes);
        }
        let mut bytes = encode(&from);
        let at_byte = at % bytes.len();
        bytes[at_byte] = byte;
        if let Ok(taken) = decode::<FromPlane>(&bytes) {
            // The id of a state's slot is not part of the command.
            let id = if matches!(taken, FromPlane::State(_)) { 12..20 } else { 0..0 };
            bytes[id].fill(0);
            prop_assert_eq!(encode(&taken), bytes);
        }
    }

    #[test]
    fn cut_and_lengthened_messages_are_refused(to in to_plane(), cut: usize) {
        let bytes = encode(&to);
        prop_assert!(decode::<ToPlane>(&bytes[..cut % bytes.len()]).is_err());
        prop_assert_eq!(decode::<ToPlane>(&[&bytes[..], &[0]].concat()), Err(Refused::Field("length")));
    }

    #[test]
    fn garbage_does_not_panic(kind in 0..110_u32, bytes: Vec<u8>) {
        let bytes = [MAGIC, &VERSION.to_le_bytes()[..], &kind.to_le_bytes(), &bytes].concat();
        if let Ok(taken) = decode::<ToPlane>(&bytes) {
            prop_assert_eq!(&encode(&taken)[..], &bytes);
        }
        let _ = decode::<FromPlane>(&bytes);
    }
}

#[test]
fn another_version_is_named_and_can_still_be_stopped() {
    let other = |message: &ToPlane| {
        let mut bytes = encode(message);
        bytes[4..8].copy_from_slice(&(VERSION + 1).to_le_bytes());
        decode::<ToPlane>(&bytes)
    };
    let refusal = Err(Refused::Version { theirs: VERSION + 1 });
    assert_eq!(other(&ToPlane::Dump), refusal);
    assert_eq!(other(&ToPlane::Attach { generation: 1 }), refusal);
    assert_eq!(other(&ToPlane::Stop), Ok(ToPlane::Stop));
}

#[test]
fn names_that_the_kernel_would_refuse_are_refused() {
    let valid = "abcdefghijklmno";
    for (name, good) in [
        (valid, true),
        ("wg0", true),
        ("", false),
        (".", false),
        ("..", false),
        ("a/b", false),
        ("a b", false),
    ] {
        let hello = FromPlane::Hello { ifname: name.to_owned(), workers: 1, sockets: 1, offloads: 0 };
        assert_eq!(decode::<FromPlane>(&encode(&hello)).is_ok(), good, "{name:?}");
    }
}

#[test]
fn long_texts_are_cut_between_characters() {
    let text = "é".repeat(TEXT_MAX);
    let Ok(FromPlane::Failed { text: kept }) = decode(&encode(&FromPlane::Failed { text: text.clone() }))
    else {
        panic!("a cut text is still a message");
    };
    assert!(text.starts_with(&kept) && kept.len() == TEXT_MAX);
}

#[test]
fn the_fullest_start_fits_into_one_message() {
    let workers = WORKERS_MAX as u16;
    let sockets = workers + 1;
    let start =
        ToPlane::Start { generation: 0, ifname: String::new(), workers, sockets, offloads: 0, uid: 0 };
    assert_eq!(start.fds(), 197);
    assert!(start.fds() <= FDS_MAX);
}

#[test]
fn fds_are_sorted_only_when_their_number_fits() {
    let fds =
        |count| (0..count).map(|_| OwnedFd::from(std::fs::File::open("/dev/null").expect("null"))).collect();
    for (count, fits) in [(10, false), (11, true), (12, false)] {
        assert_eq!(StartFds::sort(2, 3, fds(count)).is_some(), fits, "start with {count}");
    }
    for (count, fits) in [(7, false), (8, true), (9, false)] {
        assert_eq!(HelloFds::sort(2, 3, fds(count)).is_some(), fits, "hello with {count}");
    }
    for (count, fits) in [(2, false), (3, true), (4, false)] {
        assert_eq!(AttachFds::sort(fds(count)).is_some(), fits, "attach with {count}");
    }
}
