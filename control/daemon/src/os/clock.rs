//! The only reading of a clock in the control process.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Time since boot, suspend included.
pub(crate) fn boottime() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// The wall clock, in seconds since 1970: what records and permissions are dated with. It may jump, in both directions.
pub(crate) fn wall_secs() -> u64 {
    clock_gettime(ClockId::Realtime).tv_sec.unsigned_abs()
}
