//! Which ranges each peer holds, for whoever changes the table. Readers of a snapshot have no use for it.
//!
//! **Invariant:** a peer without ranges costs its place in the array and nothing else; one with a single range too.

use ringmesh_wire::ip::Cidr;

use crate::PeerId;
use crate::limits::PEERS_MAX;

#[derive(Clone, Debug, Default)]
enum Ranges {
    #[default]
    None,
    One(Cidr),
    /// In the order in which the peer got them.
    Many(Box<Vec<Cidr>>),
}

const _: () = assert!(size_of::<Ranges>() <= 24);

impl Ranges {
    fn as_slice(&self) -> &[Cidr] {
        match self {
            Self::None => &[],
            Self::One(range) => std::slice::from_ref(range),
            Self::Many(ranges) => ranges,
        }
    }

    fn push(&mut self, range: Cidr) {
        match self {
            Self::None => *self = Self::One(range),
            Self::One(first) => {
                // An address of each family is what most peers with more than one have.
                let mut ranges = Vec::with_capacity(2);
                ranges.extend([*first, range]);
                *self = Self::Many(Box::new(ranges));
            }
            Self::Many(ranges) => ranges.push(range),
        }
    }

    fn remove(&mut self, range: Cidr) {
        match self {
            Self::Many(ranges) => ranges.retain(|other| *other != range),
            Self::One(only) if *only == range => *self = Self::None,
            Self::None | Self::One(_) => {}
        }
        if let [] = self.as_slice() {
            *self = Self::None;
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

    pub(super) fn of(&self, peer: PeerId) -> &[Cidr] {
        self.0.get(peer.0 as usize).map_or(&[], Ranges::as_slice)
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
        let (one, many) = match ranges {
            Ranges::None => (None, Vec::new()),
            Ranges::One(range) => (Some(range), Vec::new()),
            Ranges::Many(ranges) => (None, *ranges),
        };
        one.into_iter().chain(many)
    }
}

#[cfg(test)]
mod tests;
