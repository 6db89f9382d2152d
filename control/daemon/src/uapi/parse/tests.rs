use std::net::SocketAddr;

use proptest::prelude::*;

use super::{ALLOWED_IPS_MAX, AllowedIp, LINE_LEN_MAX, Set, parse};
use crate::uapi::errno::Errno;

const KEY: &str = "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33";
const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn peer(lines: &str) -> Result<Set, Errno> {
    parse(&format!("public_key={KEY}\n{lines}\n\n"))
}

#[test]
fn the_example_of_the_specification_parses() {
    let set = parse(concat!(
        "private_key=e84b5a6d2717c1003a13b431570353dbaca9146cf150c5f8575680feba52027a\n",
        "fwmark=0\nlisten_port=12912\nreplace_peers=true\n",
        "public_key=b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33\n",
        "preshared_key=188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52\n",
        "replace_allowed_ips=true\nallowed_ip=192.168.4.4/32\nendpoint=[abcd:23::33%2]:51820\n",
        "public_key=58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376\n",
        "replace_allowed_ips=true\nallowed_ip=192.168.4.6/32\npersistent_keepalive_interval=111\n",
        "endpoint=182.122.22.19:3233\n",
        "public_key=662e14fd594556f522604703340351258903b64f35553763f19426ab2a515c58\n",
        "endpoint=5.152.198.39:51820\nreplace_allowed_ips=true\n",
        "allowed_ip=192.168.4.10/32\nallowed_ip=192.168.4.11/32\n",
        "public_key=e818b58db5274087fcc1be5dc728cf53d3b5726b4cef6b9bab8f8f8c2452c25c\nremove=true\n\n",
    ))
    .expect("the example is good");
    assert!(set.private_key.as_ref().is_some_and(Option::is_some));
    assert_eq!((set.fwmark, set.listen_port, set.replace_peers), (Some(0), Some(12912), true));
    assert_eq!(set.peers.len(), 4);
    assert!(set.peers[0].preshared_key.is_some());
    let endpoint = set.peers[0].endpoint.as_ref().expect("it has one");
    assert_eq!(endpoint.addr.to_string(), "[abcd:23::33%2]:51820");
    assert_eq!(set.peers[1].keepalive_secs, Some(111));
    assert_eq!(set.peers[2].allowed_ips.len(), 2);
    assert!(set.peers[3].remove && !set.peers[2].remove);
}

#[test]
fn lines_of_the_device() {
    let cases: &[(&str, Result<(), Errno>)] = &[
        ("", Ok(())),
        ("listen_port=0", Ok(())),
        ("listen_port=65535", Ok(())),
        ("listen_port=65536", Err(Errno::INVALID)),
        ("listen_port=", Err(Errno::INVALID)),
        ("listen_port=+1", Err(Errno::INVALID)),
        ("listen_port=-1", Err(Errno::INVALID)),
        ("listen_port=1 ", Err(Errno::INVALID)),
        ("fwmark=4294967295", Ok(())),
        ("fwmark=4294967296", Err(Errno::INVALID)),
        ("fwmark=0x1", Err(Errno::INVALID)),
        ("replace_peers=true", Ok(())),
        ("replace_peers=false", Err(Errno::INVALID)),
        ("private_key=00", Err(Errno::INVALID)),
        ("private_key=", Err(Errno::INVALID)),
        ("public_key=zz", Err(Errno::INVALID)),
        // Peer keys before the first peer, unknown keys, no key at all.
        ("endpoint=1.2.3.4:5", Err(Errno::INVALID)),
        ("colour=green", Err(Errno::INVALID)),
        ("errno=0", Err(Errno::INVALID)),
        ("=", Err(Errno::INVALID)),
        ("listen_port", Err(Errno::PROTOCOL)),
        ("\u{0}", Err(Errno::PROTOCOL)),
    ];
    for (line, expected) in cases {
        assert_eq!(parse(&format!("{line}\n\n")).map(drop), *expected, "{line:?}");
    }
}

#[test]
fn lines_of_a_peer() {
    let cases: &[(&str, Result<(), Errno>)] = &[
        ("remove=true", Ok(())),
        ("remove=1", Err(Errno::INVALID)),
        ("update_only=true", Ok(())),
        ("update_only=", Err(Errno::INVALID)),
        ("protocol_version=1", Ok(())),
        ("protocol_version=2", Err(Errno::INVALID)),
        ("persistent_keepalive_interval=65535", Ok(())),
        ("persistent_keepalive_interval=65536", Err(Errno::INVALID)),
        ("persistent_keepalive_interval=off", Err(Errno::INVALID)),
        ("replace_allowed_ips=true", Ok(())),
        ("replace_allowed_ips=yes", Err(Errno::INVALID)),
        ("preshared_key=0", Err(Errno::INVALID)),
        ("allowed_ip=0.0.0.0/0", Ok(())),
        ("allowed_ip=::/0", Ok(())),
        ("allowed_ip=-10.0.0.0/8", Ok(())),
        ("allowed_ip=10.0.0.0", Err(Errno::INVALID)),
        ("allowed_ip=10.0.0.0/33", Err(Errno::INVALID)),
        ("allowed_ip=fd00::/129", Err(Errno::INVALID)),
        ("allowed_ip=10.0.0.0/+8", Err(Errno::INVALID)),
        ("allowed_ip=--10.0.0.0/8", Err(Errno::INVALID)),
        ("allowed_ip=", Err(Errno::INVALID)),
        ("endpoint=1.2.3.4:0", Err(Errno::INVALID)),
        ("endpoint=1.2.3.4", Err(Errno::INVALID)),
        ("endpoint=example.org:1", Err(Errno::INVALID)),
        ("endpoint=::1:51820", Err(Errno::INVALID)),
        ("endpoint=[::1]", Err(Errno::INVALID)),
        ("endpoint=[::1:5", Err(Errno::INVALID)),
        ("endpoint=[1.2.3.4]:5", Err(Errno::INVALID)),
        ("endpoint=[fe80::1%]:5", Err(Errno::INVALID)),
        ("endpoint=[fe80::1%a-name-too-long!]:5", Err(Errno::INVALID)),
        ("endpoint=[fe80::1%4294967296]:5", Ok(())), // ten digits may be an interface's name
        ("listen_port=1", Err(Errno::INVALID)),
        ("", Ok(())),
    ];
    for (line, expected) in cases {
        assert_eq!(peer(line).map(drop), *expected, "{line:?}");
    }
}

#[test]
fn endpoints_are_plain_addresses() {
    let cases = [
        ("1.2.3.4:5", "1.2.3.4:5", None),
        ("[::1]:5", "[::1]:5", None),
        ("[::ffff:1.2.3.4]:5", "1.2.3.4:5", None),
        ("[fe80::1%7]:5", "[fe80::1%7]:5", None),
        ("[fe80::1%eth0]:5", "[fe80::1]:5", Some("eth0")),
    ];
    for (text, addr, zone) in cases {
        let set = peer(&format!("endpoint={text}")).expect(text);
        let endpoint = set.peers[0].endpoint.clone().expect(text);
        assert_eq!(endpoint.addr, addr.parse::<SocketAddr>().expect(addr), "{text}");
        assert_eq!(endpoint.zone.as_deref(), zone, "{text}");
    }
}

#[test]
fn ranges_are_plain_addresses() {
    let cases = [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::ffff:0:0/90", "::ffc0:0:0/90"),
        ("fd00::1/64", "fd00::/64"),
    ];
    for (text, range) in cases {
        let set = peer(&format!("allowed_ip={text}")).expect(text);
        assert_eq!(set.peers[0].allowed_ips, [AllowedIp::Add(range.parse().expect(range))], "{text}");
    }
}

#[test]
fn zeros_take_the_private_key_away() {
    assert_eq!(parse(&format!("private_key={ZERO}\n")).expect("good").private_key, Some(None));
    assert_eq!(parse("fwmark=1\n").expect("good").private_key, None);
}

#[test]
fn replacing_counts_in_the_order_of_the_lines() {
    let set = peer("allowed_ip=10.0.0.0/8\nreplace_allowed_ips=true\nallowed_ip=10.1.0.9/16").expect("good");
    assert!(set.peers[0].replace_allowed_ips);
    assert_eq!(set.peers[0].allowed_ips, [AllowedIp::Add("10.1.0.0/16".parse().expect("a range"))]);
}

#[test]
fn an_empty_line_ends_the_request() {
    assert_eq!(parse("fwmark=1\n\nfwmark=bad\n").expect("good").fwmark, Some(1));
}

#[test]
fn bounds_hold() {
    assert_eq!(parse(&"x".repeat(LINE_LEN_MAX + 1)).map(drop), Err(Errno::TOO_BIG));
    let many = "allowed_ip=10.0.0.1/32\n".repeat(ALLOWED_IPS_MAX + 1);
    assert_eq!(peer(&many).map(drop), Err(Errno::TOO_BIG));
}

#[test]
fn secrets_do_not_show() {
    let set = parse(&format!("private_key={KEY}\npublic_key={KEY}\npreshared_key={KEY}\n")).expect("good");
    assert!(!format!("{set:?}").contains("b85996"));
}

proptest! {
    #[test]
    fn any_text_gives_a_set_or_an_error(text in ".{0,400}") {
        let _ = parse(&text);
    }

    #[test]
    fn near_misses_give_a_set_or_an_error(
        lines in prop::collection::vec(
            ("(private_key|listen_port|fwmark|replace_peers|public_key|endpoint|allowed_ip|remove)?",
             "=?", "([0-9a-f]{64}|true|[0-9]{1,12}|[-\\[\\]%:./0-9a-f]{0,40})"),
            0..40,
        )
    ) {
        let text: String = lines.iter().map(|(key, sign, value)| format!("{key}{sign}{value}\n")).collect();
        if let Ok(set) = parse(&text) {
            prop_assert!(set.peers.len() <= lines.len());
        }
    }
}
