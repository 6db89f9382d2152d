use ringmesh_mesh::address::Ipv4Block;
use ringmesh_mesh::circle::{Circle, Ingested};
use ringmesh_mesh::identity::{DeviceId, SigningKey};
use ringmesh_mesh::record::{Admit, Body, Found, Place, Record, Role};

use super::*;

/// What becomes of records that one of several connections brings.
fn bring(circle: &mut Circle, links: &mut [Brought], from: usize, records: &[Record]) -> Vec<usize> {
    links[from].note(records.iter().map(Record::hash));
    let Ingested { added, .. } = circle.ingest(records.iter().cloned());
    let told = links.iter().map(|link| link.lacks(&added).count()).collect();
    let waits = |hash: &RecordHash| circle.knows(hash) && circle.record(hash).is_none();
    links.iter_mut().for_each(|link| link.settle(waits));
    told
}

/// The founder's chain: *found*, then three admissions.
fn chain() -> Vec<Record> {
    let founder = SigningKey::from_seed(&[1; 32]);
    let found = Found {
        name: "home".parse().expect("a name"),
        recovery: DeviceId([9; 32]),
        block: Ipv4Block::sixteen(1),
        nonce: [0; 16],
    };
    let mut chain = vec![Record::found(&founder, 1000, found)];
    for seed in 2..5 {
        let place = Place { circle: chain[0].circle(), after: chain.last().map(Record::link) };
        let device = SigningKey::from_seed(&[seed; 32]).device();
        chain.push(Record::sign(&founder, place, 1000, Body::Admit(Admit { device, role: Role::Member })));
    }
    chain
}

#[test]
fn what_waited_is_told_to_everybody_who_did_not_bring_it_as_soon_as_it_counts() {
    let chain = chain();
    let mut circle = Circle::new(chain[0].clone()).expect("founds");
    let mut links = [Brought::default(), Brought::default(), Brought::default()];
    assert_eq!(bring(&mut circle, &mut links, 0, &chain[2..]), [0, 0, 0], "two wait");
    assert_eq!(bring(&mut circle, &mut links, 2, &chain[3..]), [0, 0, 0], "one is brought twice");
    // The predecessor comes by the second: it lacks both, the first lacks one, the third two.
    assert_eq!(bring(&mut circle, &mut links, 1, &chain[1..2]), [1, 2, 2]);
    assert_eq!(circle.len(), 4);
    assert!(links.iter().all(|link| link.0.is_empty()), "nothing waits, so nothing is kept");
}

#[test]
fn what_one_connection_says_is_bounded() {
    let mut link = Brought::default();
    for number in 0..PENDING_MAX as u32 + 100 {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_be_bytes());
        link.note([RecordHash(hash)]);
    }
    assert_eq!(link.0.len(), PENDING_MAX);
    link.settle(|_| false);
    assert!(link.0.is_empty());
}
