//! Random bytes from a seed, so that a simulation repeats and a device needs no system call.
//!
//! Each draw is keyed BLAKE2s over a counter, after which the key is replaced by another output of itself.
//! Whoever reads the memory later cannot compute the ephemeral keys that were drawn before (fast key
//! erasure).
//!
//! **Invariant:** no output is ever given twice, and no output tells the next key.

use crate::hash::{self, HASH_LEN};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A generator with a state of its own. 32 bytes of true randomness as seed make it cryptographic.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Random {
    key: [u8; HASH_LEN],
}

impl Random {
    pub(crate) fn new(seed: [u8; HASH_LEN]) -> Self {
        Self { key: seed }
    }

    /// Fills `out`, whatever its length.
    pub(crate) fn fill(&mut self, out: &mut [u8]) {
        for (block, chunk) in (1_u64..).zip(out.chunks_mut(HASH_LEN)) {
            let mut fresh = hash::keyed(&self.key, &block.to_le_bytes());
            chunk.copy_from_slice(&fresh[..chunk.len()]);
            fresh.zeroize();
        }
        self.key = hash::keyed(&self.key, &0_u64.to_le_bytes());
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A number in `0..bound`. The bias of a 64-bit modulo is far below anything a jitter could show.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        u64::from_le_bytes(self.array()) % bound.max(1)
    }
}

#[cfg(test)]
mod tests;
