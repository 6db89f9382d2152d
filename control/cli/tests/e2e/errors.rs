//! What goes wrong says so in one line, with what to do.

use super::common::{RINGMESH, must, run, text};
use super::stage::{Net, Tunnel, fresh_name};

/// Runs a command line that must fail with `code`, and gives its one line.
fn fails(line: &str, code: i32) -> String {
    let output = run(line);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    said
}

#[test]
fn every_error_is_one_line_that_says_what_to_do() {
    let cases = [
        ("tunnel a-name-too-long-for-linux", 2, "15 characters"),
        ("tunnel a/b", 2, "not allowed"),
        ("status nothing-here", 2, "ringmesh tunnel nothing-here"),
    ];
    for (line, code, part) in cases {
        let said = fails(&format!("{RINGMESH} {line}"), code);
        assert!(said.contains(part) && said.lines().count() == 1, "{line}: {said}");
    }
    assert!(fails(&format!("{RINGMESH} tunnel wg0 --mtu 66000"), 2).contains("68..=65455"));
    assert!(fails(&format!("{RINGMESH} tunnel wg0 --wings"), 2).contains("--wings"));
}

#[test]
fn who_is_not_root_is_told() {
    // The file may lie where others cannot go, so a copy is run.
    let copy = std::env::temp_dir().join(fresh_name());
    std::fs::copy(RINGMESH, &copy).expect("a copy");
    must(&format!("chmod 755 {}", copy.display()));
    let other = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let said = fails(&format!("{other} {} tunnel {}", copy.display(), fresh_name()), 3);
    std::fs::remove_file(copy).expect("it is there");
    assert!(said.contains("sudo") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_taken_name_says_by_whom_and_harms_nobody() {
    let net = Net::new();
    let name = fresh_name();
    net.must(&format!("ip link add {name} type veth peer name {name}p"));
    let said = fails(&format!("ip netns exec {} {RINGMESH} tunnel {name}", net.0), 4);
    assert!(said.contains("taken by") && said.contains("ip link delete"), "{said}");
    net.must(&format!("ip link delete {name}"));
    net.must(&format!("ip tuntap add {name} mode tun multi_queue"));
    let said = fails(&format!("ip netns exec {} {RINGMESH} tunnel {name}", net.0), 4);
    assert!(said.contains("TUN"), "{said}");
    let tunnel = Tunnel::start("");
    let control = tunnel.control_pid();
    let said = fails(&format!("ip netns exec {} {RINGMESH} tunnel {}", tunnel.net.0, tunnel.name), 4);
    assert!(said.contains(&format!("process {control}")), "{said}");
    assert_eq!(tunnel.control_pid(), control);
}

#[test]
fn another_implementations_socket_is_left_alone() {
    let (net, name) = (Net::new(), fresh_name());
    std::fs::create_dir_all("/var/run/wireguard").expect("a directory");
    let path = format!("/var/run/wireguard/{name}.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let said = fails(&format!("ip netns exec {} {RINGMESH} tunnel {name}", net.0), 4);
    assert!(said.contains("another program"), "{said}");
    drop(listener);
    // Nobody behind it any more: a stale file is replaced.
    net.must(&format!("{RINGMESH} tunnel {name}"));
    net.must(&format!("ip link delete {name}"));
    super::common::wait_for("it ends", || (!std::path::Path::new(&path).exists()).then_some(()));
}

#[test]
fn a_missing_tun_device_is_named() {
    // A mount namespace of its own in which /dev/net is empty.
    let name = fresh_name();
    let script = format!("mount -t tmpfs none /dev/net && {RINGMESH} tunnel {name}");
    let output =
        std::process::Command::new("unshare").args(["-m", "sh", "-c", &script]).output().expect("unshare");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(
        said.contains("/dev/net/tun") && said.contains("modprobe tun") && said.lines().count() == 1,
        "{said}"
    );
}
