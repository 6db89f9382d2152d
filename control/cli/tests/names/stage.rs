//! What every test stands on: devices with files of their own in place of the machine's, and a name server that is the network's.

use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record, RecordType};
use ringmesh_api::circle::{Refusal, Reply};
use ringmesh_daemon::circle::{Paths, ask};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::{Value, json};

use super::common::{self, PATIENCE, RINGMESH, must, now, run, text, wait_for};

/// Where the network's name server is.
pub(crate) const SERVER: &str = "192.168.78.253";

fn fresh_name() -> String {
    common::fresh_name("nm")
}

/// Does something in a network namespace, on a thread that ends with it.
pub(crate) fn inside<T: Send>(net: &str, work: impl FnOnce() -> T + Send) -> T {
    let namespace = fs::File::open(format!("/run/netns/{net}")).expect("a namespace");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&namespace), kind).expect("enters");
            work()
        });
        thread.join().expect("no panic")
    })
}

/// A switch, to which devices and the name server are plugged.
pub(crate) struct Lan {
    name: String,
    plugged: AtomicU32,
    server: Server,
}

impl Lan {
    pub(crate) fn new() -> Self {
        let name = fresh_name();
        must(&format!("ip netns add {name}"));
        must(&format!("ip -n {name} link add switch type bridge mcast_snooping 0"));
        must(&format!("ip -n {name} addr add {SERVER}/24 dev switch"));
        for link in ["lo", "switch"] {
            must(&format!("ip -n {name} link set {link} up"));
        }
        let server = Server::start(&name);
        Self { name, plugged: AtomicU32::new(0), server }
    }

    /// What the network's name server knows and heard.
    pub(crate) const fn server(&self) -> &Server {
        &self.server
    }

    /// The namespace of the switch itself: a host on the LAN that is in no circle.
    pub(crate) fn net(&self) -> &str {
        &self.name
    }

    /// A new device on this LAN, whose system asks the name server; its daemon answers.
    pub(crate) fn device(&self) -> Device {
        self.plug(true)
    }

    /// The same with the machine's own files.
    pub(crate) fn device_without_files(&self) -> Device {
        self.plug(false)
    }

    fn plug(&self, with_files: bool) -> Device {
        let number = self.plugged.fetch_add(1, Ordering::Relaxed) + 1;
        let net = fresh_name();
        if with_files {
            let etc = PathBuf::from("/etc/netns").join(&net);
            fs::create_dir_all(&etc).expect("a directory");
            fs::write(etc.join("resolv.conf"), before()).expect("writes");
            fs::write(etc.join("hosts"), "127.0.0.1 localhost\n192.168.78.77 scanner\n").expect("writes");
        }
        must(&format!("ip netns add {net}"));
        must(&format!("ip -n {net} link set lo up"));
        must(&format!("ip link add port{number} netns {} type veth peer name lan netns {net}", self.name));
        must(&format!("ip -n {} link set port{number} master switch up", self.name));
        must(&format!("ip -n {net} addr add 192.168.78.{number}/24 dev lan"));
        must(&format!("ip -n {net} link set lan up"));
        let dir = std::env::temp_dir().join(&net);
        let paths = Paths { state: dir.join("state"), run: dir.join("run") };
        let mut device = Device { net, dir, paths, bus: None, daemon: None };
        device.start();
        device
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        run(&format!("ip netns delete {}", self.name));
    }
}

/// What stands in a device's `resolv.conf` before a circle is up.
pub(crate) fn before() -> String {
    format!("# the network's own\nnameserver {SERVER}\nsearch lan\noptions timeout:2\n")
}

/// A name server that knows a few addresses and remembers every question.
pub(crate) struct Server {
    known: Arc<Mutex<BTreeMap<String, Ipv4Addr>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(net: &str) -> Self {
        let socket = inside(net, || UdpSocket::bind((SERVER, 53)).expect("binds"));
        let known = Arc::new(Mutex::new(BTreeMap::new()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let server = Self { known, asked };
        let (known, asked) = (Arc::clone(&server.known), Arc::clone(&server.asked));
        // It ends with the process of the test.
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((len, from)) = socket.recv_from(&mut buffer) {
                let Ok(mut message) = Message::from_vec(&buffer[..len]) else { continue };
                let (name, kind) = (message.queries[0].name.clone(), message.queries[0].query_type);
                let plain = name.to_ascii().to_lowercase();
                asked.lock().expect("whole").push(plain.clone());
                message.metadata.message_type = MessageType::Response;
                match known.lock().expect("whole").get(&plain) {
                    Some(ip) if kind == RecordType::A => {
                        message.add_answer(Record::from_rdata(name, 60, RData::A(A(*ip))));
                    }
                    Some(_) => {}
                    None => message.metadata.response_code = ResponseCode::NXDomain,
                }
                let _ = socket.send_to(&message.to_vec().expect("short enough"), from);
            }
        });
        server
    }

    /// From now on it knows this name, which ends in a dot.
    pub(crate) fn learn(&self, name: &str, ip: &str) {
        self.known.lock().expect("whole").insert(name.to_owned(), ip.parse().expect("an address"));
    }

    /// Every name that it was asked for, in small letters.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("whole").clone()
    }
}

/// A device in a namespace of its own; whatever the test did to it, nothing of it stays.
pub(crate) struct Device {
    pub(crate) net: String,
    pub(crate) dir: PathBuf,
    pub(crate) paths: Paths,
    /// The address of its system bus, if it is not the machine's.
    pub(crate) bus: Option<String>,
    daemon: Option<Child>,
}

impl Device {
    /// Starts the daemon; when this returns it answers.
    pub(crate) fn start(&mut self) {
        fs::create_dir_all(&self.dir).expect("a directory");
        let log = fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log"));
        let mut command = self.command("daemon");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log.expect("a file"));
        self.daemon = Some(command.spawn().expect("starts"));
        let answers = || ask::<_, Value>(&self.paths, "status", &json!({}), PATIENCE).ok();
        wait_for("the daemon answers", answers);
    }

    /// The executable with these arguments, inside.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.net, RINGMESH]).args(line.split_whitespace());
        command.env("RINGMESH_STATE", &self.paths.state).env("RINGMESH_RUN", &self.paths.run);
        command.envs(self.bus.iter().map(|bus| ("DBUS_SYSTEM_BUS_ADDRESS", bus)));
        command
    }

    /// Kills the daemon where it stands.
    pub(crate) fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().expect("kills");
            daemon.wait().expect("ends");
        }
    }

    /// Tells the daemon to end, and waits until it has.
    pub(crate) fn stop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            must(&format!("kill -TERM {}", daemon.id()));
            assert!(daemon.wait().expect("ends").success(), "{}", self.log());
        }
    }

    /// Asks something that must be granted.
    pub(crate) fn ask(&self, verb: &str, question: Value) -> Value {
        match ask(&self.paths, verb, &question, PATIENCE) {
            Ok(Reply::Ok(value)) => value,
            other => panic!("{verb} {question}: {other:?}\n{}", self.log()),
        }
    }

    /// Asks something that must be refused.
    pub(crate) fn refused(&self, verb: &str, question: Value) -> Refusal {
        match ask::<_, Value>(&self.paths, verb, &question, PATIENCE) {
            Ok(Reply::Error(refusal)) => refusal,
            other => panic!("{verb} {question}: {other:?}"),
        }
    }

    /// Founds the circle `home`, and waits until the system asks us.
    pub(crate) fn up(&self, name: &str) {
        self.ask("up", json!({"name": name, "circle": "home"}));
        self.wired();
    }

    /// Joins the circle of another device, and waits until the system asks us.
    pub(crate) fn join(&self, other: &Self, name: &str) {
        let code = other.ask("invite", json!({}))["code"].as_str().expect("a code").to_owned();
        let joined = self.ask("join", json!({"code": code, "name": name, "wait_secs": 30}));
        assert_eq!(joined["member"], true, "{joined}\n{}", self.log());
        self.wired();
    }

    /// Waits until `resolv.conf` is ours.
    pub(crate) fn wired(&self) {
        wait_for("resolv.conf is ours", || self.resolv_conf().contains("ringmesh").then_some(()));
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn resolv_conf_path(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.net).join("resolv.conf")
    }

    pub(crate) fn resolv_conf(&self) -> String {
        fs::read_to_string(self.resolv_conf_path()).expect("reads")
    }

    /// Writes the file as another program would.
    pub(crate) fn write_resolv_conf(&self, text: &str) {
        fs::write(self.resolv_conf_path(), text).expect("writes");
    }

    /// Makes it a link to another file, as systemd-resolved has it.
    pub(crate) fn link_resolv_conf(&self, to: &std::path::Path) {
        fs::remove_file(self.resolv_conf_path()).expect("removes");
        std::os::unix::fs::symlink(to, self.resolv_conf_path()).expect("links");
    }

    /// A command line inside.
    pub(crate) fn run(&self, line: &str) -> Output {
        run(&format!("ip netns exec {} {line}", self.net))
    }

    /// What programs find under a name, or under an address; nothing if there is nothing.
    pub(crate) fn finds(&self, name: &str) -> Option<String> {
        let output = self.run(&format!("getent ahosts {name}"));
        output.status.success().then(|| text(&output.stdout))
    }

    /// The name of an address.
    pub(crate) fn name_of(&self, ip: &str) -> String {
        text(&self.run(&format!("getent hosts {ip}")).stdout)
    }

    /// The mesh addresses of a device, IPv4 first.
    pub(crate) fn addresses_of(&self, who: &str) -> Vec<IpAddr> {
        let device = self.ask("whois", json!({"who": who}));
        let addresses = device["addresses"].as_array().expect("a list");
        addresses.iter().map(|ip| ip.as_str().expect("text").parse().expect("an address")).collect()
    }

    /// What the user should know.
    pub(crate) fn notes(&self) -> String {
        self.ask("status", json!({}))["circle"]["notes"].to_string()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if self.daemon.is_some() {
            let _ = ask::<_, Value>(&self.paths, "down", &json!({}), PATIENCE);
        }
        self.kill();
        // Tunnels that a failed test left end with their socket file.
        for entry in fs::read_dir(self.paths.run.join("wireguard")).into_iter().flatten().flatten() {
            let _ = fs::remove_file(entry.path());
        }
        let files = || fs::read_dir(&self.paths.run).into_iter().flatten().flatten();
        let tunnels = || files().any(|entry| entry.file_name().to_string_lossy().ends_with(".plane.sock"));
        let start = now();
        while tunnels() && start.elapsed() < Duration::from_secs(10) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        run(&format!("ip netns delete {}", self.net));
        let _ = fs::remove_dir_all(&self.dir);
        let _ = fs::remove_dir_all(PathBuf::from("/etc/netns").join(&self.net));
    }
}

/// Sends a question to port 53 of an address over UDP from inside `net`; whether anything came back within a second.
pub(crate) fn answers(net: &str, to: IpAddr) -> bool {
    let question = question();
    inside(net, move || {
        let any: SocketAddr =
            if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { "[::]:0".parse().expect("any") };
        let socket = UdpSocket::bind(any).expect("binds");
        socket.set_read_timeout(Some(Duration::from_secs(1))).expect("sets");
        socket.connect((to, 53)).expect("connects");
        socket.send(&question).is_ok() && socket.recv(&mut [0; 1500]).is_ok()
    })
}

/// Whether a TCP connection to port 53 of an address comes about from inside `net` within a second, or is refused: either is an answer.
pub(crate) fn answers_by_tcp(net: &str, to: IpAddr) -> bool {
    inside(net, move || {
        let tried = std::net::TcpStream::connect_timeout(&(to, 53).into(), Duration::from_secs(1));
        !tried.is_err_and(|error| error.kind() == std::io::ErrorKind::TimedOut)
    })
}

fn question() -> Vec<u8> {
    let name = hickory_proto::rr::Name::from_ascii("alpha.home.internal.").expect("a name");
    let mut message = Message::query();
    message.add_query(hickory_proto::op::Query::query(name, RecordType::AAAA));
    message.to_vec().expect("short enough")
}
