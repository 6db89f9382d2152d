//! A path-compressed binary trie in one arena, for ranges of one family that are more than a single address.
//!
//! A node stands for a prefix and has children only below it; a node without a peer exists only where two
//! subtrees part. So there are fewer than two nodes per range, of 20 or 32 bytes. Nodes know no parents: a change goes
//! down from the root, as a lookup does, and remembers the way. So it touches a few nodes, and copies of the arena
//! share all pages but theirs.
//!
//! **Invariant:** every node that has no peer and is not free has two children, and a child's prefix is longer than
//! and begins with its parent's.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringmesh_wire::ip::Cidr;

use super::paged::Paged;
use crate::PeerId;

/// An address as a number, most significant bit first.
pub(super) trait Bits: Copy + Default + Eq {
    /// The address as it lies in a table, aligned to four bytes.
    type Key: Copy + Debug + Eq;
    fn key(self) -> Self::Key;
    fn of_key(key: Self::Key) -> Self;
    /// A number whose upper half depends on every bit.
    fn spread(self) -> u64;
    /// How many leading bits two addresses share.
    fn common(self, other: Self) -> u8;
    /// The bit after the first `prefix` ones: which child an address lies under. Of a full prefix any answer will
    /// do, since such a node has no children.
    fn branch(self, prefix: u8) -> usize;
    fn addr(self) -> IpAddr;
}

impl Bits for u32 {
    type Key = Self;

    fn key(self) -> Self {
        self
    }

    fn of_key(key: Self) -> Self {
        key
    }

    fn spread(self) -> u64 {
        u64::from(self).wrapping_mul(SPREAD)
    }

    fn common(self, other: Self) -> u8 {
        (self ^ other).leading_zeros() as u8
    }

    fn branch(self, prefix: u8) -> usize {
        (self.rotate_left(Self::from(prefix) + 1) & 1) as usize
    }

    fn addr(self) -> IpAddr {
        Ipv4Addr::from_bits(self).into()
    }
}

impl Bits for u128 {
    type Key = [u32; 4];

    fn key(self) -> [u32; 4] {
        [96, 64, 32, 0].map(|shift| (self >> shift) as u32)
    }

    fn of_key(key: [u32; 4]) -> Self {
        key.into_iter().fold(0, |bits, word| bits << 32 | Self::from(word))
    }

    fn spread(self) -> u64 {
        let folded = ((self >> 64) as u64).wrapping_mul(SPREAD) ^ self as u64;
        (folded ^ folded >> 32).wrapping_mul(SPREAD)
    }

    fn common(self, other: Self) -> u8 {
        (self ^ other).leading_zeros() as u8
    }

    fn branch(self, prefix: u8) -> usize {
        (self.rotate_left(u32::from(prefix) + 1) & 1) as usize
    }

    fn addr(self) -> IpAddr {
        Ipv6Addr::from_bits(self).into()
    }
}

/// 2^64 divided by the golden ratio: multiples of it lie far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where a node lies in the arena. [`NONE`] lies outside of every arena.
type Place = u32;
const NONE: Place = Place::MAX;

/// What a lookup reads of a prefix.
#[derive(Clone, Copy, Debug)]
struct Node<B> {
    bits: B,
    /// By the bit that follows the prefix. A free node keeps the next free one in the first.
    children: [Place; 2],
    /// Means something only when `owned`.
    owner: PeerId,
    prefix: u8,
    owned: bool,
}

/// A node and what lies above it; [`NONE`] above the root.
#[derive(Clone, Copy, Debug)]
struct Path {
    above: Place,
    parent: Place,
    at: Place,
}

#[derive(Clone, Debug)]
pub(super) struct Trie<B> {
    nodes: Paged<Node<B>>,
    root: Place,
    free: Place,
    len: usize,
}

impl<B> Default for Trie<B> {
    fn default() -> Self {
        Self { nodes: Paged::default(), root: NONE, free: NONE, len: 0 }
    }
}

impl<B: Bits> Trie<B> {
    // Getters.

    /// Nodes without a peer are passed without a look at their prefix: if it does not fit, none below fits.
    pub(super) fn lookup(&self, addr: B) -> Option<PeerId> {
        let mut best = None;
        let mut at = self.root;
        while let Some(node) = self.nodes.get(at as usize) {
            if node.owned {
                if addr.common(node.bits) < node.prefix {
                    break;
                }
                best = Some(node.owner);
            }
            at = node.children[addr.branch(node.prefix)];
        }
        best
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Who has exactly this prefix.
    pub(super) fn exact(&self, bits: B, prefix: u8) -> Option<PeerId> {
        let node = self.node(self.find(bits, prefix)?.at)?;
        node.owned.then_some(node.owner)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Cidr, PeerId)> {
        self.nodes.iter().filter(|node| node.owned).map(|node| (node.range(), node.owner))
    }

    // Commands.

    /// Returns who had exactly this prefix before.
    pub(super) fn insert(&mut self, bits: B, prefix: u8, owner: PeerId) -> Option<PeerId> {
        let at = self.find_or_make(bits, prefix);
        let node = self.nodes.get_mut(at as usize)?;
        let before = node.owned.then_some(node.owner);
        (node.owned, node.owner) = (true, owner);
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes the prefix from its owner, whoever that is.
    pub(super) fn remove(&mut self, bits: B, prefix: u8) {
        let Some(path) = self.find(bits, prefix) else { return };
        let Some(node) = self.nodes.get_mut(path.at as usize).filter(|node| node.owned) else { return };
        node.owned = false;
        self.len -= 1;
        self.prune(path);
    }

    // Shape.

    fn node(&self, at: Place) -> Option<Node<B>> {
        self.nodes.get(at as usize).copied()
    }

    fn find(&self, bits: B, prefix: u8) -> Option<Path> {
        let (mut above, mut parent, mut at) = (NONE, NONE, self.root);
        loop {
            let node = self.node(at)?;
            if node.prefix > prefix || bits.common(node.bits) < node.prefix {
                return None;
            }
            if node.prefix == prefix {
                return Some(Path { above, parent, at });
            }
            (above, parent, at) = (parent, at, node.children[bits.branch(node.prefix)]);
        }
    }

    fn find_or_make(&mut self, bits: B, prefix: u8) -> Place {
        let (mut parent, mut at) = (NONE, self.root);
        while let Some(node) = self.node(at) {
            let common = bits.common(node.bits).min(prefix);
            if common < node.prefix {
                return self.make_above(parent, at, bits, prefix, common);
            }
            if node.prefix == prefix {
                return at;
            }
            (parent, at) = (at, node.children[bits.branch(node.prefix)]);
        }
        let made = self.allocate(bits, prefix);
        self.hang(made, bits, parent);
        made
    }

    /// Makes a node between `parent` and `at`, which shares only the first `common` bits with it: as the parent of `at`,
    /// or beside it under a node where the two part.
    fn make_above(&mut self, parent: Place, at: Place, bits: B, prefix: u8, common: u8) -> Place {
        let made = self.allocate(bits, prefix);
        let top = if common == prefix { made } else { self.allocate(bits, common) };
        self.hang(top, bits, parent);
        if top != made {
            self.hang(made, bits, top);
        }
        if let Some(node) = self.node(at) {
            self.hang(at, node.bits, top);
        }
        made
    }

    /// Frees the node at the path's end if it has neither a peer nor two children, and then its parent if that has but
    /// one child left and no peer.
    fn prune(&mut self, path: Path) {
        let Some(node) = self.node(path.at).filter(|node| !node.owned) else { return };
        match node.children {
            [NONE, NONE] => {
                self.hang(NONE, node.bits, path.parent);
                self.release(path.at);
                if path.parent != NONE {
                    self.prune(Path { above: NONE, parent: path.above, at: path.parent });
                }
            }
            [only, NONE] | [NONE, only] => {
                self.hang(only, node.bits, path.parent);
                self.release(path.at);
            }
            [_, _] => {}
        }
    }

    /// Makes `at` the child of `parent` towards `bits`, or the root.
    fn hang(&mut self, at: Place, bits: B, parent: Place) {
        match self.nodes.get_mut(parent as usize) {
            Some(node) => node.children[bits.branch(node.prefix)] = at,
            None => self.root = at,
        }
    }

    // The arena.

    fn allocate(&mut self, bits: B, prefix: u8) -> Place {
        let node = Node { bits, children: [NONE; 2], owner: PeerId(0), prefix, owned: false };
        let at = self.free;
        match self.nodes.get_mut(at as usize) {
            Some(free) => {
                self.free = free.children[0];
                *free = node;
                at
            }
            None => {
                self.nodes.push(node);
                (self.nodes.len() - 1) as Place
            }
        }
    }

    fn release(&mut self, at: Place) {
        if let Some(node) = self.nodes.get_mut(at as usize) {
            node.owned = false;
            node.children = [self.free, NONE];
            self.free = at;
        }
    }
}

impl<B: Bits> Node<B> {
    fn range(&self) -> Cidr {
        Cidr::new(self.bits.addr(), self.prefix).expect("a node's prefix is at most as long as an address")
    }
}

const _: () = assert!(size_of::<Node<u32>>() == 20 && size_of::<Node<u128>>() == 32);

#[cfg(test)]
mod tests;
