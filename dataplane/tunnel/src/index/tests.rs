use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::Indices;
use crate::PeerId;
use crate::random::Random;

proptest! {
    /// Against a map that never draws: unique, owner in the low byte, gone when given back.
    #[test]
    fn agrees_with_a_map(seed: [u8; 32], script in prop::collection::vec((any::<u8>(), 0..20_u32, any::<bool>()), 1..300)) {
        let mut random = Random::new(seed);
        let (mut indices, mut judge) = (Indices::default(), BTreeMap::new());
        for (owner, peer, give_back) in script {
            if give_back && let Some((&index, _)) = judge.iter().nth(usize::from(owner) % judge.len().max(1)) {
                indices.remove(index);
                judge.remove(&index);
                prop_assert_eq!(indices.holder(index), None);
            } else {
                let index = indices.insert(&mut random, owner, PeerId(peer)).expect("nearly empty");
                prop_assert_eq!(index.to_le_bytes()[0], owner);
                prop_assert_eq!(judge.insert(index, PeerId(peer)), None);
            }
            prop_assert_eq!(indices.len(), judge.len());
        }
        for (index, peer) in judge {
            prop_assert_eq!(indices.holder(index), Some(peer));
        }
    }
}

/// No index tells the next: each of the 24 random bits is set in about half of the draws.
#[test]
fn indices_are_unpredictable() {
    let mut random = Random::new([9; 32]);
    let mut indices = Indices::default();
    let drawn: BTreeSet<u32> =
        (0..2_000).filter_map(|peer| indices.insert(&mut random, 3, PeerId(peer))).collect();
    assert_eq!(drawn.len(), 2_000);
    for bit in 8..32 {
        let set = drawn.iter().filter(|index| *index >> bit & 1 == 1).count();
        assert!((850..1_150).contains(&set), "bit {bit} is set in {set} of 2000");
    }
}

#[test]
fn a_collision_draws_again() {
    let mut indices = Indices::default();
    let first = indices.insert(&mut Random::new([1; 32]), 0, PeerId(1)).expect("empty");
    let second = indices.insert(&mut Random::new([1; 32]), 0, PeerId(2)).expect("another draw");
    assert_ne!(first, second);
    assert_eq!(indices.holder(first), Some(PeerId(1)));
}
