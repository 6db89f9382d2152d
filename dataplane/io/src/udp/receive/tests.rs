use super::*;
use crate::address::{Family, encode};
use crate::cmsg::Control;

fn sender() -> SocketAddr {
    "[2001:db8::7]:51820".parse().expect("a literal address")
}

/// A buffer as the kernel fills it: `said` bytes announced, `payload` bytes there.
fn filled(name: bool, control: &[u8], said: u32, payload: &[u8], flags: i32) -> Vec<u8> {
    let mut address = [0; NAME_LEN];
    let len = encode(sender(), Family::Both, &mut address).expect("any family");
    let mut bytes = vec![];
    for word in [if name { len as u32 } else { 0 }, control.len() as u32, said, flags as u32] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(address);
    bytes.resize(OUT_LEN + NAME_ROOM, 0);
    bytes.extend(control);
    bytes.resize(PAYLOAD_AT, 0);
    bytes.extend(payload);
    bytes
}

fn event(bytes: &[u8]) -> Option<(Span, u32)> {
    let delivery = Delivery::from_buffer(bytes, 1_000)?;
    let Event::Datagrams { buf, span, segment, from, socket, .. } = delivery.event(BufId(3), 1) else {
        panic!("a delivery is datagrams");
    };
    assert_eq!((buf, from, socket), (BufId(3), sender(), 1));
    Some((span, segment))
}

/// Control data that says how long each datagram of a run is.
fn joined(segment: i32) -> Vec<u8> {
    let mut control = Control::new();
    control.segment(0);
    let mut bytes = control.bytes().to_vec();
    // The same entry as for sending, with the other type and a whole integer.
    bytes[..8].copy_from_slice(&20usize.to_ne_bytes());
    bytes[12..16].copy_from_slice(&libc::UDP_GRO.to_ne_bytes());
    bytes[16..20].copy_from_slice(&segment.to_ne_bytes());
    bytes
}

#[test]
fn a_delivery_is_one_event() {
    let start = (1_000 + PAYLOAD_AT) as u32;
    let cases = [
        ("a datagram", filled(true, &[], 5, b"hello", 0), Some((5, 5))),
        ("an empty datagram", filled(true, &[], 0, b"", 0), Some((0, 1))),
        ("a run", filled(true, &joined(2), 5, b"hello", 0), Some((5, 2))),
        ("a run of one", filled(true, &joined(5), 5, b"hello", 0), Some((5, 5))),
        ("segments longer than all", filled(true, &joined(6), 5, b"hello", 0), Some((5, 5))),
        ("segments of nothing", filled(true, &joined(0), 5, b"hello", 0), Some((5, 5))),
        ("segments below zero", filled(true, &joined(-1), 5, b"hello", 0), Some((5, 5))),
        ("more announced than there", filled(true, &[], 9_999, b"hello", 0), Some((5, 5))),
        ("payload cut off", filled(true, &[], 5, b"hello", libc::MSG_TRUNC), None),
        ("control data cut off", filled(true, &[], 5, b"hello", libc::MSG_CTRUNC), None),
        ("nobody sent it", filled(false, &[], 5, b"hello", 0), None),
    ];
    for (what, bytes, expected) in cases {
        let expected = expected.map(|(len, segment)| (Span { start, len }, segment));
        assert_eq!(event(&bytes), expected, "{what}");
    }
}

#[test]
fn a_buffer_cut_anywhere_is_refused_or_shorter() {
    let whole = filled(true, &joined(2), 5, b"hello", 0);
    for cut in 0..whole.len() {
        let expected = cut.checked_sub(PAYLOAD_AT);
        assert_eq!(event(&whole[..cut]).map(|(span, _)| span.len as usize), expected, "cut to {cut}");
    }
}

/// Lengths that no kernel would write: nothing is read beyond the buffer.
#[test]
fn absurd_lengths_stay_inside() {
    let whole = filled(true, &joined(2), 5, b"hello", 0);
    for at in 0..OUT_LEN {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            if let Some(delivery) = Delivery::from_buffer(&bytes, 0) {
                assert!(delivery.payload.range().end <= bytes.len());
            }
        }
    }
}
