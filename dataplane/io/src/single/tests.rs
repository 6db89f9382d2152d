use super::*;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

fn destination(remote: SocketAddr) -> Destination {
    Destination { remote, local: None, socket: 0, tos: 0x88 }
}

fn listener(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    socket
}

#[test]
fn a_datagram_arrives_from_the_source_that_was_asked_for() {
    let receiver = listener("127.0.0.1:0");
    let sender = UdpSocket::bind("0.0.0.0:0").expect("any");
    let mut to = destination(receiver.local_addr().expect("bound"));
    to.local = Some(("127.0.0.5".parse().expect("an address"), 0));
    send_to(&sender, b"handshake", &to).expect("sent");
    let mut bytes = [0; 64];
    let (len, from) = receiver.recv_from(&mut bytes).expect("received");
    assert_eq!((&bytes[..len], from.ip()), (&b"handshake"[..], "127.0.0.5".parse().expect("an address")));
}

#[test]
fn both_families_leave_by_one_socket() {
    let sender = UdpSocket::bind("[::]:0").expect("any");
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let receiver = listener(address);
        send_to(&sender, b"x", &destination(receiver.local_addr().expect("bound"))).expect("sent");
        assert_eq!(receiver.recv(&mut [0; 8]).expect("received"), 1, "{address}");
    }
}

#[test]
fn an_address_of_the_wrong_family_is_refused() {
    let sender = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let error =
        send_to(&sender, b"x", &destination("[::1]:9".parse().expect("an address"))).expect_err("no way");
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
}
