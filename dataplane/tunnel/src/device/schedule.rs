//! Who is to be attended to next.
//!
//! **Invariant:** a peer stands here at most once, under the deadline that it remembers itself.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::PeerId;
use crate::timers::Due;

/// The deadlines of all peers, earliest first.
#[derive(Default)]
pub(super) struct Schedule {
    deadlines: BTreeMap<(Duration, PeerId), Due>,
}

impl Schedule {
    /// The earliest deadline and what it is for.
    pub(super) fn first(&self) -> Option<(Duration, PeerId, Due)> {
        self.deadlines.first_key_value().map(|(&(at, peer), &due)| (at, peer, due))
    }

    /// Moves `peer` from the deadline `before` to the one in `next`.
    pub(super) fn set(&mut self, peer: PeerId, before: Option<Duration>, next: Option<(Duration, Due)>) {
        if let Some(before) = before {
            self.deadlines.remove(&(before, peer));
        }
        if let Some((at, due)) = next {
            self.deadlines.insert((at, peer), due);
        }
    }
}
