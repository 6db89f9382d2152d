//! The pattern is the same however it is cut, and a changed byte is found.

use super::{difference, fill};

#[test]
fn any_stretch_is_a_stretch_of_the_whole() {
    let mut whole = [0; 200];
    fill(7, 0, &mut whole);
    for (from, len) in [(0, 200), (1, 7), (3, 90), (8, 8), (15, 2), (199, 1), (50, 0)] {
        let mut part = vec![0; len];
        fill(7, from as u64, &mut part);
        assert_eq!(part, whole[from..from + len], "{len} from {from}");
    }
}

#[test]
fn a_changed_byte_is_found() {
    let mut bytes = [0; 100];
    fill(7, 1_000, &mut bytes);
    assert_eq!(difference(7, 1_000, &bytes), None);
    assert_eq!(difference(8, 1_000, &bytes), Some(1_000));
    assert!(difference(7, 1_008, &bytes).is_some());
    bytes[42] ^= 1;
    assert_eq!(difference(7, 1_000, &bytes), Some(1_042));
}
