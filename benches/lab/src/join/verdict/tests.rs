use super::{Idle, Round, Verdict};

fn verdict(ping: [f64; 3], resident: f64, share: f64) -> Verdict {
    let rounds: Vec<Round> = ping.map(|secs| Round { join_secs: secs / 2.0, ping_secs: secs }).into();
    let idle = vec![Idle { resident_bytes: resident, cpu_share: share }; 3];
    Verdict { without_beacon: rounds.clone(), with_beacon: rounds, idle }
}

#[test]
fn every_number_has_its_line_with_spread_and_goal() {
    let good = verdict([0.7, 0.5, 0.9], 21e6, 0.0004);
    let text = good.text();
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).expect("a line").to_owned();
    assert_eq!(text.lines().count(), 7);
    assert!(
        line("join to first ping, without").ends_with("0.70 s  (0.50 s to 0.90 s)  goal: below 2.00 s"),
        "{text}"
    );
    assert!(line("join ends, LAN with a").ends_with("0.35 s  (0.25 s to 0.45 s)"), "{text}");
    assert!(line("idle daemon, resident").contains("21.0 MB"), "{text}");
    assert!(
        line("idle daemon, share").contains("0.040 %  (0.040 % to 0.040 %)  goal: below 0.100 %"),
        "{text}"
    );
    assert!(good.passed());
}

#[test]
fn what_misses_its_goal_is_said() {
    for (verdict, missed) in [
        (verdict([2.5, 2.1, 0.5], 1e6, 0.0), 2),
        (verdict([0.5; 3], 31e6, 0.0), 1),
        (verdict([0.5; 3], 1e6, 0.002), 1),
    ] {
        assert!(!verdict.passed());
        assert_eq!(verdict.text().matches("MISSED").count(), missed, "{}", verdict.text());
    }
    assert!(Verdict::default().passed(), "nothing was measured, nothing missed");
}
