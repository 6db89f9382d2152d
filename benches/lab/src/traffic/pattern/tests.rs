use super::*;

fn stream(seed: u64, position: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let more = piece(seed, position + bytes.len() as u64, len - bytes.len());
        bytes.extend_from_slice(more);
    }
    bytes
}

#[test]
fn the_right_bytes_pass_from_any_position() {
    for (seed, position, len) in [
        (0, 0, 1),
        (7, 262_138, 3),
        (u64::MAX, u64::MAX / 2, 1_000),
        (3, 5 << 40, 400_000),
        (1, 131_072, 262_144),
    ] {
        assert_eq!(
            first_difference(seed, position, &stream(seed, position, len)),
            None,
            "{seed} {position} {len}"
        );
    }
}

#[test]
fn whatever_goes_wrong_is_found_where_it_begins() {
    let good = stream(9, 1_000, 500_000);
    for at in [0, 1, 131_071, 131_072, 262_139, 499_999] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert_eq!(first_difference(9, 1_000, &bad), Some(1_000 + at as u64));
    }
    // Pieces of every size that a network knows, lost or doubled.
    for size in [1, 536, 1_380, 1_448, 8_960, 65_483, 65_536, 131_072, 262_144] {
        let mut lost = good.clone();
        lost.drain(100_000..100_000 + size);
        let found = first_difference(9, 1_000, &lost).expect("a loss is seen");
        assert!((101_000..101_016).contains(&found), "{size}: {found}");
        let mut doubled = good[..100_000].to_vec();
        doubled.extend_from_slice(&good[100_000_usize.saturating_sub(size)..100_000]);
        assert!(first_difference(9, 1_000, &doubled).is_some(), "{size}");
    }
    assert!(first_difference(10, 1_000, &good).is_some(), "another stream's bytes");
}
