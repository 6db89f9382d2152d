//! Networks that only routers join: no multicast gets through, so devices find each other by a beacon or not at all.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::json;

use super::common::{RINGMESH, must, run, wait_for};
use super::stage::{Device, fresh_name};

/// A router to which networks are joined, each a /24 of 198.18.0.0/15.
pub(crate) struct Internet {
    name: String,
    joined: AtomicU8,
}

impl Internet {
    pub(crate) fn new() -> Self {
        let name = fresh_name();
        must(&format!("ip netns add {name}"));
        must(&format!("ip netns exec {name} sysctl -qw net.ipv4.ip_forward=1"));
        Self { name, joined: AtomicU8::new(0) }
    }

    /// A namespace with an address of its own; gives its name and that address.
    pub(crate) fn host(&self) -> (String, Ipv4Addr) {
        let number = self.joined.fetch_add(1, Ordering::Relaxed) + 1;
        let net = fresh_name();
        let address = Ipv4Addr::new(198, 18, number, 2);
        must(&format!("ip netns add {net}"));
        must(&format!("ip -n {net} link set lo up"));
        let port = format!("port{number}");
        must(&format!("ip link add {port} netns {} type veth peer name wan netns {net}", self.name));
        must(&format!("ip -n {} addr add 198.18.{number}.1/24 dev {port}", self.name));
        must(&format!("ip -n {} link set {port} up", self.name));
        must(&format!("ip -n {net} addr add {address}/24 dev wan"));
        must(&format!("ip -n {net} link set wan up"));
        must(&format!("ip -n {net} route add default via 198.18.{number}.1"));
        (net, address)
    }

    /// A device with an address of its own.
    pub(crate) fn device(&self) -> Device {
        Device::started(self.host().0)
    }

    /// A beacon with an address of its own.
    pub(crate) fn beacon(&self) -> Beacon {
        let (net, address) = self.host();
        let state = std::env::temp_dir().join(format!("{net}-beacon"));
        let mut beacon = Beacon { net, address, state, url: String::new(), process: None };
        beacon.start();
        beacon
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        run(&format!("ip netns delete {}", self.name));
    }
}

/// A `ringmesh beacon` in a namespace of its own.
pub(crate) struct Beacon {
    pub(crate) net: String,
    address: Ipv4Addr,
    pub(crate) state: PathBuf,
    /// What `up` takes.
    pub(crate) url: String,
    process: Option<Child>,
}

impl Beacon {
    /// Starts it; when this returns it serves.
    pub(crate) fn start(&mut self) {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.net, RINGMESH, "beacon", "--listen", "0.0.0.0:3478"])
            .args(["--name", &self.address.to_string(), "--state"])
            .arg(&self.state)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        assert!(line.starts_with("beacon://"), "{line}");
        self.url = line.trim().to_owned();
        self.process = Some(child);
    }

    /// Kills it where it stands.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kills");
            process.wait().expect("ends");
        }
    }

    /// Everything that it keeps but its key is gone.
    pub(crate) fn forget(&self) {
        for file in ["beacon.sqlite", "beacon.sqlite-wal", "beacon.sqlite-shm"] {
            let _ = std::fs::remove_file(self.state.join(file));
        }
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        self.kill();
        run(&format!("ip netns delete {}", self.net));
        let _ = std::fs::remove_dir_all(&self.state);
    }
}

impl Device {
    /// Founds the circle `home`, which uses these beacons.
    pub(crate) fn up_with(&self, name: &str, beacons: &[&Beacon]) {
        let urls: Vec<&str> = beacons.iter().map(|beacon| beacon.url.as_str()).collect();
        self.ask("up", json!({"name": name, "circle": "home", "beacons": urls}));
        self.settled(beacons.len());
    }

    /// Waits until so many beacons have everything that this device has for them.
    pub(crate) fn settled(&self, count: usize) {
        wait_for("the beacons have everything", || {
            let status = self.ask("status", json!({}));
            let beacons = status["circle"]["beacons"].as_array().expect("a list");
            let all = beacons.iter().filter(|beacon| {
                beacon["detail"].as_str().is_some_and(|detail| detail.contains("has all that is for it"))
            });
            (all.count() >= count).then_some(())
        });
    }
}

/// A home behind a router that translates addresses.
pub(crate) struct Home {
    router: String,
    outside: Ipv4Addr,
    pub(crate) device: Device,
}

impl Internet {
    /// A device behind a router that lets nothing in which was not asked for, from exactly there (RFC 4787: address- and
    /// port-dependent filtering), and keeps the mapping of a port whoever is talked to.
    pub(crate) fn home(&self) -> Home {
        let (router, outside) = self.host();
        let net = fresh_name();
        must(&format!("ip netns add {net}"));
        must(&format!("ip -n {net} link set lo up"));
        must(&format!("ip link add lan netns {router} type veth peer name wan netns {net}"));
        must(&format!("ip -n {router} addr add 192.168.1.1/24 dev lan"));
        must(&format!("ip -n {router} link set lan up"));
        must(&format!("ip -n {net} addr add 192.168.1.2/24 dev wan"));
        must(&format!("ip -n {net} link set wan up"));
        must(&format!("ip -n {net} route add default via 192.168.1.1"));
        must(&format!("ip netns exec {router} sysctl -qw net.ipv4.ip_forward=1"));
        let home = Home { router, outside, device: Device::started(net) };
        home.translate("oifname \"wan\" masquerade", "");
        home
    }
}

impl Home {
    fn translate(&self, post: &str, pre: &str) {
        let rules = format!(
            "flush ruleset
             table inet fw {{ chain input {{ type filter hook input priority 0; policy accept
               iifname \"wan\" ct state established,related accept
               iifname \"wan\" drop
             }}\n}}
             table ip nat {{
               chain pre {{ type nat hook prerouting priority dstnat
               {pre}
               }}
               chain post {{ type nat hook postrouting priority srcnat
               {post}
               }}\n}}\n"
        );
        let mut nft = Command::new("ip")
            .args(["netns", "exec", &self.router, "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .expect("starts");
        std::io::Write::write_all(&mut nft.stdin.take().expect("piped"), rules.as_bytes()).expect("reads");
        assert!(nft.wait().expect("ends").success(), "{rules}");
    }

    /// From now on the device's UDP port looks like `port` from outside, to everybody, and everybody gets in there: a full cone.
    pub(crate) fn open_as(&self, port: u16) {
        let status = self.device.ask("status", json!({}));
        let inner = status["circle"]["listen_port"].as_u64().expect("a port");
        let outside = self.outside;
        self.translate(
            &format!(
                "ip saddr 192.168.1.2 udp sport {inner} snat to {outside}:{port}
                 oifname \"wan\" masquerade"
            ),
            &format!("iifname \"wan\" udp dport {port} dnat to 192.168.1.2:{inner}"),
        );
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        run(&format!("ip netns delete {}", self.router));
    }
}
