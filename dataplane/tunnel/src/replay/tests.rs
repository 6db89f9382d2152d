use std::collections::HashSet;

use super::{REACH, Reject, Window};
use crate::limits::REJECT_AFTER_MESSAGES;

/// Runs a script of counters.
#[track_caller]
fn script(steps: &[(u64, Result<(), Reject>)]) {
    let mut window = Window::new();
    for (step, &(counter, expected)) in steps.iter().enumerate() {
        assert_eq!(window.admit(counter), expected, "step {step}: {counter}");
    }
}

const OK: Result<(), Reject> = Ok(());
const SEEN: Result<(), Reject> = Err(Reject::Seen);
const OLD: Result<(), Reject> = Err(Reject::TooOld);

#[test]
fn the_first_counter_is_zero_and_counts_once() {
    script(&[(0, OK), (0, SEEN), (1, OK), (1, SEEN), (0, SEEN)]);
}

#[test]
fn order_does_not_matter_within_reach() {
    script(&[(9, OK), (8, OK), (7, OK), (7, SEEN), (0, OK), (65, OK), (64, OK), (63, OK), (64, SEEN)]);
}

#[test]
fn the_reach_is_exact() {
    script(&[(REACH, OK), (0, OK), (0, SEEN), (REACH + 1, OK), (0, OLD), (1, OK), (1, SEEN)]);
    script(&[(REACH + 63, OK), (63, OK), (62, OLD), (REACH + 64, OK), (63, OLD), (64, OK)]);
}

#[test]
fn a_jump_forgets_what_it_leaves_behind_and_nothing_else() {
    let far = 10 * REACH + 17;
    script(&[
        (5, OK),
        (far, OK),
        (5, OLD),
        (far - REACH - 1, OLD),
        (far - REACH, OK),
        (far - REACH, SEEN),
        (far - 1, OK),
        (far, SEEN),
    ]);
}

/// A bit of an earlier lap of the ring must not make a fresh counter look seen.
#[test]
fn each_lap_starts_clean() {
    let lap = REACH + 64;
    let mut window = Window::new();
    for counter in 0..4 * lap {
        assert_eq!(window.admit(counter), OK, "{counter}");
    }
    let mut window = Window::new();
    for counter in (0..40 * lap).step_by(63) {
        assert_eq!(window.admit(counter), OK, "{counter}");
        assert_eq!(window.admit(counter.saturating_sub(63)), SEEN, "{counter}");
    }
}

#[test]
fn the_greatest_counters_work() {
    let last = REJECT_AFTER_MESSAGES - 1;
    script(&[(last - 1, OK), (last, OK), (last, SEEN), (last - REACH, OK), (last - REACH - 1, OLD)]);
    script(&[(u64::MAX, OK), (u64::MAX, SEEN), (u64::MAX - REACH, OK), (0, OLD)]);
}

/// 200,000 counters, scrambled within and beyond the reach, against a set that never forgets.
#[test]
fn agrees_with_a_set_that_never_forgets() {
    let mut window = Window::new();
    let mut seen = HashSet::new();
    let (mut state, mut newest) = (1_u64, 0_u64);
    for step in 0..200_000_u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let spread = if step % 1_000 == 0 { 4 * REACH } else { REACH + 200 };
        let counter = (step + (state >> 33) % spread).saturating_sub(REACH / 2);
        let expected = if counter <= newest && newest - counter > REACH {
            OLD
        } else if seen.insert(counter) {
            newest = newest.max(counter);
            OK
        } else {
            SEEN
        };
        assert_eq!(window.admit(counter), expected, "{counter} behind {newest}");
    }
}
