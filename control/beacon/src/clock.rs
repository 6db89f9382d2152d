//! The beacon's clocks: all of them are read here.
#![allow(clippy::disallowed_methods)] // A room of clocks.

use std::time::{Duration, Instant, SystemTime};

/// Seconds since 1970, for what is stored and signed.
pub(crate) fn wall_secs() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Time that never goes back, for rates: since the first call.
pub(crate) fn steady() -> Duration {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    START.get_or_init(Instant::now).elapsed()
}
