//! Rulesets as people and programs make them, a packet, and what is said of it.
//!
//! Each case is a line: rules as JSON of nft, the packet, and a part of the sentence; nothing for one that is let in.

use serde_json::{Value, json};

use super::*;

const TCP_445: Transport = Transport::Tcp(Some(445));

fn packet(ipv4: bool, transport: Transport) -> Packet {
    let (from, to) = if ipv4 { ("100.70.0.2", "100.70.0.1") } else { ("fd12::2", "fd12::1") };
    Packet::new(from.parse().expect("an address"), to.parse().expect("an address"), transport)
}

fn said(items: &[Value], packets: &[Packet]) -> Vec<String> {
    let json = json!({ "nftables": items }).to_string();
    let ruleset = Ruleset::read(&json).expect("JSON");
    blocked(&ruleset, &IfName::new("rm-home").expect("a name"), packets)
}

fn base(table: (&str, &str), name: &str, hook: &str, policy: &str) -> Value {
    json!({"chain": {"family": table.0, "table": table.1, "name": name, "hook": hook, "prio": 0, "policy": policy}})
}

fn chain(table: (&str, &str), name: &str) -> Value {
    json!({"chain": {"family": table.0, "table": table.1, "name": name}})
}

fn rule(table: (&str, &str), chain: &str, handle: u64, expr: Value) -> Value {
    json!({"rule": {"family": table.0, "table": table.1, "chain": chain, "handle": handle, "expr": expr}})
}

fn is(left: Value, right: Value) -> Value {
    json!({"match": {"op": "==", "left": left, "right": right}})
}

const HOUSE: (&str, &str) = ("inet", "house");

#[test]
fn what_one_rule_does_before_a_policy_that_drops() {
    let (tcp, any_tcp) = (packet(true, TCP_445), packet(true, Transport::Tcp(None)));
    let (udp, echo, v6) =
        (packet(true, Transport::Udp(Some(53))), packet(true, Transport::Echo), packet(false, TCP_445));
    let iifname = json!({"meta": {"key": "iifname"}});
    let dport = json!({"payload": {"protocol": "tcp", "field": "dport"}});
    let th_dport = json!({"payload": {"protocol": "th", "field": "dport"}});
    let saddr = json!({"payload": {"protocol": "ip", "field": "saddr"}});
    let saddr6 = json!({"payload": {"protocol": "ip6", "field": "saddr"}});
    let accept = json!({"accept": null});
    let state = json!({"ct": {"key": "state"}});
    let kind = json!({"payload": {"protocol": "icmp", "field": "type"}});
    for (expr, packet, passes) in [
        (json!([accept]), &tcp, true),
        (json!([{"counter": {"packets": 0}}, accept]), &tcp, true),
        (json!([is(iifname.clone(), json!("rm-home")), accept]), &tcp, true),
        (json!([is(iifname.clone(), json!("rm-*")), accept]), &tcp, true),
        (json!([is(iifname.clone(), json!("rm-other")), accept]), &tcp, false),
        (json!([is(iifname.clone(), json!({"set": ["lo", "rm-home"]})), accept]), &tcp, true),
        (json!([is(iifname, json!({"set": ["lo", "eth0"]})), accept]), &tcp, false),
        (json!([is(dport.clone(), json!(445)), accept]), &tcp, true),
        (json!([is(dport.clone(), json!(445)), accept]), &v6, true),
        (json!([is(dport.clone(), json!(445)), accept]), &any_tcp, false),
        (json!([is(dport.clone(), json!(445)), accept]), &echo, false),
        (json!([is(dport.clone(), json!({"range": [400, 500]})), accept]), &tcp, true),
        (json!([is(dport.clone(), json!({"set": [22, {"range": [446, 500]}]})), accept]), &tcp, false),
        (json!([is(dport, json!(53)), accept]), &udp, false),
        (json!([is(th_dport, json!(53)), accept]), &udp, true),
        (
            json!([is(saddr.clone(), json!({"prefix": {"addr": "100.64.0.0", "len": 10}})), accept]),
            &tcp,
            true,
        ),
        (json!([is(saddr.clone(), json!({"prefix": {"addr": "10.0.0.0", "len": 8}})), accept]), &tcp, false),
        (json!([is(saddr.clone(), json!("0.0.0.0")), accept]), &v6, false),
        (json!([is(saddr, json!({"prefix": {"addr": "0.0.0.0", "len": 0}})), accept]), &tcp, true),
        (json!([is(saddr6.clone(), json!({"range": ["fd12::1", "fd12::9"]})), accept]), &v6, true),
        (json!([is(saddr6, json!("@trusted")), accept]), &v6, true),
        (json!([is(state.clone(), json!(["established", "related"])), accept]), &tcp, false),
        (json!([is(state.clone(), json!(["established", "new"])), accept]), &tcp, true),
        (
            json!([{"vmap": {"key": state, "data": {"set": [["established", {"accept": null}], ["new", {"jump": {"target": "more"}}]]}}}]),
            &tcp,
            true,
        ),
        (json!([is(kind, json!("echo-request")), accept]), &echo, true),
        (
            json!([is(json!({"fib": {"result": "type", "flags": ["daddr"]}}), json!("local")), accept]),
            &tcp,
            true,
        ),
        (json!([{"jump": {"target": "more"}}]), &tcp, true),
        (json!([{"goto": {"target": "nowhere"}}]), &tcp, false),
        (json!([{"limit": {"rate": 9, "inv": true}}, accept]), &tcp, false),
        (
            json!([{"match": {"op": "!=", "left": {"meta": {"key": "l4proto"}}, "right": "udp"}}, accept]),
            &tcp,
            true,
        ),
        (
            json!([{"match": {"op": "!=", "left": {"payload": {"protocol": "udp", "field": "dport"}}, "right": 1}}, accept]),
            &tcp,
            false,
        ),
    ] {
        let rules = [
            json!({"metainfo": {"version": "1.0.6"}}),
            json!({"set": {"family": "inet", "table": "house", "name": "trusted", "elem": ["fd99::1", {"elem": {"val": {"prefix": {"addr": "fd12::", "len": 16}}}}]}}),
            base(HOUSE, "in", "input", "drop"),
            chain(HOUSE, "more"),
            rule(HOUSE, "in", 7, expr.clone()),
            rule(HOUSE, "more", 8, json!([accept])),
        ];
        let sentences = said(&rules, &[*packet]);
        assert_eq!(sentences.is_empty(), passes, "{expr} {packet}: {sentences:?}");
        assert!(sentences.iter().all(|sentence| sentence.contains(" drops ")), "{expr}: {sentences:?}");
    }
}

#[test]
fn whose_rule_it_is_decides_what_helps() {
    let drop = || json!([{"drop": null}]);
    for (rules, ipv4, expect) in [
        (
            vec![base(("ip", "filter"), "INPUT", "input", "drop")],
            true,
            "`iptables -I INPUT -i rm-home -j ACCEPT`",
        ),
        (
            vec![base(("ip6", "filter"), "INPUT", "input", "drop")],
            false,
            "`ip6tables -I INPUT -i rm-home -j ACCEPT`",
        ),
        (vec![base(("ip6", "filter"), "INPUT", "input", "drop")], true, ""),
        (
            vec![base(("ip", "filter"), "INPUT", "input", "drop"), chain(("ip", "filter"), "ufw-user-input")],
            true,
            "`ufw allow in on rm-home`",
        ),
        (
            vec![
                base(("inet", "firewalld"), "filter_INPUT", "input", "accept"),
                rule(
                    ("inet", "firewalld"),
                    "filter_INPUT",
                    3,
                    json!([{"reject": {"type": "icmpx", "expr": "admin-prohibited"}}]),
                ),
            ],
            true,
            "`firewall-cmd --zone=trusted --change-interface=rm-home`",
        ),
        (
            vec![base(HOUSE, "early", "prerouting", "accept"), rule(HOUSE, "early", 12, drop())],
            false,
            "rule 12 of the chain early in the table inet house drops tcp/445 of the circle (IPv6); \
             `nft insert rule inet house early iifname rm-home accept` lets it in",
        ),
        // A rule of a chain that is called: it is let in where the packet enters.
        (
            vec![
                base(HOUSE, "in", "input", "accept"),
                chain(HOUSE, "bad"),
                rule(HOUSE, "in", 1, json!([{"jump": {"target": "bad"}}])),
                rule(HOUSE, "bad", 2, drop()),
            ],
            true,
            "rule 2 of the chain bad in the table inet house drops tcp/445 of the circle (IPv4); \
             `nft insert rule inet house in iifname rm-home accept`",
        ),
        // Other hooks and ours are not in the way.
        (vec![base(HOUSE, "fwd", "forward", "drop"), base(HOUSE, "out", "output", "drop")], true, ""),
        (vec![base(("inet", "ringmesh-home"), "in", "input", "drop")], true, ""),
        (
            vec![
                base(("bridge", "b"), "in", "input", "drop"),
                base(("netdev", "n"), "in", "ingress", "drop"),
            ],
            true,
            "",
        ),
    ] {
        let sentences = said(&rules, &[packet(ipv4, TCP_445), packet(ipv4, TCP_445)]);
        if expect.is_empty() {
            assert_eq!(sentences, [""; 0], "{rules:?}");
        } else {
            assert!(sentences.len() == 1 && sentences[0].contains(expect), "{sentences:?}");
        }
    }
}

/// What is not understood never drops; that it could have let the packet pass is told.
#[test]
fn what_is_not_understood_is_told_as_such() {
    for (expr, expect) in [
        (json!([{"xt": null}, {"accept": null}]), " may drop "),
        (
            json!([{"match": {"op": "==", "left": {"socket": {"key": "mark"}}, "right": 1}}, {"accept": null}]),
            " may drop ",
        ),
        (
            json!([{"match": {"op": "<", "left": {"meta": {"key": "time"}}, "right": "x"}}, {"accept": null}]),
            " may drop ",
        ),
        (
            json!([is(json!({"payload": {"protocol": "ip", "field": "saddr"}}), json!("@nobody")), {"accept": null}]),
            " may drop ",
        ),
        (json!([{"xt": null}, {"drop": null}]), " drops "),
        (json!([{"xt": {"type": "target", "name": "REJECT"}}]), " drops "),
        (json!([{"queue": null}]), ""),
        (json!("no list"), " drops "),
        (json!([17]), " drops "),
        (json!([{"jump": {}}]), " drops "),
    ] {
        let rules = [base(HOUSE, "in", "input", "drop"), rule(HOUSE, "in", 1, expr.clone())];
        let sentences = said(&rules, &[packet(true, TCP_445)]);
        match expect {
            "" => assert_eq!(sentences, [""; 0], "{expr}"),
            part => assert!(sentences.len() == 1 && sentences[0].contains(part), "{expr}: {sentences:?}"),
        }
    }
}

/// The kernel refuses such chains, but a list is only text.
#[test]
fn chains_that_call_themselves_come_to_an_end() {
    let calls = |handle| rule(HOUSE, "in", handle, json!([{"jump": {"target": "in"}}]));
    let rules: Vec<Value> =
        [base(HOUSE, "in", "input", "drop")].into_iter().chain((0..40).map(calls)).collect();
    assert_eq!(said(&rules, &[packet(true, TCP_445)]), [""; 0]);
}

#[test]
fn what_is_no_list_is_refused() {
    for text in ["", "{}", "[]", "{\"nftables\": 3}", "nonsense"] {
        assert!(Ruleset::read(text).is_none(), "{text}");
    }
    assert!(Ruleset::read("{\"nftables\": [3, {}, {\"chain\": {}}, {\"rule\": {\"family\": 1}}]}").is_some());
}

/// The default zone of firewalld, a chain of ufw, and one of somebody's own: each says how it is told to open a port.
#[test]
fn doors_that_are_shut_are_named_with_what_opens_them() {
    let door = |ifname: &str, port, to: &str| Door {
        ifname: ifname.to_owned(),
        from: to.parse().expect("an address"),
        to: to.parse().expect("an address"),
        port,
        use_of_it: "nobody finds us",
    };
    let doors = [
        door("lan0", 25_519, "239.255.82.77"),
        door("lan1", 25_519, "239.255.82.77"),
        door("lan0", 51_820, "192.0.2.1"),
    ];
    let dport = json!({"payload": {"protocol": "udp", "field": "dport"}});
    let open = rule(HOUSE, "in", 7, json!([is(dport, json!(51_820)), {"accept": null}]));
    for (items, port, fixes) in [
        (
            vec![base(("inet", "firewalld"), "filter_INPUT", "input", "drop")],
            51_820,
            vec!["`firewall-cmd --add-port=25519/udp`", "`firewall-cmd --add-port=51820/udp`"],
        ),
        (
            vec![base(("ip", "filter"), "INPUT", "input", "drop"), chain(("ip", "filter"), "ufw-user-input")],
            51_820,
            vec!["`ufw allow 25519/udp`", "`ufw allow 51820/udp`"],
        ),
        (
            vec![base(("ip", "filter"), "INPUT", "input", "drop")],
            51_820,
            vec!["`iptables -I INPUT -p udp --dport 25519 -j ACCEPT`", "--dport 51820 "],
        ),
        (
            vec![base(HOUSE, "in", "input", "drop"), open],
            25_519,
            vec!["`nft insert rule inet house in udp dport 25519 accept`"],
        ),
        (vec![base(HOUSE, "in", "input", "accept")], 0, vec![]),
    ] {
        let json = json!({ "nftables": items }).to_string();
        let said = shut(&Ruleset::read(&json).expect("JSON"), &doors);
        assert_eq!(said.len(), fixes.len(), "{said:?}");
        for (said, fix) in said.iter().zip(&fixes) {
            assert!(said.contains(fix) && said.contains("lan0, so nobody finds us"), "{said}");
        }
        assert!(said.last().is_none_or(|last| last.contains(&format!("udp/{port}"))), "{said:?}");
    }
}
