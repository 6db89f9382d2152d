//! The only reading of a clock in the control process.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since boot, suspend included.
pub(crate) fn boottime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The wall clock in whole seconds since 1970; 0 when it is set before.
pub(crate) fn wall_secs() -> u64 {
    u64::try_from(clock_gettime(ClockId::Realtime).tv_sec).unwrap_or(0)
}

/// How late the wall clock has ever been, as far as control has looked.
///
/// The data plane stamps its initiations with the wall clock, and peers take none that is not later than all before. One that
/// dies takes its last stamp with it; should the clock have been set back, its successor would be refused by everybody until the
/// clock has caught up. Control does not ask for the stamp: it looks at the clock often, so it knows a time that is late enough.
#[derive(Debug, Default)]
pub(crate) struct HighWater {
    secs: u64,
}

impl HighWater {
    /// Notes what the clock says, or how late stamps were before.
    pub(crate) fn observe(&mut self, secs: u64) {
        self.secs = self.secs.max(secs);
    }

    /// What a new data plane's stamps must be later than, when the clock says `wall` now. 0: the clock has not gone back, and
    /// says enough by itself.
    pub(crate) fn stamped_until(&self, wall: u64) -> u64 {
        if wall >= self.secs { 0 } else { self.secs.saturating_add(LOOKED_AWAY_SECS) }
    }
}

/// Time for which the clock may have run on between the last look and a death.
const LOOKED_AWAY_SECS: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clock_that_went_back_needs_help() {
        let mut high = HighWater::default();
        assert_eq!(high.stamped_until(0), 0);
        for wall in [1_000, 1_001, 400] {
            high.observe(wall);
        }
        let table = [(1_002, 0), (1_001, 0), (1_000, 1_003), (400, 1_003), (0, 1_003)];
        for (wall, until) in table {
            assert_eq!(high.stamped_until(wall), until, "at {wall}");
        }
        high.observe(u64::MAX);
        assert_eq!(high.stamped_until(5), u64::MAX);
    }
}
