//! Keys reach those who are left, and nobody else.

use super::{BadParcel, KeyRing, PARCEL_LEN, Parcel, Sender};
use crate::codec::Malformed;
use crate::record::Role;
use crate::sealed::SealKey;
use crate::testing::{FOUNDER, World, id, key, wireguard, wireguard_public};
use ringmesh_wire::keys::PublicKey;

fn world() -> World {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    world.admit(FOUNDER, 2, Role::Guest);
    world
}

#[test]
fn a_parcel_opens_for_its_receiver_from_an_own_device() {
    let world = world();
    let roster = world.circle.roster();
    let secret = SealKey::new(world.circle.id(), [7; 32]);
    let parcel = |from: u16| Parcel::seal(&secret, 3, &key(from), &wireguard_public(2), [from as u8; 32]);
    let parcel = |from| parcel(from).expect("a sound key");
    let bytes = parcel(1).to_bytes();
    assert_eq!(bytes.len(), PARCEL_LEN);
    let read = Parcel::decode(&bytes).expect("our own");
    assert_eq!(read.open(&wireguard(2), Sender::Member(roster)), Ok((secret.clone(), 3)));
    assert_eq!(read.open(&wireguard(2), Sender::Pinned(world.circle.id(), id(1))), Ok((secret.clone(), 3)));
    assert_eq!(read.open(&wireguard(2), Sender::Pinned(world.circle.id(), id(5))), Err(BadParcel::Sender));
    assert_eq!(read.open(&wireguard(1), Sender::Member(roster)), Err(BadParcel::NotForUs));
    for stranger in [2, 8] {
        assert_eq!(parcel(stranger).open(&wireguard(2), Sender::Member(roster)), Err(BadParcel::Sender));
    }
    assert_eq!(Parcel::seal(&secret, 3, &key(1), &PublicKey([0; 32]), [1; 32]), None, "no key of low order");
}

#[test]
fn no_byte_of_a_parcel_can_be_changed() {
    let world = world();
    let secret = SealKey::new(world.circle.id(), [7; 32]);
    let bytes =
        Parcel::seal(&secret, 3, &key(1), &wireguard_public(2), [4; 32]).expect("a sound key").to_bytes();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let opened = Parcel::decode(&changed)
            .ok()
            .and_then(|parcel| parcel.open(&wireguard(2), Sender::Member(world.circle.roster())).ok());
        assert_eq!(opened, None, "byte {at}");
    }
    assert_eq!(Parcel::decode(&bytes[1..]).err(), Some(Malformed("version")));
}

#[test]
fn the_ring_seals_with_the_key_of_most_removals_and_notes_when_it_is_stale() {
    let mut world = world();
    let circle = world.circle.id();
    let make = |number: u8| SealKey::new(circle, [number; 32]);
    let (first, second) = (make(1), make(2));
    let mut ring = KeyRing::default();
    assert!(ring.is_stale(world.circle.roster()));
    assert!(ring.put(second.clone(), 1) && ring.put(first.clone(), 0) && !ring.put(first.clone(), 0));
    assert_eq!(ring.current(), Some((&second, 1)));
    assert_eq!(ring.get(&first.id()), Some(&first));
    world.remove(FOUNDER, 1);
    assert!(!ring.is_stale(world.circle.roster()));
    world.remove(FOUNDER, 2);
    assert!(ring.is_stale(world.circle.roster()));
    (0..200).for_each(|number| _ = ring.put(make(number), u32::from(number)));
    assert_eq!((ring.iter().count(), ring.get(&first.id())), (super::KEYS_MAX, None));
}
