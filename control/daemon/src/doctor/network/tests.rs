use ringmesh_api::doctor::Verdict;

use super::*;
use crate::doctor::tests::circle;

fn route(to: &str, prefix: u8, interface: &str) -> Route {
    Route { to: to.parse().expect("an address"), prefix, interface: interface.to_owned() }
}

#[test]
fn who_else_uses_the_range_is_named() {
    let ours = || route("100.71.0.0", 16, "rm-home");
    let own = || route("100.71.3.4", 32, "rm-home");
    let table: Vec<(Vec<Route>, Verdict, &str)> = vec![
        (vec![], Verdict::Ok, "nobody else"),
        (
            vec![route("0.0.0.0", 0, "eth0"), route("192.168.1.0", 24, "eth0"), ours(), own()],
            Verdict::Ok,
            "nobody else",
        ),
        (vec![route("64.0.0.0", 2, "vpn0"), ours()], Verdict::Ok, "nobody else"),
        (
            vec![ours(), own(), route("100.99.1.2", 32, "tailscale0")],
            Verdict::Ok,
            "tailscale0 uses 100.99.1.2/32",
        ),
        (
            vec![ours(), own(), route("100.64.0.0", 10, "tailscale0")],
            Verdict::Problem,
            "overlaps 100.71.0.0/16",
        ),
        (vec![ours(), route("100.71.200.0", 24, "wwan0")], Verdict::Problem, "wwan0 uses 100.71.200.0/24"),
        (vec![route("100.64.0.0", 10, "tailscale0")], Verdict::Ok, "tailscale0"),
    ];
    for (routes, verdict, sentence) in table {
        let check = block(&routes, Some("rm-home"));
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.sentence.contains(sentence), "{check:?}");
    }
}

#[test]
fn packets_that_do_not_fit_are_seen() {
    let mtus =
        |list: &[(&str, u32)]| list.iter().map(|(name, mtu)| ((*name).to_owned(), *mtu)).collect::<Vec<_>>();
    let table = [
        (mtus(&[("rm-home", 1420), ("eth0", 1500)]), Verdict::Ok, "fit every interface"),
        (
            mtus(&[("rm-home", 1420), ("eth0", 1500), ("ppp0", 1492)]),
            Verdict::Warning,
            "do not fit ppp0 (1492 bytes)",
        ),
        (mtus(&[("rm-home", 1420), ("rm-work", 1420), ("eth0", 9000)]), Verdict::Ok, "fit"),
        (mtus(&[("eth0", 1500)]), Verdict::Problem, "not there"),
    ];
    for (mtus, verdict, sentence) in table {
        let check = mtu("rm-home", &mtus);
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.sentence.contains(sentence), "{check:?}");
    }
    let check = mtu("rm-home", &[("rm-home".to_owned(), 1420), ("ppp0".to_owned(), 1492)]);
    assert!(check.fix.is_some_and(|fix| fix.contains("mtu 1412")));
}

#[test]
fn a_port_that_nobody_has_is_seen() {
    let table =
        "  sl  local_address rem_address   st\n  12: 00000000000000000000000000000000:CA6C 0:0000 07\n"
            .to_owned();
    assert_eq!(port(&circle(), &[String::new(), table]).verdict, Verdict::Ok);
    let check = port(&circle(), &["  1: 0100007F:0035 0:0 07\n".to_owned()]);
    assert_eq!((check.verdict, check.sentence.contains("51820")), (Verdict::Problem, true));
    let silent = CircleState { tunnel: false, ..circle() };
    assert!(port(&silent, &[]).sentence.contains("does not answer"));
}

#[test]
fn beacons_are_told_one_by_one() {
    let beacon = |online| BeaconState {
        address: "b.example:443".to_owned(),
        online,
        detail: "connection refused".to_owned(),
    };
    let found: Vec<Verdict> =
        beacons(&[beacon(true), beacon(false)]).into_iter().map(|check| check.verdict).collect();
    assert_eq!(found, [Verdict::Ok, Verdict::Warning]);
}
