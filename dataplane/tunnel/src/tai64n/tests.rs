use std::time::Duration;

use super::{StampClock, Tai64N};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn the_label_of_1970_and_its_bytes() {
    let table = [
        ((0, 0), "400000000000000a00000000"),
        ((1, 500_000_000), "400000000000000b1dcd6500"),
        ((1_700_000_000, 999_999_999), "400000006553f10a3b9ac9ff"),
        ((1, 4_000_000_000), "400000000000000b3b9ac9ff"),
    ];
    for ((secs, nanos), expected) in table {
        assert_eq!(hex::encode(Tai64N::from_unix(secs, nanos).to_bytes()), expected);
    }
}

#[test]
fn whole_seconds_are_never_before_the_stamp() {
    let table = [((0, 0), 0), ((0, 1), 1), ((7, 0), 7), ((7, 999_999_999), 8), ((1 << 40, 5), (1 << 40) + 1)];
    for ((secs, nanos), rounded) in table {
        let stamp = Tai64N::from_unix(secs, nanos);
        assert_eq!(stamp.unix_secs_rounded_up(), rounded);
        assert!(Tai64N::from_unix(rounded, 0) >= stamp);
    }
    assert_eq!(Tai64N::default().unix_secs_rounded_up(), 0);
    let last = Tai64N::from_bytes([0xff; Tai64N::LEN]).unix_secs_rounded_up();
    assert!(Tai64N::from_unix(last, 0) < Tai64N::from_bytes([0xff; Tai64N::LEN]), "and nothing overflows");
}

#[test]
fn order_in_time_is_order_of_bytes() {
    let ascending = [(0, 0), (0, 1), (0, 999_999_999), (1, 0), (1 << 32, 0), (u64::MAX, 0)];
    let stamps: Vec<_> = ascending.iter().map(|&(secs, nanos)| Tai64N::from_unix(secs, nanos)).collect();
    assert!(stamps.is_sorted_by(|a, b| a < b || a.to_bytes() == b.to_bytes()));
    assert!(stamps[..5].is_sorted_by(|a, b| a < b));
}

#[test]
fn own_stamps_increase_whatever_the_wall_does() {
    // (now since boot, what the wall says or nothing new)
    let script = [
        (0, None),
        (1, Some(1_700_000_000)),
        (2, None),
        (2, None),
        (3, Some(5)),
        (4, None),
        (5, Some(1_600_000_000)),
        (6, Some(u64::MAX)),
        (7, None),
        (7, None),
    ];
    let mut clock = StampClock::new(Tai64N::default());
    let mut before = clock.newest();
    for (now, wall) in script {
        if let Some(wall) = wall {
            clock.observe(secs(now), Tai64N::from_unix(wall, 0));
        }
        let stamp = clock.stamp(secs(now));
        assert!(stamp > before, "at {now}");
        assert_eq!(stamp, clock.newest());
        before = stamp;
    }
}

#[test]
fn a_clock_set_back_goes_on_from_what_was_stored() {
    let stored = Tai64N::from_unix(1_700_000_000, 7);
    let mut clock = StampClock::new(stored);
    clock.observe(secs(1), Tai64N::from_unix(0, 0));
    assert_eq!(clock.stamp(secs(1)), Tai64N::from_unix(1_700_000_000, 8));
}

#[test]
fn a_wall_that_runs_right_is_followed_coarsely() {
    let mut clock = StampClock::new(Tai64N::default());
    clock.observe(secs(10), Tai64N::from_unix(1_000, 123_456_789));
    let step = 1 << 24;
    let nanos = 123_456_789 / step * step;
    assert_eq!(clock.stamp(secs(10)), Tai64N::from_unix(1_000, nanos));
    assert_eq!(clock.stamp(secs(15)), Tai64N::from_unix(1_005, nanos));
}

#[test]
fn a_nanosecond_carries_into_the_second() {
    let mut clock = StampClock::new(Tai64N::from_unix(9, 999_999_999));
    assert_eq!(clock.stamp(secs(0)), Tai64N::from_unix(10, 0));
    let mut last = StampClock::new(Tai64N::from_bytes([0xff; 12]));
    assert_eq!(last.stamp(secs(0)), Tai64N::from_bytes([0xff; 12]), "nothing is greater");
}
