//! Receiver indices: how a peer's next datagram finds its handshake or session.
//!
//! An index is 24 random bits and, in its low byte, the number of the worker that owns the peer, so that the
//! kernel can steer a datagram to that worker's socket without knowing anything else. The random part keeps
//! an attacker off the path from guessing which index is in use.
//!
//! **Invariant:** an index is held by at most one peer at a time, over the whole device.

mod table;

pub use table::Table;

use crate::PeerId;
use crate::random::Random;

/// How often a collision is answered by another draw. At 2^20 held indices per worker (more than any table
/// of peers fills) all of them collide with a chance of 2^-64.
const DRAWS: u32 = 16;

/// All indices in use.
#[derive(Default)]
pub(crate) struct Indices {
    held: Table,
}

impl Indices {
    /// Draws an index for `peer` that nobody holds; `None` when the table is full, or the worker's 2^24 are all but used up.
    pub(crate) fn insert(&mut self, random: &mut Random, owner: u8, peer: PeerId) -> Option<u32> {
        (0..DRAWS).find_map(|_| {
            let [a, b, c] = random.array();
            let index = u32::from_le_bytes([owner, a, b, c]);
            let free = self.held.get(index).is_none();
            (free && self.held.insert(index, peer)).then_some(index)
        })
    }

    /// Who holds `index`.
    pub(crate) fn holder(&self, index: u32) -> Option<PeerId> {
        self.held.get(index)
    }

    /// Gives `index` back; it may be drawn again.
    pub(crate) fn remove(&mut self, index: u32) {
        self.held.remove(index);
    }

    /// How many are held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests;
