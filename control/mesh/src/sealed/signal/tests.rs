//! Signals reach whom they are for, and nobody speaks in another's name.

use super::{BadSignal, Candidate, Kind, SKEW_SECS_MAX, Signal};
use crate::identity::CircleId;
use crate::limits::CANDIDATES_MAX;
use crate::sealed::{Purpose, SealKey};
use crate::testing::{START, id, key, wireguard_public};

fn signal() -> Signal {
    let at = |kind, address: &str| Candidate { kind, address: address.parse().expect("an address") };
    Signal {
        circle: CircleId([1; 32]),
        from: id(1),
        to: Some(id(2)),
        time: START,
        serial: 7,
        wireguard: wireguard_public(1),
        candidates: vec![at(Kind::Host, "192.168.1.5:51820"), at(Kind::Reflexive, "[2001:db8::1]:7")],
    }
}

fn seal_key() -> SealKey {
    SealKey::new(CircleId([1; 32]), [4; 32])
}

#[test]
fn a_signal_opens_for_its_receiver_in_its_time() {
    let signal = signal();
    let sealed = signal.seal(&seal_key(), Purpose::Signal, &key(1), [0; 24]);
    let open = |us: u16, now| Signal::open(&seal_key(), Purpose::Signal, &id(us), now, &sealed);
    assert_eq!(open(2, START), Ok(signal.clone()));
    assert_eq!(open(2, START + SKEW_SECS_MAX), Ok(signal.clone()));
    assert_eq!(open(2, START + SKEW_SECS_MAX + 1), Err(BadSignal::Time));
    assert_eq!(open(3, START), Err(BadSignal::NotForUs));
    let all = Signal { to: None, ..signal };
    let sealed = all.seal(&seal_key(), Purpose::Announcement, &key(1), [0; 24]);
    assert_eq!(Signal::open(&seal_key(), Purpose::Announcement, &id(3), START, &sealed), Ok(all));
}

#[test]
fn nobody_speaks_for_another_or_into_another_circle() {
    let open = |sealed: &[u8]| Signal::open(&seal_key(), Purpose::Signal, &id(2), START, sealed);
    assert_eq!(open(&signal().seal(&seal_key(), Purpose::Signal, &key(3), [0; 24])), Err(BadSignal::Forged));
    let abroad = Signal { circle: CircleId([2; 32]), ..signal() };
    assert_eq!(open(&abroad.seal(&seal_key(), Purpose::Signal, &key(1), [0; 24])), Err(BadSignal::NotForUs));
}

#[test]
fn candidates_that_lead_nowhere_are_malformed() {
    let key_of_all = seal_key();
    for address in ["0.0.0.0:1", "[::]:1", "224.0.0.1:1", "[ff02::1]:1", "10.0.0.1:0", "[::ffff:10.0.0.1]:5"]
    {
        let address = address.parse().expect("an address");
        let signal = Signal { candidates: vec![Candidate { kind: Kind::Host, address }], ..signal() };
        let sealed = signal.seal(&key_of_all, Purpose::Signal, &key(1), [0; 24]);
        let opened = Signal::open(&key_of_all, Purpose::Signal, &id(2), START, &sealed);
        assert!(matches!(opened, Err(BadSignal::Malformed(_))), "{address}");
    }
    let many = Signal { candidates: vec![signal().candidates[0]; 50], ..signal() };
    let sealed = many.seal(&key_of_all, Purpose::Signal, &key(1), [0; 24]);
    let opened =
        Signal::open(&key_of_all, Purpose::Signal, &id(2), START, &sealed).expect("cut to the bound");
    assert_eq!(opened.candidates.len(), CANDIDATES_MAX);
}
