//! Ranges of one single address, in an open-addressed table.
//!
//! Most ranges of a device with many peers are single addresses, and no longer prefix than theirs exists: so they are
//! looked up first, by one probe instead of a walk down a trie, and cost 8 or 20 bytes instead of a branch of it.
//!
//! Linear probing, and removal closes the gap behind it, so nothing that is gone is ever walked over.
//!
//! **Invariant:** from an entry's home to its place every slot is taken; at most seven in eight are.

use super::paged::Paged;
use super::trie::Bits;
use crate::PeerId;

/// A slot of the table.
#[derive(Clone, Copy, Debug)]
struct Slot<K> {
    key: K,
    /// [`FREE`] when nobody's.
    owner: PeerId,
}

/// No peer has this number: peers' numbers are below `PEERS_MAX`.
const FREE: PeerId = PeerId(u32::MAX);

#[derive(Clone, Debug)]
pub(super) struct Hosts<B: Bits> {
    /// None, or a power of two.
    slots: Paged<Slot<B::Key>>,
    len: usize,
}

impl<B: Bits> Default for Hosts<B> {
    fn default() -> Self {
        Self { slots: Paged::default(), len: 0 }
    }
}

impl<B: Bits> Hosts<B> {
    // Getters.

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn lookup(&self, addr: B) -> Option<PeerId> {
        let (_, owner) = self.find(addr.key()).ok()?;
        Some(owner)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (B, PeerId)> {
        let taken = self.slots.iter().filter(|slot| slot.owner != FREE);
        taken.map(|slot| (B::of_key(slot.key), slot.owner))
    }

    // Commands.

    /// Returns who had the address before.
    pub(super) fn insert(&mut self, addr: B, owner: PeerId) -> Option<PeerId> {
        if (self.len + 1) * 8 > self.slots.len() * 7 {
            self.resize((self.slots.len() * 2).max(SLOTS_MIN));
        }
        let (at, before) = match self.find(addr.key()) {
            Ok((at, before)) => (at, Some(before)),
            Err(at) => (at, None),
        };
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Slot { key: addr.key(), owner };
        }
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes the address from its owner, whoever that is.
    pub(super) fn remove(&mut self, addr: B) {
        let Ok((at, _)) = self.find(addr.key()) else { return };
        self.len -= 1;
        self.close(at);
        if self.slots.len() > SLOTS_MIN && self.len * 8 < self.slots.len() {
            self.resize(self.slots.len() / 2);
        }
    }

    // Inside.

    /// The entry of `key`, or the free slot where it would go.
    fn find(&self, key: B::Key) -> Result<(usize, PeerId), usize> {
        let mut at = self.home(key);
        while let Some(slot) = self.slots.get(at) {
            if slot.owner == FREE {
                break;
            }
            if slot.key == key {
                return Ok((at, slot.owner));
            }
            at = self.after(at);
        }
        Err(at)
    }

    /// Frees the slot at `gap`, and moves into it what stands further from its home because of it.
    fn close(&mut self, mut gap: usize) {
        let mut at = gap;
        loop {
            at = self.after(at);
            let Some(slot) = self.slots.get(at).copied().filter(|slot| slot.owner != FREE) else { break };
            if self.distance(self.home(slot.key), at) >= self.distance(gap, at) {
                if let Some(place) = self.slots.get_mut(gap) {
                    *place = slot;
                }
                gap = at;
            }
        }
        if let Some(place) = self.slots.get_mut(gap) {
            place.owner = FREE;
        }
    }

    fn resize(&mut self, len: usize) {
        let empty = Slot { key: B::default().key(), owner: FREE };
        let before = std::mem::replace(&mut self.slots, Paged::filled(empty, len));
        for slot in before.iter().filter(|slot| slot.owner != FREE) {
            if let Err(at) = self.find(slot.key)
                && let Some(place) = self.slots.get_mut(at)
            {
                *place = *slot;
            }
        }
    }

    /// Where the probing for `key` begins. The addresses come from the device's own configuration, so there is nobody
    /// who could choose them to collide; multiplying spreads neighbours.
    fn home(&self, key: B::Key) -> usize {
        (B::of_key(key).spread() >> 32) as usize & self.slots.len().wrapping_sub(1)
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & self.slots.len().wrapping_sub(1)
    }

    /// Steps from one slot to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & self.slots.len().wrapping_sub(1)
    }
}

/// The smallest table.
const SLOTS_MIN: usize = 16;
const _: () = assert!(size_of::<Slot<u32>>() == 8 && size_of::<Slot<[u32; 4]>>() == 20);

#[cfg(test)]
mod tests;
