//! The only place of the data plane that reads a clock.
//!
//! Everything else takes the time as an argument, so that tests and simulations choose it.
#![forbid(unsafe_code)]

use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;

/// Time since boot, also while the machine was suspended (CLOCK_BOOTTIME): sessions must age during
/// suspend, or a tunnel uses dead keys for minutes after waking.
pub fn boottime() -> Duration {
    duration(clock_gettime(ClockId::Boottime))
}

/// The wall clock as seconds and nanoseconds since 1970; 1970 itself if it is set before.
pub fn wall() -> (u64, u32) {
    let now = duration(clock_gettime(ClockId::Realtime));
    (now.as_secs(), now.subsec_nanos())
}

fn duration(time: Timespec) -> Duration {
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0).min(999_999_999);
    Duration::new(secs, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_the_epoch_is_the_epoch() {
        assert_eq!(duration(Timespec { tv_sec: -5, tv_nsec: 0 }), Duration::ZERO);
        assert_eq!(duration(Timespec { tv_sec: 3, tv_nsec: 7 }), Duration::new(3, 7));
    }

    #[test]
    fn both_clocks_run() {
        let (before, wall_before) = (boottime(), wall());
        assert!(before > Duration::ZERO && wall_before.0 > 1_700_000_000);
        assert!(boottime() >= before);
    }
}
