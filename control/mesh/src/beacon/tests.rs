use proptest::prelude::*;

use super::hello::{Binding, Greeting, Hello, Who};
use super::message::{Answer, Page, Push, Request, Stored, ToDevice};
use super::place::{BadUrl, BeaconUrl};
use super::refusal::Refusal;
use super::roll::{self, Entry, Offer, Standing};
use crate::address::Ipv4Block;
use crate::circle::Circle;
use crate::identity::{BeaconId, CircleId, DeviceId, RecordHash, SigningKey, UseId};
use crate::limits::{ENTRY_MAX, FRAME_MAX, HELLO_MAX};
use crate::record::{Admit, Body, Found, Record, Role};

const CHANNEL: Binding = Binding([1; 32]);
const CIRCLE: CircleId = CircleId([2; 32]);

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn requests() -> Vec<Request> {
    let offer = Offer::sign(&key(5), &CIRCLE, &key(1).device(), 3, 99);
    let entry = Entry { device: DeviceId([1; 32]), standing: Standing::Demoted };
    vec![
        Request::Append { room: None, sealed: vec![vec![1], vec![2; 300]] },
        Request::Append { room: Some(UseId([3; 32])), sealed: vec![vec![1; ENTRY_MAX]] },
        Request::Fetch { from: u64::MAX },
        Request::Trim { before: 7 },
        Request::Roll { entries: vec![entry], offers: vec![offer], cancelled: vec![UseId([4; 32])] },
        Request::Parcel { to: DeviceId([1; 32]), bytes: vec![1; 512] },
        Request::Signal { to: vec![], sealed: vec![9] },
        Request::Admission { record: RecordHash([1; 32]), sealed: vec![1; 40] },
        Request::Ping,
    ]
}

#[test]
fn every_message_is_read_as_it_was_written_and_no_part_of_one_is_a_message() {
    for request in requests() {
        let bytes = request.to_bytes();
        assert!(request.fits() && bytes.len() <= FRAME_MAX, "{request:?}");
        assert_eq!(Request::decode(&bytes).as_ref(), Ok(&request));
        assert!(Request::decode(&bytes[..bytes.len() - 1]).is_err(), "{request:?}");
        assert!(Request::decode(&[&bytes[..], &[0]].concat()).is_err(), "{request:?}");
    }
    let stored = |position| Stored { position, room: None, sealed: vec![1] };
    let answers = [
        Answer::Done,
        Answer::Refused(Refusal::UnknownReceiver),
        Answer::Page(Page { entries: vec![stored(3), stored(5)], next: 6, end: 9 }),
    ];
    let pushes = [Push::Grown { end: 1 }, Push::Signal { from: DeviceId([1; 32]), sealed: vec![1] }];
    let all = answers.into_iter().map(ToDevice::Answer).chain(pushes.into_iter().map(ToDevice::Push));
    for message in all {
        let bytes = message.to_bytes();
        assert_eq!(ToDevice::decode(&bytes).as_ref(), Ok(&message));
        assert!(ToDevice::decode(&bytes[..bytes.len() - 1]).is_err(), "{message:?}");
    }
}

#[test]
fn what_is_beyond_its_bound_is_neither_sent_nor_read() {
    let blob = |len| vec![vec![0; len]];
    let table = [
        Request::Append { room: None, sealed: vec![] },
        Request::Append { room: None, sealed: blob(0) },
        Request::Append { room: None, sealed: blob(ENTRY_MAX + 1) },
        Request::Append { room: None, sealed: vec![vec![0; ENTRY_MAX / 2 + 1]; 2] },
        Request::Append { room: None, sealed: vec![vec![0]; 257] },
        Request::Parcel { to: DeviceId([1; 32]), bytes: vec![0; 513] },
        Request::Signal { to: vec![DeviceId([1; 32]); 257], sealed: vec![0] },
        Request::Signal { to: vec![], sealed: vec![0; 2049] },
        Request::Admission { record: RecordHash([1; 32]), sealed: vec![] },
    ];
    for request in table {
        assert!(!request.fits(), "{request:?}");
        assert!(Request::decode(&request.to_bytes()).is_err(), "{request:?}");
    }
    let page = |positions: &[u64], next, end| {
        let stored = |position: &u64| Stored { position: *position, room: None, sealed: vec![1] };
        ToDevice::Answer(Answer::Page(Page { entries: positions.iter().map(stored).collect(), next, end }))
    };
    for (positions, next, end) in [(&[2, 1][..], 3, 3), (&[1, 1], 3, 3), (&[1, 2], 2, 3), (&[], 4, 3)] {
        assert!(
            ToDevice::decode(&page(positions, next, end).to_bytes()).is_err(),
            "{positions:?} {next} {end}"
        );
    }
}

#[test]
fn a_signature_over_one_channel_says_nothing_in_another() {
    let other = Binding([9; 32]);
    let seen = "[::ffff:192.0.2.1]:7".parse().expect("an address");
    let greeting = Greeting::sign(&key(1), &CHANNEL, seen, 5);
    assert_eq!(Greeting::decode(&greeting.to_bytes()), Ok(greeting));
    assert_eq!(greeting.seen, "192.0.2.1:7".parse().expect("an address"));
    assert!(greeting.holds(&CHANNEL) && !greeting.holds(&other));

    let beacon = key(1).beacon();
    let channel = (&CHANNEL, &beacon);
    let member = Hello::member(&key(2), channel, CIRCLE, key(3).device(), vec![vec![1; 90]; 20]);
    let invited = Hello::invited(&key(2), channel, CIRCLE, &key(4));
    for hello in [member, invited] {
        let bytes = hello.to_bytes();
        assert!(bytes.len() <= HELLO_MAX);
        assert_eq!(Hello::decode(&bytes).as_ref(), Ok(&hello));
        assert!(hello.holds(&CHANNEL, &beacon));
        assert!(!hello.holds(&other, &beacon) && !hello.holds(&CHANNEL, &key(9).beacon()));
        let mut posing = hello.clone();
        posing.device = key(9).device();
        assert!(!posing.holds(&CHANNEL, &beacon));
    }
    let mut without = Hello::invited(&key(2), channel, CIRCLE, &key(4));
    without.who = Who::Invited(key(5).invite());
    assert!(!without.holds(&CHANNEL, &beacon), "who does not hold the invite's key is not invited");
}

#[test]
fn addresses_are_read_as_people_pass_them_on() {
    let pin = "ab".repeat(32);
    let key = BeaconId([0xab; 32]);
    let good = [
        ("nas.example.org", "nas.example.org", 3478, None),
        (" beacon://NAS.example.org/ ", "nas.example.org", 3478, None),
        ("192.0.2.1:443", "192.0.2.1", 443, None),
        ("[2001:db8::1]", "2001:db8::1", 3478, None),
        ("BEACON://[2001:db8::1]:443/PIN", "2001:db8::1", 443, Some(key)),
        ("beacon://nas/PIN/", "nas", 3478, Some(key)),
    ];
    for (text, host, port, key) in good {
        let url: BeaconUrl =
            text.replace("PIN", &pin).parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((&*url.host, url.port, url.key), (host, port, key), "{text}");
        assert_eq!(url.to_string().parse(), Ok(url.clone()), "{text}");
        let beacon = url.pinned(BeaconId([0xab; 32]));
        assert_eq!(BeaconUrl::of(&beacon).map(|of| (of.host, of.port)), Ok((url.host, url.port)), "{text}");
    }
    let bad = [
        ("", BadUrl::Host),
        ("beacon://", BadUrl::Host),
        ("nas example", BadUrl::Host),
        ("[nas]", BadUrl::Host),
        ("https://nas", BadUrl::Host),
        ("nas:0", BadUrl::Port),
        ("nas:65536", BadUrl::Port),
        ("nas/abcd", BadUrl::Key),
    ];
    for (text, error) in bad {
        assert_eq!(text.parse::<BeaconUrl>(), Err(error), "{text}");
    }
}

/// A circle in which the founder (1) named 2, 2 named 3, and the recovery key (9) named 4.
fn admins() -> Circle {
    let block = Ipv4Block::sixteen(7);
    let found =
        Found { name: "home".parse().expect("a name"), recovery: key(9).device(), block, nonce: [0; 16] };
    let found = Record::found(&key(1), 10, found);
    let mut circle = Circle::new(found).expect("it founds");
    for (by, device, role) in
        [(1, 2, Role::Admin), (2, 3, Role::Admin), (9, 4, Role::Admin), (1, 5, Role::Member)]
    {
        let body = Body::Admit(Admit { device: key(device).device(), role });
        let record = Record::sign(&key(by), circle.place(&key(by).device()), 11, body);
        circle.ingest([record]);
    }
    circle
}

#[test]
fn a_proof_leads_from_the_founder_or_the_recovery_key_to_an_admin() {
    let circle = admins();
    let founder = key(1).device();
    let named = (&circle.id(), &founder);
    let nobody = |_: &DeviceId| false;
    for (number, records) in [(1, 0), (2, 1), (3, 2), (9, 1), (4, 2)] {
        let device = key(number).device();
        let proof = roll::proof(&circle, &device).expect("an admin");
        assert_eq!(proof.len(), records, "{number}");
        assert!(roll::proves(&proof, named, &device, nobody, nobody), "{number}");
        assert!(!roll::proves(&proof, named, &key(8).device(), nobody, nobody), "for {number} only");
        assert!(
            !roll::proves(&proof, named, &device, nobody, |ended| *ended == device),
            "{number} has ended"
        );
        let elsewhere = (&CircleId([0; 32]), &founder);
        assert_eq!(roll::proves(&proof, elsewhere, &device, nobody, nobody), records == 0, "{number}");
        if records > 0 {
            let other = (&circle.id(), &key(8).device());
            assert!(!roll::proves(&proof, other, &device, nobody, nobody), "{number} in another's box");
        }
    }
    assert_eq!(roll::proof(&circle, &key(5).device()), None, "no admin");
    let proof = roll::proof(&circle, &key(3).device()).expect("an admin");
    let ended = |device: &DeviceId| *device == key(2).device();
    assert!(!roll::proves(&proof, named, &key(3).device(), nobody, ended), "through somebody who has ended");
    let known = |device: &DeviceId| *device == key(2).device();
    assert!(roll::proves(&proof[1..], named, &key(3).device(), known, nobody), "from somebody on the roll");
    assert!(!roll::proves(&proof[1..], named, &key(3).device(), nobody, nobody));
}

#[test]
fn an_offer_holds_for_its_circle_and_founder() {
    let (founder, other) = (key(1).device(), key(2).device());
    let offer = Offer::sign(&key(3), &CIRCLE, &founder, 1, 50);
    assert!(offer.holds(&CIRCLE, &founder) && !offer.holds(&CIRCLE, &other));
    assert_eq!(Offer::decode(&offer.to_bytes()), Ok(offer));
    let mut longer = offer;
    longer.expires += 1;
    assert!(!longer.holds(&CIRCLE, &founder));
}

proptest! {
    #[test]
    fn rolls_that_say_the_same_have_one_digest(
        mut entries in proptest::collection::vec((0_u8..6, 1_u8..5), 0..12),
        turn in 0_usize..12,
    ) {
        let read = |entries: &[(u8, u8)]| -> Vec<Entry> {
            let entry = |(device, standing): &(u8, u8)| Entry {
                device: DeviceId([*device; 32]),
                standing: Standing::of(*standing).expect("one of four"),
            };
            entries.iter().map(entry).collect()
        };
        let digest = roll::digest(read(&entries));
        let len = entries.len().max(1);
        entries.rotate_left(turn % len);
        entries.extend_from_within(..);
        prop_assert_eq!(roll::digest(read(&entries)), digest);
        entries.push((0, 4));
        let had = read(&entries[..entries.len() - 1]).contains(&Entry { device: DeviceId([0; 32]), standing: Standing::Removed });
        prop_assert_eq!(roll::digest(read(&entries)) == digest, had);
    }

    #[test]
    fn what_is_read_is_written_again_byte_by_byte(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(request.to_bytes(), bytes.clone());
        }
        if let Ok(message) = ToDevice::decode(&bytes) {
            prop_assert_eq!(message.to_bytes(), bytes.clone());
        }
        if let Ok(hello) = Hello::decode(&bytes) {
            prop_assert_eq!(hello.to_bytes(), bytes);
        }
    }
}
