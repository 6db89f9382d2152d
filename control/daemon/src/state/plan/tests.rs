use std::collections::BTreeMap;

use ringmesh_abi::{Command, Endpoint, UdpPath};
use ringmesh_wire::keys::PublicKey;

use super::{World, plan, remote_of};
use crate::state::State;
use crate::uapi::errno::Errno;
use crate::uapi::parse::parse;

/// A device and where its peers are now; requests are given as text with `A`, `B`, `C` for keys.
struct Bench {
    state: State,
    live: BTreeMap<u8, &'static str>,
}

fn key(letter: char) -> String {
    format!("{:02x}", letter as u8).repeat(32)
}

impl Bench {
    fn new() -> Self {
        Self { state: State::new(1420), live: BTreeMap::new() }
    }

    /// Plans a request and names its commands, shortly.
    fn set(&mut self, text: &str) -> Result<Vec<String>, Errno> {
        let text: String = text
            .split_whitespace()
            .map(|word| match word.split_once('=') {
                Some((name, letter)) if name.ends_with("_key") && letter.len() == 1 => {
                    format!("{name}={}\n", key(letter.chars().next().unwrap_or('A')))
                }
                _ => format!("{word}\n"),
            })
            .collect();
        let set = parse(&text)?;
        let live = |_: u32, key: PublicKey| {
            let remote = self.live.get(&key.0[0])?.parse().ok()?;
            Some(Endpoint::Udp(UdpPath { remote, local: None, socket: 0 }))
        };
        let world = World { endpoint_of: &live, index_of: &|name| (name == "eth0").then_some(2) };
        let before: Vec<_> = self.state.commands().collect();
        let planned = plan(&mut self.state, &set, &world);
        assert_eq!(self.state.commands().collect::<Vec<_>>(), before, "planning leaves no trace: {text}");
        let planned = planned?;
        planned.iter().for_each(|command| self.state.apply(command));
        Ok(planned.iter().map(short).collect())
    }
}

fn short(command: &Command) -> String {
    let letter = |key: &[u8; 32]| char::from(key[0]);
    match command {
        Command::SetDevice { private_key, .. } => format!("device {}", private_key.is_some()),
        Command::SetPeer { slot, public_key, keepalive_secs, endpoints, .. } => {
            let at = remote_of(&endpoints[0]).map_or("-".to_owned(), |remote| remote.to_string());
            format!("peer {slot} {} {keepalive_secs} {at}", letter(public_key))
        }
        Command::RemovePeer { slot, public_key } => format!("remove {slot} {}", letter(public_key)),
        Command::AddAllowedIp { public_key, addr, prefix, .. } => {
            format!("+ {} {addr}/{prefix}", letter(public_key))
        }
        Command::RemoveAllowedIp { public_key, addr, prefix, .. } => {
            format!("- {} {addr}/{prefix}", letter(public_key))
        }
        Command::ClearAllowedIps { public_key, .. } => format!("clear {}", letter(public_key)),
        Command::Mtu { mtu } => format!("mtu {mtu}"),
    }
}

#[test]
fn a_request_becomes_the_fewest_commands() {
    // Each step is a request and the commands it must give, on the state that the steps before it left.
    let steps: &[(&str, &[&str])] = &[
        ("private_key=P", &["device true"]),
        ("private_key=P", &[]),
        (
            "public_key=A allowed_ip=10.0.0.1/32 endpoint=1.2.3.4:5",
            &["peer 0 A 0 1.2.3.4:5", "+ A 10.0.0.1/32"],
        ),
        ("public_key=A allowed_ip=10.0.0.1/32 endpoint=1.2.3.4:5", &[]),
        ("public_key=A persistent_keepalive_interval=9", &["peer 0 A 9 1.2.3.4:5"]),
        ("public_key=B update_only=true allowed_ip=10.0.0.2/32", &[]),
        ("public_key=B remove=true", &[]),
        ("public_key=B", &["peer 1 B 0 -"]),
        // A list that is replaced changes only where it differs.
        (
            "public_key=A replace_allowed_ips=true allowed_ip=10.0.0.1/32 allowed_ip=10.0.0.3/32",
            &["+ A 10.0.0.3/32"],
        ),
        ("public_key=A replace_allowed_ips=true allowed_ip=10.0.0.3/32", &["- A 10.0.0.1/32"]),
        ("public_key=A allowed_ip=-10.0.0.3/32 allowed_ip=-10.9.9.9/32", &["- A 10.0.0.3/32"]),
        // A range moves in one command.
        ("public_key=A allowed_ip=10.1.0.0/16", &["+ A 10.1.0.0/16"]),
        ("public_key=B allowed_ip=10.1.0.0/16", &["+ B 10.1.0.0/16"]),
        ("public_key=A allowed_ip=-10.1.0.0/16", &[]),
        // Sections of one peer add up.
        (
            "public_key=C allowed_ip=10.3.0.1/32 public_key=C allowed_ip=10.3.0.2/32",
            &["peer 2 C 0 -", "+ C 10.3.0.1/32", "+ C 10.3.0.2/32"],
        ),
        // Replacing all: who is not named goes, who is named starts from defaults but keeps its session.
        (
            "replace_peers=true public_key=A public_key=B allowed_ip=10.1.0.0/16",
            &["remove 2 C", "peer 0 A 0 1.2.3.4:5"],
        ),
        ("replace_peers=true public_key=B update_only=true", &["remove 0 A", "remove 1 B"]),
        ("replace_peers=true", &[]),
    ];
    let mut bench = Bench::new();
    for (text, expected) in steps {
        assert_eq!(bench.set(text).expect(text), *expected, "{text}");
    }
}

#[test]
fn a_roamed_peer_stays_where_it_is_unless_told() {
    let mut bench = Bench::new();
    bench.set("public_key=A endpoint=1.2.3.4:5").expect("good");
    bench.live.insert(b'A', "9.9.9.9:9");
    let steps: &[(&str, &[&str])] = &[
        ("public_key=A allowed_ip=10.0.0.1/32", &["+ A 10.0.0.1/32"]),
        ("public_key=A persistent_keepalive_interval=1", &["peer 0 A 1 9.9.9.9:9"]),
        ("public_key=A endpoint=9.9.9.9:9", &[]),
        ("public_key=A endpoint=1.2.3.4:5", &["peer 0 A 1 1.2.3.4:5"]),
    ];
    for (text, expected) in steps {
        assert_eq!(bench.set(text).expect(text), *expected, "{text}");
    }
}

#[test]
fn a_device_is_never_its_own_peer() {
    let mut bench = Bench::new();
    bench.set("private_key=P").expect("good");
    let own = bench.state.device.public_key.expect("it has a key").to_hex();
    assert_eq!(bench.set(&format!("public_key={own} allowed_ip=10.0.0.1/32")).expect("good"), [""; 0]);
    // Also when the peer was there before the key.
    let mut bench = Bench::new();
    bench.set(&format!("public_key={own}")).expect("good");
    assert_eq!(bench.set("private_key=P").expect("good").len(), 2);
    assert_eq!(bench.state.peers.len(), 0);
}

#[test]
fn zones_become_numbers() {
    let mut bench = Bench::new();
    let planned = bench.set("public_key=A endpoint=[fe80::1%eth0]:5").expect("good");
    assert_eq!(planned, ["peer 0 A 0 [fe80::1%2]:5"]);
    assert_eq!(bench.set("public_key=A endpoint=[fe80::1%eth9]:5"), Err(Errno::NOT_FOUND));
}
