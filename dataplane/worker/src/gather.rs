//! For how long a worker lets packets gather before it wakes for them: a moment, while TCP in bulk is all there is.
//!
//! A worker that goes before applications interrupts sender and receiver for each super-packet, and the next one is made
//! only when it sleeps again. After a short pause there are several, and they share the wake-up, the system calls and the send, as
//! behind a network card that moderates its interrupts. Bulk does not notice such a moment. A game, a call or the look-up of a
//! name would, so while anything but TCP passes this worker wakes at once.
//!
//! **Invariant:** pure: protocols and time come in, a time to wait goes out.

use std::time::Duration;

/// What decides how long one worker waits.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// When something else than TCP last passed.
    other_at: Option<Duration>,
}

impl Gather {
    /// Learns from a packet, whichever way it goes, of an IP protocol.
    pub(crate) fn learn(&mut self, protocol: u8, now: Duration) {
        if protocol != TCP {
            self.other_at = Some(now);
        }
    }

    /// How long packets may gather from `now` on; none: not at all.
    pub(crate) fn time(&self, now: Duration) -> Option<Duration> {
        let alone = self.other_at.is_none_or(|other| now.saturating_sub(other) >= QUIET);
        alone.then_some(LONGEST)
    }
}

pub(crate) const TCP: u8 = 6;

/// Several super-packets at the rate at which a program writes them, and little beside the round trips of what is far.
const LONGEST: Duration = Duration::from_micros(200);
/// How long after another packet its flow is taken to go on: games and calls send every 10 to 50 ms.
const QUIET: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
