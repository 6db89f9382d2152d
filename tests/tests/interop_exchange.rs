//! Everything an ordinary tunnel does in its life, between us and each other implementation, in both roles.

use std::net::SocketAddr;

use ringmesh_lab::namespaces::{Link, Side};
use ringmesh_tests::program::Program::{self, Boringtun, Gotatun, WireguardGo};
use ringmesh_tests::traffic::{Echo, every_size, ping, transfer, udp};
use ringmesh_tests::tunnel::{PORT, Plan, Tunnel, public_hex, secret};
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
        endpoints_roam(&tunnel);
        keys_change(&tunnel);
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

/// Each side in turn sends from another port; the other follows, and traffic goes on.
fn endpoints_roam(tunnel: &Tunnel) {
    for (side, port) in [(Side::A, PORT + 1), (Side::B, PORT + 2)] {
        uapi::set(&tunnel.device(side).interface, &format!("listen_port={port}"));
        let to = Tunnel::inside(side.other(), false);
        assert!(ping(tunnel.host(side), to, 3), "{:?}: a ping from {side:?}'s new port", tunnel.plan);
        let moved = SocketAddr::new(Link::address(side, tunnel.plan.outer_v6), port);
        tunnel.wait_for_endpoint(side.other(), moved);
        tunnel.wait_for_ping("after roaming");
    }
}

/// A gets another private key; then both get another shared one. Each is told before a new handshake can be asked for.
fn keys_change(tunnel: &Tunnel) {
    const NEW: u8 = 77;
    let (a, b) = (&tunnel.device(Side::A).interface, &tunnel.device(Side::B).interface);
    uapi::set(b, &format!("public_key={}\nremove=true\n{}", public_hex(1), tunnel.peer_lines(Side::B, NEW)));
    uapi::set(a, &format!("private_key={}", hex::encode(secret(NEW))));
    tunnel.wait_for_ping("after another private key");

    let psk = format!("preshared_key={}\n", hex::encode(secret(201)));
    for (side, peer) in [(Side::A, 2), (Side::B, NEW)] {
        if let Program::Ringmesh { .. } = tunnel.device(side).program {
            let lines = format!("public_key={}\nupdate_only=true\n{psk}", public_hex(peer));
            uapi::set(&tunnel.device(side).interface, &lines);
            assert!(
                ping(tunnel.host(Side::A), Tunnel::inside(Side::B, false), 3),
                "the session outlives its key"
            );
        }
    }
    // Not every implementation takes another shared key for a living peer.
    let endpoint = SocketAddr::new(Link::address(Side::B, tunnel.plan.outer_v6), PORT + 2);
    let forget = |peer| format!("public_key={}\nremove=true\n", public_hex(peer));
    uapi::set(b, &format!("{}{}{psk}", forget(NEW), tunnel.peer_lines(Side::B, NEW)));
    uapi::set(a, &format!("{}{}{psk}endpoint={endpoint}\n", forget(2), tunnel.peer_lines(Side::A, 2)));
    tunnel.wait_for_ping("after another shared key");
}
