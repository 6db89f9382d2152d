//! A path-compressed binary trie in one arena, for addresses of one width.
//!
//! A node stands for a prefix and has children only below it; a node without a peer exists only where two
//! subtrees part. So there are fewer than two nodes per range. What a lookup reads lies in [`Node`]s of 20 or 32
//! bytes; what only changes need (parents, and the list of each peer's ranges) lies beside them in [`Links`].
//!
//! **Invariant:** every node that has no peer and is not free has two children, and a child's prefix is longer than
//! and begins with its parent's.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringmesh_wire::ip::Cidr;

use crate::PeerId;

/// An address as a number, most significant bit first.
pub(super) trait Bits: Copy + Eq {
    /// How many leading bits two addresses share.
    fn common(self, other: Self) -> u8;
    /// The bit after the first `prefix` ones: which child an address lies under. Of a full prefix any answer will
    /// do, since such a node has no children.
    fn branch(self, prefix: u8) -> usize;
    fn addr(self) -> IpAddr;
}

impl Bits for u32 {
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

/// What only changes need.
#[derive(Clone, Copy, Debug)]
struct Links {
    parent: Place,
    /// The peer's range before and after this one.
    before: Place,
    after: Place,
}

/// First and last range of a peer.
#[derive(Clone, Copy, Debug)]
struct Ends {
    first: Place,
    last: Place,
}

#[derive(Clone, Debug)]
pub(super) struct Trie<B> {
    nodes: Vec<Node<B>>,
    links: Vec<Links>,
    root: Place,
    free: Place,
    peers: BTreeMap<PeerId, Ends>,
    len: usize,
}

impl<B> Default for Trie<B> {
    fn default() -> Self {
        Self { nodes: Vec::new(), links: Vec::new(), root: NONE, free: NONE, peers: BTreeMap::new(), len: 0 }
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

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Cidr, PeerId)> {
        self.nodes.iter().filter(|node| node.owned).map(|node| (node.range(), node.owner))
    }

    pub(super) fn iter_peer(&self, peer: PeerId) -> impl Iterator<Item = Cidr> {
        let first = self.peers.get(&peer).map(|ends| ends.first);
        std::iter::successors(first, |&at| Some(self.links[at as usize].after).filter(|&next| next != NONE))
            .map(|at| self.nodes[at as usize].range())
    }

    // Commands.

    /// Returns the other peer that had exactly this prefix.
    pub(super) fn insert(&mut self, bits: B, prefix: u8, peer: PeerId) -> Option<PeerId> {
        let at = self.find_or_make(bits, prefix);
        let Node { owned, owner, .. } = self.nodes[at as usize];
        if owned && owner == peer {
            return None;
        }
        if owned {
            self.disown(at);
        }
        self.own(at, peer);
        owned.then_some(owner)
    }

    pub(super) fn remove(&mut self, bits: B, prefix: u8, peer: PeerId) -> bool {
        let Some(at) = self.find(bits, prefix) else { return false };
        let node = &self.nodes[at as usize];
        if !node.owned || node.owner != peer {
            return false;
        }
        self.disown(at);
        self.prune(at);
        true
    }

    pub(super) fn remove_peer(&mut self, peer: PeerId) {
        while let Some(&Ends { first, .. }) = self.peers.get(&peer) {
            self.disown(first);
            self.prune(first);
        }
    }

    // Ownership: the list of each peer's prefixes.

    /// Gives a node that has no peer to `peer`, at the end of its list.
    fn own(&mut self, at: Place, peer: PeerId) {
        let before = match self.peers.entry(peer) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Ends { first: at, last: at });
                NONE
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                std::mem::replace(&mut entry.get_mut().last, at)
            }
        };
        if let Some(links) = self.links.get_mut(before as usize) {
            links.after = at;
        }
        let links = &mut self.links[at as usize];
        (links.before, links.after) = (before, NONE);
        let node = &mut self.nodes[at as usize];
        (node.owned, node.owner) = (true, peer);
        self.len += 1;
    }

    /// Takes a node from its peer. It may break the invariant until [`Self::prune`] or [`Self::own`].
    fn disown(&mut self, at: Place) {
        let node = &mut self.nodes[at as usize];
        node.owned = false;
        let peer = node.owner;
        let Links { before, after, .. } = self.links[at as usize];
        if let Some(links) = self.links.get_mut(before as usize) {
            links.after = after;
        }
        if let Some(links) = self.links.get_mut(after as usize) {
            links.before = before;
        }
        if before == NONE && after == NONE {
            self.peers.remove(&peer);
        } else if let Some(ends) = self.peers.get_mut(&peer) {
            ends.first = if before == NONE { after } else { ends.first };
            ends.last = if after == NONE { before } else { ends.last };
        }
        self.len -= 1;
    }

    // Shape.

    fn find(&self, bits: B, prefix: u8) -> Option<Place> {
        let mut at = self.root;
        loop {
            let node = self.nodes.get(at as usize)?;
            if node.prefix > prefix || bits.common(node.bits) < node.prefix {
                return None;
            }
            if node.prefix == prefix {
                return Some(at);
            }
            at = node.children[bits.branch(node.prefix)];
        }
    }

    fn find_or_make(&mut self, bits: B, prefix: u8) -> Place {
        let mut parent = NONE;
        let mut at = self.root;
        while let Some(&node) = self.nodes.get(at as usize) {
            let common = bits.common(node.bits).min(prefix);
            if common < node.prefix {
                return self.make_above(at, bits, prefix, common);
            }
            if node.prefix == prefix {
                return at;
            }
            parent = at;
            at = node.children[bits.branch(node.prefix)];
        }
        let made = self.allocate(bits, prefix);
        self.hang(made, parent);
        made
    }

    /// Makes a node that shares only the first `common` bits with the one at `at`: as its parent, or beside it under
    /// a node where the two part.
    fn make_above(&mut self, at: Place, bits: B, prefix: u8, common: u8) -> Place {
        let parent = self.links[at as usize].parent;
        let made = self.allocate(bits, prefix);
        let top = if common == prefix { made } else { self.allocate(bits, common) };
        self.hang(top, parent);
        if top != made {
            self.hang(made, top);
        }
        self.hang(at, top);
        made
    }

    /// Frees the node at `at` if it has neither a peer nor two children, and its parent if that then has the same fate.
    fn prune(&mut self, at: Place) {
        let Node { bits, children, owned, .. } = self.nodes[at as usize];
        let parent = self.links[at as usize].parent;
        let child = match children {
            _ if owned => return,
            [NONE, NONE] => NONE,
            [only, NONE] | [NONE, only] => only,
            [_, _] => return,
        };
        if child == NONE {
            *self.link(parent, bits) = NONE;
        } else {
            self.hang(child, parent);
        }
        self.release(at);
        if child == NONE && parent != NONE {
            self.prune(parent);
        }
    }

    /// Makes the node at `at` a child of the one at `parent`, or the root.
    fn hang(&mut self, at: Place, parent: Place) {
        *self.link(parent, self.nodes[at as usize].bits) = at;
        self.links[at as usize].parent = parent;
    }

    /// The place where `parent` keeps its child towards `bits`; of [`NONE`] where the trie keeps its root.
    fn link(&mut self, parent: Place, bits: B) -> &mut Place {
        match self.nodes.get_mut(parent as usize) {
            Some(node) => &mut node.children[bits.branch(node.prefix)],
            None => &mut self.root,
        }
    }

    // The arena.

    fn allocate(&mut self, bits: B, prefix: u8) -> Place {
        let node = Node { bits, children: [NONE; 2], owner: PeerId(0), prefix, owned: false };
        let links = Links { parent: NONE, before: NONE, after: NONE };
        let at = self.free;
        match self.nodes.get_mut(at as usize) {
            Some(free) => {
                self.free = free.children[0];
                *free = node;
                self.links[at as usize] = links;
                at
            }
            None => {
                self.nodes.push(node);
                self.links.push(links);
                (self.nodes.len() - 1) as Place
            }
        }
    }

    fn release(&mut self, at: Place) {
        let node = &mut self.nodes[at as usize];
        node.owned = false;
        node.children = [self.free, NONE];
        self.free = at;
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
