//! Ways around: through other interfaces, through this machine to elsewhere; and rules of others that are in the way.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::json;

use super::super::common::{must, wait_for};
use super::super::stage::{Device, Lan};
use super::{echo, own_device_and_guest, reaches};

/// A host behind the device, as a container or a second LAN would be: `10.99.0.2`.
fn host_behind(lan: &Lan, device: &Device) -> Device {
    let host = lan.device();
    must(&format!("ip link add behind netns {} type veth peer name up0 netns {}", device.net, host.net));
    must(&format!("ip -n {} addr add 10.99.0.1/24 dev behind", device.net));
    must(&format!("ip -n {} link set behind up", device.net));
    must(&format!("ip -n {} addr add 10.99.0.2/24 dev up0", host.net));
    must(&format!("ip -n {} link set up0 up", host.net));
    must(&format!("ip -n {} route add 100.64.0.0/10 via 10.99.0.1", host.net));
    for setting in
        ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0"]
    {
        assert!(device.run(&format!("sysctl -qw {setting}")).status.success());
    }
    host
}

/// Lets the tunnel of a device whose daemon is dead send anything to its one peer, as its owner could.
fn let_out_everything(device: &Device) {
    let path = device.paths.run.join("wireguard/rm-home.sock");
    let mut stream = UnixStream::connect(&path).expect("the tunnel");
    stream.write_all(b"get=1\n\n").expect("asks");
    let mut answer = String::new();
    let mut buffer = [0; 4096];
    while !answer.ends_with("\n\n") {
        let len = stream.read(&mut buffer).expect("answers");
        answer.push_str(std::str::from_utf8(&buffer[..len]).expect("text"));
    }
    let key = answer.lines().find_map(|line| line.strip_prefix("public_key=")).expect("a peer");
    let mut stream = UnixStream::connect(&path).expect("the tunnel");
    let question = format!("set=1\npublic_key={key}\nallowed_ip=10.99.0.0/24\n\n");
    stream.write_all(question.as_bytes()).expect("asks");
    let len = stream.read(&mut buffer).expect("answers");
    assert_eq!(&buffer[..len], b"errno=0\n\n");
    assert!(device.run("ip route add 10.99.0.0/24 dev rm-home").status.success());
}

#[test]
fn nothing_is_forwarded_out_of_the_circle_or_into_it() {
    let lan = Lan::new();
    let (a, mut b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    let host = host_behind(&lan, &a);
    echo(&host, &[80]);
    echo(&b, &[80]);
    let (alpha, beta) = (b.addresses_of("alpha")[0].clone(), b.addresses_of("beta")[0].clone());
    assert!(reaches(&a, "10.99.0.2", 80) && reaches(&a, &beta, 80));
    // Even if it would come back: what leaves here is made to look like ours.
    assert!(a.run("nft add table ip hide; add chain ip hide out { type nat hook postrouting priority 100 ; }; add rule ip hide out oifname rm-home masquerade").status.success());
    assert!(!reaches(&host, &beta, 80), "into the circle");
    // A port that is redirected to somewhere else is one of this device, under the number that the peer sees.
    assert!(a.run("nft add table ip move; add chain ip move in { type nat hook prerouting priority -100 ; }; add rule ip move in fib daddr type local tcp dport 8080 dnat to 10.99.0.2:80").status.success());
    assert!(reaches(&b, &alpha, 8080), "a published port");
    a.ask("deny", json!({"peer": "beta", "what": "tcp/8080"}));
    assert!(!reaches(&b, &alpha, 8080), "a published port that is denied");
    b.kill();
    let_out_everything(&b);
    assert!(
        !reaches(&b, "10.99.0.2", 80) && !b.pings("10.99.0.2") && !b.pings("10.99.0.1"),
        "out of the circle"
    );
    assert!(b.pings(&alpha));
}

/// Linux takes packets for any of its addresses on any interface. A neighbour on the LAN is no member.
#[test]
fn mesh_addresses_are_reached_through_the_mesh_only() {
    let lan = Lan::new();
    let (a, b) = own_device_and_guest(&lan);
    a.ask("allow", json!({"peer": "guest", "what": "reach"}));
    let stranger = lan.device();
    let alphas = b.addresses_of("alpha");
    assert!(reaches(&stranger, "192.168.77.1", 445), "it listens on all addresses");
    assert!(stranger.run(&format!("ip route add {} via 192.168.77.1", alphas[0])).status.success());
    let link_local = must(&format!("ip -n {} -6 -o addr show dev lan scope link", a.net));
    let link_local = link_local.split_whitespace().find(|word| word.starts_with("fe80")).expect("an address");
    let via = link_local.split('/').next().expect("an address");
    assert!(stranger.run("ip addr add fd00:77::3/64 dev lan nodad").status.success());
    assert!(a.run("ip addr add fd00:77::1/64 dev lan nodad").status.success());
    assert!(stranger.run(&format!("ip route add {} via {via} dev lan", alphas[1])).status.success());
    wait_for("IPv6 works between the two", || reaches(&stranger, "fd00:77::1", 445).then_some(()));
    for alpha in &alphas {
        assert!(
            reaches(&b, alpha, 445) && !reaches(&stranger, alpha, 445) && !stranger.pings(alpha),
            "{alpha}"
        );
        assert!(a.pings(alpha), "we ourselves");
    }
}

#[test]
fn a_rule_that_is_in_the_way_is_named_with_what_helps() {
    let lan = Lan::new();
    let (a, b) = own_device_and_guest(&lan);
    let alpha = b.addresses_of("alpha")[0].clone();
    let rules = "nft add table inet house; \
                 add chain inet house in { type filter hook input priority 0 ; policy drop ; }; \
                 add rule inet house in ct state { established, related } accept; \
                 add rule inet house in iifname { lo, lan } accept";
    assert!(a.run(rules).status.success());
    let said = a.ask("allow", json!({"peer": "guest", "what": "tcp/445"}));
    let why = said["blocked"][0].as_str().expect("a sentence").to_owned();
    assert!(why.contains("the chain in in the table inet house drops tcp/445"), "{why}");
    assert!(!reaches(&b, &alpha, 445));
    let can = a.ask("can", json!({"from": "guest", "target": ":445"}));
    assert_eq!((&can["allowed"], can["blocked"][0].as_str()), (&json!(true), Some(why.as_str())));
    let notes = a.ask("up", json!({}))["notes"].to_string();
    assert!(notes.contains("inet house"), "{notes}");
    // What it says helps.
    let fix = why.split('`').nth(1).expect("a command");
    assert!(a.run(fix).status.success(), "{fix}");
    assert!(reaches(&b, &alpha, 445));
    assert_eq!(a.ask("can", json!({"from": "guest", "target": ":445"}))["blocked"], json!([]));
    assert!(!a.ask("up", json!({}))["notes"].to_string().contains("inet house"));
}
