use super::*;

const fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// Marks among packets that come every 100 µs for `millis`, each having waited for `waited`.
fn marks(codel: &mut Codel, from: u64, millis: u64, waited: Duration) -> Vec<u64> {
    (from * 10..(from + millis) * 10)
        .filter(|&at| codel.is_due(waited, micros(1_000_000 + at * 100)))
        .map(|at| at / 10)
        .collect()
}

#[test]
fn a_short_wait_is_never_marked() {
    assert_eq!(marks(&mut Codel::new(PROCESSOR), 0, 1_000, PROCESSOR.target - micros(1)), []);
}

#[test]
fn a_burst_shorter_than_an_interval_is_left_alone() {
    let mut codel = Codel::new(PROCESSOR);
    for burst in 0..50 {
        assert_eq!(marks(&mut codel, burst * 20, 4, micros(5_000)), []);
        assert_eq!(marks(&mut codel, burst * 20 + 4, 1, micros(50)), []);
    }
}

#[test]
fn a_standing_queue_is_marked_ever_more_often() {
    let marks = marks(&mut Codel::new(PROCESSOR), 0, 100, micros(2_000));
    assert_eq!(marks[..4], [5, 10, 13, 16]);
    assert!(marks.len() > 12, "{marks:?}");
}

#[test]
fn an_empty_queue_ends_it_and_a_quick_return_is_met_with_the_rate_that_helped() {
    let mut codel = Codel::new(PROCESSOR);
    let first = marks(&mut codel, 0, 100, micros(2_000)).len();
    assert_eq!(marks(&mut codel, 100, 3, micros(100)), []);
    let again = marks(&mut codel, 103, 100, micros(2_000)).len();
    assert!(again > first * 3 / 2, "{first} marks, then {again}");
}

#[test]
fn silence_is_not_a_standing_queue() {
    let mut codel = Codel::new(PROCESSOR);
    for second in 1..100 {
        assert!(!codel.is_due(micros(2_000), Duration::from_secs(second)), "{second} s");
    }
}

/// A sender that adds to its window until it is marked, and a server of one packet per 20 µs: the queue stays short,
/// and the server busy.
#[test]
fn a_sender_that_listens_keeps_the_queue_short() {
    let (mut codel, mut window, mut queue) = (Codel::new(PROCESSOR), 64.0_f64, Vec::new());
    let (mut waits, mut idle) = (Vec::new(), 0);
    for slot in 0..100_000_u64 {
        let now = micros(1_000_000 + slot * 20);
        while (queue.len() as f64) < window {
            queue.push(now);
        }
        if queue.len() <= 1 {
            idle += 1;
        }
        let waited = now - queue.remove(0);
        if codel.is_due(waited, now) {
            window = (window * 0.7).max(2.0);
        } else {
            window += 1.0 / window;
        }
        if slot > 20_000 {
            waits.push(waited);
        }
    }
    waits.sort_unstable();
    let (median, tail) = (waits[waits.len() / 2], waits[waits.len() * 99 / 100]);
    assert!(median < micros(700) && tail < micros(2_500), "{median:?}, {tail:?}");
    assert!(idle < 1_000, "{idle}");
}
