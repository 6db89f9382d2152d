use std::net::{IpAddr, SocketAddr};

use super::{Endpoint, LocalAddr, UdpPath, plain};

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

#[test]
fn plain_addresses() {
    for (given, expected) in [
        ("192.0.2.1:7", "192.0.2.1:7"),
        ("[::ffff:192.0.2.1]:7", "192.0.2.1:7"),
        ("[2001:db8::1]:7", "[2001:db8::1]:7"),
        ("[::192.0.2.1]:7", "[::192.0.2.1]:7"),
        ("[fe80::1%3]:7", "[fe80::1%3]:7"),
    ] {
        assert_eq!(plain(addr(given)), addr(expected), "{given}");
    }
    let SocketAddr::V6(mut labelled) = addr("[2001:db8::1]:7") else { unreachable!("it is IPv6") };
    labelled.set_flowinfo(5);
    assert_eq!(plain(labelled.into()), addr("[2001:db8::1]:7"), "a flow label is no other place");
}

#[test]
fn a_path_is_plain_on_both_sides() {
    let mapped: IpAddr = "::ffff:198.51.100.2".parse().expect("an address");
    let path = UdpPath::new(addr("[::ffff:192.0.2.1]:7"), Some(LocalAddr { ip: mapped, ifindex: 4 }), 1);
    assert_eq!(path.remote, addr("192.0.2.1:7"));
    let local = LocalAddr { ip: "198.51.100.2".parse().expect("an address"), ifindex: 4 };
    assert_eq!(path.local, Some(local));
    assert_eq!(Endpoint::udp(addr("[::ffff:192.0.2.1]:7")), Endpoint::udp(addr("192.0.2.1:7")));
}

#[test]
fn bytes_that_name_a_source() {
    let server = UdpPath::new(addr("192.0.2.1:258"), None, 3);
    let six = [0x20, 1, 0xD, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for (endpoint, expected) in [
        (Endpoint::udp(addr("192.0.2.1:258")), vec![192, 0, 2, 1, 1, 2]),
        (Endpoint::udp(addr("[::ffff:192.0.2.1]:258")), vec![192, 0, 2, 1, 1, 2]),
        (Endpoint::udp(addr("[2001:db8::1]:258")), [&six[..], &[1, 2]].concat()),
        (Endpoint::Turn { server, channel: 0x4003 }, vec![192, 0, 2, 1, 1, 2, 0x40, 3]),
        (Endpoint::Control { token: 0x0102 }, vec![0, 0, 0, 0, 0, 0, 1, 2]),
    ] {
        assert_eq!(endpoint.source_bytes().as_slice(), expected, "{endpoint:?}");
    }
    let server = UdpPath::new(addr("[2001:db8::1]:258"), None, 3);
    let longest = Endpoint::Turn { server, channel: 0x4003 }.source_bytes();
    assert_eq!(longest.as_ref(), [&six[..], &[1, 2, 0x40, 3]].concat());
}

#[test]
fn where_datagrams_leave_for() {
    let server = UdpPath::new(addr("192.0.2.1:258"), None, 3);
    assert_eq!(Endpoint::Udp(server).remote(), Some(server.remote));
    assert_eq!(Endpoint::Turn { server, channel: 0x4003 }.remote(), Some(server.remote));
    assert_eq!(Endpoint::Control { token: 1 }.remote(), None);
}
