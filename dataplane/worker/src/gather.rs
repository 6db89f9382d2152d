//! For how long a worker lets packets gather before it wakes for them: a moment, where TCP in bulk is sent.
//!
//! A worker that goes before applications interrupts the sender for each super-packet, and the next one is made only when
//! the worker sleeps again. After a short pause there are several, and they share the wake-up, the system calls and the send, as
//! behind a network card that moderates its interrupts. At the receiving end it gains nothing: what arrives comes in batches by then.
//!
//! Bulk does not notice a moment. A game, a call or the look-up of a name waits for it at both ends, so while anything
//! but TCP passes the moment is shorter.
//!
//! **Invariant:** pure: sizes, protocols and time come in, a time to wait goes out.

use std::time::Duration;

use ringmesh_wire::ip::TCP;

/// What decides how long one worker waits.
#[derive(Debug)]
pub(crate) struct Gather {
    able: bool,
    /// When something else than TCP last passed.
    other_at: Option<Duration>,
    /// Bytes that were to be sent, less those that arrived, within [`BALANCE`].
    balance: i64,
}

impl Gather {
    /// `able`: the kernel can let packets gather.
    pub(crate) const fn new(able: bool) -> Self {
        Self { able, other_at: None, balance: 0 }
    }

    /// Learns from a packet, whichever way it goes, of an IP protocol.
    pub(crate) fn learn(&mut self, protocol: u8, now: Duration) {
        if protocol != TCP {
            self.other_at = Some(now);
        }
    }

    /// Learns of bytes that applications sent.
    pub(crate) fn outward(&mut self, bytes: u32) {
        self.balance = (self.balance + i64::from(bytes)).min(BALANCE);
    }

    /// Learns of bytes that arrived.
    pub(crate) fn inward(&mut self, bytes: u32) {
        self.balance = (self.balance - i64::from(bytes)).max(-BALANCE);
    }

    /// How long packets may gather from `now` on; none: not at all.
    pub(crate) fn time(&self, now: Duration) -> Option<Duration> {
        let alone = self.other_at.is_none_or(|other| now.saturating_sub(other) >= QUIET);
        (self.able && self.balance > 0).then_some(if alone { ALONE } else { BESIDE })
    }
}

/// Several super-packets at the rate at which a program writes them, and little beside the round trips of what is far.
const ALONE: Duration = Duration::from_micros(200);
/// An eighth of what a game's round trip beside bulk takes anyway.
const BESIDE: Duration = Duration::from_micros(50);
/// How long after another packet its flow is taken to go on: games and calls send every 10 to 50 ms.
const QUIET: Duration = Duration::from_millis(100);
/// After so many bytes the other way, about a millisecond's, what was before counts no more.
const BALANCE: i64 = 1 << 20;

#[cfg(test)]
mod tests;
