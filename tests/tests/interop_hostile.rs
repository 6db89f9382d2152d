//! What strangers send: datagrams of every length, and a flood of handshakes.

use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use ringmesh_lab::clock;
use ringmesh_lab::namespaces::{Link, Side};
use ringmesh_tests::hostile::{Flood, Noise, every_length, initiation};
use ringmesh_tests::process;
use ringmesh_tests::program::Program::{Ringmesh, WireguardGo};
use ringmesh_tests::traffic::{Echo, Numbered, Report, Stream, ping, udp};
use ringmesh_tests::tunnel::{Plan, Tunnel, public};

const ECHO_PORT: u16 = 7;

#[test]
fn one_worker_survives_datagrams_of_every_length() {
    survive_every_length(1);
}

#[test]
fn four_workers_survive_datagrams_of_every_length() {
    survive_every_length(4);
}

/// From a stranger's port, and from the peer's own address as if the peer had gone mad.
fn survive_every_length(workers: u32) {
    // A wire on which the longest datagram needs no fragments.
    let plan = Plan { wire_mtu: 65_535, ..Plan::new(WireguardGo, Ringmesh { workers }) };
    let tunnel = Tunnel::connected(plan);
    let before = process::data_plane(tunnel.host(Side::B)).expect("a data plane");
    let stranger = udp(tunnel.host(Side::A), SocketAddr::new(Link::address(Side::A, false), 0));
    every_length(&stranger, tunnel.endpoint(Side::B), u64::from(workers));

    assert!(ping(tunnel.host(Side::A), Tunnel::inside(Side::B, false), 5), "pings after the last datagram");
    assert_eq!(process::data_plane(tunnel.host(Side::B)), Some(before), "it is the same process");
    assert!(process::resident_bytes(before) < 1 << 30, "memory after: {} B", process::resident_bytes(before));
}

#[test]
fn one_worker_keeps_its_tunnels_under_a_flood_of_handshakes() {
    survive_flood(1);
}

#[test]
fn four_workers_keep_their_tunnels_under_a_flood_of_handshakes() {
    survive_flood(4);
}

/// The flood and the tunnel share two cores, so the tunnel may get slow; it must not stop, and the flooded
/// must ask for cookies.
fn survive_flood(workers: u32) {
    let tunnel = Tunnel::connected(Plan::new(WireguardGo, Ringmesh { workers }));
    let SocketAddr::V4(target) = tunnel.endpoint(Side::B) else { unreachable!("the plan is IPv4") };
    let (host, there) = (tunnel.host(Side::A), tunnel.host(Side::B));
    let to = SocketAddr::new(Tunnel::inside(Side::B, false), ECHO_PORT);
    let _echo = Echo::start(there, to);
    let stream = Stream::start(host, there, Tunnel::inside(Side::B, false), Some(1_000_000), None);

    let flood = Flood::start(host, target, public(2));
    let pinger = udp(host, SocketAddr::new(Tunnel::inside(Side::A, false), 0));
    let pings = Numbered::start(pinger.try_clone().expect("a clone"), to, 100, pinger);
    let stranger = udp(host, SocketAddr::new(Link::address(Side::A, false), 0));
    let cookie = clock::until(Duration::from_secs(20), || asks_for_a_cookie(&stranger, target));
    stream.wait_for(3_000_000, Duration::from_secs(20));
    let sent = flood.finish();
    let Report { sent: pinged, lost, .. } = pings.finish();
    stream.finish();

    assert!(sent > 10_000, "a flood of {sent} is none");
    assert!(cookie.is_some(), "no cookie was asked for in a flood of {sent}");
    assert!(lost * 20 <= pinged, "{lost} of {pinged} pings lost in a flood of {sent}");
}

/// Whether an initiation is answered with a cookie reply (type 3, 64 bytes) rather than with work.
fn asks_for_a_cookie(socket: &UdpSocket, to: SocketAddrV4) -> Option<()> {
    let mut noise = Noise::new(clock::now().as_nanos() as u64);
    socket.send_to(&initiation(&public(2), &mut noise), to).expect("sent");
    let mut buffer = [0; 256];
    let len = socket.recv(&mut buffer).ok()?;
    (len == 64 && buffer[..4] == [3, 0, 0, 0]).then_some(())
}
