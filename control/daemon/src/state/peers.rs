//! The peers and their allowed IPs.
//!
//! Each peer has a slot, its row in the shared peer table; the lowest free slot is taken, so that the table stays dense.
//!
//! **Invariant:** the three indices agree: a key has one slot, and a range is one peer's, also when that peer
//! lists it (`ranges` and each peer's `allowed_ips` are two views of one relation).

use std::collections::{BTreeMap, BTreeSet};

use ringmesh_abi::command::ENDPOINTS_PER_PEER;
use ringmesh_abi::{Endpoint, PEERS_MAX, Secret};
use ringmesh_wire::ip::Cidr;
use ringmesh_wire::keys::PublicKey;

/// One peer as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Peer {
    /// Who it is.
    pub(crate) public_key: PublicKey,
    /// Zeros when there is none.
    pub(crate) preshared_key: Secret,
    /// Persistent keepalive in seconds; 0 is off.
    pub(crate) keepalive_secs: u16,
    /// Where it may be reached.
    pub(crate) endpoints: [Endpoint; ENDPOINTS_PER_PEER],
    /// Greatest TAI64N of its initiations.
    pub(crate) greatest_timestamp: [u8; 12],
    /// Whether it had a session when its data plane died.
    pub(crate) had_session: bool,
    /// Its ranges.
    pub(crate) allowed_ips: BTreeSet<Cidr>,
}

/// All peers of the device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers {
    rows: BTreeMap<u32, Peer>,
    by_key: BTreeMap<PublicKey, u32>,
    ranges: BTreeMap<Cidr, u32>,
    /// The lowest free slot: every one below it is taken.
    free: u32,
}

impl Peers {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// All of them by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Peer)> {
        self.rows.iter().map(|(slot, peer)| (*slot, peer))
    }

    /// The slot of the peer with this key.
    pub(crate) fn slot_of(&self, key: PublicKey) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// The peer in a slot.
    pub(crate) fn at(&self, slot: u32) -> Option<&Peer> {
        self.rows.get(&slot)
    }

    /// The slot that the next new peer gets; `None` when all are taken.
    pub(crate) fn free_slot(&self) -> Option<u32> {
        (self.free < PEERS_MAX).then_some(self.free)
    }

    /// Makes or changes the peer in `slot`; its ranges stay. Whoever was there before under another key is gone, and so
    /// is another slot with this key.
    pub(crate) fn set(&mut self, slot: u32, mut peer: Peer) {
        if slot >= PEERS_MAX {
            return;
        }
        if let Some(other) = self.slot_of(peer.public_key).filter(|other| *other != slot) {
            self.remove(other, peer.public_key);
        }
        match self.rows.get_mut(&slot) {
            Some(before) if before.public_key == peer.public_key => {
                peer.allowed_ips = std::mem::take(&mut before.allowed_ips);
            }
            Some(before) => {
                let key = before.public_key;
                self.remove(slot, key);
            }
            None => {}
        }
        self.by_key.insert(peer.public_key, slot);
        self.rows.insert(slot, peer);
        while self.rows.contains_key(&self.free) {
            self.free += 1;
        }
    }

    /// Removes the peer and its ranges, if `key` is in `slot`.
    pub(crate) fn remove(&mut self, slot: u32, key: PublicKey) {
        if self.owned(slot, key).is_none() {
            return;
        }
        let Some(peer) = self.rows.remove(&slot) else { return };
        self.by_key.remove(&key);
        for range in peer.allowed_ips {
            self.ranges.remove(&range);
        }
        self.free = self.free.min(slot);
    }

    /// Gives `range` to the peer, taken from whoever had it.
    pub(crate) fn add_range(&mut self, slot: u32, key: PublicKey, range: Cidr) {
        if self.owned(slot, key).is_none() {
            return;
        }
        if let Some(before) = self.ranges.insert(range, slot)
            && let Some(peer) = self.rows.get_mut(&before)
        {
            peer.allowed_ips.remove(&range);
        }
        if let Some(peer) = self.rows.get_mut(&slot) {
            peer.allowed_ips.insert(range);
        }
    }

    /// Takes `range` from the peer, if it has it.
    pub(crate) fn remove_range(&mut self, slot: u32, key: PublicKey, range: Cidr) {
        if self.owned(slot, key).is_some_and(|peer| peer.allowed_ips.remove(&range)) {
            self.ranges.remove(&range);
        }
    }

    /// Takes all ranges from the peer.
    pub(crate) fn clear_ranges(&mut self, slot: u32, key: PublicKey) {
        let taken = self.owned(slot, key).map(|peer| std::mem::take(&mut peer.allowed_ips));
        for range in taken.into_iter().flatten() {
            self.ranges.remove(&range);
        }
    }

    /// Changes what only the running data plane knows of a peer.
    pub(crate) fn learn(&mut self, slot: u32, key: PublicKey, learn: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.owned(slot, key) {
            learn(peer);
        }
    }

    fn owned(&mut self, slot: u32, key: PublicKey) -> Option<&mut Peer> {
        self.rows.get_mut(&slot).filter(|peer| peer.public_key == key)
    }
}
