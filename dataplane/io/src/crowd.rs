//! Whether somebody who computes shares our processor.
//!
//! Seen by yields that come back late. After one there are no more of them for a second, and for twice as long each time
//! that it happens again soon, so that who computes all day costs a moment a minute.
#![forbid(unsafe_code)]

use std::time::Duration;

/// What yields have shown.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    until: Duration,
    rest: Duration,
}

impl Crowd {
    /// Whether to leave the processor alone.
    pub(crate) fn is_near(&self, now: Duration) -> bool {
        now < self.until
    }

    /// Learns from a yield.
    pub(crate) fn learn(&mut self, before: Duration, after: Duration) {
        if after.saturating_sub(before) < HELD_UP {
            return;
        }
        let again = before.saturating_sub(self.until) <= self.rest;
        self.rest = if again { (self.rest * 2).clamp(REST, REST_MAX) } else { REST };
        self.until = after + self.rest;
    }
}

/// Longer than a service takes that answers a packet at once, shorter than a time slice.
const HELD_UP: Duration = Duration::from_micros(150);
const REST: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(64);

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_short_yield_says_nothing() {
        let mut crowd = Crowd::default();
        crowd.learn(secs(100), secs(100) + Duration::from_micros(100));
        assert!(!crowd.is_near(secs(100)));
    }

    #[test]
    fn each_long_one_that_follows_soon_gives_twice_the_rest() {
        let mut crowd = Crowd::default();
        let mut now = secs(100);
        for rest in [1, 2, 4, 8, 16, 32, 64, 64] {
            let after = now + Duration::from_millis(4);
            crowd.learn(now, after);
            assert!(crowd.is_near(after + secs(rest) - Duration::from_nanos(1)), "{rest}");
            now = after + secs(rest);
            assert!(!crowd.is_near(now), "{rest}");
        }
    }

    #[test]
    fn after_a_long_time_without_it_begins_anew() {
        let mut crowd = Crowd::default();
        crowd.learn(secs(100), secs(101));
        crowd.learn(secs(103), secs(104));
        crowd.learn(secs(200), secs(201));
        assert!(!crowd.is_near(secs(202)));
    }
}
