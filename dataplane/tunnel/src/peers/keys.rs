//! From a public key to the number of its peer, in a table that holds numbers only: the keys lie with the peers.
//!
//! The hash is a part of the key itself. Whoever sends us a key only looks one up; keys come in by configuration.
//!
//! **Invariant:** every number in the table is that of a peer which exists and has the key that it stands under.

use hashbrown::HashTable;
use ringmesh_wire::keys::PublicKey;

use super::Peer;
use crate::PeerId;

/// Where the peers of these numbers are.
type Slots = [Option<Box<Peer>>];

#[derive(Default)]
pub(super) struct Keys(HashTable<PeerId>);

impl Keys {
    pub(super) fn find(&self, key: &PublicKey, slots: &Slots) -> Option<PeerId> {
        self.0.find(hash(key), |id| key_of(*id, slots) == Some(*key)).copied()
    }

    /// Adds the number of a peer that is in its slot already.
    pub(super) fn insert(&mut self, key: &PublicKey, id: PeerId, slots: &Slots) {
        self.0.insert_unique(hash(key), id, |id| key_of(*id, slots).map_or(0, |key| hash(&key)));
    }

    /// Takes the number of a peer out that is still in its slot.
    pub(super) fn remove(&mut self, key: &PublicKey, slots: &Slots) {
        if let Ok(entry) = self.0.find_entry(hash(key), |id| key_of(*id, slots) == Some(*key)) {
            entry.remove();
        }
    }
}

fn key_of(id: PeerId, slots: &Slots) -> Option<PublicKey> {
    Some(slots.get(id.0 as usize)?.as_ref()?.public_key())
}

/// Its first bytes: a public key is as good as random.
fn hash(key: &PublicKey) -> u64 {
    key.0.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
