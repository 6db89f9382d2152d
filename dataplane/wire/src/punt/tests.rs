use proptest::prelude::*;

use super::{Punted, classify_punt};
use crate::message::{Kind, classify};

/// A STUN message with `attributes` bytes of attributes.
fn stun(kind: u16, attributes: usize) -> Vec<u8> {
    let mut bytes = vec![0; 20 + attributes];
    bytes[..2].copy_from_slice(&kind.to_be_bytes());
    bytes[2..4].copy_from_slice(&(attributes as u16).to_be_bytes());
    bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
    bytes
}

/// ChannelData with a length field of `len` and `carried` bytes behind it.
fn channel_data(number: u16, len: u16, carried: usize) -> Vec<u8> {
    let mut bytes = vec![0; 4 + carried];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
    bytes
}

fn changed(mut bytes: Vec<u8>, at: usize, to: u8) -> Vec<u8> {
    bytes[at] = to;
    bytes
}

#[test]
fn shapes() {
    let cases = [
        ("a binding request", stun(0x0001, 0), Punted::Stun),
        ("a binding response", stun(0x0101, 12), Punted::Stun),
        ("the greatest type", stun(0x3FFF, 0), Punted::Stun),
        ("first two bits set", stun(0x4001, 0), Punted::Other),
        ("another cookie", changed(stun(1, 0), 4, 0), Punted::Other),
        ("a length that is no multiple of four", stun(1, 6), Punted::Other),
        ("a length beyond the end", changed(stun(1, 8), 3, 12), Punted::Other),
        ("bytes behind the end", changed(stun(1, 8), 3, 4), Punted::Other),
        ("a cut header", stun(1, 0)[..19].to_vec(), Punted::Other),
        ("the first channel", channel_data(0x4000, 5, 5), Punted::ChannelData),
        ("the last channel, padded", channel_data(0x4FFF, 5, 8), Punted::ChannelData),
        ("an empty one", channel_data(0x4001, 0, 0), Punted::ChannelData),
        ("a length beyond the end", channel_data(0x4000, 6, 5), Punted::Other),
        ("more than padding behind the end", channel_data(0x4000, 5, 9), Punted::Other),
        ("a reserved channel", channel_data(0x5000, 5, 5), Punted::Other),
        ("the greatest length", channel_data(0x4000, u16::MAX, 65_535), Punted::ChannelData),
        ("nothing", vec![], Punted::Other),
        ("three bytes", vec![0x40, 0, 0], Punted::Other),
        ("DTLS", vec![22, 0xFE, 0xFD, 0, 0, 0], Punted::Other),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(classify_punt(&bytes), expected, "{name}");
    }
}

/// Whatever type and length a STUN message has, it is not taken for WireGuard.
#[test]
fn stun_is_never_wireguard() {
    for kind in 0..0x4000 {
        for attributes in [0, 12, 44, 72, 128] {
            let bytes = stun(kind, attributes);
            assert_eq!(classify(&bytes), Kind::Other, "type {kind:#x}, {attributes}");
            assert_eq!(classify_punt(&bytes), Punted::Stun);
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if classify_punt(&bytes) == Punted::Stun {
            prop_assert!(bytes.len() >= 20);
        }
        if classify_punt(&bytes) == Punted::ChannelData {
            prop_assert!((0x40..=0x4F).contains(&bytes[0]));
        }
    }
}
