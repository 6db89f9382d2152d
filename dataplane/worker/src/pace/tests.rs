use super::*;

/// A link of `rate` bytes per second behind a pace that is asked to send as much as it may, for a second: what lay
/// below at each millisecond, and the bytes that left.
fn drive(pace: &mut Pace, rate: f64, from: Duration) -> (Vec<usize>, f64) {
    drive_segments(pace, rate, from, SEGMENT, usize::MAX)
}

/// What an MTU of 1,420 makes of a packet.
const SEGMENT: usize = 1_452;

/// `window` is what the applications have on the way at once.
fn drive_segments(
    pace: &mut Pace,
    rate: f64,
    from: Duration,
    segment: usize,
    window: usize,
) -> (Vec<usize>, f64) {
    let (mut below, mut left, mut queues) = (0.0_f64, 0.0, Vec::new());
    for step in 0..4_000_u64 {
        let now = from + Duration::from_micros(step * 250);
        let leaves = below.min(rate * 0.000_25);
        below -= leaves;
        left += leaves;
        if pace.wants_look(now) {
            pace.look(now, below as usize);
        }
        // What the application has ready: as a rule far more than the link takes.
        let ready = window.saturating_sub(below as usize) / segment;
        let count = pace.room(segment).min((65_000 / segment).max(1)).min(ready);
        if count > 0 {
            pace.on_sent(count * segment);
            below += (count * segment) as f64;
        }
        if step % 4 == 0 {
            queues.push(below as usize);
        }
    }
    (queues, left)
}

#[test]
fn a_link_that_keeps_up_is_never_held_back() {
    let mut pace = Pace::default();
    let mut now = Duration::from_secs(5);
    for _ in 0..10_000 {
        now += Duration::from_micros(100);
        assert_eq!(pace.room(SEGMENT), usize::MAX);
        pace.on_sent(64_000);
        if pace.wants_look(now) {
            pace.look(now, 64_000);
        }
    }
    assert!(!pace.is_held());
}

#[test]
fn a_slow_link_keeps_a_short_queue_and_stays_busy() {
    for megabits in [2.0, 10.0, 50.0, 200.0, 900.0] {
        let rate = megabits * 1e6 / 8.0;
        let mut pace = Pace::default();
        drive(&mut pace, rate, Duration::from_secs(1));
        let (mut queues, left) = drive(&mut pace, rate, Duration::from_secs(2));
        queues.sort_unstable();
        let most = queues[queues.len() * 95 / 100] as f64;
        assert!(pace.is_held());
        let allowed = (rate * 2.0 * QUEUE_TIME.as_secs_f64()).max(2.0 * BUDGET_MIN as f64);
        assert!(most <= allowed, "{megabits} Mbit/s: {most} bytes wait below, {allowed} allowed");
        assert!(left >= rate * 0.95, "{megabits} Mbit/s: only {:.0} % of it used", left / rate * 100.0);
    }
}

/// A sender's window may be shorter than any queue that is remarkable by its bytes.
#[test]
fn a_short_queue_that_stands_is_shortened() {
    for (megabits, window) in [(2.0, 20_000), (10.0, 50_000), (50.0, 100_000), (50.0, 150_000)] {
        let rate = megabits * 1e6 / 8.0;
        let mut pace = Pace::default();
        drive_segments(&mut pace, rate, Duration::from_secs(1), SEGMENT, window);
        let (mut queues, left) = drive_segments(&mut pace, rate, Duration::from_secs(2), SEGMENT, window);
        queues.sort_unstable();
        let most = queues[queues.len() * 95 / 100] as f64;
        let allowed = (rate * 2.0 * QUEUE_TIME.as_secs_f64()).max(2.0 * BUDGET_MIN as f64);
        assert!(most <= allowed, "{megabits} Mbit/s, {window}: {most} bytes wait below, {allowed} allowed");
        assert!(left >= rate * 0.95, "{megabits} Mbit/s, {window}: only {:.0} % used", left / rate * 100.0);
    }
}

/// Looks come in the middle of a burst, when much lies below, and then not for long.
#[test]
fn bursts_that_a_link_soon_takes_are_not_held_back() {
    let (rate, mut pace) = (125e6, Pace::default());
    for burst in 0..50_u64 {
        let mut below = 0.0_f64;
        for step in 0..40 {
            let now = Duration::from_millis(1_000 + burst * 40) + Duration::from_micros(step * 50);
            below = (below - rate * 0.000_05).max(0.0);
            if pace.wants_look(now) {
                pace.look(now, below as usize);
            }
            if step < 20 {
                assert_eq!(pace.room(SEGMENT), usize::MAX, "burst {burst}");
                pace.on_sent(8 * SEGMENT);
                below += 8.0 * SEGMENT as f64;
            }
        }
    }
}

#[test]
fn a_link_that_gets_faster_is_followed() {
    let mut pace = Pace::default();
    drive(&mut pace, 1e6, Duration::from_secs(1));
    drive(&mut pace, 2e7, Duration::from_secs(2));
    let (_, left) = drive(&mut pace, 2e7, Duration::from_secs(3));
    assert!(left >= 2e7 * 0.9, "{left}");
}

/// One that is longer than all that may lie below must still leave, or it would wait for ever.
#[test]
fn a_segment_longer_than_the_budget_leaves_when_nothing_lies_below() {
    for segment in [9_032, 65_507] {
        let (rate, mut pace) = (250_000.0, Pace::default());
        drive_segments(&mut pace, rate, Duration::from_secs(1), segment, usize::MAX);
        assert!(pace.is_held());
        let (_, left) = drive_segments(&mut pace, rate, Duration::from_secs(2), segment, usize::MAX);
        assert!(left >= rate * 0.8, "{segment} B: only {:.0} % of the link used", left / rate * 100.0);
    }
}

/// Also while it is asked again and again, as the turns of a worker that only receives do.
#[test]
fn silence_frees_it() {
    let mut pace = Pace::default();
    drive(&mut pace, 1e6, Duration::from_secs(1));
    assert!(pace.is_held());
    for milli in 0..200 {
        pace.look(Duration::from_millis(3_000 + milli), 0);
    }
    assert_eq!(pace.room(SEGMENT), usize::MAX);
}

#[test]
fn a_rest_is_as_long_as_half_of_the_queue_takes() {
    let mut pace = Pace::default();
    drive(&mut pace, 1e7, Duration::from_secs(1));
    let rest = pace.rest();
    assert!((LOOK_INTERVAL..=QUEUE_TIME).contains(&rest), "{rest:?}");
}
