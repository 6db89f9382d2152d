//! What every test stands on: networks of namespaces, a daemon in each device, and the commands as a person types them.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ringmesh_api::circle::{Refusal, Reply};
use ringmesh_daemon::circle::{Paths, Unanswered, ask};
use serde_json::Value;

use super::common::{self, PATIENCE, RINGMESH, must, now, run, text, wait_for};

/// A name that no other test and no other run uses.
pub(crate) fn fresh_name() -> String {
    common::fresh_name("cl")
}

/// A switch, to which devices are plugged.
pub(crate) struct Lan {
    pub(crate) name: String,
    plugged: AtomicU32,
}

impl Lan {
    pub(crate) fn new() -> Self {
        let name = fresh_name();
        must(&format!("ip netns add {name}"));
        must(&format!("ip -n {name} link set lo up"));
        must(&format!("ip -n {name} link add switch type bridge mcast_snooping 0"));
        must(&format!("ip -n {name} link set switch up"));
        Self { name, plugged: AtomicU32::new(0) }
    }

    /// A new device on this LAN, with a daemon that answers.
    pub(crate) fn device(&self) -> Device {
        let mut device = self.idle();
        device.start();
        device
    }

    /// A new device on which no daemon runs.
    pub(crate) fn idle(&self) -> Device {
        let number = self.plugged.fetch_add(1, Ordering::Relaxed) + 1;
        let net = fresh_name();
        must(&format!("ip netns add {net}"));
        must(&format!("ip -n {net} link set lo up"));
        let port = format!("port{number}");
        must(&format!("ip link add {port} netns {} type veth peer name lan netns {net}", self.name));
        must(&format!("ip -n {} link set {port} master switch up", self.name));
        must(&format!("ip -n {net} addr add 192.168.77.{number}/24 dev lan"));
        must(&format!("ip -n {net} link set lan up"));
        Device::in_namespace(net)
    }
}

/// A circle of three that have all met: alpha, who founded it, beta and gamma.
pub(crate) fn circle_of_three(lan: &Lan) -> [Device; 3] {
    circle_of([lan.device(), lan.device(), lan.device()])
}

/// The same of devices whose daemons run.
pub(crate) fn circle_of([a, b, c]: [Device; 3]) -> [Device; 3] {
    a.up("--name alpha");
    let code = a.invite("--uses 2");
    b.join(&code, "beta");
    c.join(&code, "gamma");
    for (device, others) in [(&a, ["beta", "gamma"]), (&b, ["alpha", "gamma"]), (&c, ["alpha", "beta"])] {
        for other in others {
            device.says(&format!("wait {other}"));
        }
    }
    [a, b, c]
}

/// A code or key with another digit in its middle, whatever digit it has there.
pub(crate) fn mistyped(secret: &str) -> String {
    let (before, after) = secret.split_at(secret.len() / 2);
    let at = after.find(|c: char| c.is_ascii_alphanumeric()).expect("has digits");
    let (groups, rest) = after.split_at(at);
    let digit = if rest.starts_with('0') { '1' } else { '0' };
    format!("{before}{groups}{digit}{}", &rest[1..])
}

impl Drop for Lan {
    fn drop(&mut self) {
        run(&format!("ip netns delete {}", self.name));
    }
}

/// A device in a namespace of its own; whatever the test did to it, nothing of it stays.
pub(crate) struct Device {
    pub(crate) net: String,
    pub(crate) dir: PathBuf,
    pub(crate) paths: Paths,
    daemon: Option<Child>,
}

impl Device {
    /// The device that such a namespace is from now on.
    pub(crate) fn in_namespace(net: String) -> Self {
        let dir = std::env::temp_dir().join(&net);
        std::fs::create_dir_all(&dir).expect("a directory");
        let paths = Paths { state: dir.join("state"), run: dir.join("run") };
        Self { net, dir, paths, daemon: None }
    }

    /// A command of `ringmesh` on this device, its words split at spaces; not started yet.
    pub(crate) fn command(&self, line: &str) -> Command {
        self.command_as(&[RINGMESH], line)
    }

    /// The same, begun by other words: somebody who becomes another user first, say.
    pub(crate) fn command_as(&self, before: &[&str], line: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.net]).args(before).args(line.split_whitespace());
        command.env("RINGMESH_STATE", &self.paths.state).env("RINGMESH_RUN", &self.paths.run);
        command.stdin(Stdio::null());
        command
    }

    /// The same, with a daemon that answers.
    pub(crate) fn started(net: String) -> Self {
        let mut device = Self::in_namespace(net);
        device.start();
        device
    }

    /// Starts the daemon; when this returns it answers.
    pub(crate) fn start(&mut self) {
        self.start_as(self.command("daemon"));
    }

    /// The same by another command line.
    pub(crate) fn start_as(&mut self, mut command: Command) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log"));
        command.env("RINGMESH_STATE", &self.paths.state).env("RINGMESH_RUN", &self.paths.run);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a file"));
        self.daemon = Some(command.spawn().expect("starts"));
        wait_for("the daemon answers", || {
            let output = self.output("status --json");
            let status: Value = serde_json::from_slice(&output.stdout).ok()?;
            status["daemon"].is_object().then_some(())
        });
    }

    /// Kills the daemon where it stands.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().expect("kills");
            daemon.wait().expect("ends");
        }
    }

    /// Asks the daemon itself, for what no command asks.
    pub(crate) fn try_ask(&self, verb: &str, question: Value) -> Result<Reply<Value>, Unanswered> {
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

    /// What a command gives, whatever that is.
    pub(crate) fn output(&self, line: &str) -> Output {
        self.command(line).output().expect("runs")
    }

    /// What a command that must succeed prints.
    pub(crate) fn says(&self, line: &str) -> String {
        let output = self.output(line);
        assert!(output.status.success(), "{line}: {}\n{}", text(&output.stderr), self.log());
        text(&output.stdout)
    }

    /// The same as JSON.
    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.says(&format!("{line} --json"))).expect("JSON")
    }

    /// Runs a command that must fail with `code`, and gives its one line.
    pub(crate) fn fails(&self, line: &str, code: i32) -> String {
        let output = self.output(line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {said}\n{}", text(&output.stdout));
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
        assert!(output.stdout.is_empty(), "{line}: an error is no answer");
        said
    }

    /// Runs a command that is fed `input`.
    pub(crate) fn fed(&self, line: &str, input: &str) -> Output {
        let mut command = self.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("is read");
        drop(stdin);
        child.wait_with_output().expect("ends")
    }

    /// Runs a command at a terminal, at which `input` is typed; gives all that the terminal shows.
    pub(crate) fn at_terminal(&self, line: &str, input: &str) -> String {
        let inner = format!("ip netns exec {} {RINGMESH} {line}", self.net);
        let mut command = Command::new("timeout");
        command.args([&PATIENCE.as_secs().to_string(), "script", "-qec", &inner, "/dev/null"]);
        command.env("RINGMESH_STATE", &self.paths.state).env("RINGMESH_RUN", &self.paths.run);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("script, of bsdutils or util-linux");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("is read");
        let output = child.wait_with_output().expect("ends");
        drop(stdin);
        text(&output.stdout)
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

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// A command line inside the namespace.
    pub(crate) fn run(&self, line: &str) -> Output {
        run(&format!("ip netns exec {} {line}", self.net))
    }

    /// Founds the circle `home` as a device of this name; gives the recovery key.
    pub(crate) fn up(&self, flags: &str) -> String {
        let upped = self.json(&format!("up --circle home {flags}"));
        assert_eq!(upped["founded"], true);
        upped["recovery_key"].as_str().expect("a key").to_owned()
    }

    /// An invite's code.
    pub(crate) fn invite(&self, flags: &str) -> String {
        self.json(&format!("invite {flags}"))["code"].as_str().expect("a code").to_owned()
    }

    /// Joins with a code, as a device of this name; must succeed.
    pub(crate) fn join(&self, code: &str, name: &str) {
        let output = self.fed(&format!("join - --name {name} --wait 30s --json"), code);
        let said = text(&output.stdout);
        assert!(output.status.success(), "{said} {}\n{}", text(&output.stderr), self.log());
        let joined: Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!((&joined["member"], &joined["name"]), (&Value::Bool(true), &Value::from(name)));
    }

    /// Names of all devices that it knows, itself first.
    pub(crate) fn names(&self) -> Vec<String> {
        let peers = self.json("peers");
        let devices = peers["devices"].as_array().expect("a list");
        devices.iter().map(|device| device["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// The mesh addresses of a device, IPv4 first.
    pub(crate) fn addresses_of(&self, who: &str) -> Vec<String> {
        let device = self.json(&format!("whois {who}"));
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
        // What a test that fails here and now would be asked for.
        if std::thread::panicking() {
            for line in ["status --json", "peers --json"] {
                eprintln!("{}: {line}\n{}", self.net, text(&self.output(line).stdout));
            }
            eprintln!("{}: its log\n{}", self.net, self.log());
        }
        // Whichever daemon there is, also one that `up` has started.
        let status = serde_json::from_slice(&self.output("status --json").stdout).unwrap_or(Value::Null);
        if let Some(pid) = status["daemon"]["pid"].as_u64() {
            self.output("down");
            run(&format!("kill {pid}"));
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
