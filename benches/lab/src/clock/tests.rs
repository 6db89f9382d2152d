use super::*;

#[test]
fn dates_of_known_seconds() {
    let table = [
        (0, "1970-01-01"),
        (86_399, "1970-01-01"),
        (86_400, "1970-01-02"),
        (951_782_400, "2000-02-29"),
        (951_868_800, "2000-03-01"),
        (1_709_164_800, "2024-02-29"),
        (1_735_689_599, "2024-12-31"),
        (4_107_542_400, "2100-03-01"),
    ];
    for (secs, expected) in table {
        assert_eq!(date(secs), expected, "{secs}");
    }
}

#[test]
fn a_pause_ends_after_its_deadline_and_looks_end_at_theirs() {
    let start = now();
    pause_until(start + Duration::from_millis(3));
    assert!(now() >= start + Duration::from_millis(3));
    let mut looks = 0;
    let found: Option<()> = until(Duration::from_millis(12), || {
        looks += 1;
        None
    });
    assert_eq!(found, None);
    assert!((2..=4).contains(&looks), "{looks} looks in 12 ms");
    assert_eq!(until(Duration::ZERO, || Some(7)), Some(7), "one look is always taken");
}
