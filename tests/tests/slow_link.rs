//! A link slower than its senders: what waits for it waits where flows are fair to each other, not in the kernel.

use std::process::{Command, Stdio};
use std::time::Duration;

use ringmesh_lab::namespaces::Side;
use ringmesh_tests::program::Program::Ringmesh;
use ringmesh_tests::traffic::{Stream, ping};
use ringmesh_tests::tunnel::{Plan, Tunnel};

/// 125 kB are 20 ms of it.
const RATE: &str = "50mbit";
/// What the kernel may hold at most times: 12 ms, where it would hold megabytes by itself.
const BACKLOG_MAX: u64 = 75_000;

#[test]
fn a_full_link_has_a_short_queue_below_and_room_for_others() {
    let tunnel = Tunnel::connected(Plan::new(Ringmesh { workers: 2 }, Ringmesh { workers: 2 }));
    let wire = wire(&tunnel);
    tc(&tunnel, &["qdisc", "add", "dev", &wire, "root", "tbf", "rate", RATE, "burst", "32k", "limit", "8mb"]);
    let (from, to) = (tunnel.host(Side::A), tunnel.host(Side::B));
    let at = Tunnel::inside(Side::B, false);
    let streams: Vec<_> = (0..4).map(|_| Stream::start(from, to, at, None, None)).collect();
    // So long that windows have grown.
    streams[0].wait_for(2_000_000, Duration::from_secs(30));
    let mut backlogs: Vec<_> = (0..60)
        .map(|_| {
            streams[1].wait_for(15_000, Duration::from_secs(10));
            backlog(&tc(&tunnel, &["-s", "qdisc", "show", "dev", &wire]))
        })
        .collect();
    backlogs.sort_unstable();
    assert!(backlogs[30] <= BACKLOG_MAX, "bytes below at sixty moments: {backlogs:?}");
    assert!(backlogs[50] > 0, "the link is kept busy: {backlogs:?}");
    assert!(ping(from, at, 20), "a small flow loses nothing beside four streams");
    for stream in streams {
        assert!(stream.finish() > 0);
    }
}

/// The interface that leads to the other host.
fn wire(tunnel: &Tunnel) -> String {
    let routes = run(&["ip", "-n", tunnel.host(Side::A).name(), "-o", "link", "show", "type", "veth"]);
    let name = routes.split(": ").nth(1).and_then(|name| name.split('@').next());
    name.unwrap_or_else(|| panic!("no veth: {routes}")).to_owned()
}

fn tc(tunnel: &Tunnel, arguments: &[&str]) -> String {
    run(&[&["tc", "-n", tunnel.host(Side::A).name()], arguments].concat())
}

fn run(command: &[&str]) -> String {
    let mut process = Command::new(command[0]);
    let output = process.args(&command[1..]).stdin(Stdio::null()).output().expect("iproute2");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Bytes of ` backlog 1500b 1p requeues 0`, where `tc` may write `Kb`.
fn backlog(shown: &str) -> u64 {
    let bytes = shown.split("backlog ").nth(1).and_then(|rest| rest.split('b').next());
    let bytes = bytes.unwrap_or_else(|| panic!("no backlog: {shown}"));
    match bytes.strip_suffix('K') {
        Some(kilobytes) => kilobytes.parse::<u64>().expect("a number") * 1_024,
        None => bytes.parse().expect("a number"),
    }
}
