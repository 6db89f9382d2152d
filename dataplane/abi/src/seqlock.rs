//! A value of many words that one thread writes and another process reads without a lock.
//!
//! The writer makes the sequence odd, writes, makes it even. A reader that saw the same even sequence before and after has read
//! one whole value.
//!
//! **Invariant:** a reader gives up after a bounded number of tries. A writer that died in the middle, or a
//! scribbled sequence, costs an answer and never a hang.

use crate::sync::{AtomicU64, Ordering, fence};

/// `WORDS` words behind a sequence.
#[repr(C)]
pub(crate) struct Seqlock<const WORDS: usize> {
    sequence: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Seqlock<WORDS> {
    /// Writes a value; only one thread ever does.
    ///
    /// The sequence is read back from the memory, but any number serves: it only has to become odd and then another even one.
    pub(crate) fn write(&self, value: &[u64; WORDS]) {
        let odd = self.sequence.load(Ordering::Relaxed) | 1;
        self.sequence.store(odd, Ordering::Relaxed);
        // Nobody sees a new word together with the old even sequence.
        fence(Ordering::Release);
        for (word, &value) in self.words.iter().zip(value) {
            word.store(value, Ordering::Relaxed);
        }
        self.sequence.store(odd.wrapping_add(1), Ordering::Release);
    }

    /// A whole value, or `None` when the writer was in the way at every try.
    pub(crate) fn read(&self) -> Option<[u64; WORDS]> {
        (0..TRIES).find_map(|_| self.try_read())
    }

    fn try_read(&self) -> Option<[u64; WORDS]> {
        let before = self.sequence.load(Ordering::Acquire);
        if !before.is_multiple_of(2) {
            core::hint::spin_loop();
            return None;
        }
        let value = core::array::from_fn(|at| self.words[at].load(Ordering::Relaxed));
        // A word that is newer than `before` brings the newer sequence with it.
        fence(Ordering::Acquire);
        (self.sequence.load(Ordering::Relaxed) == before).then_some(value)
    }
}

/// A write takes tens of nanoseconds; this many tries outlast it, unless the writer has lost its core.
#[cfg(not(loom))]
const TRIES: u32 = 1_000;
#[cfg(loom)]
const TRIES: u32 = 2;

#[cfg(test)]
mod tests;
