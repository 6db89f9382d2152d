//! Records survive being written and read; nothing that was changed on the way is believed.

use std::net::Ipv4Addr;

use proptest::prelude::*;
use ringmesh_wire::keys::PublicKey;

use super::{
    Admit, Body, Checkpoint, Effect, Found, Grant, Invite, Join, Link, Place, Profile, Proto, Receipt,
    Record, Revoke, Role, Scope, TIME_MAX, Unverified, What, Witness, verify,
};
use crate::address::Ipv4Block;
use crate::codec::Malformed;
use crate::identity::{CircleId, DeviceId, RecordHash, SigningKey};
use crate::limits::{KEPT_MAX, RECORD_MAX, RECORD_OVERHEAD};

const CIRCLE: CircleId = CircleId([5; 32]);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn found() -> Found {
    let name = "home".parse().expect("a name");
    Found { name, recovery: key(99).device(), block: Ipv4Block::sixteen(7), nonce: [3; 16] }
}

/// One body of each shape.
fn bodies() -> Vec<Body> {
    let (device, hash) = (key(2).device(), RecordHash([8; 32]));
    let link = Link { number: 4, hash };
    let invite = Invite {
        key: key(3).invite(),
        room: [1; 32],
        guest: true,
        uses: 5,
        expires: 900,
        beacons: vec![key(4).beacon()],
    };
    let receipt = Receipt::sign(&key(4), &CIRCLE, &hash, 12);
    let mut all = vec![
        Body::Admit(Admit { device, role: Role::Guest }),
        Body::Revoke(Revoke::Device { device, scope: Scope::Membership, last: None }),
        Body::Revoke(Revoke::Device { device, scope: Scope::Branches, last: Some(link) }),
        Body::Revoke(Revoke::Invite(key(3).invite())),
        Body::Invite(invite),
        Body::Profile(Profile { name: "nas".parse().expect("a name"), wireguard: PublicKey([6; 32]) }),
        Body::Witness(Witness { device, record: hash, receipt: None }),
        Body::Witness(Witness { device, record: hash, receipt: Some(receipt) }),
        Body::Checkpoint(Checkpoint { device, kept: vec![link] }),
    ];
    let whats = [
        What::Reach,
        What::Port(Proto::Tcp, 25_565),
        What::Port(Proto::Udp, 1),
        What::Ssh,
        What::Files,
        What::Exit,
        What::Lan,
    ];
    let effects = [Effect::Deny, Effect::Allow { until: None }, Effect::Allow { until: Some(7) }];
    all.extend(
        whats
            .into_iter()
            .flat_map(|what| effects.map(|effect| Body::Grant(Grant { to: device, what, effect }))),
    );
    all
}

/// One record of each shape.
fn records() -> Vec<Record> {
    let after = Some(Link { number: 3, hash: RecordHash([1; 32]) });
    let later = |body| Record::sign(&key(1), Place { circle: CIRCLE, after }, 1000, body);
    let mut all: Vec<_> = bodies().into_iter().map(later).collect();
    all.push(Record::found(&key(1), 1000, found()));
    let join = Join::sign(&key(3), &CIRCLE, &key(1).device());
    all.push(Record::sign(&key(1), Place { circle: CIRCLE, after: None }, 1000, Body::Join(join)));
    all
}

#[test]
fn every_kind_comes_back_as_it_went() {
    for record in records() {
        let bytes = record.to_bytes();
        let read = Unverified::decode(&bytes).expect("our own encoding");
        assert_eq!(read.hash(), record.hash());
        assert_eq!(read.circle(), record.circle());
        let read = read.verify().expect("our own signature");
        assert_eq!(read, record);
        assert_eq!(read.to_bytes(), bytes, "one encoding");
    }
}

#[test]
fn the_first_record_names_the_circle() {
    let record = Record::found(&key(1), 1000, found());
    assert_eq!(record.circle().0, record.hash().0);
    assert_eq!((record.number(), record.previous()), (0, RecordHash::NONE));
    let other = Record::found(&key(1), 1000, Found { nonce: [4; 16], ..found() });
    assert_ne!(other.circle(), record.circle());
}

#[test]
fn nothing_that_was_changed_holds() {
    for record in records() {
        let bytes = record.to_bytes();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let held = Unverified::decode(&changed).ok().and_then(|read| read.verify().ok());
            assert!(held.is_none(), "byte {at} of {record:?}");
        }
        for len in 0..bytes.len() {
            assert!(Unverified::decode(&bytes[..len]).is_err(), "cut to {len} of {record:?}");
        }
        assert_eq!(Unverified::decode(&[&bytes[..], &[0]].concat()).err(), Some(Malformed("record")));
    }
}

#[test]
fn a_batch_points_at_the_forged_ones() {
    let sound: Vec<_> = records().iter().map(Record::to_bytes).collect();
    let mut bytes = sound.clone();
    let last = bytes[3].len() - 1;
    bytes[3][last - 40] ^= 1;
    let read = |bytes: &Vec<Vec<u8>>| {
        verify(bytes.iter().map(|bytes| Unverified::decode(bytes).expect("well formed")).collect())
    };
    assert!(read(&sound).iter().all(Result::is_ok));
    let forged: Vec<_> =
        read(&bytes).into_iter().enumerate().filter_map(|(at, verdict)| verdict.err().map(|_| at)).collect();
    assert_eq!(forged, [3]);
}

#[test]
fn an_invite_used_for_another_device_or_circle_is_forged() {
    let place = Place { circle: CIRCLE, after: None };
    let stolen = [
        Join::sign(&key(3), &CIRCLE, &key(7).device()),
        Join::sign(&key(3), &CircleId([6; 32]), &key(1).device()),
        Join { invite: key(4).invite(), ..Join::sign(&key(3), &CIRCLE, &key(1).device()) },
    ];
    for join in stolen {
        let bytes = Record::sign(&key(1), place, 0, Body::Join(join)).to_bytes();
        assert!(Unverified::decode(&bytes).expect("well formed").verify().is_err());
    }
}

#[test]
fn a_receipt_for_another_admission_or_time_is_forged() {
    let hash = RecordHash([8; 32]);
    let receipt = Receipt::sign(&key(4), &CIRCLE, &hash, 12);
    assert!(receipt.holds(&CIRCLE, &hash));
    assert!(!receipt.holds(&CIRCLE, &RecordHash([9; 32])));
    assert!(!Receipt { time: 11, ..receipt }.holds(&CIRCLE, &hash));
    let witness = Witness { device: key(2).device(), record: RecordHash([9; 32]), receipt: Some(receipt) };
    let after = Some(Link { number: 0, hash });
    let bytes = Record::sign(&key(1), Place { circle: CIRCLE, after }, 0, Body::Witness(witness)).to_bytes();
    assert!(Unverified::decode(&bytes).expect("well formed").verify().is_err());
}

#[test]
fn fields_that_contradict_each_other_are_malformed() {
    // version 1, kind 1, circle 32, author 32, number 8, previous 32, time 8, length 2
    const NUMBER: usize = 66 + 7;
    const TIME: usize = 66 + 8 + 32;
    let profile = records().into_iter().find(|record| matches!(record.body(), Body::Profile(_)));
    let profile = profile.expect("one of each").to_bytes();
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = profile.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        Unverified::decode(&changed).err()
    };
    assert_eq!(with(0, &[2]), Some(Malformed("version")));
    assert_eq!(with(1, &[0]), Some(Malformed("kind")));
    assert_eq!(with(1, &[10]), Some(Malformed("kind")));
    assert_eq!(with(2, &[0; 32]), Some(Malformed("circle")), "only the first record has no circle");
    assert_eq!(with(NUMBER, &[0]), Some(Malformed("previous")), "the first has none before it");
    assert_eq!(with(TIME, &(TIME_MAX + 1).to_be_bytes()), Some(Malformed("time")));
    assert_eq!(Unverified::decode(&[1; RECORD_MAX + 1]).err(), Some(Malformed("length")));
}

#[test]
fn the_longest_body_fits() {
    let kept = (0..KEPT_MAX as u64).map(|number| Link { number, hash: RecordHash([1; 32]) }).collect();
    let body = Body::Checkpoint(Checkpoint { device: DeviceId([1; 32]), kept });
    let after = Some(Link { number: 3, hash: RecordHash([1; 32]) });
    let bytes = Record::sign(&key(1), Place { circle: CIRCLE, after }, 1000, body).to_bytes();
    assert!(bytes.len() <= RECORD_MAX && Unverified::decode(&bytes).is_ok());
    let smallest = Body::Revoke(Revoke::Invite(key(3).invite()));
    let bytes = Record::sign(&key(1), Place { circle: CIRCLE, after }, 1000, smallest).to_bytes();
    assert_eq!(bytes.len(), RECORD_OVERHEAD + 1 + 32);
}

#[test]
fn permissions_as_people_type_them() {
    let table = [
        ("reach", Ok(What::Reach)),
        ("tcp/25565", Ok(What::Port(Proto::Tcp, 25_565))),
        ("udp/1", Ok(What::Port(Proto::Udp, 1))),
        ("tcp/0", Err(super::BadWhat::Port)),
        ("tcp/65536", Err(super::BadWhat::Port)),
        ("tcp/+1", Err(super::BadWhat::Port)),
        ("sctp/1", Err(super::BadWhat::Word)),
        ("all", Err(super::BadWhat::Word)),
    ];
    for (text, wanted) in table {
        assert_eq!(text.parse::<What>(), wanted, "{text}");
        if let Ok(what) = wanted {
            assert_eq!(what.to_string(), text);
        }
    }
}

#[test]
fn a_block_outside_the_shared_range_is_malformed() {
    let record = Record::found(&key(1), 1000, found());
    let mut bytes = record.to_bytes();
    let wanted = Ipv4Block::sixteen(7).base().octets();
    let at = bytes.windows(4).position(|window| window == wanted).expect("the block is in there");
    bytes[at..at + 4].copy_from_slice(&Ipv4Addr::new(192, 168, 0, 0).octets());
    assert_eq!(Unverified::decode(&bytes).err(), Some(Malformed("address block")));
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_the_one_encoding(bytes in prop::collection::vec(any::<u8>(), 0..400), at in any::<prop::sample::Index>(), shape in any::<prop::sample::Index>()) {
        let all = records();
        let mut record = shape.get(&all).to_bytes();
        let from = at.index(record.len());
        record.truncate(from);
        record.extend_from_slice(&bytes);
        if let Ok(read) = Unverified::decode(&record) {
            prop_assert_eq!(read.0.to_bytes(), record);
        }
    }
}

#[test]
fn whatever_is_longer_than_a_record_may_be_is_refused_unread() {
    let bytes = records()[0].to_bytes();
    for len in [RECORD_MAX + 1, RECORD_MAX * 2, 1 << 20] {
        let mut long = bytes.clone();
        long.resize(len, 0);
        assert!(Unverified::decode(&long).is_err(), "{len}");
    }
}
