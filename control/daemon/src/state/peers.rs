//! The peers and their allowed IPs.
//!
//! Each peer has a slot, its row in the shared peer table; the lowest free slot is taken, so that the table stays dense.
//!
//! There can be 100,000 of them, so both indices hold slots only and look up the rest in the peer itself.
//!
//! **Invariant:** the indices agree with the peers: a key has one slot, and a range is one peer's, namely that of the
//! one which lists it.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use ringmesh_abi::{PEERS_MAX, Secret};
use ringmesh_wire::ip::Cidr;
use ringmesh_wire::keys::PublicKey;

use super::{Endpoints, Ranges};

/// One peer as it should be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Peer {
    /// Who it is.
    pub(crate) public_key: PublicKey,
    /// Persistent keepalive in seconds; 0 is off.
    pub(crate) keepalive_secs: u16,
    /// Where it may be reached.
    pub(crate) endpoints: Endpoints,
    /// Its ranges.
    pub(crate) allowed_ips: Ranges,
    /// Never as it is by default.
    more: Option<Box<More>>,
}

const _: () = assert!(size_of::<Peer>() <= 104, "100,000 peers have one each");

/// What most of very many peers do not have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct More {
    /// Zeros: none.
    pub(crate) preshared_key: Secret,
    /// Greatest TAI64N of its initiations.
    pub(crate) greatest_timestamp: [u8; 12],
    /// Whether it had a session when its data plane died.
    pub(crate) had_session: bool,
}

impl Default for More {
    fn default() -> Self {
        Self { preshared_key: Secret::new(&[0; 32]), greatest_timestamp: [0; 12], had_session: false }
    }
}

impl Peer {
    /// A peer of which only the key is known.
    pub(crate) fn new(public_key: PublicKey) -> Self {
        Self {
            public_key,
            keepalive_secs: 0,
            endpoints: Endpoints::default(),
            allowed_ips: Ranges::default(),
            more: None,
        }
    }

    /// A copy that has no allowed IPs.
    pub(crate) fn without_ranges(&self) -> Self {
        Self {
            public_key: self.public_key,
            keepalive_secs: self.keepalive_secs,
            endpoints: self.endpoints.clone(),
            allowed_ips: Ranges::default(),
            more: self.more.clone(),
        }
    }

    /// Zeros: none.
    pub(crate) fn preshared_key(&self) -> &[u8; 32] {
        self.more.as_deref().map_or(&[0; 32], |more| more.preshared_key.expose())
    }

    pub(crate) fn more(&self) -> More {
        self.more.as_deref().cloned().unwrap_or_default()
    }

    /// Changes what few peers have.
    pub(crate) fn change_more(&mut self, change: impl FnOnce(&mut More)) {
        let mut more = self.more.take().unwrap_or_default();
        change(&mut more);
        self.more = Some(more).filter(|more| **more != More::default());
    }
}

/// All peers of the device.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    rows: Vec<Option<Box<Peer>>>,
    count: usize,
    /// The slot of each peer, found by its key.
    by_key: HashTable<u32>,
    /// Who has each range.
    by_range: HashTable<Held>,
    /// The lowest free slot: every one below it is taken.
    free: u32,
    hasher: RandomState,
}

/// An entry for a range. Two ranges of one peer with the same hash have equal entries, and either will do for both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Held {
    slot: u32,
    hash: u32,
}

impl Held {
    /// The hash as the table wants it: upper and lower bits both depend on all of ours.
    fn spread(&self) -> u64 {
        u64::from(self.hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Peers {
    // Getters.

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// All of them by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Peer)> {
        (0..).zip(&self.rows).filter_map(|(slot, peer)| Some((slot, peer.as_deref()?)))
    }

    /// The slot of the peer with this key.
    pub(crate) fn slot_of(&self, key: PublicKey) -> Option<u32> {
        let is = |slot: &u32| self.at(*slot).is_some_and(|peer| peer.public_key == key);
        self.by_key.find(self.hasher.hash_one(key), is).copied()
    }

    /// The peer in a slot.
    pub(crate) fn at(&self, slot: u32) -> Option<&Peer> {
        self.rows.get(slot as usize)?.as_deref()
    }

    /// The slot that the next new peer gets; `None` when all are taken.
    pub(crate) fn free_slot(&self) -> Option<u32> {
        (self.free < PEERS_MAX).then_some(self.free)
    }

    /// The slot of the peer that has exactly this range.
    pub(crate) fn holder(&self, range: &Cidr) -> Option<u32> {
        let entry = self.held(0, range);
        let is = |held: &Held| {
            held.hash == entry.hash && self.at(held.slot).is_some_and(|peer| peer.allowed_ips.contains(range))
        };
        self.by_range.find(entry.spread(), is).map(|held| held.slot)
    }

    // Commands.

    /// Makes or changes the peer in `slot`; its ranges stay. Whoever was there before under another key is gone, and so
    /// is another slot with this key.
    pub(crate) fn set(&mut self, slot: u32, mut peer: Peer) {
        if slot >= PEERS_MAX {
            return;
        }
        if let Some(other) = self.slot_of(peer.public_key).filter(|other| *other != slot) {
            self.remove(other, peer.public_key);
        }
        match self.at(slot).map(|before| before.public_key) {
            Some(key) if key == peer.public_key => {
                if let Some(before) = self.row_mut(slot) {
                    peer.allowed_ips = std::mem::take(&mut before.allowed_ips);
                    *before = peer;
                }
            }
            Some(key) => {
                self.remove(slot, key);
                self.put(slot, peer);
            }
            None => self.put(slot, peer),
        }
    }

    /// Removes the peer and its ranges, if `key` is in `slot`.
    pub(crate) fn remove(&mut self, slot: u32, key: PublicKey) {
        self.clear_ranges(slot, key);
        if self.owned(slot, key).is_none() {
            return;
        }
        if let Ok(entry) = self.by_key.find_entry(self.hasher.hash_one(key), |other| *other == slot) {
            entry.remove();
        }
        if let Some(row) = self.rows.get_mut(slot as usize) {
            *row = None;
        }
        self.count -= 1;
        self.free = self.free.min(slot);
    }

    /// Gives `range` to the peer, taken from whoever had it.
    pub(crate) fn add_range(&mut self, slot: u32, key: PublicKey, range: Cidr) {
        if self.owned(slot, key).is_none() {
            return;
        }
        if let Some(before) =
            self.holder(&range).and_then(|before| Some((before, self.at(before)?.public_key)))
        {
            self.remove_range(before.0, before.1, range);
        }
        let entry = self.held(slot, &range);
        if let Some(peer) = self.row_mut(slot) {
            peer.allowed_ips.insert(range);
        }
        self.by_range.insert_unique(entry.spread(), entry, Held::spread);
    }

    /// Takes `range` from the peer, if it has it.
    pub(crate) fn remove_range(&mut self, slot: u32, key: PublicKey, range: Cidr) {
        if self.owned(slot, key).is_some_and(|peer| peer.allowed_ips.remove(&range)) {
            self.forget_range(slot, &range);
        }
    }

    /// Takes all ranges from the peer.
    pub(crate) fn clear_ranges(&mut self, slot: u32, key: PublicKey) {
        let Some(ranges) = self.owned(slot, key).map(|peer| std::mem::take(&mut peer.allowed_ips)) else {
            return;
        };
        for range in ranges.as_slice() {
            self.forget_range(slot, range);
        }
    }

    /// Changes what only the running data plane knows of a peer.
    pub(crate) fn learn(&mut self, slot: u32, key: PublicKey, learn: impl FnOnce(&mut Peer)) {
        if let Some(peer) = self.owned(slot, key) {
            learn(peer);
        }
    }

    /// Puts a slot back as it was, with its ranges, which nobody else has. Between two of these calls the peers may
    /// be anything.
    pub(super) fn restore(&mut self, slot: u32, before: Option<Peer>) {
        if let Some(key) = self.at(slot).map(|peer| peer.public_key) {
            self.remove(slot, key);
        }
        if let Some(mut peer) = before {
            let (key, ranges) = (peer.public_key, std::mem::take(&mut peer.allowed_ips));
            self.set(slot, peer);
            for range in ranges.as_slice() {
                self.add_range(slot, key, *range);
            }
        }
    }

    // Inside.

    /// Fills a slot that is free with a peer without ranges, whose key is new.
    fn put(&mut self, slot: u32, peer: Peer) {
        let at = slot as usize;
        if self.rows.len() <= at {
            self.rows.resize_with(at + 1, || None);
        }
        let hash = self.hasher.hash_one(peer.public_key);
        let (rows, hasher) = (&mut self.rows, &self.hasher);
        if let Some(row) = rows.get_mut(at) {
            *row = Some(Box::new(peer));
        }
        let rehash = |slot: &u32| {
            let peer = rows.get(*slot as usize).and_then(Option::as_ref);
            peer.map_or(0, |peer| hasher.hash_one(peer.public_key))
        };
        self.by_key.insert_unique(hash, slot, rehash);
        self.count += 1;
        while self.at(self.free).is_some() {
            self.free += 1;
        }
    }

    /// Takes the entry of a range of this peer away.
    fn forget_range(&mut self, slot: u32, range: &Cidr) {
        let entry = self.held(slot, range);
        if let Ok(found) = self.by_range.find_entry(entry.spread(), |held| *held == entry) {
            found.remove();
        }
    }

    fn held(&self, slot: u32, range: &Cidr) -> Held {
        Held { slot, hash: self.hasher.hash_one(range) as u32 }
    }

    fn row_mut(&mut self, slot: u32) -> Option<&mut Peer> {
        self.rows.get_mut(slot as usize)?.as_deref_mut()
    }

    fn owned(&mut self, slot: u32, key: PublicKey) -> Option<&mut Peer> {
        self.row_mut(slot).filter(|peer| peer.public_key == key)
    }
}
