//! How long to wait before a data plane that died is started again.
//!
//! The first death costs nothing: traffic is waiting. One that keeps dying right after its start is given more and more time,
//! so that a broken machine is not kept busy with it.

use std::time::Duration;

/// Counts deaths that came too early.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    early: u32,
}

impl Backoff {
    /// After a data plane died that had lived for `lived`: how long to wait.
    pub(crate) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= SETTLED {
            self.early = 0;
            return Duration::ZERO;
        }
        self.early = self.early.saturating_add(1);
        match self.early.checked_sub(FREE + 1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST.saturating_mul(2u32.saturating_pow(doublings)).min(LONGEST),
        }
    }
}

/// Who lived this long was well.
const SETTLED: Duration = Duration::from_secs(5);
/// So many early deaths in a row are forgiven: whoever kills us twice for a test should not wait.
const FREE: u32 = 3;
const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_deaths_cost_more_and_more() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..12).map(|_| backoff.after(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [0, 0, 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        assert_eq!(backoff.after(SETTLED), Duration::ZERO);
        assert_eq!(backoff.after(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn no_number_of_deaths_overflows() {
        let mut backoff = Backoff { early: u32::MAX - 1 };
        assert_eq!(backoff.after(Duration::ZERO), LONGEST);
        assert_eq!(backoff.after(Duration::ZERO), LONGEST);
    }
}
