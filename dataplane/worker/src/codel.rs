//! When a standing queue asks for a mark or a loss: CoDel (RFC 8289).
//!
//! A queue that empties now and then is doing its work; one that never does is only delay, and its sender has to
//! slow down. The measure is how long each packet waited: when that stays above a target for an interval, one
//! packet is marked, and then more and more often until the queue has gone.
//!
//! The RFC's target and interval, 5 and 100 ms, are for a [`LINK`] that serves the whole internet. A queue in front of a
//! [`PROCESSOR`] is taken at gigabits per second, and its senders are as near as a game
//! server in the next room. A sender far away is asked a little early, and only if it fills this queue for long.
//!
//! **Invariant:** pure: time comes in, a decision goes out.

use std::time::Duration;

/// What a queue is in front of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// Waiting that is no reason to complain.
    target: Duration,
    /// For how long waiting must exceed it.
    interval: Duration,
}

/// A processor, which takes what the network brings.
pub(crate) const PROCESSOR: Before =
    Before { target: Duration::from_micros(200), interval: Duration::from_millis(5) };
/// A link (RFC 8289, sections 4.2 and 4.3).
pub(crate) const LINK: Before =
    Before { target: Duration::from_millis(5), interval: Duration::from_millis(100) };

/// The state of one queue.
#[derive(Debug)]
pub(crate) struct Codel {
    before: Before,
    /// When waiting will have been above the target for an interval.
    above_from: Option<Duration>,
    marking: bool,
    /// Marks since marking began.
    count: u32,
    next: Duration,
    /// When a packet was last looked at.
    seen: Duration,
}

impl Codel {
    pub(crate) const fn new(before: Before) -> Self {
        let zero = Duration::ZERO;
        Self { before, above_from: None, marking: false, count: 0, next: zero, seen: zero }
    }

    /// Whether this packet, which `waited` in the queue, is to be marked at `now`.
    pub(crate) fn is_due(&mut self, waited: Duration, now: Duration) -> bool {
        let idle = now.saturating_sub(self.seen) > self.before.interval;
        self.seen = now;
        if waited < self.before.target || idle {
            self.above_from = None;
            self.marking = false;
            return false;
        }
        let above_from = *self.above_from.get_or_insert(now + self.before.interval);
        if self.marking {
            return now >= self.next && self.mark(now, self.count + 1);
        }
        if now < above_from {
            return false;
        }
        self.marking = true;
        // A queue that stands again soon needs about the rate that helped last time.
        let recent = now.saturating_sub(self.next) < self.before.interval * 16;
        self.mark(now, if recent { self.count.saturating_sub(2).max(1) } else { 1 })
    }

    /// Notes a mark and when the next is due: after an interval divided by the square root of their number.
    fn mark(&mut self, now: Duration, count: u32) -> bool {
        self.count = count;
        self.next = now + self.before.interval.div_f64(f64::from(count).sqrt());
        true
    }
}

#[cfg(test)]
mod tests;
