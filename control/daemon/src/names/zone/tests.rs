use super::*;

fn block(text: &str, prefix: u8) -> Ipv4Block {
    Ipv4Block::new(text.parse().expect("an address"), prefix).expect("a block")
}

/// A circle `home` with `nas`, `desk` (which has no IPv4 address) and `box`, a nickname of `nas`.
pub(in crate::names) fn home() -> Zone {
    let mut zone = Zone::new("home", block("100.71.0.0", 16), "fd12:3456:789a::".parse().expect("a prefix"));
    let nas = addresses(Some("100.71.3.4"), "fd12:3456:789a::1");
    zone.device("nas", nas);
    zone.device("desk", addresses(None, "fd12:3456:789a:ffff::2"));
    zone.nickname("box", nas);
    zone
}

pub(in crate::names) fn addresses(v4: Option<&str>, v6: &str) -> Addresses {
    Addresses { v4: v4.map(|ip| ip.parse().expect("an address")), v6: v6.parse().expect("an address") }
}

fn reverse(ip: &str) -> String {
    match ip.parse().expect("an address") {
        IpAddr::V4(v4) => {
            let labels: Vec<String> = v4.octets().iter().rev().map(ToString::to_string).collect();
            format!("{}.in-addr.arpa", labels.join("."))
        }
        IpAddr::V6(v6) => {
            let mut digits: Vec<String> = nibbles(v6).map(|digit| format!("{digit:x}")).collect();
            digits.reverse();
            format!("{}.ip6.arpa", digits.join("."))
        }
    }
}

#[test]
fn every_name_has_one_place() {
    let zone = home();
    let nas = Found::Device(addresses(Some("100.71.3.4"), "fd12:3456:789a::1"));
    let prefix = "a.9.8.7.6.5.4.3.2.1.d.f.ip6.arpa";
    let table: &[(&str, Option<(Found<'_>, usize)>)] = &[
        ("home.internal", Some((Found::Apex, 2))),
        ("nas.home.internal", Some((nas.clone(), 2))),
        ("NAS.Home.INTERNAL", Some((nas.clone(), 2))),
        ("box.home.internal", Some((nas, 2))),
        ("tv.home.internal", Some((Found::Nothing, 2))),
        ("a.nas.home.internal", Some((Found::Nothing, 2))),
        ("internal", Some((Found::Between, 1))),
        ("work.internal", Some((Found::Nothing, 1))),
        ("nas.work.internal", Some((Found::Nothing, 1))),
        ("nas", None),
        ("nas.home", None),
        ("internal.example.org", None),
        ("home.internal.example.org", None),
        ("", None),
        ("71.100.in-addr.arpa", Some((Found::Apex, 4))),
        ("3.71.100.in-addr.arpa", Some((Found::Between, 4))),
        ("4.3.71.100.in-addr.arpa", Some((Found::Pointer("nas"), 4))),
        ("5.3.71.100.in-addr.arpa", Some((Found::Nothing, 4))),
        ("04.3.71.100.in-addr.arpa", Some((Found::Nothing, 4))),
        ("256.3.71.100.in-addr.arpa", Some((Found::Nothing, 4))),
        ("x.71.100.in-addr.arpa", Some((Found::Nothing, 4))),
        ("9.4.3.71.100.in-addr.arpa", Some((Found::Nothing, 4))),
        ("100.in-addr.arpa", None),
        ("72.100.in-addr.arpa", None),
        ("4.3.72.100.in-addr.arpa", None),
        ("1.0.0.127.in-addr.arpa", None),
        ("in-addr.arpa", None),
        ("arpa", None),
        (prefix, Some((Found::Apex, 14))),
        ("d.f.ip6.arpa", None),
        ("b.9.8.7.6.5.4.3.2.1.d.f.ip6.arpa", None),
        (&format!("0.{prefix}"), Some((Found::Between, 14))),
        (&format!("g.{prefix}"), Some((Found::Nothing, 14))),
        (&format!("00.{prefix}"), Some((Found::Nothing, 14))),
        (&reverse("fd12:3456:789a::1"), Some((Found::Pointer("nas"), 14))),
        (&reverse("fd12:3456:789a::1").to_uppercase(), Some((Found::Pointer("nas"), 14))),
        (&reverse("fd12:3456:789a:ffff::2"), Some((Found::Pointer("desk"), 14))),
        (&reverse("fd12:3456:789a::7"), Some((Found::Nothing, 14))),
        (&format!("0.{}", reverse("fd12:3456:789a::1")), Some((Found::Nothing, 14))),
        (&reverse("fd12:3456:789b::1"), None),
    ];
    for (name, expect) in table {
        let labels: Vec<&[u8]> =
            name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes).collect();
        let found = zone.look(&labels).map(|place| (place.found, place.apex_labels));
        assert_eq!(found, *expect, "{name}");
    }
}

#[test]
fn labels_that_no_name_has_are_found_nowhere() {
    let zone = home();
    for label in [&b"nas.home"[..], b"n\0s", b"\xff\xfe", b"n s", &[b'a'; 63]] {
        let place = zone.look(&[label, b"home", b"internal"]).expect("ours");
        assert_eq!(place.found, Found::Nothing, "{label:?}");
        assert!(zone.look(&[b"home.internal", label]).is_none(), "{label:?}");
    }
}

#[test]
fn a_device_keeps_its_name_from_nicknames() {
    let mut zone = home();
    zone.nickname("nas", addresses(None, "fd12:3456:789a::9"));
    let place = zone.look(&[b"nas", b"home", b"internal"]).expect("ours");
    assert_eq!(place.found, Found::Device(addresses(Some("100.71.3.4"), "fd12:3456:789a::1")));
}

#[test]
fn the_reverse_domains_cover_the_block_and_nothing_else() {
    let domains = |base: &str, prefix: u8| {
        let mut domains =
            Zone::new("home", block(base, prefix), "fd12:3456:789a::".parse().expect("a prefix"))
                .reverse_domains();
        assert_eq!(domains.pop().as_deref(), Some("a.9.8.7.6.5.4.3.2.1.d.f.ip6.arpa"));
        domains
    };
    assert_eq!(domains("100.71.0.0", 16), ["71.100.in-addr.arpa"]);
    assert_eq!(domains("100.71.2.0", 23), ["2.71.100.in-addr.arpa", "3.71.100.in-addr.arpa"]);
    assert_eq!(domains("100.71.2.0", 24), ["2.71.100.in-addr.arpa"]);
    let all = domains("100.64.0.0", 10);
    assert_eq!(
        (all.len(), all[0].as_str(), all[63].as_str()),
        (64, "64.100.in-addr.arpa", "127.100.in-addr.arpa")
    );
    // What is routed to us is what we answer for.
    for (base, prefix) in [("100.64.0.0", 10), ("100.71.128.0", 17), ("100.71.2.0", 24)] {
        let zone = Zone::new("home", block(base, prefix), "fd12:3456:789a::".parse().expect("a prefix"));
        for domain in zone.reverse_domains() {
            let labels: Vec<&[u8]> = domain.split('.').map(str::as_bytes).collect();
            assert_eq!(
                zone.look(&labels).map(|place| place.found),
                Some(Found::Apex),
                "{domain} of {base}/{prefix}"
            );
        }
    }
}

#[test]
fn mesh_addresses_are_known_in_every_dress() {
    let zone = home();
    for (ip, expect) in [
        ("100.71.0.1", true),
        ("100.71.255.255", true),
        ("100.72.0.1", false),
        ("10.0.0.1", false),
        ("fd12:3456:789a:1::1", true),
        ("fd12:3456:789b::1", false),
        ("::ffff:100.71.0.1", true),
        ("::100.71.0.1", true),
        ("::ffff:100.72.0.1", false),
        ("::1", false),
        ("2001:db8::1", false),
    ] {
        assert_eq!(zone.is_mesh(ip.parse().expect("an address")), expect, "{ip}");
    }
}
