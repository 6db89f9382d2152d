//! The only place that reads a clock or waits.
//!
//! Every process of an experiment runs on one machine, so CLOCK_MONOTONIC is the same for all of
//! them, in whatever namespace: a time stamp in a datagram can be compared where it arrives.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::Duration;

/// How long [`until`] waits between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Time since boot, the same in every process.
pub fn now() -> Duration {
    duration(clock_gettime(ClockId::Monotonic))
}

/// Seconds since 1970, for the dates of records.
pub fn unix_secs() -> u64 {
    wall().as_secs()
}

/// Time since 1970, which is what the kernel stamps datagrams with.
pub fn wall() -> Duration {
    duration(clock_gettime(ClockId::Realtime))
}

/// Waits until [`now`] has reached `deadline`; returns at once if it has.
pub fn pause_until(deadline: Duration) {
    let tv_sec = deadline.as_secs().try_into().unwrap_or(i64::MAX);
    let wanted = Timespec { tv_sec, tv_nsec: deadline.subsec_nanos().into() };
    while clock_nanosleep_absolute(ClockId::Monotonic, &wanted) == Err(rustix::io::Errno::INTR) {}
}

/// Looks every few milliseconds, for at most `limit`, until `look` finds something.
pub fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        let next = now() + LOOK_INTERVAL;
        if next > deadline {
            return None;
        }
        pause_until(next);
    }
}

/// The date of `unix_secs` in UTC as `YYYY-MM-DD` (proleptic Gregorian calendar).
pub fn date(unix_secs: u64) -> String {
    // Years are counted from March, so that the leap day is the last day of its year.
    let days = unix_secs / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

fn duration(time: Timespec) -> Duration {
    let secs = time.tv_sec.try_into().unwrap_or(0);
    Duration::new(secs, time.tv_nsec.try_into().unwrap_or(0))
}

#[cfg(test)]
mod tests;
