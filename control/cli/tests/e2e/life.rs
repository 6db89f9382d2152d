//! Beginning, moving, ending, beginning again.

use super::common::{RINGMESH, must, wait_for};
use super::stage::{Net, Tunnel, alive};

#[test]
fn it_answers_when_it_returns_and_leaves_nothing_behind() {
    let tunnel = Tunnel::start("--workers 2 --mtu 9000");
    let shown = must(&format!("wg show {}", tunnel.name));
    assert!(shown.contains("listening port"), "{shown}");
    let status = tunnel.status();
    assert_eq!(status["mtu"], 9000);
    assert_eq!(status["plane"]["workers"].as_array().map(Vec::len), Some(2));
    let (control, plane) = (tunnel.control_pid(), tunnel.plane_pid());
    must(&format!("kill -TERM {control}"));
    tunnel.must_vanish(control, plane);
}

/// Both processes look after each other once a second; whoever wakes the other for nothing wakes it for ever.
#[test]
fn an_idle_tunnel_sleeps() {
    let tunnel = Tunnel::start("--workers 2");
    let pids = [tunnel.control_pid(), tunnel.plane_pid()];
    let uptime = || {
        let text = std::fs::read_to_string("/proc/uptime").expect("the kernel's file");
        text.split_whitespace().next().and_then(|secs| secs.parse::<f64>().ok()).expect("seconds")
    };
    let from = uptime();
    wait_for("it has settled", || (uptime() > from + 1.0).then_some(()));
    let before: u64 = pids.iter().map(|&pid| switches(pid)).sum();
    wait_for("three seconds have passed", || (uptime() > from + 4.0).then_some(()));
    let woken = pids.iter().map(|&pid| switches(pid)).sum::<u64>() - before;
    assert!(woken < 60, "woken {woken} times in three seconds");
}

/// How often the threads of a process have gone to sleep so far.
fn switches(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("a living process");
    let status = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    let count = |status: String| {
        let line =
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).map(str::trim);
        line.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
    };
    status.map(count).sum()
}

#[test]
fn a_deleted_link_ends_it_and_frees_the_name_at_once() {
    let tunnel = Tunnel::start("");
    for _ in 0..3 {
        let (control, plane) = (tunnel.control_pid(), tunnel.plane_pid());
        tunnel.net.must(&format!("ip link delete {}", tunnel.name));
        tunnel.start_again("");
        assert!(!alive(control) && !alive(plane), "the old processes outlived the new start");
        assert_ne!(tunnel.control_pid(), control);
    }
}

#[test]
fn a_removed_socket_file_ends_it_and_frees_the_name_at_once() {
    let tunnel = Tunnel::start("");
    let (control, plane) = (tunnel.control_pid(), tunnel.plane_pid());
    std::fs::remove_file(tunnel.wg_socket()).expect("it is there");
    tunnel.start_again("");
    assert!(!alive(control) && !alive(plane));
    let (control, plane) = (tunnel.control_pid(), tunnel.plane_pid());
    std::fs::remove_file(tunnel.wg_socket()).expect("it is there");
    tunnel.must_vanish(control, plane);
}

#[test]
fn the_same_port_is_free_for_the_next_one() {
    let tunnel = Tunnel::start("");
    for _ in 0..3 {
        tunnel.net.must(&format!("wg set {} listen-port 40000", tunnel.name));
        tunnel.net.must(&format!("ip link delete {}", tunnel.name));
        tunnel.start_again("");
    }
    tunnel.net.must(&format!("wg set {} listen-port 40000", tunnel.name));
}

#[test]
fn a_moved_link_works_on_and_is_followed() {
    let (tunnel, elsewhere) = (Tunnel::start(""), Net::new());
    let name = &tunnel.name;
    let (control, plane) = (tunnel.control_pid(), tunnel.plane_pid());
    tunnel.net.must(&format!("ip link set {name} netns {}", elsewhere.0));
    wait_for("the move is noticed", || tunnel.status()["moved"].as_bool().filter(|moved| *moved));
    must(&format!("wg set {name} listen-port 40001"));
    elsewhere.must(&format!("ip link set {name} mtu 1300 up"));
    wait_for("the new MTU is seen", || (tunnel.status()["mtu"] == 1300).then_some(()));
    wait_for("the link is up", || tunnel.status()["up"].as_bool().filter(|up| *up));
    assert!(alive(control) && alive(plane));
    elsewhere.must(&format!("ip link delete {name}"));
    tunnel.must_vanish(control, plane);
}

#[test]
fn ctrl_c_in_the_foreground_ends_both() {
    let tunnel = Tunnel { net: Net::new(), name: super::stage::fresh_name() };
    let mut child = std::process::Command::new("ip")
        .args(["netns", "exec", &tunnel.net.0, RINGMESH, "tunnel", &tunnel.name, "--foreground"])
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    wait_for("it answers", || {
        super::common::run(&format!("wg show {}", tunnel.name)).status.success().then_some(())
    });
    let (control, plane) = (tunnel.control_pid(), tunnel.plane_pid());
    must(&format!("kill -INT {control}"));
    assert!(child.wait().expect("it ends").success());
    tunnel.must_vanish(control, plane);
}
