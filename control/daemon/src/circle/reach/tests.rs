use ringmesh_mesh::sealed::signal::Kind;

use super::*;

fn at(kind: Kind, address: &str) -> Candidate {
    Candidate { kind, address: address.parse().expect("an address") }
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn the_likeliest_address_comes_first() {
    let candidates = [
        at(Kind::Reflexive, "203.0.113.9:1"),
        at(Kind::Host, "172.17.0.1:1"),
        at(Kind::Host, "[2001:db8:1::5]:1"),
        at(Kind::Host, "192.168.7.5:1"),
    ];
    let ours = ips(&["192.168.9.2", "2001:db8:1::9"]);
    for (observed, expect) in [
        (None, ["192.168.7.5:1", "[2001:db8:1::5]:1", "172.17.0.1:1", "203.0.113.9:1"]),
        (Some("172.17.0.1"), ["172.17.0.1:1", "192.168.7.5:1", "[2001:db8:1::5]:1", "203.0.113.9:1"]),
    ] {
        let observed = observed.map(|ip: &str| ip.parse().expect("an address"));
        let found: Vec<String> =
            order(&candidates, observed, &ours).iter().map(ToString::to_string).collect();
        assert_eq!(found, expect, "{observed:?}");
    }
}

#[test]
fn addresses_are_tried_in_turn_until_a_handshake() {
    let mut reach = Reach::default();
    assert_eq!(reach.poll(secs(0), false, None), None, "nothing is known");
    let candidates = [at(Kind::Host, "192.0.2.1:1"), at(Kind::Host, "192.0.2.2:2")];
    assert_eq!(reach.hear(1, &candidates, None, &[]), Fresh::Moved);
    let script: &[(u64, bool, Option<&str>)] = &[
        (0, false, Some("192.0.2.1:1")),
        (1, false, None),
        (2, false, Some("192.0.2.2:2")),
        (4, false, Some("192.0.2.1:1")),
        (5, true, None),
        (100, true, None),
        // Lost again: the address after the one that worked, at once.
        (300, false, Some("192.0.2.2:2")),
        (301, false, None),
        (302, false, Some("192.0.2.1:1")),
    ];
    for (now, alive, expect) in script {
        let expect = expect.map(|text| text.parse().expect("an address"));
        assert_eq!(reach.poll(secs(*now), *alive, None), expect, "at {now}");
    }
}

#[test]
fn in_vain_it_is_tried_more_slowly() {
    let mut reach = Reach::default();
    reach.hear(1, &[at(Kind::Host, "192.0.2.1:1")], None, &[]);
    let tries = (0..600).filter(|now| reach.poll(secs(*now), false, None).is_some()).count();
    assert!((28..=34).contains(&tries), "{tries} tries in ten minutes");
}

#[test]
fn a_way_over_the_lan_is_preferred_to_one_that_works() {
    let mut reach = Reach::default();
    let lan = "192.168.7.5:1".parse().expect("an address");
    let far = "203.0.113.9:1".parse().expect("an address");
    let candidates = [at(Kind::Reflexive, "203.0.113.9:1"), at(Kind::Host, "192.168.7.5:1")];
    reach.hear(1, &candidates[..1], None, &[]);
    assert_eq!(reach.poll(secs(0), true, Some(far)), None, "nothing better is known");
    let observed = Some("192.168.7.5".parse().expect("an address"));
    assert_eq!(reach.hear(2, &candidates, observed, &[]), Fresh::Moved);
    assert_eq!(reach.poll(secs(1), true, Some(far)), Some(lan));
    assert_eq!(reach.poll(secs(2), true, Some(lan)), None, "once");
}

#[test]
fn an_old_signal_says_nothing() {
    let mut reach = Reach::default();
    let here = [at(Kind::Host, "192.0.2.1:1")];
    let there = [at(Kind::Host, "192.0.2.2:2")];
    for (serial, candidates, expect) in [
        (7, &here, Fresh::Moved),
        (7, &there, Fresh::Old),
        (6, &there, Fresh::Old),
        (8, &here, Fresh::Same),
        (9, &there, Fresh::Moved),
        (9 + (1 << 32), &there, Fresh::Moved),
    ] {
        assert_eq!(reach.hear(serial, candidates, None, &[]), expect, "{serial}");
    }
}
