use super::*;
use crate::samples;
use proptest::prelude::*;

proptest! {
    #[test]
    fn every_endpoint_survives_the_memory(endpoint in samples::endpoint()) {
        prop_assert_eq!(Endpoint::decode(&endpoint.encode()), Ok(endpoint));
    }

    /// There is one encoding for each endpoint, so whatever is taken must encode to the same bytes.
    #[test]
    fn a_changed_byte_is_refused_or_means_something_else(
        endpoint in samples::endpoint(), at in 0..ENDPOINT_LEN, byte: u8,
    ) {
        let mut bytes = endpoint.encode();
        bytes[at] = byte;
        if let Ok(taken) = Endpoint::decode(&bytes) {
            prop_assert_eq!(taken.encode(), bytes);
        }
    }

    #[test]
    fn garbage_does_not_panic(tag in 0..5_u8, mut bytes: [u8; 32]) {
        bytes[0] = tag;
        let mut whole = [0; ENDPOINT_LEN];
        whole[..32].copy_from_slice(&bytes);
        if let Ok(taken) = Endpoint::decode(&whole) {
            prop_assert_eq!(taken.encode(), whole);
        }
    }
}

/// One valid endpoint, then one byte changed at a time.
#[test]
fn refusals_name_the_field() {
    let path = UdpPath {
        remote: "192.0.2.1:51820".parse().expect("an address"),
        local: Some(LocalAddr { ip: "198.51.100.1".parse().expect("an address"), ifindex: 3 }),
        socket: 1,
    };
    let valid = Endpoint::Udp(path).encode();
    let cases: &[(usize, u8, &str)] = &[
        (0, 4, "endpoint tag"),
        (0, 255, "endpoint tag"),
        (0, TAG_TURN, "channel"),
        (1, SOCKETS_MAX, "socket"),
        (3, 0x40, "channel"),
        (6, 2, "local address mark"),
        (7, 1, "reserved bytes"),
        (8, 0, "address family"),
        (8, 5, "address family"),
        (13, 1, "address family"),
        (25, 1, "scope"),
        (29, 0, "address family"),
        (50, 1, "reserved bytes"),
        (63, 1, "reserved bytes"),
    ];
    for &(at, byte, field) in cases {
        let mut bytes = valid;
        bytes[at] = byte;
        assert_eq!(Endpoint::decode(&bytes), Err(Refused::Field(field)), "byte {at} = {byte}");
    }
}

#[test]
fn ipv4_inside_ipv6_is_written_plain_and_refused_when_read() {
    let mapped =
        UdpPath { remote: "[::ffff:192.0.2.1]:7".parse().expect("an address"), local: None, socket: 0 };
    let plain = UdpPath { remote: "192.0.2.1:7".parse().expect("an address"), ..mapped };
    assert_eq!(Endpoint::Udp(mapped).encode(), Endpoint::Udp(plain).encode());

    let v6 = UdpPath { remote: "[2001:db8::1]:7".parse().expect("an address"), ..mapped };
    let mut bytes = Endpoint::Udp(v6).encode();
    bytes[9..21].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]);
    assert_eq!(Endpoint::decode(&bytes), Err(Refused::Field("mapped address")));
}
