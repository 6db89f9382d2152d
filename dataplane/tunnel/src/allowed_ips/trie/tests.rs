//! What the tests of the whole table want to know about its inside.

use super::{Bits, NONE, Place, Trie};

impl<B: Bits> Trie<B> {
    /// Nodes of the arena, free ones included.
    pub(in crate::allowed_ips) fn room(&self) -> usize {
        self.nodes.len()
    }

    /// The module's invariant, and that each node is either reached from the root or free.
    pub(in crate::allowed_ips) fn check_shape(&self) {
        let mut stack = vec![(self.root, NONE)];
        let mut reached = 0;
        while let Some((at, parent)) = stack.pop() {
            let Some(node) = self.node(at) else { continue };
            reached += 1;
            assert!(node.owned || !node.children.contains(&NONE), "a node without purpose");
            if let Some(above) = self.node(parent) {
                assert!(above.prefix < node.prefix && above.bits.common(node.bits) >= above.prefix);
            }
            stack.extend(node.children.map(|child| (child, at)));
        }
        let next = |&at: &Place| self.node(at).map(|node| node.children[0]);
        let free = std::iter::successors(Some(self.free), next).filter(|&at| at != NONE).count();
        assert_eq!(reached + free, self.nodes.len(), "a node got lost");
    }
}
