//! Either process dies.

use std::collections::BTreeSet;

use super::common::{must, wait_for};
use super::stage::{Tunnel, alive};

const PEER: &str = "HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=";

fn configured(flags: &str) -> Tunnel {
    let tunnel = Tunnel::start(flags);
    let key = std::env::temp_dir().join(&tunnel.name);
    std::fs::write(&key, must("wg genkey")).expect("a file");
    must(&format!(
        "wg set {} listen-port 40002 fwmark 7 private-key {} peer {PEER} endpoint 192.0.2.1:1000 persistent-keepalive 21 \
         allowed-ips 10.1.0.0/16,fd01::/64",
        tunnel.name,
        key.display()
    ));
    std::fs::remove_file(key).expect("it is there");
    tunnel
}

/// All that `wg` knows but counters and times.
fn config(tunnel: &Tunnel) -> BTreeSet<String> {
    must(&format!("wg showconf {}", tunnel.name)).lines().map(str::to_owned).collect()
}

/// The kernel's numbers of the UDP sockets on the port: they stay the same as long as the sockets do.
fn socket_inodes(tunnel: &Tunnel) -> BTreeSet<String> {
    let table = tunnel.net.must("cat /proc/net/udp6");
    let port = format!(":{:04X}", 40002);
    let ours = table
        .lines()
        .filter(|line| line.split_whitespace().nth(1).is_some_and(|local| local.ends_with(&port)));
    ours.filter_map(|line| line.split_whitespace().nth(9)).map(str::to_owned).collect()
}

#[test]
fn a_killed_control_process_finds_its_data_plane_again() {
    let tunnel = configured("--workers 2");
    let (before, inodes, ifindex) = (config(&tunnel), socket_inodes(&tunnel), tunnel.ifindex());
    assert_eq!(inodes.len(), 3, "one per worker, and one for letters");
    for _ in 0..3 {
        let (control, plane) = (tunnel.control_pid(), tunnel.plane_pid());
        must(&format!("kill -KILL {control}"));
        wait_for("it is dead", || (!alive(control)).then_some(()));
        assert!(alive(plane));
        tunnel.start_again("");
        assert_eq!(tunnel.plane_pid(), plane, "another data plane was started");
        assert_eq!(config(&tunnel), before);
        assert_eq!((socket_inodes(&tunnel), tunnel.ifindex()), (inodes.clone(), ifindex.clone()));
    }
    // What was attached to can be configured and ended like any other.
    must(&format!("wg set {} peer {PEER} remove", tunnel.name));
    let (control, plane) = (tunnel.control_pid(), tunnel.plane_pid());
    tunnel.net.must(&format!("ip link delete {}", tunnel.name));
    tunnel.must_vanish(control, plane);
}

#[test]
fn a_killed_data_plane_is_back_on_the_same_files() {
    let tunnel = configured("--workers 2");
    let (before, inodes, ifindex) = (config(&tunnel), socket_inodes(&tunnel), tunnel.ifindex());
    let control = tunnel.control_pid();
    for round in 1..=3 {
        let plane = tunnel.plane_pid();
        must(&format!("kill -KILL {plane}"));
        wait_for("another one is there", || {
            let status = tunnel.status();
            let pid = status["plane"]["pid"].as_u64()?;
            (pid != 0 && pid != u64::from(plane) && status["control"]["plane_restarts"] == round)
                .then_some(())
        });
        assert_eq!(config(&tunnel), before);
        assert_eq!((socket_inodes(&tunnel), tunnel.ifindex()), (inodes.clone(), ifindex.clone()));
        assert_eq!(tunnel.control_pid(), control);
    }
    must(&format!("wg set {} peer {PEER} persistent-keepalive 5", tunnel.name));
}

#[test]
fn both_killed_begin_anew() {
    let tunnel = configured("");
    let (control, plane) = (tunnel.control_pid(), tunnel.plane_pid());
    must(&format!("kill -KILL {control} {plane}"));
    wait_for("both are dead", || (!alive(control) && !alive(plane)).then_some(()));
    wait_for("the link is gone", || {
        (!tunnel.net.run(&format!("ip link show {}", tunnel.name)).status.success()).then_some(())
    });
    tunnel.start_again("");
    assert!(!must(&format!("wg show {}", tunnel.name)).contains(PEER));
}
