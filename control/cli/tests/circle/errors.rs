//! What goes wrong says so in one line with what to do, and in the exit code.

use std::process::Output;

use super::common::{RINGMESH, must, run, text};
use super::stage::{Device, Lan, fresh_name};

#[test]
fn without_a_daemon_every_command_says_how_to_start_it() {
    let lan = Lan::new();
    let device = lan.idle();
    for line in [
        "peers",
        "rename x",
        "nickname x y",
        "remove x --yes",
        "leave --yes",
        "down",
        "whois x",
        "ping x",
        "wait",
        "log",
        "key rotate --yes",
        "admin add x",
        "admin remove x --yes",
        "confirm x",
        "allow x ssh",
        "deny x ssh",
        "can x :22",
        "permissions",
        "cancel 123456",
    ] {
        let said = device.fails(line, 6);
        assert!(said.contains("not running") && said.contains("ringmesh up"), "{line}: {said}");
    }
    assert!(
        device.says("status").contains("daemon: the daemon is not running; `sudo ringmesh up` starts it")
    );
    assert!(!device.paths.run.join("ringmesh.sock").exists(), "nothing was started for a question");
}

#[test]
fn without_a_circle_every_command_says_how_to_get_one() {
    let lan = Lan::new();
    let device = lan.device();
    for line in ["peers", "rename x", "remove x --yes", "leave --yes", "down", "ping x", "log", "permissions"]
    {
        let said = device.fails(line, 6);
        assert!(said.contains("no circle is up") && said.contains("ringmesh join"), "{line}: {said}");
    }
    assert!(device.says("status").contains("belongs to no circle"));
    // Nobody would see the recovery key.
    let said = device.fails("up", 6);
    assert!(said.contains("at a terminal, or with --json"), "{said}");
    assert!(!device.has_link("rm-home"), "nothing was founded");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let lan = Lan::new();
    let device = lan.device();
    device.up("--name alpha");
    for (line, code, part) in [
        ("whois nobody", 7, "ringmesh peers"),
        ("ping 100.64.255.254", 7, "nobody"),
        ("remove alpha --yes", 2, "ringmesh leave"),
        ("rename a_b", 2, "is no name"),
        ("rename -- -", 2, "is no name"),
        ("allow alpha ssh", 2, "itself"),
        ("allow nobody ssh", 7, "nobody"),
        ("can alpha :0", 2, ""),
        ("can alpha :22 files", 2, "not both"),
        ("cancel abc", 7, "no invite"),
        ("confirm nobody", 7, "no device"),
        ("up --circle other", 4, "ringmesh down"),
        ("up --name ☃", 2, "is no name"),
        ("up --beacon nowhere#x", 2, ""),
        ("invite", 2, "--json or --qr"),
        ("invite --qr --uses 0", 2, "1 to"),
        ("invite --qr --for 52w", 2, "days"),
        ("wait nobody --timeout 1s", 9, "in vain"),
        ("remove nobody --yes", 7, "nobody"),
    ] {
        let said = device.fails(line, code);
        assert!(said.starts_with("ringmesh: ") && said.contains(part), "{line}: {said}");
    }
    // What others would be shown never moves their cursor.
    let said = device.fails("whois \u{1b}[2J", 7);
    assert!(!said.contains('\u{1b}'), "{said:?}");
    let long = "x".repeat(100_000);
    device.fails(&format!("whois {long}"), 2);
}

#[test]
fn nothing_is_destroyed_unasked() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    for (line, part) in [
        ("remove beta", "beta (own device) is removed from the circle home for good"),
        ("leave", "This device (alpha) leaves the circle home"),
        ("key rotate", "new WireGuard key"),
        ("admin remove alpha", "alpha is no admin"),
    ] {
        let said = a.fails(line, 2);
        assert!(said.contains(part) && said.contains("--yes"), "{line}: {said}");
    }
    assert_eq!(a.names(), ["alpha", "beta"]);
}

/// Runs a command as somebody who is not root, out of a file that everybody may run.
fn as_nobody(device: &Device, copy: &str, line: &str) -> Output {
    run(&format!(
        "ip netns exec {} env RINGMESH_STATE={} RINGMESH_RUN={} setpriv --reuid 65534 --regid 65534 --clear-groups {copy} {line}",
        device.net,
        device.paths.state.display(),
        device.paths.run.display()
    ))
}

#[test]
fn who_is_not_root_is_told() {
    let lan = Lan::new();
    let (with, without) = (lan.device(), lan.idle());
    let copy = std::env::temp_dir().join(fresh_name());
    std::fs::copy(RINGMESH, &copy).expect("a copy");
    must(&format!("chmod 755 {}", copy.display()));
    let copy = copy.display().to_string();
    for line in ["status", "peers", "up", "join x", "down", "invite --json"] {
        let output = as_nobody(&with, &copy, line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{line}: {said}");
        assert!(said.contains("sudo") && said.lines().count() == 1, "{line}: {said}");
    }
    let output = as_nobody(&without, &copy, "up");
    let said = text(&output.stderr);
    std::fs::remove_file(copy).expect("it is there");
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("only root can start it") && said.lines().count() == 1, "{said}");
}
