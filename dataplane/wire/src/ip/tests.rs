use proptest::prelude::*;

use super::{IpPacket, peek, set_tos, tos_of};

/// An IPv4 packet with a header of `words` words and a right checksum.
fn v4(words: u8, tos: u8, len: u16, total: usize) -> Vec<u8> {
    let mut bytes = vec![0; total];
    bytes[..20].copy_from_slice(&[
        0x40 | words,
        tos,
        0,
        0,
        0xAB,
        0xCD,
        0x40,
        0,
        64,
        17,
        0,
        0,
        10,
        0,
        0,
        1,
        192,
        0,
        2,
        9,
    ]);
    bytes[2..4].copy_from_slice(&len.to_be_bytes());
    let checksum = checksum(&bytes[..20]);
    bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn v6(class: u8, payload: u16, total: usize) -> Vec<u8> {
    let mut bytes = vec![0; total];
    bytes[0] = 0x60 | class >> 4;
    bytes[1] = class << 4 | 0xF;
    bytes[2..4].copy_from_slice(&[0xAB, 0xCD]);
    bytes[4..6].copy_from_slice(&payload.to_be_bytes());
    (bytes[6], bytes[7]) = (6, 64);
    (bytes[8], bytes[23], bytes[24], bytes[39]) = (0xFD, 1, 0xFD, 2);
    bytes
}

/// The plain sum of RFC 1071 over a header whose checksum field is zero.
fn checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

fn recomputed(packet: &[u8]) -> u16 {
    let mut header = packet[..20].to_vec();
    header[10..12].fill(0);
    checksum(&header)
}

#[test]
fn fields_of_both_versions() {
    let expected = IpPacket {
        src: "10.0.0.1".parse().expect("an address"),
        dst: "192.0.2.9".parse().expect("an address"),
        len: 28,
        header_len: 24,
        protocol: 17,
        tos: 0xB9,
    };
    assert_eq!(peek(&v4(6, 0xB9, 28, 32)), Some(expected));
    let expected = IpPacket {
        src: "fd00::1".parse().expect("an address"),
        dst: "fd00::2".parse().expect("an address"),
        len: 41,
        header_len: 40,
        protocol: 6,
        tos: 0xB9,
    };
    assert_eq!(peek(&v6(0xB9, 1, 48)), Some(expected));
}

#[test]
fn what_is_malformed() {
    for (name, packet) in [
        ("empty", vec![]),
        ("version 0", vec![0; 40]),
        ("version 5", vec![0x55; 40]),
        ("version 15", vec![0xFF; 400]),
        ("one byte of IPv4", vec![0x45]),
        ("a cut IPv4 header", v4(5, 0, 20, 20)[..19].to_vec()),
        ("an IPv4 header of four words", v4(4, 0, 20, 20)),
        ("IPv4 options beyond the slice", v4(15, 0, 20, 20)),
        ("IPv4 options beyond the total length", v4(6, 0, 23, 64)),
        ("an IPv4 total length below the header", v4(5, 0, 19, 64)),
        ("an IPv4 total length beyond the slice", v4(5, 0, 65, 64)),
        ("a cut IPv6 header", v6(0, 0, 40)[..39].to_vec()),
        ("an IPv6 payload beyond the slice", v6(0, 25, 64)),
    ] {
        assert_eq!(peek(&packet), None, "{name}");
    }
}

#[test]
fn exact_lengths_are_well_formed() {
    for packet in
        [v4(5, 0, 20, 20), v4(15, 0, 60, 60), v4(5, 0, 65_535, 65_535), v6(0, 0, 40), v6(0, 65_495, 65_535)]
    {
        let peeked = peek(&packet).expect("well-formed");
        assert_eq!(peeked.len, packet.len());
    }
}

/// Every old and every new value: the mended checksum is the one that summing afresh gives.
#[test]
fn a_mended_checksum_is_right() {
    for old in 0..=255 {
        for new in 0..=255 {
            let mut packet = v4(5, old, 20, 20);
            set_tos(&mut packet, new);
            assert_eq!(tos_of(&packet), new);
            assert_eq!(u16::from_be_bytes([packet[10], packet[11]]), recomputed(&packet), "{old} to {new}");
            set_tos(&mut packet, old);
            assert_eq!(packet, v4(5, old, 20, 20), "{old} to {new} and back");
        }
    }
}

#[test]
fn a_traffic_class_changes_alone() {
    for old in [0, 1, 0x5A, 0xFF] {
        for new in 0..=255 {
            let mut packet = v6(old, 0, 40);
            set_tos(&mut packet, new);
            assert_eq!(packet, v6(new, 0, 40), "{old} to {new}");
            assert_eq!(tos_of(&packet), new);
        }
    }
}

#[test]
fn what_is_no_packet_is_left_alone() {
    for bytes in [vec![], vec![0x45], vec![0x45; 11], vec![0x60], vec![0; 40], vec![0x75; 40]] {
        let mut changed = bytes.clone();
        set_tos(&mut changed, 3);
        assert_eq!(changed, bytes);
    }
    assert_eq!((tos_of(&[]), tos_of(&[0x45]), tos_of(&[0x60]), tos_of(&[0x15, 0xFF])), (0, 0, 0, 0));
}

proptest! {
    /// Any header: what was right stays right (RFC 1624's corner cases come by themselves).
    #[test]
    fn mending_agrees_with_summing(header in prop::array::uniform20(any::<u8>()), tos in any::<u8>()) {
        let mut packet = header.to_vec();
        packet[0] = 0x45;
        let right = recomputed(&packet);
        packet[10..12].copy_from_slice(&right.to_be_bytes());
        set_tos(&mut packet, tos);
        prop_assert_eq!(u16::from_be_bytes([packet[10], packet[11]]), recomputed(&packet));
    }

    #[test]
    fn any_bytes_get_an_answer(mut bytes in prop::collection::vec(any::<u8>(), 0..100), tos in any::<u8>()) {
        let before = bytes.clone();
        if let Some(packet) = peek(&bytes) {
            prop_assert!(packet.header_len <= packet.len && packet.len <= bytes.len());
            prop_assert_eq!(packet.tos, tos_of(&bytes));
        }
        set_tos(&mut bytes, tos);
        set_tos(&mut bytes, tos_of(&before));
        prop_assert_eq!(peek(&bytes), peek(&before));
    }
}
