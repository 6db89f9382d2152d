use super::*;

#[test]
fn the_limit_is_found_from_below_and_never_overstated() {
    for limit in [3.0, 900.0, 19_999.0, 20_000.0, 20_001.0, 123_456.0, 2_000_000.0] {
        let mut trials = 0;
        let found = find(20_000.0, |rate| {
            trials += 1;
            Ok(rate <= limit)
        });
        let found = found.expect("no trial fails");
        assert!(found <= limit && found > limit * 0.94, "{found} of {limit}");
        assert!(trials <= 22, "{trials} trials for {limit}");
    }
}

#[test]
fn a_broken_trial_ends_the_search() {
    let found = find(1.0, |_| Err(crate::Error::Traffic("cut".to_owned())));
    assert_eq!(found.expect_err("broken").to_string(), "cut");
}

#[test]
fn a_trial_passes_by_loss_and_by_the_senders_reach() {
    let report = |sent, received| UdpReport { sent, received, secs: 1.0, ..UdpReport::default() };
    let table =
        [(1_000, 1_000, true), (1_000, 990, true), (1_000, 989, false), (950, 950, true), (949, 949, false)];
    for (sent, received, expected) in table {
        assert_eq!(passes(&report(sent, received), 1_000.0, 0.01), expected, "{sent} {received}");
    }
}
