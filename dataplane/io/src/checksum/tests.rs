//! The judge is the definition of RFC 1071, one big-endian word at a time.

use super::Sum;
use crate::packets::{naive, noise};

#[test]
fn the_example_of_the_rfc() {
    let words = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(Sum::ZERO.add_bytes(&words).partial(), [0xdd, 0xf2]);
    assert_eq!(Sum::ZERO.add_bytes(&words).checksum(), [0x22, 0x0d]);
}

#[test]
fn every_length_at_every_alignment() {
    let bytes = noise(1_700, 1);
    let check = |start: usize, len: usize| {
        let bytes = &bytes[start..start + len];
        assert_eq!(u16::from_be_bytes(Sum::ZERO.add_bytes(bytes).partial()), naive(bytes), "{start} {len}");
    };
    (0..33).for_each(|start| (0..200).for_each(|len| check(start, len)));
    (0..1_600).for_each(|len| check(len % 33, len));
}

#[test]
fn all_ones_fold_all_the_way() {
    for len in [0, 1, 2, 3, 4, 63, 64, 65, 1_420, 65_535, 1 << 20, (1 << 21) + 32, (1 << 22) + 3] {
        let bytes = vec![0xff; len];
        assert_eq!(u16::from_be_bytes(Sum::ZERO.add_bytes(&bytes).partial()), naive(&bytes), "{len}");
    }
}

#[test]
fn pieces_add_up_to_the_whole() {
    let bytes = noise(400, 2);
    for cut in (0..=400).step_by(2) {
        let pieces = Sum::ZERO.add_bytes(&bytes[..cut]).add_bytes(&bytes[cut..]);
        assert_eq!(pieces.partial(), Sum::ZERO.add_bytes(&bytes).partial(), "{cut}");
    }
}

#[test]
fn fields_count_as_their_bytes() {
    let whole = Sum::ZERO.add_bytes(&[0x12, 0x34, 0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(Sum::ZERO.add_word(0x1234).add_long(0xdead_beef).partial(), whole.partial());
}

#[test]
fn a_word_taken_away_was_never_there() {
    let bytes = noise(60, 3);
    for at in (0..60).step_by(2) {
        let mut without = bytes.clone();
        without[at..at + 2].fill(0);
        let word = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        let taken = Sum::ZERO.add_bytes(&bytes).take_word(word);
        assert_eq!(taken.checksum(), Sum::ZERO.add_bytes(&without).checksum(), "{at}");
    }
}

#[test]
fn zero_has_another_form_where_zero_means_none() {
    let ones = Sum::ZERO.add_word(0xffff);
    assert_eq!(ones.checksum(), [0, 0]);
    assert_eq!(ones.checksum_never_zero(), [0xff, 0xff]);
    assert_eq!(Sum::ZERO.add_word(0x1234).checksum_never_zero(), Sum::ZERO.add_word(0x1234).checksum());
}
