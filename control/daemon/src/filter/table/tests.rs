//! The whole table as text, and what differs from case to case.

use ringmesh_mesh::identity::DeviceId;

use super::*;

const OWN6: &str = "fd12:3456:789a:1::1";
const UNTIL: u64 = 1_800_000_000;

/// A rule of device `number`, whose addresses end in it.
fn rule(number: u8, target: Target, accept: bool, until: Option<u64>) -> Rule {
    Rule {
        from: DeviceId([number; 32]),
        ipv6: format!("fd12:3456:789a::{number}").parse().expect("an address"),
        ipv4: Some(Ipv4Addr::new(100, 70, 0, number)),
        target,
        accept,
        until,
    }
}

fn own_device(number: u8) -> [Rule; 2] {
    [rule(number, Target::Port(Proto::Tcp, FILES_PORT), true, None), rule(number, Target::Here, true, None)]
}

fn ruleset(rules: Vec<Rule>, ipv4: bool) -> String {
    let block = Ipv4Block::new(Ipv4Addr::new(100, 70, 0, 0), 16).expect("a block");
    let ipv4 = ipv4.then_some(Mesh4 { address: Ipv4Addr::new(100, 70, 0, 1), block });
    Guarded {
        circle: &"home".parse().expect("a name"),
        zone: 40_000,
        ifname: &IfName::new("rm-home").expect("a name"),
        ipv6: OWN6.parse().expect("an address"),
        ipv4,
        filter: &Filter { rules },
    }
    .ruleset()
}

/// The rules of one chain.
fn chain_of<'a>(ruleset: &'a str, name: &str) -> Vec<&'a str> {
    let after = ruleset.split_once(&format!("chain {name} {{\n")).expect("the chain is there").1;
    after.lines().map(str::trim).take_while(|line| *line != "}").collect()
}

#[test]
fn a_table_as_a_whole() {
    let guest = rule(4, Target::Port(Proto::Udp, 25_565), true, Some(UNTIL));
    let rules = [own_device(2).to_vec(), own_device(3).to_vec(), vec![guest]].concat();
    assert_eq!(
        ruleset(rules, true),
        r#"table inet ringmesh-home
delete table inet ringmesh-home
table inet ringmesh-home {
	map who4 {
		type ipv4_addr : verdict
		elements = { 100.70.0.2 : jump policy-0,
			100.70.0.3 : jump policy-0,
			100.70.0.4 : jump policy-1 }
	}
	map who6 {
		type ipv6_addr : verdict
		elements = { fd12:3456:789a::2 : jump policy-0,
			fd12:3456:789a::3 : jump policy-0,
			fd12:3456:789a::4 : jump policy-1 }
	}
	chain zone-arriving {
		type filter hook prerouting priority raw; policy accept;
		iifname "rm-home" ct zone set 40000
		iifname != { "lo", "rm-home" } ip6 daddr fd12:3456:789a::/48 ct zone set 40000
		iifname != { "lo", "rm-home" } ip daddr 100.70.0.0/16 ct zone set 40000
	}
	chain zone-leaving {
		type filter hook output priority raw; policy accept;
		oifname "rm-home" ct zone set 40000
	}
	chain arriving {
		type filter hook prerouting priority mangle; policy accept;
		iifname "rm-home" goto from-circle
		iifname != { "lo", "rm-home" } ip6 daddr fd12:3456:789a:1::1 drop
		iifname != { "lo", "rm-home" } ip6 saddr fd12:3456:789a::/48 drop
		iifname != { "lo", "rm-home" } ip daddr 100.70.0.1 drop
	}
	chain from-circle {
		ip daddr != 100.70.0.1 drop
		ip6 daddr != fd12:3456:789a:1::1 drop
		ct direction reply accept
		ct state related icmp type destination-unreachable accept
		ct state related icmpv6 type { destination-unreachable, packet-too-big } accept
		icmp type != echo-request drop
		icmpv6 type != echo-request drop
		ip6 saddr fd12:3456:789a::/48 tcp dport 25519 accept
		meta l4proto { tcp, udp } th dport 53 drop
		ip saddr vmap @who4
		ip6 saddr vmap @who6
		drop
	}
	chain policy-0 {
		tcp dport 25520 accept
		accept
	}
	chain policy-1 {
		meta time < "1800000001" udp dport 25565 accept
	}
	chain passing {
		type filter hook forward priority filter; policy accept;
		iifname "rm-home" ct status dnat accept
		iifname "rm-home" drop
		oifname "rm-home" ct status dnat ct direction reply accept
		oifname "rm-home" reject with icmpx admin-prohibited
	}
	chain leaving {
		type filter hook output priority filter; policy accept;
		oifname "rm-home" ct state new tcp flags & (fin | syn | rst | ack) != syn reject with tcp reset
	}
}
"#
    );
}

#[test]
fn one_policy_as_rules() {
    for (target, accept, until, expect) in [
        (Target::Here, true, None, vec!["accept"]),
        (Target::Here, false, None, vec!["drop"]),
        (Target::Here, true, Some(UNTIL), vec!["meta time < \"1800000001\" accept"]),
        (Target::Port(Proto::Tcp, 22), false, None, vec!["tcp dport 22 drop"]),
        (Target::Port(Proto::Udp, 1), true, Some(0), vec!["meta time < \"1\" udp dport 1 accept"]),
        // Not before nft's time ends: then it must not wrap around.
        (Target::Here, true, Some(NFT_SECS_MAX - 1), vec!["meta time < \"18446744073\" accept"]),
        (Target::Here, true, Some(NFT_SECS_MAX), vec!["accept"]),
        (Target::Here, true, Some(u64::MAX), vec!["accept"]),
        // Not routed yet.
        (Target::Exit, true, None, vec![]),
        (Target::Lan, true, None, vec![]),
    ] {
        let text = ruleset(vec![rule(2, target, accept, until)], true);
        assert_eq!(chain_of(&text, "policy-0"), expect, "{target:?}");
    }
}

#[test]
fn without_an_ipv4_address_or_members_nothing_of_that_kind_passes() {
    let text = ruleset(vec![], false);
    assert!(!text.contains("elements") && !text.contains("policy-0"), "{text}");
    assert_eq!(chain_of(&text, "from-circle")[0], "meta nfproto ipv4 drop");
    let ipv4 = text.lines().filter(|line| line.contains("ip daddr"));
    assert_eq!(ipv4.count(), 0, "{text}");
    let without = Rule { ipv4: None, ..rule(2, Target::Here, true, None) };
    let text = ruleset(vec![without], true);
    assert!(text.contains("fd12:3456:789a::2 : jump policy-0") && !text.contains("100.70.0.2"), "{text}");
}

/// Ten thousand own devices are one chain, and a packet of any of them is found by one look into a hash.
#[test]
fn a_large_circle_has_few_rules() {
    let device = |number: u32| {
        let rule = |target| Rule {
            from: DeviceId([number.to_be_bytes(); 8].concat().try_into().expect("32 bytes")),
            ipv6: Ipv6Addr::from(0xfd << 120 | u128::from(number)),
            ipv4: Some(Ipv4Addr::from(0x6440_0000 + number)),
            target,
            accept: true,
            until: (number == 77).then_some(UNTIL),
        };
        [rule(Target::Port(Proto::Tcp, FILES_PORT)), rule(Target::Here)]
    };
    let text = ruleset((1..=10_000).flat_map(device).collect(), true);
    assert_eq!(text.matches("chain policy-").count(), 2);
    assert_eq!(text.matches(": jump policy-").count(), 20_000);
}

#[test]
fn zones_are_in_the_upper_half() {
    for (first, expect) in [([0, 0], 0x8000), ([0xff, 0xff], 0xffff), ([0x12, 0x34], 0x9234)] {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&first);
        assert_eq!(zone_of(&CircleId(id)), expect);
    }
}
