//! `wg` and `wg-quick`, unchanged.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use super::common::{RINGMESH, must, run, text, wait_for};
use super::stage::{Net, Tunnel, fresh_name};

/// A file that goes when the test is over.
struct Scrap(PathBuf);

impl Scrap {
    fn new(content: &str) -> Self {
        let path = std::env::temp_dir().join(fresh_name());
        std::fs::write(&path, content).expect("a file");
        Self(path)
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A public key that nobody has the private key of; base64 of 32 bytes.
fn key_of(number: u32) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut key = vec![b'K'; 42];
    for (at, shift) in [0, 6, 12, 18].into_iter().enumerate() {
        key[at] = DIGITS[(number >> shift & 63) as usize];
    }
    String::from_utf8(key).expect("letters") + "A="
}

fn config(private_key: &str, peers: u32) -> String {
    let mut text = format!("[Interface]\nPrivateKey = {private_key}\nListenPort = 40010\nFwMark = 0x33\n");
    for number in 0..peers {
        let (high, low) = (number >> 8, number & 255);
        writeln!(
            text,
            "[Peer]\nPublicKey = {}\nAllowedIPs = 10.{high}.{low}.0/24, fd00:{number:x}::/32\nEndpoint = 192.0.2.1:{}",
            key_of(number),
            1000 + number
        )
        .expect("text");
    }
    text
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(|line| line.replace(' ', "")).filter(|line| !line.is_empty()).collect()
}

#[test]
fn a_configuration_comes_back_as_it_was_set() {
    let tunnel = Tunnel::start("");
    let (name, key) = (&tunnel.name, must("wg genkey"));
    let file = Scrap::new(&config(&key, 20));
    must(&format!("wg setconf {name} {}", file.0.display()));
    let shown = must(&format!("wg showconf {name}"));
    assert!(
        shown.contains(&format!("PrivateKey = {key}")) && shown.contains("ListenPort = 40010"),
        "{shown}"
    );
    assert_eq!(must(&format!("wg show {name} fwmark")), "0x33");
    assert_eq!(must(&format!("wg show {name} peers")).lines().count(), 20);
    assert_eq!(must(&format!("wg show {name} public-key")), {
        let file = Scrap::new(&key);
        text(
            &std::process::Command::new("sh")
                .args(["-c", &format!("wg pubkey < {}", file.0.display())])
                .output()
                .expect("wg")
                .stdout,
        )
    });
    // What is shown can be set again, by each of the three commands, and changes nothing.
    let again = Scrap::new(&shown);
    for command in ["setconf", "syncconf", "addconf"] {
        must(&format!("wg {command} {name} {}", again.0.display()));
        assert_eq!(lines(&must(&format!("wg showconf {name}"))), lines(&shown), "{command}");
    }
    // Fewer peers: the others go.
    let fewer = Scrap::new(&config(&key, 3));
    must(&format!("wg syncconf {name} {}", fewer.0.display()));
    assert_eq!(must(&format!("wg show {name} peers")).lines().count(), 3);
}

#[test]
fn thousands_of_peers_are_set_at_once() {
    let tunnel = Tunnel::start("");
    let file = Scrap::new(&config(&must("wg genkey"), 5000));
    must(&format!("wg setconf {} {}", tunnel.name, file.0.display()));
    assert_eq!(must(&format!("wg show {} allowed-ips", tunnel.name)).lines().count(), 5000);
    assert_eq!(tunnel.status()["peers"].as_array().map(Vec::len), Some(5000));
}

#[test]
fn single_values_change_and_go() {
    let tunnel = Tunnel::start("");
    let (name, peer, other) = (&tunnel.name, key_of(1), key_of(2));
    let set = |rest: &str| must(&format!("wg set {name} {rest}"));
    let show = |what: &str| must(&format!("wg show {name} {what}"));
    set(&format!("peer {peer} allowed-ips 10.0.0.1/32 persistent-keepalive 25 endpoint [2001:db8::1]:7"));
    assert_eq!(show("endpoints"), format!("{peer}\t[2001:db8::1]:7"));
    assert_eq!(show("persistent-keepalive"), format!("{peer}\t25"));
    let key = Scrap::new(&must("wg genpsk"));
    set(&format!("peer {peer} preshared-key {}", key.0.display()));
    assert!(!show("preshared-keys").ends_with("(none)"));
    set(&format!("peer {peer} preshared-key /dev/null persistent-keepalive off"));
    assert!(show("preshared-keys").ends_with("(none)") && show("persistent-keepalive").ends_with("off"));
    // An allowed IP has one owner.
    set(&format!("peer {other} allowed-ips 10.0.0.1/32"));
    assert!(show("allowed-ips").contains(&format!("{peer}\t(none)")), "{}", show("allowed-ips"));
    set(&format!("peer {other} remove"));
    assert!(!show("peers").contains(&other));
    // Port 0 is any port; a mark of 0 is none.
    set("fwmark 5 listen-port 40020");
    assert_eq!((show("fwmark"), show("listen-port")), ("0x5".to_owned(), "40020".to_owned()));
    set("fwmark 0 listen-port 0");
    assert_eq!(show("fwmark"), "off");
    assert_ne!(show("listen-port"), "40020");
    let any = show("listen-port");
    set("listen-port 0");
    assert_eq!(show("listen-port"), any, "any port was good already");
    let zero = Scrap::new("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    set(&format!("private-key {}", zero.0.display()));
    assert_eq!(show("private-key"), "(none)");
}

#[test]
fn a_taken_port_is_an_error_with_its_name_and_changes_nothing() {
    let (tunnel, other) = (Tunnel::start(""), fresh_name());
    tunnel.net.must(&format!("{RINGMESH} tunnel {other}"));
    must(&format!("wg set {other} listen-port 40030"));
    let before = must(&format!("wg show {}", tunnel.name));
    let refused = run(&format!("wg set {} listen-port 40030", tunnel.name));
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("Address already in use"), "{}", text(&refused.stderr));
    assert_eq!(must(&format!("wg show {}", tunnel.name)), before);
    tunnel.net.must(&format!("ip link delete {other}"));
    wait_for("the other one ends", || {
        (!PathBuf::from(format!("/run/ringmesh/{other}.lock")).exists()).then_some(())
    });
}

/// What a request wants beside the port fails, so the port and the mark are what they were.
#[test]
fn a_port_goes_back_when_the_request_is_refused() {
    let tunnel = Tunnel::start("");
    must(&format!("wg set {} listen-port 40031 fwmark 3", tunnel.name));
    let before = must(&format!("wg show {}", tunnel.name));
    let request = format!(
        "set=1\nlisten_port=40032\nfwmark=4\npublic_key={}\nendpoint=[fe80::1%nosuchlink]:7\n\n",
        "07".repeat(32)
    );
    let mut stream = UnixStream::connect(tunnel.wg_socket()).expect("it listens");
    stream.write_all(request.as_bytes()).expect("sent");
    stream.shutdown(std::net::Shutdown::Write).expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "errno=-2\n\n");
    assert_eq!(must(&format!("wg show {}", tunnel.name)), before);
}

/// The data plane stands still for a moment, so no worker can have changed its socket.
#[test]
fn a_new_port_is_answered_when_it_holds() {
    let tunnel = Tunnel::start("--workers 2");
    let plane = tunnel.plane_pid();
    must(&format!("kill -STOP {plane}"));
    let mut asked = std::process::Command::new("wg")
        .args(["set", &tunnel.name, "listen-port", "40033"])
        .spawn()
        .expect("wg");
    for _ in 0..50 {
        assert!(asked.try_wait().expect("a child").is_none(), "answered before anything had changed");
        std::thread::park_timeout(std::time::Duration::from_millis(10));
    }
    must(&format!("kill -CONT {plane}"));
    assert!(asked.wait().expect("a child").success());
    assert_eq!(must(&format!("wg show {} listen-port", tunnel.name)), "40033");
}

/// As wireguard-go does it: nobody is his own peer, and saying so is no error.
#[test]
fn our_own_key_is_no_peer() {
    let tunnel = Tunnel::start("");
    let (name, key) = (&tunnel.name, Scrap::new(&must("wg genkey")));
    must(&format!("wg set {name} private-key {}", key.0.display()));
    let own = must(&format!("wg show {name} public-key"));
    must(&format!(
        "wg set {name} peer {own} allowed-ips 10.0.0.0/8 peer {} allowed-ips 10.1.0.0/16",
        key_of(1)
    ));
    assert_eq!(must(&format!("wg show {name} peers")), key_of(1));
    // A peer whose key becomes ours goes, and with both in one request it never was one.
    let other = Scrap::new(&must("wg genkey"));
    must(&format!("wg set {name} private-key {}", other.0.display()));
    must(&format!("wg set {name} peer {own} allowed-ips 10.2.0.0/16"));
    assert!(must(&format!("wg show {name} peers")).contains(&own));
    must(&format!("wg set {name} private-key {} peer {own} allowed-ips 10.3.0.0/16", key.0.display()));
    assert_eq!(must(&format!("wg show {name} peers")), key_of(1));
    assert_eq!(must(&format!("wg show {name} allowed-ips")), format!("{}\t10.1.0.0/16", key_of(1)));
}

#[test]
fn garbage_gets_an_answer_and_harms_nobody() {
    let tunnel = Tunnel::start("");
    let said = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(tunnel.wg_socket()).expect("it listens");
        // Who talks too long may be cut off in the middle.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    let noise: Vec<u8> = (0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(said(b"set=1\nnonsense\n\n"), "errno=-71\n\n");
    assert_eq!(said(b"set=1\nfwmark=-1\n\n"), "errno=-22\n\n");
    assert_eq!(said(b"get=1\n\n").lines().last(), Some(""));
    assert!(said(b"get=1\n\n").contains("errno=0\n\n"));
    said(&noise);
    // Half a request, and silence: others are served meanwhile.
    let _idle: Vec<_> = (0..20).filter_map(|_| UnixStream::connect(tunnel.wg_socket()).ok()).collect();
    must(&format!("wg show {}", tunnel.name));
}

#[test]
fn wg_quick_brings_it_up_and_down() {
    let (net, name) = (Net::new(), fresh_name());
    let directory = std::env::temp_dir().join(format!("{name}.d"));
    std::fs::create_dir_all(&directory).expect("a directory");
    let file = directory.join(format!("{name}.conf"));
    let program = directory.join("ringmesh-wg");
    std::os::unix::fs::symlink(RINGMESH, &program).expect("a link");
    let text = format!(
        "[Interface]\nPrivateKey = {}\nAddress = 10.7.0.1/24, fd07::1/64\nListenPort = 40040\nMTU = 1380\n\
         [Peer]\nPublicKey = {}\nAllowedIPs = 10.8.0.0/16\nEndpoint = 127.0.0.1:9\n",
        must("wg genkey"),
        key_of(7)
    );
    std::fs::write(&file, text).expect("a file");
    for _ in 0..2 {
        let environment = format!("env WG_QUICK_USERSPACE_IMPLEMENTATION={}", program.display());
        net.must(&format!("{environment} wg-quick up {}", file.display()));
        assert!(net.must("ip route").contains(&format!("10.8.0.0/16 dev {name}")));
        assert!(net.must(&format!("ip link show {name}")).contains("mtu 1380"));
        assert_eq!(must(&format!("wg show {name} listen-port")), "40040");
        net.must(&format!("{environment} wg-quick down {}", file.display()));
        assert!(!net.run(&format!("ip link show {name}")).status.success());
    }
    wait_for("it ends", || (!PathBuf::from(format!("/run/ringmesh/{name}.lock")).exists()).then_some(()));
    std::fs::remove_dir_all(directory).expect("it is there");
}

#[test]
fn stun_is_answered_on_the_tunnels_port_when_asked_for() {
    // Header with a transaction number of twelve times 7 (RFC 8489, section 5).
    const REQUEST: &str = "\\x00\\x01\\x00\\x00\\x21\\x12\\xa4\\x42\\x07\\x07\\x07\\x07\\x07\\x07\\x07\\x07\\x07\\x07\\x07\\x07";
    let ask = |tunnel: &Tunnel| {
        let port = must(&format!("wg show {} listen-port", tunnel.name));
        // bash alone can speak UDP; the answer is 32 bytes: header and XOR-MAPPED-ADDRESS.
        let script = format!(
            "exec 3<>/dev/udp/127.0.0.1/{port}; printf '{REQUEST}' >&3; timeout 2 head -c 32 <&3 | od -An -v -tx1 | tr -d ' \\n'"
        );
        let inside = ["netns", "exec", &tunnel.net.0, "bash", "-c", &script];
        text(&std::process::Command::new("ip").args(inside).output().expect("bash").stdout)
    };
    let tunnel = Tunnel::start("--stun");
    let answer = ask(&tunnel);
    // Success, 12 bytes, cookie, the same transaction; then type, length, family; the address is 127.0.0.1 under the cookie.
    assert!(answer.starts_with(&format!("0101000c2112a442{}002000080001", "07".repeat(12))), "{answer}");
    assert!(answer.ends_with("5e12a443"), "{answer}");
    assert_eq!(tunnel.status()["control"]["injected"], 1);
    let silent = Tunnel::start("");
    assert_eq!(ask(&silent), "");
}
