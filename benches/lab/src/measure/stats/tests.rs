use super::*;

#[test]
fn medians_and_spreads() {
    let table: [(&[f64], f64, f64, f64, f64); 6] = [
        (&[5.0], 5.0, 5.0, 5.0, 0.0),
        (&[3.0, 1.0], 2.0, 1.0, 3.0, 0.5),
        (&[9.0, 1.0, 2.0], 2.0, 1.0, 9.0, 2.0),
        (&[4.0, 1.0, 3.0, 2.0], 2.5, 1.0, 4.0, 0.6),
        (&[-4.0, -2.0, -3.0], -3.0, -4.0, -2.0, 1.0 / 3.0),
        (&[0.0, 0.0], 0.0, 0.0, 0.0, 0.0),
    ];
    for (values, median, min, max, spread) in table {
        let summary = Summary::of(values).expect("values");
        assert_eq!(summary, Summary { median, min, max, rounds: values.len() }, "{values:?}");
        assert!((summary.spread() - spread).abs() < 1e-9, "{values:?}");
    }
    assert_eq!(Summary::of(&[]), None);
    assert_eq!(Summary::of(&[1.0, f64::NAN]), None);
}

#[test]
fn ratios_are_made_round_by_round() {
    // Both were twice as slow in the second round: the ratio does not move.
    let ratio = Ratio::of_rounds(&[40.0, 20.0, 42.0], &[10.0, 5.0, 10.0]).expect("a ratio");
    assert_eq!(ratio, Ratio { median: 4.0, min: 4.0, max: 4.2 });
    assert_eq!(Ratio::of_rounds(&[1.0, 2.0], &[1.0, 0.0]), None);
    assert_eq!(Ratio::of_rounds(&[], &[]), None);
    let short = Ratio::of_rounds(&[6.0, 8.0], &[2.0]).expect("one round in common");
    assert_eq!(short.median, 3.0);
}
