//! A bounded ring for one producer and one consumer, and the announcement of sleep.
//!
//! Each side keeps its own index in private memory and publishes copies of it; the other side's index is a
//! claim. A scribbled index therefore harms only until its owner publishes again, which it does with
//! every push and pop, when the ring looks full, and before it sleeps.
//!
//! Slots are words that are read and written atomically (relaxed): the other process may write at the same time,
//! and with plain accesses that would be undefined behaviour, not just a wrong value.
//!
//! **Invariant:** `tail - head` is never believed beyond the number of slots, and a slot's place is
//! always masked. A ring whose other side lies is full for the producer or empty for the consumer.
//!
//! **Invariant:** every word of the memory outside the slots has one writer.

use crate::Claim;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// The two published indices, each on a cache line of its own. They run freely and are masked on use.
#[repr(C)]
pub(crate) struct Indices {
    tail: Index,
    head: Index,
}

#[repr(C, align(64))]
struct Index(AtomicU32);

#[cfg(not(loom))]
const _: () = assert!(size_of::<Indices>() == 128 && align_of::<Indices>() == 64);

/// Where a ring lives: mapped memory in life, heap in models.
pub(crate) trait Memory {
    /// The published indices.
    fn indices(&self) -> &Indices;
    /// All words of all slots, as many as [`Shape::words_total`].
    fn slots(&self) -> &[AtomicU64];
}

/// How many slots of how many words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shape {
    /// A power of two.
    pub(crate) slots: u32,
    /// Words of eight bytes in each slot.
    pub(crate) words: usize,
}

impl Shape {
    pub(crate) const fn words_total(self) -> usize {
        self.slots as usize * self.words
    }

    fn slot(self, words: &[AtomicU64], index: u32) -> Slot<'_> {
        let start = (index & (self.slots - 1)) as usize * self.words;
        Slot(&words[start..start + self.words])
    }
}

/// One slot's words.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a>(&'a [AtomicU64]);

impl<'a> Slot<'a> {
    /// A slot that is no part of a ring.
    #[cfg(all(test, not(loom)))]
    pub(crate) const fn over(words: &'a [AtomicU64]) -> Self {
        Self(words)
    }

    /// Copies bytes out, from word `from` on. `out` must not reach beyond the slot.
    pub(crate) fn read(self, from: usize, out: &mut [u8]) {
        for (word, bytes) in self.0[from..].iter().zip(out.chunks_mut(8)) {
            bytes.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes()[..bytes.len()]);
        }
    }

    /// Copies bytes in, from word `from` on; the rest of the last word becomes zero.
    pub(crate) fn write(self, from: usize, bytes: &[u8]) {
        for (word, bytes) in self.0[from..].iter().zip(bytes.chunks(8)) {
            let mut whole = [0; 8];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(whole), Ordering::Relaxed);
        }
    }

    /// Zeroes the slot. Atomic stores that another process can see are not optimised away.
    pub(crate) fn wipe(self) {
        self.0.iter().for_each(|word| word.store(0, Ordering::Relaxed));
    }
}

/// The end that pushes.
pub(crate) struct Producer<M> {
    memory: M,
    shape: Shape,
    tail: u32,
    refused: u64,
}

impl<M: Memory> Producer<M> {
    /// The producing end of a fresh ring.
    pub(crate) fn new(memory: M, shape: Shape) -> Self {
        debug_assert!(shape.slots.is_power_of_two() && memory.slots().len() == shape.words_total());
        Self { memory, shape, tail: 0, refused: 0 }
    }

    /// Lets `fill` write one slot and publishes it; false: no slot is free.
    pub(crate) fn push(&mut self, fill: impl FnOnce(Slot<'_>)) -> bool {
        if self.free() == 0 {
            // Should the published tail have been scribbled over, the consumer waits for this.
            self.publish();
            return false;
        }
        fill(self.shape.slot(self.memory.slots(), self.tail));
        self.tail = self.tail.wrapping_add(1);
        self.publish();
        true
    }

    /// Slots that can be pushed now; none while the consumer's index makes no sense.
    pub(crate) fn free(&mut self) -> u32 {
        // Acquire: the consumer has read the slot before it is written again.
        let head = self.memory.indices().head.0.load(Ordering::Acquire);
        let used = Claim::new(self.tail.wrapping_sub(head)).at_most(self.shape.slots, "ring head");
        match used {
            Ok(used) => self.shape.slots - used,
            Err(_) => {
                self.refused += 1;
                0
            }
        }
    }

    /// Impossible indices seen.
    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }

    fn publish(&self) {
        self.memory.indices().tail.0.store(self.tail, Ordering::Release);
    }
}

/// The end that pops.
pub(crate) struct Consumer<M> {
    memory: M,
    shape: Shape,
    head: u32,
    refused: u64,
}

impl<M: Memory> Consumer<M> {
    /// The consuming end of a fresh ring.
    pub(crate) fn new(memory: M, shape: Shape) -> Self {
        debug_assert!(shape.slots.is_power_of_two() && memory.slots().len() == shape.words_total());
        Self { memory, shape, head: 0, refused: 0 }
    }

    /// Lets `take` read (and wipe) the oldest slot, then gives it back to the producer.
    pub(crate) fn pop<R>(&mut self, take: impl FnOnce(Slot<'_>) -> R) -> Option<R> {
        if self.waiting() == 0 {
            return None;
        }
        let taken = take(self.shape.slot(self.memory.slots(), self.head));
        self.head = self.head.wrapping_add(1);
        self.publish();
        Some(taken)
    }

    /// Slots that wait; none while the producer's index makes no sense.
    pub(crate) fn waiting(&mut self) -> u32 {
        // Acquire: what the producer wrote into the slot before it published the tail is seen.
        let tail = self.memory.indices().tail.0.load(Ordering::Acquire);
        let waiting = Claim::new(tail.wrapping_sub(self.head)).at_most(self.shape.slots, "ring tail");
        waiting.unwrap_or_else(|_| {
            self.refused += 1;
            0
        })
    }

    /// Impossible indices seen.
    pub(crate) const fn refused(&self) -> u64 {
        self.refused
    }

    /// Publishes the head again, in case it has been scribbled over.
    pub(crate) fn publish(&self) {
        self.memory.indices().head.0.store(self.head, Ordering::Release);
    }
}

/// One side's announcement that it sleeps, so that the other writes the eventfd only then.
///
/// The sleeper announces, then looks at its rings once more; the other side publishes, then looks at the
/// announcement. Between the two steps each has a full fence, so at least one of them sees the other.
#[repr(C, align(64))]
pub(crate) struct Doze(AtomicU32);

impl Doze {
    /// Announces sleep. The caller must look at its rings afterwards, and call [`Self::wake`] if it does not sleep.
    pub(crate) fn announce(&self) {
        self.0.store(ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Takes the announcement back.
    pub(crate) fn wake(&self) {
        self.0.store(AWAKE, Ordering::Relaxed);
    }

    /// After publishing: whether the eventfd must be written. A lying sleeper costs the caller a system call for
    /// each batch, or itself the wake-up.
    ///
    /// It stays true until the sleeper runs again. To clear it here would save a system call now and then, but give
    /// the word a second writer.
    pub(crate) fn must_be_woken(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) != AWAKE
    }
}

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

#[cfg(test)]
mod tests;
