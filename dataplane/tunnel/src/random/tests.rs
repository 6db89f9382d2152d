use super::Random;
use std::collections::BTreeSet;

#[test]
fn the_same_seed_repeats_and_another_does_not() {
    let draw = |seed: u8| {
        let mut random = Random::new([seed; 32]);
        let mut bytes = [0; 100];
        random.fill(&mut bytes);
        (bytes, random.array::<8>())
    };
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1).0, draw(2).0);
}

#[test]
fn no_block_comes_twice() {
    let mut random = Random::new([3; 32]);
    let mut bytes = [0; 33 * 32];
    random.fill(&mut bytes);
    let mut seen: BTreeSet<[u8; 32]> = bytes.chunks(32).filter_map(|chunk| chunk.try_into().ok()).collect();
    seen.extend((0..100).map(|_| random.array::<32>()));
    assert_eq!(seen.len(), 33 + 100);
}

/// The key after a draw is not among what the draw gave out, or reading the output would tell the future.
#[test]
fn the_next_key_is_never_given_out() {
    let mut random = Random::new([4; 32]);
    let mut bytes = [0; 8 * 32];
    random.fill(&mut bytes);
    assert!(bytes.windows(32).all(|window| window != random.key));
}

#[test]
fn numbers_stay_below_their_bound_and_reach_it() {
    let mut random = Random::new([5; 32]);
    let seen: BTreeSet<u64> = (0..200).map(|_| random.below(5)).collect();
    assert_eq!(seen, BTreeSet::from([0, 1, 2, 3, 4]));
    assert_eq!(random.below(0), 0);
}
