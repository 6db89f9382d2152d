use proptest::prelude::*;

use super::*;

/// A datagram of `len` bytes that starts with `start` and counts up from there.
fn datagram(start: [u8; 4], len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
    let known = len.min(4);
    bytes[..known].copy_from_slice(&start[..known]);
    bytes
}

/// Every length up to the greatest datagram, for every type and two that are none. Data comes in any length: padding
/// stops at the MTU, so a packet of 1,420 bytes on a device with that MTU is sealed as it is.
#[test]
fn each_type_has_its_lengths() {
    let mut bytes = [0_u8; 65_535];
    for kind in 0_u8..=5 {
        bytes[0] = kind;
        for len in 0..=bytes.len() {
            let expected = match (kind, len) {
                (1, 148) => Kind::Initiation,
                (2, 92) => Kind::Response,
                (3, 64) => Kind::CookieReply,
                (4, 32..) => Kind::Data,
                _ => Kind::Other,
            };
            assert_eq!(classify(&bytes[..len]), expected, "type {kind}, {len} bytes");
        }
    }
}

#[test]
fn reserved_bytes_are_zero() {
    for (kind, len) in [(1, INITIATION_LEN), (2, RESPONSE_LEN), (3, COOKIE_REPLY_LEN), (4, 45)] {
        for reserved in 1..4 {
            let mut bytes = datagram([kind, 0, 0, 0], len);
            assert_ne!(classify(&bytes), Kind::Other);
            bytes[reserved] = 1;
            assert_eq!(classify(&bytes), Kind::Other, "type {kind}, byte {reserved}");
            assert!(Initiation::parse(&bytes).is_none());
            assert!(Response::parse(&bytes).is_none());
            assert!(CookieReply::parse(&bytes).is_none());
            assert!(DataHeader::parse(&bytes).is_none());
        }
    }
}

#[test]
fn data_header() {
    let header = DataHeader { receiver: 0x0403_0201, counter: 0x1817_1615_1413_1211 };
    let mut bytes = [0xFF; 32];
    header.emit(bytes.first_chunk_mut().expect("long enough"));
    let expected = [4, 0, 0, 0, 1, 2, 3, 4, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18];
    assert_eq!(bytes[..DATA_HEADER_LEN], expected);
    assert_eq!(DataHeader::parse(&bytes), Some(header));
    assert_eq!(DataHeader::parse(&bytes[..31]), None);
}

/// Byte `at` of a datagram is `at`, so each field shows where it was read.
fn places<const LEN: usize>(from: usize) -> [u8; LEN] {
    std::array::from_fn(|at| (from + at) as u8)
}

#[test]
fn fields_of_an_initiation() {
    let bytes = datagram([1, 0, 0, 0], INITIATION_LEN);
    let view = Initiation::parse(&bytes).expect("well-formed");
    assert_eq!(view.sender(), 0x0706_0504);
    assert_eq!(view.ephemeral(), &places(8));
    assert_eq!(view.sealed_static(), &places(40));
    assert_eq!(view.sealed_timestamp(), &places(88));
    assert_eq!(view.mac1(), &places(116));
    assert_eq!(view.mac2(), &places(132));
    let emitted =
        Initiation::emit(view.sender(), view.ephemeral(), view.sealed_static(), view.sealed_timestamp());
    assert_eq!(emitted[..Initiation::MAC1.start], bytes[..116]);
    assert_eq!(emitted[Initiation::MAC1.start..], [0; 32]);
}

#[test]
fn fields_of_a_response() {
    let bytes = datagram([2, 0, 0, 0], RESPONSE_LEN);
    let view = Response::parse(&bytes).expect("well-formed");
    assert_eq!(view.sender(), 0x0706_0504);
    assert_eq!(view.receiver(), 0x0B0A_0908);
    assert_eq!(view.ephemeral(), &places(12));
    assert_eq!(view.sealed_empty(), &places(44));
    assert_eq!(view.mac1(), &places(60));
    assert_eq!(view.mac2(), &places(76));
    let emitted = Response::emit(view.sender(), view.receiver(), view.ephemeral(), view.sealed_empty());
    assert_eq!(emitted[..Response::MAC1.start], bytes[..60]);
    assert_eq!(emitted[Response::MAC1.start..], [0; 32]);
}

#[test]
fn fields_of_a_cookie_reply() {
    let bytes = datagram([3, 0, 0, 0], COOKIE_REPLY_LEN);
    let view = CookieReply::parse(&bytes).expect("well-formed");
    assert_eq!(view.receiver(), 0x0706_0504);
    assert_eq!(view.nonce(), &places(8));
    assert_eq!(view.sealed_cookie(), &places(32));
    assert_eq!(CookieReply::emit(view.receiver(), view.nonce(), view.sealed_cookie())[..], bytes);
}

proptest! {
    /// A view exists for exactly the datagrams that `classify` gives its name.
    #[test]
    fn views_agree_with_classify(kind in 0_u8..6, noise in 0_u8..2, len in prop_oneof![
        0_usize..200, Just(INITIATION_LEN), Just(RESPONSE_LEN), Just(COOKIE_REPLY_LEN)
    ]) {
        let bytes = datagram([kind, 0, 0, noise], len);
        let kind = classify(&bytes);
        prop_assert_eq!(Initiation::parse(&bytes).is_some(), kind == Kind::Initiation);
        prop_assert_eq!(Response::parse(&bytes).is_some(), kind == Kind::Response);
        prop_assert_eq!(CookieReply::parse(&bytes).is_some(), kind == Kind::CookieReply);
        prop_assert_eq!(DataHeader::parse(&bytes).is_some(), kind == Kind::Data);
    }
}
