//! Everything an ordinary tunnel does in its life, between us and each other implementation, in both roles.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ringmesh_lab::namespaces::{Link, Side};
use ringmesh_tests::program::Program::{self, Boringtun, Gotatun, WireguardGo};
use ringmesh_tests::traffic::{Echo, every_size, ping, transfer, udp};
use ringmesh_tests::tunnel::{PORT, Peer, Plan, Tunnel, public_hex, secret};
use ringmesh_tests::uapi;

const ONE: Program = Program::Ringmesh { workers: 1 };
const FOUR: Program = Program::Ringmesh { workers: 4 };

/// Bytes of each checked TCP transfer.
const TRANSFER: u64 = 8 << 20;

const ECHO_PORT: u16 = 7;

#[test]
fn wireguard_go_answers_one_worker() {
    exchange(ONE, WireguardGo);
}

#[test]
fn wireguard_go_answers_four_workers() {
    exchange(FOUR, WireguardGo);
}

#[test]
fn one_worker_answers_wireguard_go() {
    exchange(WireguardGo, ONE);
}

#[test]
fn four_workers_answer_wireguard_go() {
    exchange(WireguardGo, FOUR);
}

#[test]
fn boringtun_answers_one_worker() {
    exchange(ONE, Boringtun);
}

#[test]
fn boringtun_answers_four_workers() {
    exchange(FOUR, Boringtun);
}

#[test]
fn one_worker_answers_boringtun() {
    exchange(Boringtun, ONE);
}

#[test]
fn four_workers_answer_boringtun() {
    exchange(Boringtun, FOUR);
}

#[test]
fn gotatun_answers_one_worker() {
    exchange(ONE, Gotatun);
}

#[test]
fn gotatun_answers_four_workers() {
    exchange(FOUR, Gotatun);
}

#[test]
fn one_worker_answers_gotatun() {
    exchange(Gotatun, ONE);
}

#[test]
fn four_workers_answer_gotatun() {
    exchange(Gotatun, FOUR);
}

#[test]
fn four_workers_answer_one() {
    exchange(ONE, FOUR);
}

/// When this fails too, it is the laboratory or the machine and not our executable.
#[test]
fn the_others_understand_each_other() {
    exchange(Boringtun, WireguardGo);
}

/// The whole life of a tunnel in which `a` initiates, over IPv4 without and over IPv6 with a shared key.
fn exchange(a: Program, b: Program) {
    for (outer_v6, psk) in [(false, false), (true, true)] {
        let tunnel = Tunnel::connected(Plan { outer_v6, psk, ..Plan::new(a, b) });
        pings_are_answered(&tunnel);
        streams_arrive_unchanged(&tunnel);
        datagrams_of_every_size_return(&tunnel);
        let b = endpoints_roam(&tunnel);
        keys_change(&tunnel, b);
    }
}

fn pings_are_answered(tunnel: &Tunnel) {
    for (from, v6) in [(Side::A, false), (Side::A, true), (Side::B, false), (Side::B, true)] {
        let to = Tunnel::inside(from.other(), v6);
        assert!(ping(tunnel.host(from), to, 10), "{:?}: pings to {to}", tunnel.plan);
    }
}

fn streams_arrive_unchanged(tunnel: &Tunnel) {
    for (from, v6) in [(Side::A, false), (Side::A, true), (Side::B, false), (Side::B, true)] {
        let to = from.other();
        transfer(tunnel.host(from), tunnel.host(to), Tunnel::inside(to, v6), TRANSFER);
    }
}

fn datagrams_of_every_size_return(tunnel: &Tunnel) {
    for (v6, headers) in [(false, 28), (true, 48)] {
        let to = SocketAddr::new(Tunnel::inside(Side::B, v6), ECHO_PORT);
        let _echo = Echo::start(tunnel.host(Side::B), to);
        let socket = udp(tunnel.host(Side::A), SocketAddr::new(Tunnel::inside(Side::A, v6), 0));
        every_size(&socket, to, 0..=tunnel.plan.mtu() as usize - headers);
    }
}

/// Each side in turn is somewhere else; the other follows, and traffic goes on. Gives B's new endpoint.
fn endpoints_roam(tunnel: &Tunnel) -> SocketAddr {
    let [_, b] = [(Side::A, PORT + 1), (Side::B, PORT + 2)].map(|(side, port)| {
        let moved = match tunnel.device(side).program {
            // Gotatun does not always survive another port while it runs.
            Gotatun => another_address(tunnel, side),
            WireguardGo | Boringtun | Program::Ringmesh { .. } | Program::Faulty { .. } => {
                another_port(tunnel, side, port)
            }
        };
        let to = Tunnel::inside(side.other(), false);
        assert!(ping(tunnel.host(side), to, 3), "{:?}: a ping from {side:?} at {moved}", tunnel.plan);
        tunnel.wait_for_endpoint(side.other(), moved);
        tunnel.wait_for_ping("after roaming");
        moved
    });
    b
}

fn another_port(tunnel: &Tunnel, side: Side, port: u16) -> SocketAddr {
    uapi::set(&tunnel.device(side).interface, &format!("listen_port={port}"));
    SocketAddr::new(Link::address(side, tunnel.plan.outer_v6), port)
}

fn another_address(tunnel: &Tunnel, side: Side) -> SocketAddr {
    let old = Link::address(side, tunnel.plan.outer_v6);
    let (new, prefix) = match old {
        IpAddr::V4(_) => (IpAddr::V4(Ipv4Addr::new(10, 77, 0, side.number() + 10)), 24),
        IpAddr::V6(_) => (IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 1, side.number().into())), 64),
    };
    let nodad = if new.is_ipv6() { " nodad" } else { "" };
    let batch = format!("addr del {old}/{prefix} dev wire\naddr add {new}/{prefix} dev wire{nodad}\n");
    tunnel.host(side).ip(&batch).unwrap_or_else(|error| panic!("{error}"));
    SocketAddr::new(new, PORT)
}

/// One side gets another private key; then both get another shared one. Each is told before a new handshake can be
/// asked for. `b` is B's endpoint.
fn keys_change(tunnel: &Tunnel, b: SocketAddr) {
    const KEY: u8 = 77;
    const PSK: u8 = 201;
    let interface = |side| &tunnel.device(side).interface;
    let forget = |key| format!("public_key={}\nremove=true\n", public_hex(key));
    let endpoint = |side| (side == Side::A).then_some(b);
    // Gotatun binds its sockets again for another key, and fails where its own old ones still hold the port.
    let changing = if tunnel.device(Side::A).program == Gotatun { Side::B } else { Side::A };
    let told = changing.other();
    let old = tunnel.plan.psk.then_some(200);
    uapi::set(interface(told), &forget(changing.number()));
    uapi::set(
        interface(told),
        &Tunnel::peer_lines(told, Peer { key: KEY, psk: old, endpoint: endpoint(told) }),
    );
    uapi::set(interface(changing), &format!("private_key={}", hex::encode(secret(KEY))));
    tunnel.wait_for_ping("after another private key");

    let peers = [(told, KEY), (changing, told.number())];
    for (side, key) in peers {
        if let Program::Ringmesh { .. } = tunnel.device(side).program {
            let psk = hex::encode(secret(PSK));
            uapi::set(
                interface(side),
                &format!("public_key={}\nupdate_only=true\npreshared_key={psk}", public_hex(key)),
            );
            assert!(
                ping(tunnel.host(Side::A), Tunnel::inside(Side::B, false), 3),
                "the session outlives its key"
            );
        }
    }
    // Not every implementation takes another shared key for a living peer.
    peers.iter().for_each(|(side, key)| uapi::set(interface(*side), &forget(*key)));
    for (side, key) in peers {
        uapi::set(
            interface(side),
            &Tunnel::peer_lines(side, Peer { key, psk: Some(PSK), endpoint: endpoint(side) }),
        );
    }
    tunnel.wait_for_ping("after another shared key");
}
