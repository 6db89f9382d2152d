//! Devices that share no LAN: a router between them, and beside it a beacon.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::common::{RINGMESH, must, run, wait_for};
use super::stage::{Device, fresh_name};

/// A router with a beacon on it, and behind each of its ports a network of its own.
struct Internet {
    net: String,
    dir: PathBuf,
    beacon: Child,
    /// The beacon's address, with its key.
    url: String,
}

impl Internet {
    fn new() -> Self {
        let net = fresh_name();
        must(&format!("ip netns add {net}"));
        must(&format!("ip -n {net} link set lo up"));
        must(&format!("ip -n {net} addr add 198.51.100.1/32 dev lo"));
        must(&format!("ip netns exec {net} sysctl -qw net.ipv4.ip_forward=1"));
        let dir = std::env::temp_dir().join(&net);
        let (beacon, url) = start_beacon(&net, &dir);
        Self { net, dir, beacon, url }
    }

    /// A device in a network of its own, with a daemon that answers.
    fn device(&self, number: u8) -> Device {
        let net = fresh_name();
        must(&format!("ip netns add {net}"));
        must(&format!("ip -n {net} link set lo up"));
        must(&format!("ip link add port{number} netns {} type veth peer name wan netns {net}", self.net));
        must(&format!("ip -n {} addr add 203.0.{number}.1/24 dev port{number}", self.net));
        must(&format!("ip -n {} link set port{number} up", self.net));
        must(&format!("ip -n {net} addr add 203.0.{number}.2/24 dev wan"));
        must(&format!("ip -n {net} link set wan up"));
        must(&format!("ip -n {net} route add default via 203.0.{number}.1"));
        let mut device = Device::in_namespace(net);
        device.start();
        device
    }

    fn stop_beacon(&mut self) {
        self.beacon.kill().expect("kills");
        self.beacon.wait().expect("ends");
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        self.stop_beacon();
        run(&format!("ip netns delete {}", self.net));
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn start_beacon(net: &str, dir: &std::path::Path) -> (Child, String) {
    let mut child = Command::new("ip")
        .args([
            "netns",
            "exec",
            net,
            RINGMESH,
            "beacon",
            "--listen",
            "0.0.0.0:3478",
            "--name",
            "198.51.100.1",
        ])
        .arg("--state")
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("its address");
    (child, line.trim().to_owned())
}

#[test]
fn devices_find_each_other_by_a_beacon_and_do_not_depend_on_it() {
    let mut internet = Internet::new();
    let (a, b) = (internet.device(1), internet.device(2));
    a.up(&format!("--name alpha --beacon {}", internet.url));
    b.join(&a.invite(""), "beta");
    b.says("ping alpha --timeout 20s");
    // As a member it comes to the beacon once more.
    wait_for("it answers", || b.says("status").contains("198.51.100.1 answers").then_some(()));
    let beacon = b.json("status")["daemon"]["circle"]["beacons"][0].clone();
    assert_eq!(beacon["detail"], "sees this device at 203.0.2.2", "{beacon}");
    internet.stop_beacon();
    a.says("rename desk");
    wait_for("news arrive without it", || b.names().contains(&"desk".to_owned()).then_some(()));
    wait_for("its loss is told", || b.says("status").contains("does not answer").then_some(()));
    b.says("ping desk");
    (internet.beacon, internet.url) = start_beacon(&internet.net, &internet.dir);
    wait_for("it is back", || b.says("status").contains("198.51.100.1 answers").then_some(()));
}

#[test]
fn a_device_joins_while_the_inviter_is_offline() {
    let internet = Internet::new();
    let (mut a, b) = (internet.device(1), internet.device(2));
    a.up(&format!("--name alpha --beacon {}", internet.url));
    let code = a.invite("");
    wait_for("the beacon answers it", || a.says("status").contains("198.51.100.1 answers").then_some(()));
    a.run("ip link set wan down");
    a.kill();
    b.join(&code, "beta");
    assert_eq!(b.names(), ["beta", "alpha"]);
    a.run("ip link set wan up");
    a.run("ip route add default via 203.0.1.1");
    a.start();
    wait_for("it hears of the other one", || (a.names() == ["alpha", "beta"]).then_some(()));
    b.says("ping alpha --timeout 20s");
}
