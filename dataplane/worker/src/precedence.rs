//! When a worker asks to go before applications: while it moves bulk and has to wait for a core.
//!
//! A packet waits for every thread on its way: the sender, a worker here, a worker there, the receiver. When each of them
//! shares a core with a bulk transfer as an equal, each makes it wait a time slice, and the transfer itself stands still as
//! often. The kernel's own network code goes before applications; a worker in that place does the same.
//!
//! Only then, though. A worker that may interrupt its sender is woken by every single packet: that costs two switches more
//! per round trip when nothing else happens, and leaves nothing to batch when an application sends many small packets. So
//! it is asked for when TCP super-packets are moved *and* the scheduler says that this thread has waited, and
//! given back when the bulk ends. TCP, because its sender waits for what comes back; who sends datagrams does not, and
//! would only find its batches cut smaller.
//!
//! The control process decides and does it: this process has no privilege to raise itself. A wish that was not heard
//! (control was dead, or refused) is repeated while the thread still waits.
//!
//! **Invariant:** what a worker looks at is its own count and the kernel's account of its own thread.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// What decides whether one worker goes before applications.
#[derive(Default)]
pub(crate) struct Precedence {
    /// `/proc/thread-self/schedstat`; none where the kernel has no such file, and in tests.
    delays: Option<File>,
    look_at: Duration,
    looked_at: Duration,
    moved: Moved,
    /// Nanoseconds that the thread has waited for a core while it could run, when it was last looked.
    waited: u64,
    /// When precedence was last asked for; none when it was given back since.
    asked_at: Option<Duration>,
}

/// What a worker has moved since its start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Moved {
    /// Bytes of TCP super-packets, both ways.
    pub(crate) bytes: u64,
    /// Completed reads and receives, of whatever.
    pub(crate) deliveries: u64,
}

impl Moved {
    /// Whether what came since `before`, in a time of `span`, is a bulk transfer: fast, and mostly in super-packets.
    fn is_bulk(self, before: Self, span: Duration) -> bool {
        let bytes = self.bytes - before.bytes;
        let deliveries = self.deliveries - before.deliveries;
        bytes >= deliveries * BULK_DELIVERY && u128::from(bytes) >= span.as_micros() * BULK_PER_MICRO
    }
}

impl Precedence {
    /// For the calling thread. Call it while files can be opened.
    pub(crate) fn of_this_thread() -> Self {
        Self { delays: File::open("/proc/thread-self/schedstat").ok(), ..Self::default() }
    }

    /// Looks, every [`PERIOD`] or when the worker comes to it later than that. What it gives is a wish to tell.
    pub(crate) fn look(&mut self, now: Duration, moved: Moved) -> Option<bool> {
        if now < self.look_at {
            return None;
        }
        let span = now.saturating_sub(self.looked_at);
        let bulk = moved.is_bulk(self.moved, span);
        self.moved = moved;
        self.looked_at = now;
        self.look_at = now + PERIOD;
        if !bulk {
            return self.asked_at.take().map(|_| false);
        }
        let again = self.asked_at.is_none_or(|asked| now >= asked + PATIENCE);
        (self.has_waited(span)? && again).then(|| {
            self.asked_at = Some(now);
            true
        })
    }

    /// Whether it was asked for and not given back.
    pub(crate) const fn is_held(&self) -> bool {
        self.asked_at.is_some()
    }

    /// Whether the thread has waited for a core for much of the last `span`. None: the kernel does not say.
    fn has_waited(&mut self, span: Duration) -> Option<bool> {
        let total = waited(self.delays.as_ref()?)?;
        let waited = Duration::from_nanos(total.saturating_sub(std::mem::replace(&mut self.waited, total)));
        // It was not asked while there was no bulk, so the difference may be older than the span. What the span cannot
        // explain says as little as nothing.
        Some((span / WAITING_PART..=span).contains(&waited))
    }
}

/// The second number: nanoseconds spent waiting on a run queue (Documentation/scheduler/sched-stats.rst).
fn waited(delays: &File) -> Option<u64> {
    let mut text = [0; 64];
    let len = delays.read_at(&mut text, 0).ok()?;
    std::str::from_utf8(text.get(..len)?).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Long against a time slice (3 ms), short for a person.
const PERIOD: Duration = Duration::from_millis(20);
/// Until a wish is repeated.
const PATIENCE: Duration = Duration::from_millis(500);
/// Waiting for a twentieth of the time is contention.
const WAITING_PART: u32 = 20;
/// Bytes per read or receive from which a thread switch for each of them does not matter: three packets.
const BULK_DELIVERY: u64 = 4_096;
/// Bytes per microsecond that are bulk: 100 Mbit/s.
const BULK_PER_MICRO: u128 = 12;

#[cfg(test)]
mod tests;
