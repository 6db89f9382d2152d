//! Which ranges each peer holds, for whoever changes the table. Readers of a snapshot have no use for it.
//!
//! **Invariant:** a peer without ranges costs its place in the array and nothing else; one with a single IPv4 range too.

use std::net::{IpAddr, Ipv4Addr};

use ringmesh_wire::ip::Cidr;

use crate::PeerId;
use crate::limits::PEERS_MAX;

/// What one peer holds. One IPv4 range, which is all that many peers have, needs no place in the heap.
#[derive(Clone, Debug, Default)]
enum Ranges {
    #[default]
    None,
    OneV4 {
        addr: Ipv4Addr,
        prefix: u8,
    },
    /// In the order in which the peer got them.
    #[allow(clippy::box_collection, reason = "a vector is 24 bytes, and so would each of 100,000 peers be")]
    List(Box<Vec<Cidr>>),
}

const _: () = assert!(size_of::<Ranges>() <= 16);

impl Ranges {
    fn iter(&self) -> impl Iterator<Item = Cidr> {
        let (one, list) = match self {
            Self::None => (None, &[][..]),
            Self::OneV4 { addr, prefix } => (Cidr::new((*addr).into(), *prefix).ok(), &[][..]),
            Self::List(ranges) => (None, ranges.as_slice()),
        };
        one.into_iter().chain(list.iter().copied())
    }

    /// These ranges, in as little room as they need.
    fn of(ranges: Vec<Cidr>) -> Self {
        match ranges.as_slice() {
            [] => Self::None,
            [Cidr { addr: IpAddr::V4(addr), prefix, .. }] => Self::OneV4 { addr: *addr, prefix: *prefix },
            _ => Self::List(Box::new(ranges)),
        }
    }

    fn push(&mut self, range: Cidr) {
        if let Self::List(ranges) = self {
            return ranges.push(range);
        }
        // An address of each family is what most peers with more than one have.
        let mut ranges = Vec::with_capacity(2);
        ranges.extend(self.iter().chain([range]));
        *self = Self::of(ranges);
    }

    fn remove(&mut self, range: Cidr) {
        match self {
            Self::List(ranges) if ranges.len() > 2 => ranges.retain(|other| *other != range),
            Self::None | Self::OneV4 { .. } | Self::List(_) => {
                *self = Self::of(self.iter().filter(|other| *other != range).collect());
            }
        }
    }
}

/// The ranges of all peers, by the peer's number.
#[derive(Clone, Debug, Default)]
pub(super) struct Holdings(Vec<Ranges>);

impl Holdings {
    /// Whether a peer of this number can hold anything.
    pub(super) const fn admits(peer: PeerId) -> bool {
        (peer.0 as usize) < PEERS_MAX
    }

    pub(super) fn of(&self, peer: PeerId) -> impl Iterator<Item = Cidr> {
        self.0.get(peer.0 as usize).into_iter().flat_map(Ranges::iter)
    }

    /// Adds a range that the peer does not hold.
    pub(super) fn add(&mut self, peer: PeerId, range: Cidr) {
        let at = peer.0 as usize;
        if at >= self.0.len() && Self::admits(peer) {
            self.0.resize_with(at + 1, Ranges::default);
        }
        if let Some(ranges) = self.0.get_mut(at) {
            ranges.push(range);
        }
    }

    /// Takes a range away, at a cost that grows with the peer's ranges.
    pub(super) fn take(&mut self, peer: PeerId, range: Cidr) {
        if let Some(ranges) = self.0.get_mut(peer.0 as usize) {
            ranges.remove(range);
        }
    }

    /// Takes all of the peer's ranges away.
    pub(super) fn clear(&mut self, peer: PeerId) -> impl Iterator<Item = Cidr> + use<> {
        let ranges = self.0.get_mut(peer.0 as usize).map(std::mem::take).unwrap_or_default();
        ranges.iter().collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests;
