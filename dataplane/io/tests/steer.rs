//! Steering between sockets of one port, against the kernel.

mod lab;

use lab::{outside, udp_group};
use ringmesh_io::steer;
use socket2::Socket;
use std::net::SocketAddr;

/// A message of `kind` and `len` bytes with `number` as the low byte of its receiver index.
fn message(kind: u8, number: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xee; len];
    bytes[..4].copy_from_slice(&[kind, 0, 0, 0]);
    bytes[if kind == 2 { 8 } else { 4 }] = number;
    bytes
}

/// Which of the sockets holds the one datagram that was sent.
fn arrived(group: &[Socket]) -> usize {
    let mut found = vec![];
    for (place, socket) in group.iter().enumerate() {
        let socket: std::net::UdpSocket = socket.try_clone().expect("dup").into();
        socket.set_nonblocking(true).expect("O_NONBLOCK");
        if socket.recv(&mut [0; 2_000]).is_ok() {
            found.push(place);
        }
    }
    assert_eq!(found.len(), 1, "one datagram arrives once: {found:?}");
    found[0]
}

#[test]
fn messages_follow_their_receiver_index() {
    if !lab::enter() {
        return;
    }
    for address in ["127.0.0.1:7001", "[::]:7002"] {
        let group = udp_group(address, 4);
        steer::attach(&group[0]).expect("a group");
        let target: SocketAddr = address.replace("[::]", "127.0.0.1").parse().expect("a literal address");
        let senders: Vec<Socket> = (0..8).map(|_| outside("127.0.0.1:0")).collect();
        for sender in &senders {
            for (kind, len) in [(4, 32), (4, 1_452), (2, 92), (3, 64)] {
                for number in 0..4 {
                    let bytes = message(kind, number, len);
                    sender.send_to(&bytes, &target.into()).expect("loopback");
                    assert_eq!(arrived(&group), usize::from(number), "{address}, type {kind}");
                }
            }
        }
        for bytes in [vec![], vec![4], message(4, 3, 5)[..4].to_vec()] {
            senders[0].send_to(&bytes, &target.into()).expect("loopback");
            assert_eq!(arrived(&group), 0, "too short to say");
        }
    }
}

/// Initiations, probes and numbers that nobody has: always the same socket for one sender, and not
/// always the same one for many.
#[test]
fn everything_else_goes_by_the_hash() {
    if !lab::enter() {
        return;
    }
    let group = udp_group("127.0.0.1:7001", 4);
    steer::attach(&group[0]).expect("a group");
    let target: SocketAddr = "127.0.0.1:7001".parse().expect("a literal address");
    let senders: Vec<Socket> = (0..40).map(|_| outside("127.0.0.1:0")).collect();
    for (what, bytes) in
        [("initiation", message(1, 0, 148)), ("probe", message(0, 0, 28)), ("nobody", message(4, 200, 32))]
    {
        let mut used = [0; 4];
        for sender in &senders {
            let places: Vec<usize> = (0..3)
                .map(|_| {
                    sender.send_to(&bytes, &target.into()).expect("loopback");
                    arrived(&group)
                })
                .collect();
            assert!(places.iter().all(|place| *place == places[0]), "{what}");
            used[places[0]] += 1;
        }
        assert!(used.iter().all(|count| *count < 40 && *count > 0), "{what}: {used:?}");
    }
}

#[test]
fn a_socket_that_shares_no_port_is_refused() {
    if !lab::enter() {
        return;
    }
    let alone = outside("127.0.0.1:0");
    assert!(steer::attach(&alone).is_err());
}
