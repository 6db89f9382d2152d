//! Which peer an inner address belongs to: the longest prefix over the whole device.
//!
//! The same table routes what we send (by destination) and judges what we receive (by source), so a peer can
//! never speak for an address that a more specific range gives to another one (the paper, section 2).
//!
//! **Invariant:** a range belongs to at most one peer; giving it to another takes it from the first.

mod trie;

use std::net::IpAddr;

use ringmesh_wire::ip::Cidr;

use self::trie::Trie;
use crate::PeerId;

/// The ranges of all peers. A clone shares nothing with its original, so it can be handed to readers as an
/// immutable snapshot.
#[derive(Clone, Debug, Default)]
pub struct AllowedIps {
    v4: Trie<u32>,
    v6: Trie<u128>,
}

impl AllowedIps {
    /// An empty table: no address belongs to anybody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // Getters.

    /// The peer whose range contains `addr` with the longest prefix.
    #[must_use]
    pub fn lookup(&self, addr: IpAddr) -> Option<PeerId> {
        match addr {
            IpAddr::V4(ip) => self.v4.lookup(ip.to_bits()),
            IpAddr::V6(ip) => self.v6.lookup(ip.to_bits()),
        }
    }

    /// The ranges of one peer: IPv4 first, each family in the order in which the peer got them.
    pub fn iter_peer(&self, peer: PeerId) -> impl Iterator<Item = Cidr> {
        self.v4.iter_peer(peer).chain(self.v6.iter_peer(peer))
    }

    /// All ranges with their peers, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Cidr, PeerId)> {
        self.v4.iter().chain(self.v6.iter())
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // Commands.

    /// Gives `range` to `peer`. Returns the other peer that had exactly this range before, if any.
    pub fn insert(&mut self, range: Cidr, peer: PeerId) -> Option<PeerId> {
        match range.addr {
            IpAddr::V4(ip) => self.v4.insert(ip.to_bits(), range.prefix, peer),
            IpAddr::V6(ip) => self.v6.insert(ip.to_bits(), range.prefix, peer),
        }
    }

    /// Takes `range` from `peer`. False when exactly this range is not the peer's; then nothing changes.
    pub fn remove(&mut self, range: Cidr, peer: PeerId) -> bool {
        match range.addr {
            IpAddr::V4(ip) => self.v4.remove(ip.to_bits(), range.prefix, peer),
            IpAddr::V6(ip) => self.v6.remove(ip.to_bits(), range.prefix, peer),
        }
    }

    /// Takes every range from `peer`, at a cost that depends on these ranges only.
    pub fn remove_peer(&mut self, peer: PeerId) {
        self.v4.remove_peer(peer);
        self.v6.remove_peer(peer);
    }
}

#[cfg(test)]
mod tests;
