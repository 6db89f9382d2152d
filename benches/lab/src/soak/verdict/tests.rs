use super::*;
use crate::traffic::TcpReport;

fn report(slots: &[(u64, u32, u32)]) -> UdpReport {
    let slots = slots.iter().map(|(at_millis, sent, received)| Slot {
        at_millis: *at_millis,
        sent: *sent,
        received: *received,
    });
    UdpReport { slots: slots.collect(), ..UdpReport::default() }
}

#[test]
fn only_the_second_after_a_kill_is_excused() {
    // One slot that lost its hundred; the kill's time; whether that is excused.
    let table = [
        (1_000, 1_050, true),
        (1_000, 1_100, false),
        (1_000, 1_099, true),
        (1_000, 1, true),
        (1_000, 0, false),
        (5_000, 4_001, true),
        (5_000, 4_000, false),
    ];
    for (slot, kill, excused) in table {
        let flow = Flow::of(&report(&[(slot, 100, 0)]), &[kill], 0);
        let expected = if excused { (0, 0, 100) } else { (100, 100, 0) };
        assert_eq!((flow.sent, flow.lost, flow.lost_excused), expected, "slot {slot}, kill {kill}");
    }
}

#[test]
fn growth_is_seen_from_the_second_quarter_on() {
    let mib = 1e6;
    let table: [(&[f64], Option<bool>); 5] = [
        (&[1.0, 1.0, 1.0], None),
        (&[5.0, 60.0, 60.0, 60.0], Some(true)),
        (&[5.0, 60.0, 60.0, 69.9], Some(true)),
        (&[5.0, 60.0, 60.0, 70.1], Some(false)),
        (&[5.0, 5.0, 20.0, 20.0, 25.0, 25.0, 30.0, 30.0], Some(false)),
    ];
    for (samples, expected) in table {
        let samples: Vec<f64> = samples.iter().map(|sample| sample * mib).collect();
        assert_eq!(Memory::of(&samples).map(|memory| memory.is_flat()), expected, "{samples:?}");
    }
}

#[test]
fn each_shortcoming_is_an_objection() {
    let good = || Outcome::Tcp(TcpReport { completed: 3, bytes: 9, ..TcpReport::default() });
    let flow = |received| Outcome::Udp(report(&[(0, 10_000, received)]));
    let broken = Outcome::Tcp(TcpReport { failures: vec!["cut".to_owned()], ..TcpReport::default() });
    let table: [(&str, Vec<Outcome>, usize); 6] = [
        ("all well", vec![good(), flow(10_000), flow(9_990)], 0),
        ("lossy", vec![good(), flow(10_000), flow(9_989)], 1),
        ("one direction", vec![good(), flow(10_000)], 1),
        ("no stream", vec![flow(10_000), flow(10_000)], 1),
        ("a broken stream", vec![good(), broken, flow(10_000), flow(10_000)], 1),
        ("nothing", vec![], 2),
    ];
    for (name, outcomes, objections) in table {
        let verdict =
            Verdict::of(1, (Duration::ZERO, Duration::from_secs(60)), vec![], &outcomes, &[], vec![]);
        assert_eq!(verdict.objections.len(), objections, "{name}: {:?}", verdict.objections);
        assert_eq!(verdict.passed(), objections == 0);
        assert!(verdict.text().ends_with(if objections == 0 { "passed\n" } else { "failed\n" }));
    }
    let troubled = Verdict::of(
        1,
        (Duration::ZERO, Duration::ZERO),
        vec![],
        &[good(), flow(1), flow(1)],
        &[],
        vec!["x".to_owned()],
    );
    assert!(troubled.objections.contains(&"x".to_owned()));
}

#[test]
fn neighbouring_losses_are_one_gap() {
    let slots = report(&[(1_000, 9, 9), (1_100, 9, 7), (1_200, 9, 0), (1_300, 9, 9), (1_400, 9, 8)]);
    let flow = Flow::of(&slots, &[], 1_000);
    assert_eq!(
        flow.gaps,
        [
            Gap { from_millis: 100, to_millis: 300, lost: 11 },
            Gap { from_millis: 400, to_millis: 500, lost: 1 },
        ]
    );
}
