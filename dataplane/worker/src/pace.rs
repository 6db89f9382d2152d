//! How much may lie unsent below our sockets, so that nothing waits long where no fairness reaches it.
//!
//! A socket buffers megabytes before it says stop, which are seconds on a slow link. As long as the kernel passes on what it
//! gets, nothing is held back here. When a queue builds up below, its drain is measured, and no more than
//! [`QUEUE_TIME`] of it is let down; the rest waits in [`Fair`](crate::fair::Fair).
//!
//! Known limit: one socket may send through several devices; the slowest that is full paces them all.
//!
//! **Invariant:** pure: time and the kernel's account come in, a number of bytes goes out.

use std::time::Duration;

/// The state of a worker's way out. Bytes are the kernel's: payload, and what a datagram costs beside it.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the kernel was last asked, and what it said.
    at: Duration,
    unsent: usize,
    /// Given to the kernel since.
    sent: usize,
    /// When something lay below last.
    busy_at: Duration,
    /// Bytes per second that leave, while held.
    rate: f64,
    held: bool,
    window: Window,
}

/// What left in a stretch of time. The kernel frees a send as a whole, so a shorter one would count jumps.
#[derive(Debug, Default)]
struct Window {
    since: Duration,
    drained: usize,
    /// It ran dry meanwhile: more could have left.
    dry: bool,
}

impl Pace {
    /// Notes that so many bytes were sealed, one datagram or several: they leave soon.
    pub(crate) const fn on_sent(&mut self, bytes: usize) {
        self.sent += bytes + OVERHEAD;
    }

    /// Whether it is time to ask the kernel.
    pub(crate) fn wants_look(&self, now: Duration) -> bool {
        if self.held { now.saturating_sub(self.at) >= LOOK_INTERVAL } else { self.sent >= LOOK_LEN }
    }

    /// Takes the kernel's answer: bytes that lie below.
    pub(crate) fn look(&mut self, now: Duration, unsent: usize) {
        let drained = (self.unsent + self.sent).saturating_sub(unsent);
        if unsent > 0 {
            self.busy_at = now;
        }
        if !self.held && unsent > HOLD_LEN {
            self.held = true;
            self.rate = rate(drained, now.saturating_sub(self.at));
            self.window = Window { since: now, ..Window::default() };
        } else if now.saturating_sub(self.busy_at) > FREE_AFTER {
            self.held = false;
        }
        self.window.drained += drained;
        self.window.dry |= unsent == 0;
        let elapsed = now.saturating_sub(self.window.since);
        if elapsed >= WINDOW {
            let sample = rate(self.window.drained, elapsed);
            // What ran dry had too little below it for the time that we slept; it may also take more than it got.
            self.rate = if self.window.dry {
                (self.rate * 1.25).clamp(sample, sample * 4.0)
            } else {
                (self.rate + sample) / 2.0
            };
            self.window = Window { since: now, ..Window::default() };
        }
        (self.at, self.unsent, self.sent) = (now, unsent, 0);
    }

    /// Segments of `len` bytes that may go down now, in one send. Always one when nothing lies below, however long it is.
    pub(crate) fn room(&self, len: usize) -> usize {
        if !self.held {
            return usize::MAX;
        }
        let below = self.unsent + self.sent;
        let room = self.budget().saturating_sub(below + OVERHEAD);
        let least = usize::from(below == 0 || room >= len);
        // Half at once: the kernel frees a send as a whole, and the next packet waits for that.
        (room.min(self.budget() / 2) / len.max(1)).max(least)
    }

    /// Whether packets are held back at all.
    pub(crate) const fn is_held(&self) -> bool {
        self.held
    }

    /// When to look again, if there is no room now.
    pub(crate) fn rest(&self) -> Duration {
        let over = (self.unsent + self.sent).saturating_sub(self.budget() / 2) as f64;
        Duration::from_secs_f64((over / self.rate.max(1.0)).min(1.0)).clamp(LOOK_INTERVAL, QUEUE_TIME)
    }

    fn budget(&self) -> usize {
        ((self.rate * QUEUE_TIME.as_secs_f64()) as usize).max(BUDGET_MIN)
    }
}

fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64().max(1e-3)
}

/// What a send takes in the kernel beside its payload, roughly.
const OVERHEAD: usize = 800;
/// Bytes between two looks while nothing is held: a look costs a system call.
const LOOK_LEN: usize = 64 << 10;
/// A queue below that is left alone: so much lies below a fast network card at any time.
const HOLD_LEN: usize = 192 << 10;
/// Time between two looks while packets are held.
const LOOK_INTERVAL: Duration = Duration::from_micros(500);
/// For how long the rate is measured.
const WINDOW: Duration = Duration::from_millis(20);
/// What may lie below while packets are held: long enough that timers do not let the link run dry.
const QUEUE_TIME: Duration = Duration::from_millis(2);
/// But never less than this, or the rate would starve itself.
const BUDGET_MIN: usize = 6 << 10;
/// A queue that was empty for so long has nothing to be held for.
const FREE_AFTER: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
