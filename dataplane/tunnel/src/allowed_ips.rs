//! Which peer an inner address belongs to: the longest prefix over the whole device.
//!
//! The same table routes what we send (by destination) and judges what we receive (by source), so a peer can
//! never speak for an address that a more specific range gives to another one (the paper, section 2).
//!
//! [`AllowedIps`] is for whoever changes it; [`Routes`] is what readers need of it. Taking [`AllowedIps::routes`] after each
//! change is cheap: the copies share everything but the few pages that the change touched.
//!
//! **Invariant:** a range belongs to at most one peer; giving it to another takes it from the first.

mod holdings;
mod hosts;
mod paged;
mod trie;

use std::net::IpAddr;

use ringmesh_wire::ip::Cidr;

use self::holdings::Holdings;
use self::hosts::Hosts;
use self::trie::{Bits, Trie};
use crate::PeerId;

/// The ranges of all peers, to be changed.
#[derive(Clone, Debug, Default)]
pub struct AllowedIps {
    routes: Routes,
    holdings: Holdings,
}

/// From an address to its peer. A copy is not changed by what comes later.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    v4: Family<u32>,
    v6: Family<u128>,
}

/// The ranges of one family. A single address is the longest prefix there is, so it is looked up first.
#[derive(Clone, Debug)]
struct Family<B: Bits> {
    hosts: Hosts<B>,
    nets: Trie<B>,
}

impl<B: Bits> Default for Family<B> {
    fn default() -> Self {
        Self { hosts: Hosts::default(), nets: Trie::default() }
    }
}

/// Bits of a whole address.
const fn width<B>() -> u8 {
    // At most 128.
    (size_of::<B>() * 8) as u8
}

impl<B: Bits> Family<B> {
    fn lookup(&self, addr: B) -> Option<PeerId> {
        self.hosts.lookup(addr).or_else(|| self.nets.lookup(addr))
    }

    fn len(&self) -> usize {
        self.hosts.len() + self.nets.len()
    }

    fn iter(&self) -> impl Iterator<Item = (Cidr, PeerId)> {
        let hosts = self.hosts.iter().map(|(addr, owner)| (Cidr::host(addr.addr()), owner));
        hosts.chain(self.nets.iter())
    }

    fn exact(&self, bits: B, prefix: u8) -> Option<PeerId> {
        if prefix == width::<B>() { self.hosts.lookup(bits) } else { self.nets.exact(bits, prefix) }
    }

    fn insert(&mut self, bits: B, prefix: u8, owner: PeerId) -> Option<PeerId> {
        if prefix == width::<B>() {
            self.hosts.insert(bits, owner)
        } else {
            self.nets.insert(bits, prefix, owner)
        }
    }

    fn remove(&mut self, bits: B, prefix: u8) {
        if prefix == width::<B>() { self.hosts.remove(bits) } else { self.nets.remove(bits, prefix) }
    }
}

impl Routes {
    /// The peer whose range contains `addr` with the longest prefix.
    #[must_use]
    pub fn lookup(&self, addr: IpAddr) -> Option<PeerId> {
        match addr {
            IpAddr::V4(ip) => self.v4.lookup(ip.to_bits()),
            IpAddr::V6(ip) => self.v6.lookup(ip.to_bits()),
        }
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

    fn exact(&self, range: Cidr) -> Option<PeerId> {
        match range.addr {
            IpAddr::V4(ip) => self.v4.exact(ip.to_bits(), range.prefix),
            IpAddr::V6(ip) => self.v6.exact(ip.to_bits(), range.prefix),
        }
    }

    fn insert(&mut self, range: Cidr, peer: PeerId) -> Option<PeerId> {
        match range.addr {
            IpAddr::V4(ip) => self.v4.insert(ip.to_bits(), range.prefix, peer),
            IpAddr::V6(ip) => self.v6.insert(ip.to_bits(), range.prefix, peer),
        }
    }

    fn remove(&mut self, range: Cidr) {
        match range.addr {
            IpAddr::V4(ip) => self.v4.remove(ip.to_bits(), range.prefix),
            IpAddr::V6(ip) => self.v6.remove(ip.to_bits(), range.prefix),
        }
    }
}

impl AllowedIps {
    /// An empty table: no address belongs to anybody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    // Getters.

    /// The table as readers need it.
    #[must_use]
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// The peer whose range contains `addr` with the longest prefix.
    #[must_use]
    pub fn lookup(&self, addr: IpAddr) -> Option<PeerId> {
        self.routes.lookup(addr)
    }

    /// The ranges of one peer: IPv4 first, each family in the order in which the peer got them.
    pub fn iter_peer(&self, peer: PeerId) -> impl Iterator<Item = Cidr> {
        let of_family = |v4: bool| self.holdings.of(peer).filter(move |range| range.addr.is_ipv4() == v4);
        of_family(true).chain(of_family(false))
    }

    /// All ranges with their peers, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Cidr, PeerId)> {
        self.routes.v4.iter().chain(self.routes.v6.iter())
    }

    /// How many ranges there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    // Commands.

    /// Gives `range` to `peer`. Returns the other peer that had exactly this range before, if any. A peer whose number is
    /// not below [`PEERS_MAX`](crate::limits::PEERS_MAX) gets nothing.
    pub fn insert(&mut self, range: Cidr, peer: PeerId) -> Option<PeerId> {
        if !Holdings::admits(peer) {
            return None;
        }
        let before = self.routes.insert(range, peer);
        if before == Some(peer) {
            return None;
        }
        if let Some(other) = before {
            self.holdings.take(other, range);
        }
        self.holdings.add(peer, range);
        before
    }

    /// Takes `range` from `peer`. False when exactly this range is not the peer's; then nothing changes.
    pub fn remove(&mut self, range: Cidr, peer: PeerId) -> bool {
        let held = self.routes.exact(range) == Some(peer);
        if held {
            self.routes.remove(range);
            self.holdings.take(peer, range);
        }
        held
    }

    /// Takes every range from `peer`, at a cost that depends on these ranges only.
    pub fn remove_peer(&mut self, peer: PeerId) {
        for range in self.holdings.clear(peer) {
            self.routes.remove(range);
        }
    }
}

#[cfg(test)]
mod tests;
