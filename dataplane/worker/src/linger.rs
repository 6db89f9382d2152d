//! When a worker stays awake instead of sleeping: while an answer is about to come.
//!
//! To wake a sleeping thread costs more than a packet's whole way through a worker, most of all on a processor that slept
//! with it. Where one packet is regularly followed within moments by one the other way (a request that a service behind this
//! end answers, a round trip to somebody near), the wait between them is spent looking instead: adaptive polling, as
//! hypervisors do before they halt a processor.
//!
//! Only the other way counts. Packets of one direction that follow each other are a stream, and a stream is better read in
//! batches, which sleep makes of it. For the same reason nobody lingers in or soon after bulk, where the processor's time is wanted
//! by others too.
//!
//! **Invariant:** staying awake for nothing halves what speaks for it, so at most a few such waits follow each other.

use std::time::Duration;

use crate::counters::Counters;

/// How long an answer may take to be worth waiting for awake: a round trip in a small wired network.
pub(crate) const LONGEST: Duration = Duration::from_micros(250);

/// What decides whether one worker stays awake.
#[derive(Debug, Default)]
pub(crate) struct Linger {
    /// How regularly an answer came in time, for each way of what went before.
    regularity: [u8; 2],
    /// Which way packets went last, and when.
    last: Option<(Way, Duration)>,
    /// When much was last moved at once.
    bulk_at: Option<Duration>,
    moved: Moved,
}

/// Which way packets went in a turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Out,
    In,
}

/// What a worker has moved since its start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Moved {
    sent: u64,
    delivered: u64,
    bytes: u64,
}

impl Moved {
    const fn of(counters: &Counters) -> Self {
        Self {
            sent: counters.tx_packets,
            delivered: counters.rx_packets,
            bytes: counters.tx_bytes + counters.rx_bytes,
        }
    }
}

impl Linger {
    /// Learns from a turn that began at `now`.
    pub(crate) fn learn(&mut self, now: Duration, counters: &Counters) {
        let moved = Moved::of(counters);
        let before = std::mem::replace(&mut self.moved, moved);
        let (sent, delivered) = (moved.sent - before.sent, moved.delivered - before.delivered);
        let way = match (sent > 0, delivered > 0) {
            (true, false) => Some(Way::Out),
            (false, true) => Some(Way::In),
            (true, true) => None,
            // Something else woke the worker: the wait goes on.
            (false, false) => return,
        };
        if let Some((asked, since)) = self.last
            && let Some(regularity) = self.regularity.get_mut(asked as usize)
        {
            let answered = way.is_some_and(|way| way != asked) && now.saturating_sub(since) <= LONGEST;
            *regularity = if answered { (*regularity + 1).min(SURE) } else { *regularity / 2 };
        }
        if sent + delivered > BULK_PACKETS || moved.bytes - before.bytes > BULK_BYTES {
            self.bulk_at = Some(now);
        }
        self.last = way.map(|way| (way, now));
    }

    /// Whether to stay awake for up to [`LONGEST`] after the turn that was learned from last.
    pub(crate) fn is_worth_it(&self) -> bool {
        let Some((way, at)) = self.last else { return false };
        let quiet = self.bulk_at.is_none_or(|bulk| at.saturating_sub(bulk) >= QUIET);
        quiet && self.regularity.get(way as usize).is_some_and(|&regularity| regularity >= REGULAR)
    }
}

/// Answers in time that make the next one expected.
const REGULAR: u8 = 4;
/// More of them do not speak louder: after two that failed to come the worker sleeps.
const SURE: u8 = 8;
/// Packets of one turn, and bytes, that are more than a question or an answer.
const BULK_PACKETS: u64 = 4;
const BULK_BYTES: u64 = 4_096;
/// How long after bulk nobody lingers: longer than precedence over applications takes to end, against which a yield
/// does nothing.
const QUIET: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests;
