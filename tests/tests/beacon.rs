//! The beacon as a process, and devices on real sockets: what is acknowledged stays, what is removed is out, strangers cost nothing.
#![expect(clippy::wildcard_enum_match_arm, reason = "waits for one kind of news among all")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use ringmesh_daemon::beacon::{Heard, HowToEnter, Say};
use ringmesh_mesh::beacon::{Offer, Refusal, Standing};
use ringmesh_mesh::identity::{BeaconId, RecordHash};
use ringmesh_tests::beacon::{Beacon, CIRCLE, Device, Directory, LIMIT, device, entry};
use socket2::{Domain, Socket, Type};

fn records(text: &str) -> Say {
    Say::Records { room: None, sealed: vec![text.as_bytes().to_vec()] }
}

/// A founder whose beacon knows these devices.
async fn founded(beacon: &Beacon, others: &[(u8, Standing)]) -> Device {
    let mut founder = Device::member(&beacon.url, device(1), device(1).device());
    assert!(founder.online().await, "the founder is an admin");
    let named = others.iter().map(|(number, standing)| entry(&device(*number), *standing));
    founder.say(Say::Roll(named.chain([entry(&device(1), Standing::Admin)]).collect()));
    // The beacon knows the founder by itself: where there is nothing to tell, nothing is told.
    if !others.is_empty() {
        founder.done("roll").await;
    }
    founder
}

#[tokio::test]
async fn members_store_fetch_signal_and_hand_out_keys() {
    let directory = Directory::new("beacon-members");
    let beacon = Beacon::start(&directory, 0);
    let mut founder = founded(&beacon, &[(2, Standing::Member)]).await;
    founder.say(records("before"));
    founder.say(Say::Parcel { to: device(2).device(), bytes: b"key".to_vec() });
    founder.say(Say::Signal { to: vec![], sealed: b"here I am".to_vec() });
    founder.done("signal").await;

    let mut member = Device::member(&beacon.url, device(2), device(1).device());
    let seen = member
        .hear("online", |heard| match heard {
            Heard::Online { key, seen, admin, .. } => Some((Some(key) == beacon.url.key, seen.ip(), admin)),
            _ => None,
        })
        .await;
    assert_eq!(seen, (true, [127, 0, 0, 1].into(), false));
    // Their order is nobody's promise.
    let (mut parcel, mut signal, mut entries) = (None, None, vec![]);
    while parcel.is_none() || signal.is_none() || entries.is_empty() {
        match member.hear("all that waits", Some).await {
            Heard::Parcel { from, bytes } => parcel = Some((from, bytes)),
            Heard::Signal { from, sealed } => signal = Some((from, sealed)),
            Heard::Records { entries: new, .. } => {
                entries.extend(new.into_iter().map(|stored| stored.sealed))
            }
            other => panic!("{other:?}"),
        }
    }
    let from = device(1).device();
    assert_eq!(parcel, Some((from, b"key".to_vec())));
    assert_eq!(signal, Some((from, b"here I am".to_vec())));
    assert_eq!(entries, [b"before"]);

    member.say(records("after"));
    assert_eq!(founder.entries(2).await, [&b"before"[..], b"after"]);
    member.say(Say::Roll(vec![]));
    member.say(Say::Cancel(device(9).invite()));
    let refused = |heard| match heard {
        Heard::Refused { what, why } => Some((what, why)),
        _ => None,
    };
    assert_eq!(member.hear("a refusal", refused).await, ("cancel", Refusal::NotAdmin));
}

#[tokio::test]
async fn who_is_removed_is_out_at_once_and_for_good() {
    let directory = Directory::new("beacon-removed");
    let beacon = Beacon::start(&directory, 0);
    let founder = founded(&beacon, &[(2, Standing::Member)]).await;
    let mut member = Device::member(&beacon.url, device(2), device(1).device());
    assert!(!member.online().await);
    founder.say(Say::Roll(vec![entry(&device(2), Standing::Removed)]));
    member.offline("removed from the circle").await;
    // An admin who was away and does not know of it changes nothing.
    founder.say(Say::Roll(vec![entry(&device(2), Standing::Member)]));
    let mut again = Device::member(&beacon.url, device(2), device(1).device());
    again.offline("removed from the circle").await;
    let mut stranger = Device::member(&beacon.url, device(3), device(1).device());
    stranger.offline("does not know this device").await;
    let mut squatter = Device::member(&beacon.url, device(3), device(4).device());
    squatter.offline("does not know this circle").await;
}

#[tokio::test]
async fn who_comes_in_as_something_else_now_does_not_take_the_beacon_for_gone() {
    let directory = Directory::new("beacon-again");
    let beacon = Beacon::start(&directory, 0);
    let _founder = founded(&beacon, &[(2, Standing::Member)]).await;
    let mut member = Device::member(&beacon.url, device(2), device(1).device());
    assert!(!member.online().await);
    for _ in 0..3 {
        let (founder, proof) = (device(1).device(), vec![]);
        member.say(Say::Enter(HowToEnter::Member { founder, proof }));
        let line = |heard| match heard {
            Heard::Online { .. } => Some(true),
            Heard::Offline { .. } => Some(false),
            _ => None,
        };
        assert!(member.hear("the new connection", line).await, "it was told that there is none");
    }
    member.say(records("as before"));
    member.done("records").await;
}

#[tokio::test]
async fn an_invite_is_good_for_one_admission_of_each_of_its_uses() {
    let directory = Directory::new("beacon-invite");
    let beacon = Beacon::start(&directory, 0);
    let invite = device(50);
    let mut early = Device::invited(&beacon.url, device(10), invite.clone());
    early.offline("knows no such invite").await;

    let mut founder = founded(&beacon, &[]).await;
    let offer = Offer::sign(&invite, &CIRCLE, &device(1).device(), 2, 4_000_000_000);
    founder.say(Say::Offer(Offer::sign(&device(51), &CIRCLE, &device(2).device(), 2, 4_000_000_000)));
    let forged = |heard| match heard {
        Heard::Refused { why, .. } => Some(why),
        _ => None,
    };
    assert_eq!(founder.hear("a refusal", forged).await, Refusal::Forged);
    founder.say(Say::Offer(offer));
    founder.done("offer").await;

    let admission = |record: u8| Say::Admission { record: RecordHash([record; 32]), sealed: vec![record] };
    let receipt = |heard| match heard {
        Heard::Receipt(receipt) => Some(Ok(receipt)),
        Heard::Refused { why, .. } => Some(Err(why)),
        _ => None,
    };
    let mut first = Device::invited(&beacon.url, device(10), invite.clone());
    first.say(admission(1));
    let signed = first.hear("a receipt", receipt).await.expect("a use is left");
    assert!(signed.holds(&CIRCLE, &RecordHash([1; 32])) && Some(signed.beacon) == beacon.url.key);
    first.say(admission(1));
    assert_eq!(first.hear("the receipt", receipt).await, Ok(signed), "asked again, the same is given");
    first.say(admission(2));
    assert_eq!(first.hear("a refusal", receipt).await, Err(Refusal::OtherAdmission));
    let mut second = Device::invited(&beacon.url, device(11), invite.clone());
    second.say(admission(3));
    second.hear("a receipt", receipt).await.expect("a use is left");
    let mut third = Device::invited(&beacon.url, device(12), invite.clone());
    third.say(admission(4));
    assert_eq!(third.hear("a refusal", receipt).await, Err(Refusal::UsedUp));
    third.say(records("spam"));
    assert_eq!(third.hear("a refusal", receipt).await, Err(Refusal::NotMember));
    assert_eq!(founder.entries(2).await, [[1], [3]]);
    founder.say(Say::Parcel { to: device(11).device(), bytes: b"key".to_vec() });
    let parcel = |heard| matches!(heard, Heard::Parcel { .. }).then_some(());
    second.hear("the circle key", parcel).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_it_is_killed_at_any_moment() {
    const ENTRIES: usize = 400;
    let directory = Directory::new("beacon-kill");
    let mut beacon = Beacon::start(&directory, 0);
    let url = beacon.url.clone();
    let mut founder = founded(&beacon, &[]).await;
    let (mut said, mut done, mut kills) = (0, 0, 0);
    while done < ENTRIES {
        while said < ENTRIES && said < done + 8 {
            founder.say(records(&format!("entry {said}")));
            said += 1;
        }
        let heard = founder.hear("an acknowledgement", Some).await;
        done += usize::from(matches!(heard, Heard::Done { what: "records", .. }));
        // Each time after a different number of acknowledgements, with others on their way.
        if kills < 5 && done >= 7 + kills * 61 {
            kills += 1;
            beacon.kill();
            beacon = Beacon::start(&directory, url.port);
            assert_eq!(beacon.url, url, "it is the same beacon again");
        }
    }
    let mut reader = Device::member(&url, device(1), device(1).device());
    let mut found = reader.entries(ENTRIES).await;
    found.sort();
    let mut all: Vec<_> = (0..ENTRIES).map(|number| format!("entry {number}").into_bytes()).collect();
    all.sort();
    assert_eq!(found, all, "each once");
    assert!(kills == 5 && beacon.end().is_some_and(|status| status.success()));
}

#[tokio::test]
async fn another_key_than_the_pinned_one_is_refused_in_one_sentence() {
    let directory = Directory::new("beacon-pin");
    let beacon = Beacon::start(&directory, 0);
    let mut url = beacon.url.clone();
    url.key = Some(BeaconId([5; 32]));
    let why = Device::member(&url, device(1), device(1).device()).offline("shows the key").await;
    assert!(why.contains("0505050505") && why.lines().count() == 1, "{why}");
    url.key = None;
    let why = Device::member(&url, device(1), device(1).device()).offline("beacon").await;
    assert!(why.contains("certificate"), "no authority vouches for it: {why}");
}

#[tokio::test]
async fn strangers_who_flood_stall_or_babble_keep_nobody_out() {
    let directory = Directory::new("beacon-strangers");
    let beacon = Beacon::start(&directory, 0);
    let at = SocketAddr::from(([127, 0, 0, 1], beacon.url.port));
    // From another address of the loopback, as strangers come from other addresses.
    let stranger = || {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("a source");
        socket.connect(&at.into()).expect("a connection");
        TcpStream::from(socket)
    };
    let stalled: Vec<_> = (0..150).map(|_| stranger()).collect();
    for babble in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4000], &[0xff; 4000], b"\x16\x03\x01\xff\xff"] {
        let mut stream = stranger();
        // Beyond the limit of one source it is closed before anything is read.
        let _ = stream.write_all(babble);
    }
    let mut founder = founded(&beacon, &[]).await;
    founder.say(records("served"));
    founder.done("records").await;
    // Who says nothing is shown out.
    let mut first = &stalled[0];
    first.set_read_timeout(Some(LIMIT)).expect("a limit");
    assert!(matches!(first.read(&mut [0; 1]), Ok(0) | Err(_)), "closed, not answered");
}

#[test]
fn stun_is_answered_on_the_same_port() {
    let directory = Directory::new("beacon-stun");
    let beacon = Beacon::start(&directory, 0);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a limit");
    let transaction = *b"a transactio";
    let mut answer = [0; 100];
    let mapped = (0..20).find_map(|_| {
        let question = ringmesh_mesh::stun::request(&transaction);
        socket.send_to(&question, ("127.0.0.1", beacon.url.port)).ok()?;
        let len = socket.recv(&mut answer).ok()?;
        ringmesh_mesh::stun::mapped(&answer[..len], &transaction)
    });
    assert_eq!(mapped, socket.local_addr().ok());
}

#[test]
fn what_keeps_it_from_starting_is_one_line_that_says_what_to_do() {
    let directory = Directory::new("beacon-refused");
    let told = |port| {
        let output = Beacon::command(&directory, port).stderr(std::process::Stdio::piped()).output();
        let output = output.expect("the executable starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("our own file");
    };
    let beacon = Beacon::start(&directory, 0);
    let port = beacon.url.port;
    let cases: [(&str, &dyn Fn(), u16, &str); 4] = [
        ("running already", &|| {}, 0, "another beacon uses the same directory"),
        ("open directory", &|| mode(directory.path(), 0o755), 0, "chmod 700"),
        (
            "open key",
            &|| {
                mode(directory.path(), 0o700);
                mode(&directory.path().join("beacon.key"), 0o644);
            },
            0,
            "chmod 600",
        ),
        (
            "broken key",
            &|| {
                let key = directory.path().join("beacon.key");
                mode(&key, 0o600);
                std::fs::write(key, b"short").expect("our own file");
            },
            port,
            "not a beacon's key",
        ),
    ];
    for (case, prepare, port, part) in cases {
        prepare();
        let (code, text) = told(port);
        assert_eq!(code, Some(1), "{case}: {text}");
        assert!(text.contains(part) && text.lines().count() == 1, "{case}: {text}");
    }
}
