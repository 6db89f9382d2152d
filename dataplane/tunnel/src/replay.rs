//! The replay window: every data counter is admitted at most once.
//!
//! Packets of one session overtake each other, so the window remembers a stretch of counters in a
//! ring of bitmap words. It moves a whole word at a time, so nothing is ever shifted (RFC 6479).
//!
//! **Invariant:** only counters whose packet has passed authentication come to [`Window::admit`]. A forged
//! counter could otherwise push the window past every honest packet still on its way.

/// Why a counter is not admitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reject {
    /// Admitted before: a replay, or a duplicate made by the network.
    Seen,
    /// More than [`REACH`] behind the newest: we no longer know whether it was seen.
    TooOld,
}

/// The counters of one session that were seen. It has one writer, the session's owner.
#[derive(Clone, Debug)]
pub struct Window {
    newest: u64,
    ring: [u64; RING_WORDS],
}

impl Window {
    /// A window that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: 0, ring: [0; RING_WORDS] }
    }

    /// Marks `counter` as seen, or says why its packet must be dropped.
    ///
    /// # Errors
    /// [`Reject::Seen`] for a counter that was admitted before, [`Reject::TooOld`] for one that the window has
    /// left behind.
    pub fn admit(&mut self, counter: u64) -> Result<(), Reject> {
        if counter > self.newest {
            self.advance(counter);
        } else if self.newest - counter > REACH {
            return Err(Reject::TooOld);
        }
        let word = &mut self.ring[slot(counter / WORD_BITS)];
        let seen = *word & bit(counter) != 0;
        *word |= bit(counter);
        if seen { Err(Reject::Seen) } else { Ok(()) }
    }

    /// Reads what [`Window::admit`] reads of a counter, to have it near when it comes to that. It says nothing: the counter may be
    /// a stranger's.
    pub(crate) fn read_ahead(&self, counter: u64) {
        std::hint::black_box((self.newest, self.ring[slot(counter / WORD_BITS)]));
    }

    /// Empties the words that the window moves onto; a jump past the whole ring empties them all.
    fn advance(&mut self, counter: u64) {
        let from = self.newest / WORD_BITS;
        let words = (counter / WORD_BITS - from).min(RING_WORDS as u64);
        (1..=words).for_each(|step| self.ring[slot(from + step)] = 0);
        self.newest = counter;
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

const fn slot(word: u64) -> usize {
    word as usize % RING_WORDS
}

const fn bit(counter: u64) -> u64 {
    1 << (counter % WORD_BITS)
}

/// How far behind the newest a counter may be. One word less than the ring: the newest word is always partly
/// ahead of the newest counter.
pub const REACH: u64 = (RING_WORDS as u64 - 1) * WORD_BITS;
const RING_WORDS: usize = 128;
const WORD_BITS: u64 = u64::BITS as u64;
const _: () = assert!(RING_WORDS.is_power_of_two(), "slot() may truncate to a 32-bit usize");
const _: () = assert!(REACH >= 8_000, "GRO and several queues reorder over thousands of packets");

#[cfg(test)]
mod tests;
