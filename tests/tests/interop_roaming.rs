//! A peer behind a path that changes its source port again and again: every packet keeps its place.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ringmesh_lab::clock;
use ringmesh_lab::namespaces::{Link, Side};
use ringmesh_tests::program::Program::{self, Ringmesh, WireguardGo};
use ringmesh_tests::traffic::{Numbered, udp};
use ringmesh_tests::tunnel::{Peer, Plan, Tunnel};
use ringmesh_tests::uapi;
use rustix::thread::{CpuSet, sched_setaffinity};

/// Source ports that the peer is seen at.
const PORTS: usize = 64;

/// Datagrams that leave from one port before the next one is taken.
const PER_PORT: u64 = 50;

const PER_SECOND: u32 = 2_000;

#[test]
fn one_worker_keeps_the_order_over_64_ports() {
    roam(WireguardGo, Ringmesh { workers: 1 });
}

#[test]
fn four_workers_keep_the_order_over_64_ports() {
    roam(WireguardGo, Ringmesh { workers: 4 });
}

#[test]
fn four_workers_keep_the_order_of_our_own_over_64_ports() {
    roam(Ringmesh { workers: 1 }, Ringmesh { workers: 4 });
}

/// A sends numbered datagrams to B through a relay that takes the next of its ports again and again.
fn roam(a: Program, b: Program) {
    let tunnel = Tunnel::up(Plan::new(a, b));
    let relay = Relay::start(&tunnel);
    let peer = Peer { key: 2, psk: None, endpoint: Some(relay.address) };
    uapi::set(&tunnel.device(Side::A).interface, &Tunnel::peer_lines(Side::A, peer));
    tunnel.wait_for_ping("through the relay");

    let at = SocketAddr::new(Tunnel::inside(Side::B, false), 9_000);
    let sink = udp(tunnel.host(Side::B), at);
    let from = udp(tunnel.host(Side::A), SocketAddr::new(Tunnel::inside(Side::A, false), 0));
    let before = relay.carried();
    let numbered = Numbered::start(from, at, PER_SECOND, sink);
    let wanted = before + PORTS as u64 * PER_PORT;
    let round = clock::until(Duration::from_secs(60), || (relay.carried() >= wanted).then_some(()));
    let carried = relay.carried() - before;
    let report = numbered.finish();
    assert!(round.is_some(), "{:?}: not all ports were used: {report:?}", tunnel.plan);
    assert_eq!((report.reordered, report.repeated), (0, 0), "{:?}: {report:?}", tunnel.plan);
    // On a busy machine queues overflow, most of all A's; what says something about order is that most of what came to
    // B went through it.
    let arrived = report.sent - report.lost;
    assert!(arrived * 2 >= carried, "{:?}: {arrived} of {carried} arrived: {report:?}", tunnel.plan);
}

/// Carries datagrams between A's device and B's, as one thread, so that it changes no order by itself.
struct Relay {
    /// Where A sends to.
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    carried: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    fn start(tunnel: &Tunnel) -> Self {
        let bind = |_| udp(tunnel.host(Side::A), SocketAddr::new(Link::address(Side::A, false), 0));
        let near = bind(0);
        let far: Vec<UdpSocket> = (0..PORTS).map(bind).collect();
        near.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
        far.iter().for_each(|socket| socket.set_nonblocking(true).expect("a socket"));
        let address = near.local_addr().expect("an address");
        let (a, b) = (tunnel.endpoint(Side::A), tunnel.endpoint(Side::B));
        let (stop, carried) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (until, counter) = (Arc::clone(&stop), Arc::clone(&carried));
        let thread = std::thread::spawn(move || {
            stay_on_one_core();
            let (mut carried, mut looks) = (0_u64, 0_u64);
            let mut buffer = vec![0; 65_536];
            while !until.load(Ordering::Relaxed) {
                if let Ok(len) = near.recv(&mut buffer) {
                    let port = (carried / PER_PORT) as usize % PORTS;
                    far[port].send_to(&buffer[..len], b).expect("sent to B");
                    carried += 1;
                    counter.store(carried, Ordering::Relaxed);
                }
                // Answers are few, since B only keeps the session alive: a look at each port now and then is enough.
                if looks.is_multiple_of(32) {
                    far.iter().for_each(|socket| carry_back(socket, &near, a, &mut buffer));
                }
                looks += 1;
            }
        });
        Self { address, stop, carried, thread: Some(thread) }
    }

    /// Datagrams that came from A so far and went on to B.
    fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there was told already.
            let _told = thread.join();
        }
    }
}

fn carry_back(far: &UdpSocket, near: &UdpSocket, a: SocketAddr, buffer: &mut [u8]) {
    while let Ok(len) = far.recv(buffer) {
        near.send_to(&buffer[..len], a).expect("sent to A");
    }
}

/// A veth pair queues per core: a sender that moves to another core overtakes itself.
fn stay_on_one_core() {
    let mut core = CpuSet::new();
    core.set(0);
    sched_setaffinity(None, &core).expect("core 0");
}
