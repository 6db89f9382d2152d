//! systemd-resolved is told about our link, and nothing else is; played by a process that writes down what it is told.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::common::wait_for;
use super::stage::{Device, Lan};

/// Names the file that the player of resolved writes to.
const TOLD: &str = "RINGMESH_TEST_TOLD";

/// Everything that was told, a line each.
struct Manager(fs::File);

impl Manager {
    fn note(&mut self, line: &str) {
        writeln!(self.0, "{line}").expect("writes");
    }
}

#[zbus::interface(name = "org.freedesktop.resolve1.Manager")]
impl Manager {
    #[zbus(name = "SetLinkDNS")]
    fn set_link_dns(&mut self, _index: i32, servers: Vec<(i32, Vec<u8>)>) {
        let servers: Vec<String> =
            servers.iter().map(|(family, bytes)| format!("{family}:{}", bytes.len())).collect();
        self.note(&format!("servers {}", servers.join(" ")));
    }

    fn set_link_domains(&mut self, _index: i32, domains: Vec<(String, bool)>) {
        for (domain, only_routed) in domains {
            self.note(&format!("{} {domain}", if only_routed { "route" } else { "search" }));
        }
    }

    fn set_link_default_route(&mut self, _index: i32, is: bool) {
        self.note(&format!("default {is}"));
    }

    fn revert_link(&mut self, _index: i32) {
        self.note("revert");
    }
}

#[test]
#[ignore = "started by the tests below, as a process in a namespace of theirs"]
fn play_resolved() {
    let told = std::env::var_os(TOLD).expect("the file's name");
    zbus::block_on(async {
        let manager = Manager(fs::File::create(told).expect("a file"));
        let builder = zbus::connection::Builder::system();
        let builder = builder.serve_at("/org/freedesktop/resolve1", manager);
        let _bus = builder.name("org.freedesktop.resolve1").build().await.expect("a bus");
        // Until it is killed.
        std::future::pending::<()>().await;
    });
}

/// A system bus of its own, with a player of resolved on it.
struct Bus {
    processes: Vec<Child>,
    address: String,
    told: std::path::PathBuf,
}

impl Bus {
    /// `net` is the namespace that resolved lives in; none for the machine's own.
    fn start(dir: &Path, net: Option<&str>) -> Self {
        let config = dir.join("bus.conf");
        let address = format!("unix:path={}", dir.join("bus").display());
        fs::write(&config, format!(
            "<busconfig><type>system</type><listen>{address}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>"
        )).expect("writes");
        let mut daemon = Command::new("dbus-daemon");
        daemon.arg(format!("--config-file={}", config.display())).arg("--nofork").stderr(Stdio::null());
        let daemon = daemon.spawn().expect("dbus-daemon starts");
        wait_for("the bus listens", || dir.join("bus").exists().then_some(()));
        let told = dir.join("told");
        let own = std::env::current_exe().expect("our own file");
        let mut player = match net {
            Some(net) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", net]).arg(own);
                command
            }
            None => Command::new(own),
        };
        player.args(["resolved::play_resolved", "--exact", "--ignored"]);
        player.env("DBUS_SYSTEM_BUS_ADDRESS", &address).env(TOLD, &told).stdout(Stdio::null());
        let player = player.spawn().expect("starts");
        wait_for("resolved is played", || told.exists().then_some(()));
        Self { processes: vec![daemon, player], address, told }
    }

    fn told(&self) -> Vec<String> {
        fs::read_to_string(&self.told).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        for process in &mut self.processes {
            process.kill().expect("kills");
            process.wait().expect("ends");
        }
    }
}

/// A device whose system asks resolved.
fn device_with_resolved(lan: &Lan, elsewhere: bool) -> (Device, Bus) {
    let mut device = lan.device();
    device.kill();
    device.write_resolv_conf("nameserver 127.0.0.53\n");
    let bus = Bus::start(&device.dir, (!elsewhere).then_some(device.net.as_str()));
    device.bus = Some(bus.address.clone());
    device.start();
    (device, bus)
}

#[test]
fn resolved_is_told_about_our_link_and_told_to_forget_it() {
    let lan = Lan::new();
    let (mut device, bus) = device_with_resolved(&lan, false);
    device.ask("up", json!({"name": "alpha", "circle": "home"}));
    let told = wait_for("it is told", || {
        let told = bus.told();
        told.contains(&"default false".to_owned()).then_some(told)
    });
    assert_eq!(told[..2], ["servers 2:4 10:16", "search home.internal"], "{told:?}");
    let routes: Vec<&String> = told.iter().filter(|line| line.starts_with("route ")).collect();
    assert!(routes.iter().all(|line| line.ends_with(".arpa")) && routes.len() == 2, "{told:?}");
    assert_eq!(device.resolv_conf(), "nameserver 127.0.0.53\n", "the file is not touched");
    // Only names of the circle come to us now; others are refused rather than asked of anybody.
    assert!(lan.server().asked().is_empty());
    device.ask("down", json!({}));
    assert_eq!(bus.told().last().map(String::as_str), Some("revert"));
    device.ask("up", json!({}));
    wait_for("it is told again", || (bus.told().last()? == "default false").then_some(()));
    device.stop();
    assert_eq!(bus.told().last().map(String::as_str), Some("revert"), "nobody answers any more");
}

#[test]
fn the_resolved_of_another_namespace_is_not_told_anything() {
    let lan = Lan::new();
    let (device, bus) = device_with_resolved(&lan, true);
    device.ask("up", json!({"name": "alpha", "circle": "home"}));
    wait_for("the user is told", || device.notes().contains("another network namespace").then_some(()));
    assert_eq!(bus.told(), [""; 0]);
    assert_eq!(device.resolv_conf(), "nameserver 127.0.0.53\n");
}
