//! Either process dies at any moment: the tunnel stays.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use ringmesh_lab::clock;
use ringmesh_lab::namespaces::Side;
use ringmesh_tests::process;
use ringmesh_tests::program::Program::{Ringmesh, WireguardGo};
use ringmesh_tests::program::START_LIMIT;
use ringmesh_tests::traffic::{Echo, Numbered, Stream, udp};
use ringmesh_tests::tunnel::{PORT, Plan, Tunnel};
use ringmesh_tests::uapi;

const ECHO_PORT: u16 = 7;

/// The data plane has to be back within this time.
const BACK_LIMIT: Duration = Duration::from_secs(1);

/// And within this one if it does not die but stands still.
const STILL_LIMIT: Duration = Duration::from_secs(6);

/// What must not change when a process is replaced.
#[derive(Debug, Eq, PartialEq)]
struct Lasting {
    /// The interface with its number, flags, MTU and addresses.
    interface: String,
    /// Every route over it.
    routes: [String; 2],
    /// The inodes of the sockets that take the tunnel's datagrams.
    sockets: BTreeSet<u64>,
}

impl Lasting {
    fn of(tunnel: &Tunnel, pid: u32) -> Self {
        let interface = &tunnel.device(Side::B).interface;
        Self {
            interface: ip(tunnel, &["-o", "addr", "show", "dev", interface]),
            routes: ["-4", "-6"]
                .map(|family| ip(tunnel, &[family, "route", "show", "table", "all", "dev", interface])),
            sockets: process::udp_inodes(pid, PORT),
        }
    }
}

fn ip(tunnel: &Tunnel, arguments: &[&str]) -> String {
    let mut command = Command::new("ip");
    let output =
        command.arg("-n").arg(tunnel.host(Side::B).name()).args(arguments).output().expect("ip can be run");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn has_interface(tunnel: &Tunnel) -> bool {
    let links = ip(tunnel, &["-o", "link", "show"]);
    links.contains(&format!(" {}:", tunnel.device(Side::B).interface))
}

/// The other side is wireguard-go; ours, with `workers`, is on side B.
fn tunnel(workers: u32) -> Tunnel {
    Tunnel::connected(Plan::new(WireguardGo, Ringmesh { workers }))
}

/// What `wg showconf` would write, with the transfer counters and handshake times left out.
fn configuration(tunnel: &Tunnel) -> Vec<(String, String)> {
    let dump = uapi::get(&tunnel.device(Side::B).interface).expect("an answer");
    let lasts = |(key, _): &(String, String)| !key.ends_with("_bytes") && !key.starts_with("last_handshake");
    let mut lines: Vec<_> =
        dump.device.into_iter().chain(dump.peers.into_iter().flatten()).filter(lasts).collect();
    lines.sort();
    lines
}

#[test]
fn one_worker_does_not_miss_its_control_process() {
    control_dies(1);
}

#[test]
fn four_workers_do_not_miss_their_control_process() {
    control_dies(4);
}

/// 100 pings a second, none lost, while control is dead and while a new one attaches.
fn control_dies(workers: u32) {
    let mut tunnel = tunnel(workers);
    let to = SocketAddr::new(Tunnel::inside(Side::B, false), ECHO_PORT);
    let _echo = Echo::start(tunnel.host(Side::B), to);
    let pinger = udp(tunnel.host(Side::A), SocketAddr::new(Tunnel::inside(Side::A, false), 0));
    let stream = Stream::start(
        tunnel.host(Side::A),
        tunnel.host(Side::B),
        Tunnel::inside(Side::B, true),
        Some(1_000_000),
        None,
    );
    let (before, known) = (tunnel.data_plane(Side::B), configuration(&tunnel));
    let lasting = Lasting::of(&tunnel, before);
    let pings = Numbered::start(pinger.try_clone().expect("a clone"), to, 100, pinger);
    stream.wait_for(500_000, START_LIMIT);

    tunnel.device_mut(Side::B).kill();
    stream.wait_for(1_000_000, START_LIMIT);
    assert!(process::is_alive(before), "the data plane died with its control process");
    tunnel.start_again(Side::B);
    stream.wait_for(1_000_000, START_LIMIT);

    let report = pings.finish();
    stream.finish();
    assert_eq!((report.lost, report.reordered), (0, 0), "{report:?}");
    assert_eq!(
        tunnel.data_plane(Side::B),
        before,
        "the new control process attached to the running data plane"
    );
    assert_eq!(configuration(&tunnel), known, "and knows what the old one knew");
    assert_eq!(Lasting::of(&tunnel, before), lasting);
}

#[test]
fn one_worker_is_replaced_within_a_second() {
    plane_dies(1);
}

#[test]
fn four_workers_are_replaced_within_a_second() {
    plane_dies(4);
}

/// Killed again and again: each time it is back within a second, on the same files, and a stream goes on.
fn plane_dies(workers: u32) {
    let tunnel = tunnel(workers);
    let to = SocketAddr::new(Tunnel::inside(Side::B, false), ECHO_PORT);
    let _echo = Echo::start(tunnel.host(Side::B), to);
    let stream = Stream::start(
        tunnel.host(Side::A),
        tunnel.host(Side::B),
        Tunnel::inside(Side::B, true),
        Some(1_000_000),
        None,
    );
    let control = tunnel.device(Side::B).pid();
    let (known, lasting) = (configuration(&tunnel), Lasting::of(&tunnel, control));
    assert!(!lasting.sockets.is_empty(), "the control process holds no socket");

    for round in 0..3 {
        let pinger = udp(tunnel.host(Side::A), SocketAddr::new(Tunnel::inside(Side::A, false), 0));
        let pings = Numbered::start(pinger.try_clone().expect("a clone"), to, 100, pinger);
        stream.wait_for(500_000, START_LIMIT);
        let before = tunnel.data_plane(Side::B);
        process::kill(before);
        let another = clock::until(START_LIMIT, || {
            process::data_plane(tunnel.host(Side::B)).filter(|pid| *pid != before)
        });
        assert!(another.is_some(), "round {round}: no other data plane");
        stream.wait_for(1_000_000, START_LIMIT);
        let report = pings.finish();
        assert!(report.longest_silence <= BACK_LIMIT, "round {round}: {report:?}");
        assert_eq!(report.reordered, 0, "round {round}: {report:?}");
        assert_eq!(Lasting::of(&tunnel, control), lasting, "round {round}");
        assert_eq!(configuration(&tunnel), known, "round {round}");
    }
    stream.finish();
}

/// It does not die, it stands still: nobody asks it anything, and it is noticed all the same.
#[test]
fn a_data_plane_that_stands_still_is_replaced_within_seconds() {
    let tunnel = tunnel(2);
    let to = SocketAddr::new(Tunnel::inside(Side::B, false), ECHO_PORT);
    let _echo = Echo::start(tunnel.host(Side::B), to);
    let before = tunnel.data_plane(Side::B);
    // An idle one turns too, often enough.
    clock::pause_until(clock::now() + STILL_LIMIT);
    assert_eq!(tunnel.data_plane(Side::B), before, "an idle data plane was taken for a stuck one");
    let pinger = udp(tunnel.host(Side::A), SocketAddr::new(Tunnel::inside(Side::A, false), 0));
    let pings = Numbered::start(pinger.try_clone().expect("a clone"), to, 100, pinger);
    process::stop(before);
    let another =
        clock::until(START_LIMIT, || process::data_plane(tunnel.host(Side::B)).filter(|pid| *pid != before));
    assert!(another.is_some(), "no other data plane");
    tunnel.wait_for_ping("after the data plane stood still");
    let report = pings.finish();
    assert!(report.longest_silence <= STILL_LIMIT, "{report:?}");
    assert!(!process::is_alive(before));
}

/// Both dead, in either order: the same name can be started again at once, and works as new.
#[test]
fn both_die_in_either_order() {
    for control_first in [true, false] {
        let mut tunnel = tunnel(1);
        let before = tunnel.data_plane(Side::B);
        if control_first {
            tunnel.device_mut(Side::B).kill();
            process::kill(before);
        } else {
            process::kill(before);
            tunnel.device_mut(Side::B).kill();
            // A data plane that was started in between has lost its control process, not its life.
            if let Some(another) = process::data_plane(tunnel.host(Side::B)) {
                process::kill(another);
            }
        }
        let gone =
            clock::until(START_LIMIT, || process::data_plane(tunnel.host(Side::B)).is_none().then_some(()));
        assert!(gone.is_some(), "a data plane lives on (control first: {control_first})");
        // The kernel takes the interface away when the last ring of the dead has let go of its queue.
        let freed = clock::until(START_LIMIT, || (!has_interface(&tunnel)).then_some(()));
        assert!(freed.is_some(), "the interface stays (control first: {control_first})");
        tunnel.start_again(Side::B);
        tunnel.configure(Side::B);
        tunnel.address(Side::B);
        tunnel.wait_for_ping("after both had died");
    }
}

/// The link is deleted, or the socket file removed: both processes end, and the name is free.
#[test]
fn both_end_with_the_link_or_the_socket() {
    for delete_link in [true, false] {
        let mut tunnel = tunnel(1);
        let (before, interface) = (tunnel.data_plane(Side::B), tunnel.device(Side::B).interface.clone());
        if delete_link {
            tunnel.host(Side::B).ip(&format!("link del {interface}\n")).expect("deleted");
        } else {
            std::fs::remove_file(uapi::socket(&interface)).expect("a socket file");
        }
        tunnel.device_mut(Side::B).wait_for_end(START_LIMIT);
        let ended = clock::until(START_LIMIT, || (!process::is_alive(before)).then_some(()));
        assert!(ended.is_some(), "the data plane lives on (link deleted: {delete_link})");
        assert!(!uapi::socket(&interface).exists(), "the socket file stayed (link deleted: {delete_link})");
        tunnel.start_again(Side::B);
        tunnel.configure(Side::B);
        tunnel.address(Side::B);
        tunnel.wait_for_ping("after a new start");
    }
}
