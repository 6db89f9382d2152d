use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{NOBODY, Table};
use crate::PeerId;
use crate::limits::INDICES_MAX;
use crate::random::Random;

#[derive(Clone, Copy, Debug)]
enum Did {
    Insert(u32, u32),
    Remove(u32),
}

/// Indices that collide: few homes, at both ends of the array, and several owners.
fn crowded() -> impl Strategy<Value = u32> {
    let home = prop_oneof![0..6_u32, 60..70_u32, 125..131_u32];
    (home, 0..3_u32, 0..2_u32).prop_map(|(home, above, owner)| (home | above << 12) << 8 | owner)
}

fn step() -> impl Strategy<Value = Did> {
    let index = prop_oneof![3 => crowded(), 1 => any::<u32>()];
    prop_oneof![
        3 => (index.clone(), 0..1_000_u32).prop_map(|(index, peer)| Did::Insert(index, peer)),
        2 => index.prop_map(Did::Remove),
    ]
}

proptest! {
    /// Against an ordered map: whatever was put in and taken out, everybody is found and nobody else.
    #[test]
    fn agrees_with_a_map(script in prop::collection::vec(step(), 1..400), others in prop::collection::vec(crowded(), 50)) {
        let (mut table, mut judge) = (Table::default(), BTreeMap::new());
        for did in script {
            match did {
                Did::Insert(index, peer) => {
                    prop_assert!(table.insert(index, PeerId(peer)));
                    judge.insert(index, peer);
                }
                Did::Remove(index) => {
                    table.remove(index);
                    judge.remove(&index);
                }
            }
            prop_assert_eq!(table.len(), judge.len());
            prop_assert!(table.len() * 2 <= table.places.len() || table.places.is_empty());
            for index in others.iter().chain(judge.keys()) {
                prop_assert_eq!(table.get(*index), judge.get(index).copied().map(PeerId), "{:#x}", index);
            }
        }
    }
}

/// Places that a search for `index` looks at.
fn looks(table: &Table, index: u32) -> usize {
    let end = table.place_of(index).expect("not empty");
    table.distance(table.home(index), end) + 1
}

/// As full as the table ever gets, and asked for what a stranger may ask for: counted up, counted in steps, random.
#[test]
fn any_index_costs_a_few_places_when_the_table_is_full() {
    let mut random = Random::new([3; 32]);
    let mut table = Table::default();
    // As many as fill exactly half of a power of two.
    let most = 1 << 18;
    while table.len() < most {
        assert!(table.insert(u32::from_le_bytes(random.array()), PeerId(7)));
    }
    assert_eq!(table.places.len(), most * 2);
    let hostile = (0..500_000_u32)
        .chain((0..500_000).map(|step| step << 9))
        .chain((0..500_000).map(|_| u32::from_le_bytes(random.array())));
    let (mut asked, mut sum, mut worst) = (0_usize, 0, 0);
    for index in hostile {
        let looks = looks(&table, index);
        (asked, sum, worst) = (asked + 1, sum + looks, worst.max(looks));
    }
    assert!(sum < asked * 3, "{sum} places for {asked} indices");
    assert!(worst < 128, "{worst} places for one");
}

#[test]
fn a_full_table_refuses_and_gives_its_places_back() {
    let mut table = Table::default();
    // Every number once, and scattered as drawn ones are.
    let index = |number: usize| (number as u32).wrapping_mul(0x9e37_79b1) << 8;
    for number in 0..INDICES_MAX {
        assert!(table.insert(index(number), PeerId(number as u32)));
    }
    assert!(!table.insert(index(INDICES_MAX), PeerId(1)));
    assert_eq!((table.len(), table.get(index(INDICES_MAX))), (INDICES_MAX, None));
    assert!(table.insert(index(5), PeerId(9)), "who holds one may change");
    assert_eq!(table.get(index(5)), Some(PeerId(9)));
    table.remove(index(5));
    assert!(table.insert(index(INDICES_MAX), PeerId(1)));
    (0..=INDICES_MAX).for_each(|number| table.remove(index(number)));
    assert!(table.is_empty() && table.places.iter().all(|entry| entry.peer == NOBODY));
}
