//! `ringmesh doctor` on a machine that is well, and on one with each thing broken.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::{Value, json};

use super::common::{RINGMESH, text};
use super::stage::{Device, Lan};

/// The report, and the exit code.
fn report(output: &Output) -> (Value, i32) {
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    (json, output.status.code().expect("an exit code"))
}

fn checks(report: &Value) -> Vec<(String, String, String, String)> {
    let word = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let checks = report["checks"].as_array().expect("a list");
    let check = |check: &Value| {
        (word(check, "subject"), word(check, "verdict"), word(check, "sentence"), word(check, "fix"))
    };
    checks.iter().map(check).collect()
}

fn examine(device: &Device) -> (Value, i32) {
    report(&device.command("doctor --json").output().expect("runs"))
}

/// What doctor says after `breakage`, shell commands in a mount namespace that ends with it.
fn examine_broken(device: &Device, breakage: &str) -> (Value, i32) {
    let script = format!("{breakage}\nexec {RINGMESH} doctor --json");
    let mut command = std::process::Command::new("ip");
    command.args(["netns", "exec", &device.net, "unshare", "-m", "sh", "-c", &script]);
    command.env("RINGMESH_STATE", &device.paths.state).env("RINGMESH_RUN", &device.paths.run);
    report(&command.output().expect("runs"))
}

fn expect(found: (Value, i32), subject: &str, verdict: &str, sentence: &str) {
    let (report, code) = found;
    let checks = checks(&report);
    let is_it = |check: &&(String, String, String, String)| {
        check.0 == subject && check.1 == verdict && check.2.contains(sentence) && !check.3.is_empty()
    };
    assert!(checks.iter().any(|check| is_it(&check)), "{subject} {verdict} {sentence}: {checks:#?}");
    let problem = checks.iter().any(|check| check.1 == "problem");
    assert_eq!(code, i32::from(problem));
}

#[test]
fn a_machine_that_is_well_has_no_problem() {
    let lan = Lan::new();
    let a = lan.device();
    a.up("alpha");
    super::common::wait_for("names work", || a.finds("alpha.home.internal"));
    let (report, code) = examine(&a);
    let checks = checks(&report);
    let problems: Vec<_> = checks.iter().filter(|check| check.1 == "problem").collect();
    assert!(problems.is_empty() && code == 0, "{problems:#?}");
    for subject in [
        "root",
        "tun",
        "io_uring",
        "nftables",
        "daemon",
        "state",
        "disk space",
        "database",
        "clock",
        "addresses",
        "mtu",
        "udp port",
        "resolver",
        "names",
        "resolv.conf",
    ] {
        assert!(checks.iter().any(|check| check.0 == subject), "{subject} is not looked at: {checks:#?}");
    }
    let plain = a.command("doctor").output().expect("runs");
    assert!(text(&plain.stdout).contains("0 problems"), "{plain:?}");
}

#[test]
fn each_break_shows_its_sentence() {
    let lan = Lan::new();
    let mut a = lan.device();
    a.up("alpha");
    super::common::wait_for("names work", || a.finds("alpha.home.internal"));
    // Broken for doctor's eyes only.
    for (breakage, subject, verdict, sentence) in [
        ("mount -t tmpfs none /dev/net", "tun", "problem", "/dev/net/tun cannot be used"),
        (
            "echo 2 > /tmp/$$.io && mount --bind /tmp/$$.io /proc/sys/kernel/io_uring_disabled; rm /tmp/$$.io",
            "io_uring",
            "problem",
            "switched off",
        ),
        ("export PATH=/nowhere", "nftables", "problem", "nft is missing"),
        (
            "echo nameserver 192.0.2.1 > /tmp/$$.rc && mount --bind /tmp/$$.rc /etc/resolv.conf; rm /tmp/$$.rc",
            "names",
            "problem",
            "do not find alpha.home.internal",
        ),
        (
            "ip link add wwan0 type veth peer name wwan1 && ip addr add 100.64.0.1/10 dev wwan0 && ip link set wwan0 up",
            "addresses",
            "problem",
            "wwan0 uses 100.64.0.0/10",
        ),
        ("ip link set wwan0 mtu 1400", "mtu", "warning", "do not fit wwan0 (1400 bytes)"),
        ("ip link add rm-old type veth peer name old", "interfaces", "warning", "rm-old is left"),
        (
            "nft add table inet strict && nft 'add chain inet strict in { type filter hook input priority 0; policy drop; }'",
            "firewall",
            "problem",
            "the chain in in the table inet strict drops",
        ),
        ("true", "lan firewall", "warning", "drops udp/25519 from"),
        (
            "nft delete table inet strict; nft add table inet ringmesh-old",
            "packet filter",
            "warning",
            "inet ringmesh-old is left",
        ),
    ] {
        expect(examine_broken(&a, breakage), subject, verdict, sentence);
    }
    a.run("ip link delete wwan0");
    // Broken on the disk.
    let state = a.paths.state.clone();
    let chmod = |mode| std::fs::set_permissions(&state, std::fs::Permissions::from_mode(mode)).expect("sets");
    chmod(0o755);
    expect(examine(&a), "state", "problem", "open to others (mode 755)");
    chmod(0o700);
    a.kill();
    expect(examine(&a), "daemon", "problem", "though a circle is to be up");
    expect(examine(&a), "resolv.conf", "problem", "asks a daemon that does not run");
    let database = state.join("home/circle.db");
    let _ = std::fs::remove_file(state.join("home/circle.db-wal"));
    std::fs::write(&database, "this is no database any more, whatever it was before").expect("writes");
    expect(examine(&a), "database", "problem", "is damaged");
    a.start();
    let notes = a.ask("status", json!({}))["circle"]["notes"].to_string();
    assert!(notes.contains("was damaged"), "what doctor said would happen: {notes}");
}
