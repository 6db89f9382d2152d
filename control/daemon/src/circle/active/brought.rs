//! Which records a connection has brought that wait here for others: the one place that need not hear of them when they count.
//!
//! A record waits for its predecessor, or for its author's admission. When that comes from somebody else, the one who brought it lacks
//! what waited, and the one who brought what waited lacks it: each is told what it did not bring, at once.
//!
//! **Invariant:** bounded; what is forgotten is said once too often, never too seldom.

use std::collections::BTreeSet;

use ringmesh_mesh::identity::RecordHash;
use ringmesh_mesh::limits::PENDING_MAX;

/// See the module. One of each connection.
#[derive(Debug, Default)]
pub(super) struct Brought(BTreeSet<RecordHash>);

impl Brought {
    /// The connection has brought these.
    pub(super) fn note(&mut self, records: impl IntoIterator<Item = RecordHash>) {
        let room = PENDING_MAX.saturating_sub(self.0.len());
        self.0.extend(records.into_iter().take(room));
    }

    /// Those among `added` that the connection has not brought.
    pub(super) fn lacks<'a>(&self, added: &'a [RecordHash]) -> impl Iterator<Item = &'a RecordHash> {
        added.iter().filter(|hash| !self.0.contains(hash))
    }

    /// Everything that still waits stays; the rest is part of the circle, or was refused.
    pub(super) fn settle(&mut self, waits: impl Fn(&RecordHash) -> bool) {
        self.0.retain(waits);
    }
}

#[cfg(test)]
mod tests;
