//! What every test stands on: a LAN of namespaces, a daemon in each, and conditions that are waited for with a limit.

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ringmesh_api::circle::{Refusal, Reply};
use ringmesh_daemon::circle::{Paths, Unanswered, ask};
use serde_json::{Value, json};

/// The executable under test.
pub(crate) const RINGMESH: &str = env!("CARGO_BIN_EXE_ringmesh");
/// Far more than anything here takes, also on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_secs(40);

/// A name that no other test and no other run uses.
fn fresh_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("ci{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Runs a command line; its words are split at spaces.
pub(crate) fn run(line: &str) -> Output {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a program");
    Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Runs a command line that must succeed, and gives its standard output.
pub(crate) fn must(line: &str) -> String {
    let output = run(line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[allow(clippy::disallowed_methods)] // A limit for the test itself.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits until `condition` gives something.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A switch, to which devices are plugged.
pub(crate) struct Lan {
    name: String,
    plugged: AtomicU32,
}

impl Lan {
    pub(crate) fn new() -> Self {
        let name = fresh_name();
        must(&format!("ip netns add {name}"));
        must(&format!("ip -n {name} link add switch type bridge mcast_snooping 0"));
        must(&format!("ip -n {name} link set switch up"));
        Self { name, plugged: AtomicU32::new(0) }
    }

    /// A new device on this LAN, with a daemon that answers.
    pub(crate) fn device(&self) -> Device {
        let number = self.plugged.fetch_add(1, Ordering::Relaxed) + 1;
        let net = fresh_name();
        must(&format!("ip netns add {net}"));
        must(&format!("ip -n {net} link set lo up"));
        let port = format!("port{number}");
        must(&format!("ip link add {port} netns {} type veth peer name lan netns {net}", self.name));
        must(&format!("ip -n {} link set {port} master switch up", self.name));
        must(&format!("ip -n {net} addr add 192.168.77.{number}/24 dev lan"));
        must(&format!("ip -n {net} link set lan up"));
        let dir = std::env::temp_dir().join(&net);
        let paths = Paths { state: dir.join("state"), run: dir.join("run") };
        let mut device = Device { net, dir, paths, daemon: None };
        device.start();
        device
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        run(&format!("ip netns delete {}", self.name));
    }
}

/// A device in a namespace of its own; whatever the test did to it, nothing of it stays.
pub(crate) struct Device {
    pub(crate) net: String,
    dir: PathBuf,
    pub(crate) paths: Paths,
    daemon: Option<Child>,
}

impl Device {
    /// Starts the daemon; when this returns it answers.
    pub(crate) fn start(&mut self) {
        std::fs::create_dir_all(&self.dir).expect("a directory");
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log")).expect("a file");
        let child = Command::new("ip")
            .args(["netns", "exec", &self.net, RINGMESH, "daemon"])
            .env("RINGMESH_STATE", &self.paths.state)
            .env("RINGMESH_RUN", &self.paths.run)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("starts");
        self.daemon = Some(child);
        wait_for("the daemon answers", || self.try_ask("status", json!({})).ok());
    }

    /// Kills the daemon where it stands.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().expect("kills");
            daemon.wait().expect("ends");
        }
    }

    fn try_ask(&self, verb: &str, question: Value) -> Result<Reply<Value>, Unanswered> {
        ask(&self.paths, verb, &question, PATIENCE)
    }

    /// Asks something that must be granted.
    pub(crate) fn ask(&self, verb: &str, question: Value) -> Value {
        match self.try_ask(verb, question.clone()) {
            Ok(Reply::Ok(value)) => value,
            other => panic!("{verb} {question}: {other:?}\n{}", self.log()),
        }
    }

    /// Asks something that must be refused.
    pub(crate) fn refused(&self, verb: &str, question: Value) -> Refusal {
        match self.try_ask(verb, question.clone()) {
            Ok(Reply::Error(refusal)) => refusal,
            other => panic!("{verb} {question}: {other:?}"),
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// A command line inside the namespace.
    pub(crate) fn run(&self, line: &str) -> Output {
        run(&format!("ip netns exec {} {line}", self.net))
    }

    /// Runs `act` on a thread inside the namespace; the sockets that it opens stay there.
    pub(crate) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        let file = std::fs::File::open(format!("/run/netns/{}", self.net)).expect("the namespace");
        let enter = || {
            let kind = Some(rustix::thread::LinkNameSpaceType::Network);
            rustix::thread::move_into_link_name_space(file.as_fd(), kind).expect("setns");
            act()
        };
        std::thread::scope(|scope| scope.spawn(enter).join().expect("the thread ends"))
    }

    /// The daemon's process.
    pub(crate) fn pid(&self) -> u32 {
        self.daemon.as_ref().expect("it runs").id()
    }

    /// Founds the circle `home` as a device of this name; gives the recovery key.
    pub(crate) fn up(&self, name: &str) -> String {
        let upped = self.ask("up", json!({"name": name, "circle": "home"}));
        assert_eq!(upped["founded"], true);
        upped["recovery_key"].as_str().expect("a key").to_owned()
    }

    /// An invite's code.
    pub(crate) fn invite(&self, question: Value) -> String {
        self.ask("invite", question)["code"].as_str().expect("a code").to_owned()
    }

    /// Joins with a code; must succeed.
    pub(crate) fn join(&self, code: &str, name: &str) {
        let joined = self.ask("join", json!({"code": code, "name": name, "wait_secs": 30}));
        assert_eq!(joined["member"], true, "{joined}\n{}", self.log());
    }

    /// Names of all devices that it knows, itself first.
    pub(crate) fn names(&self) -> Vec<String> {
        let peers = self.ask("peers", json!({}));
        let devices = peers["devices"].as_array().expect("a list");
        devices.iter().map(|device| device["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// The mesh addresses of a device, IPv4 first.
    pub(crate) fn addresses_of(&self, who: &str) -> Vec<String> {
        let device = self.ask("whois", json!({"who": who}));
        let addresses = device["addresses"].as_array().expect("a list");
        addresses.iter().map(|address| address.as_str().expect("an address").to_owned()).collect()
    }

    /// Whether one ping to an address is answered within a second.
    pub(crate) fn pings(&self, address: &str) -> bool {
        self.run(&format!("ping -c 1 -W 1 {address}")).status.success()
    }

    /// Whether there is an interface of this name.
    pub(crate) fn has_link(&self, name: &str) -> bool {
        self.run(&format!("ip link show {name}")).status.success()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if self.daemon.is_some() {
            let _ = self.try_ask("down", json!({}));
        }
        self.kill();
        // Tunnels that a failed test left end with their socket file.
        for entry in std::fs::read_dir(self.paths.run.join("wireguard")).into_iter().flatten().flatten() {
            let _ = std::fs::remove_file(entry.path());
        }
        let links = || std::fs::read_dir(&self.paths.run).into_iter().flatten().flatten();
        let start = now();
        let tunnels = || links().any(|entry| entry.file_name().to_string_lossy().ends_with(".plane.sock"));
        while tunnels() && start.elapsed() < Duration::from_secs(10) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        run(&format!("ip netns delete {}", self.net));
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
