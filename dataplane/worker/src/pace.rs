//! How much may lie unsent below our sockets, so that nothing waits long where no fairness reaches it.
//!
//! A socket buffers megabytes before it says stop, which are seconds on a slow link. As long as the kernel passes on what it
//! gets, nothing is held back here. When a long queue builds up below, or a shorter one stands there, its drain is measured, and
//! no more than [`QUEUE_TIME`] of it is let down; the rest waits in [`Fair`](crate::fair::Fair).
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
    /// Something lies below, and it is being watched whether it stays.
    watched: bool,
    window: Window,
}

/// What left in a stretch of time. The kernel frees a send as a whole, so a shorter one would count jumps.
#[derive(Debug, Default)]
struct Window {
    since: Duration,
    drained: usize,
    /// The least that lay below meanwhile. If nothing did, more could have left.
    least: usize,
}

impl Pace {
    /// Notes that so many bytes were sealed, one datagram or several: they leave soon.
    pub(crate) const fn on_sent(&mut self, bytes: usize) {
        self.sent += bytes + OVERHEAD;
    }

    /// Whether it is time to ask the kernel.
    pub(crate) fn wants_look(&self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at);
        if self.held {
            return passed >= LOOK_INTERVAL;
        }
        self.sent >= LOOK_LEN || (self.watched && passed >= WATCH_INTERVAL)
    }

    /// Takes the kernel's answer: bytes that lie below.
    pub(crate) fn look(&mut self, now: Duration, unsent: usize) {
        let drained = (self.unsent + self.sent).saturating_sub(unsent);
        let passed = now.saturating_sub(self.at);
        (self.at, self.unsent, self.sent) = (now, unsent, 0);
        self.window.drained += drained;
        self.window.least = self.window.least.min(unsent);
        if self.held {
            self.look_held(now);
        } else if unsent > HOLD_LEN {
            self.hold(now, rate(drained, passed));
        } else {
            self.watch(now, passed);
        }
    }

    fn look_held(&mut self, now: Duration) {
        if self.unsent > 0 {
            self.busy_at = now;
        } else if now.saturating_sub(self.busy_at) > FREE_AFTER {
            self.held = false;
        }
        let elapsed = now.saturating_sub(self.window.since);
        if elapsed >= WINDOW {
            let sample = rate(self.window.drained, elapsed);
            // What ran dry had too little below it for the time that we slept; it may also take more than it got.
            self.rate = if self.window.least == 0 {
                (self.rate * 1.25).clamp(sample, sample * 4.0)
            } else {
                (self.rate + sample) / 2.0
            };
            self.window = Window::at(now);
        }
    }

    /// Whether a queue that is short in bytes stays, and is long in time. Bursts that a fast link soon takes are none: so it is
    /// looked at often, and if `passed` is too long for that, nothing is known.
    fn watch(&mut self, now: Duration, passed: Duration) {
        let is_known = self.watched && passed <= 4 * WATCH_INTERVAL;
        self.watched = self.unsent > WATCH_LEN;
        if !is_known {
            self.window = Window::at(now);
        }
        let elapsed = now.saturating_sub(self.window.since);
        if self.watched && elapsed >= WINDOW {
            let rate = rate(self.window.drained, elapsed);
            if self.window.least as f64 > rate * STANDING_TIME.as_secs_f64() {
                self.hold(now, rate);
            }
            self.watched = false;
        }
    }

    fn hold(&mut self, now: Duration, rate: f64) {
        (self.held, self.watched, self.busy_at) = (true, false, now);
        (self.rate, self.window) = (rate, Window::at(now));
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

impl Window {
    const fn at(now: Duration) -> Self {
        Self { since: now, drained: 0, least: usize::MAX }
    }
}

fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / time.as_secs_f64().max(1e-3)
}

/// What a send takes in the kernel beside its payload, roughly.
const OVERHEAD: usize = 800;
/// Bytes between two looks while nothing is held: a look costs a system call.
const LOOK_LEN: usize = 64 << 10;
/// A queue below that is left alone at once: so much lies below a fast network card at any time.
const HOLD_LEN: usize = 192 << 10;
/// A shorter one that is watched whether it stays, and the time between looks at it.
const WATCH_LEN: usize = 8 << 10;
const WATCH_INTERVAL: Duration = Duration::from_millis(2);
/// What stays is held back if it takes longer than this.
const STANDING_TIME: Duration = Duration::from_millis(5);
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
