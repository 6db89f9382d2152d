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
    bytes[4] = number;
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
fn data_follows_its_receiver_index_and_all_else_goes_to_the_last() {
    if !lab::enter() {
        return;
    }
    for address in ["127.0.0.1:7001", "[::]:7002"] {
        for workers in [1, 4] {
            let group = udp_group(address, usize::from(workers) + 1);
            steer::attach(&group[0], workers).expect("a group");
            let target: SocketAddr = address.replace("[::]", "127.0.0.1").parse().expect("a literal address");
            let senders: Vec<Socket> = (0..8).map(|_| outside("127.0.0.1:0")).collect();
            for sender in &senders {
                for number in 0..workers {
                    for (kind, len) in
                        [(4, 32), (4, 1_452), (4, 5), (2, 92), (3, 64), (1, 148), (0, 28), (255, 1)]
                    {
                        let bytes = message(kind, number, len.max(5));
                        sender.send_to(&bytes[..len], &target.into()).expect("loopback");
                        let expected = if kind == 4 { number } else { workers };
                        assert_eq!(arrived(&group), usize::from(expected), "{address}, type {kind}");
                    }
                }
            }
            for bytes in [vec![], vec![4], message(4, 3, 5)[..4].to_vec()] {
                senders[0].send_to(&bytes, &target.into()).expect("loopback");
                assert_eq!(arrived(&group), 0, "too short to say");
            }
            drop(group);
        }
    }
}

/// Numbers that nobody has: always the same socket for one sender, and not always the same one for many.
#[test]
fn data_for_nobody_goes_by_the_hash() {
    if !lab::enter() {
        return;
    }
    let group = udp_group("127.0.0.1:7001", 4);
    steer::attach(&group[0], 3).expect("a group");
    let target: SocketAddr = "127.0.0.1:7001".parse().expect("a literal address");
    let senders: Vec<Socket> = (0..40).map(|_| outside("127.0.0.1:0")).collect();
    let mut used = [0; 4];
    for sender in &senders {
        let places: Vec<usize> = (0..3)
            .map(|_| {
                sender.send_to(&message(4, 200, 32), &target.into()).expect("loopback");
                arrived(&group)
            })
            .collect();
        assert!(places.iter().all(|place| *place == places[0]));
        used[places[0]] += 1;
    }
    assert!(used.iter().all(|count| *count < 40 && *count > 0), "{used:?}");
}

#[test]
fn a_socket_that_shares_no_port_is_refused() {
    if !lab::enter() {
        return;
    }
    let alone = outside("127.0.0.1:0");
    assert!(steer::attach(&alone, 1).is_err());
}
