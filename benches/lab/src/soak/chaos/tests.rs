use super::*;

#[test]
fn a_seed_says_what_happens() {
    let deeds = |seed| {
        let mut dice = Dice(seed);
        (0..200).map(|_| dice.deed()).collect::<Vec<_>>()
    };
    assert_eq!(deeds(1), deeds(1));
    assert_ne!(deeds(1), deeds(2));
    // In 200 throws everything happens, within its bounds.
    let all = deeds(7);
    let kinds: std::collections::BTreeSet<String> =
        all.iter().map(|deed| format!("{deed:?}").split('(').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    for deed in all {
        match deed {
            Deed::Mtu(mtu) => assert!((1_280..=INNER_MTU).contains(&mtu)),
            Deed::RoamPort(port) => assert!((20_000..60_000).contains(&port)),
            Deed::RoamAddress(host) => assert!(u16::from(host) / 2 * 2 + 11 < 255),
            Deed::KillControl(millis) => assert!(millis < ABSENCE_MILLIS_MAX),
            Deed::Strangers(count) => assert!(count <= STRANGERS_MAX),
            Deed::Keepalive(_) | Deed::AllowedIps(_) | Deed::KillPlane | Deed::PresharedKey => {}
        }
    }
}

#[test]
fn pauses_stay_within_their_bounds() {
    let mut dice = Dice(3);
    for _ in 0..1_000 {
        let millis = dice.pause().as_millis();
        assert!((u128::from(PAUSE_MILLIS.0)..u128::from(PAUSE_MILLIS.1)).contains(&millis));
    }
}

#[test]
fn ranges_get_the_prefix_of_a_single_address() {
    let ranges = ["10.0.0.1", "fd78::1", "10.99.3.0/24"].map(str::to_owned).to_vec();
    assert_eq!(with_prefixes(ranges), ["10.0.0.1/32", "fd78::1/128", "10.99.3.0/24"]);
}
