//! Who may come in: connections at once, in sum and per source, and how fast new ones may come.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock;
use crate::limits::{
    Buckets, CONNECTIONS_MAX, CONNECTIONS_PER_SOURCE_MAX, CONNECTS, FOUNDING_COST, FOUNDINGS,
};

/// Counts and rates of all sources.
#[derive(Clone)]
pub(crate) struct Door(Arc<Mutex<State>>);

struct State {
    inside: BTreeMap<IpAddr, usize>,
    sum: usize,
    connects: Buckets,
    foundings: Buckets,
}

/// One connection that came in. Dropped, it makes room for another.
pub(crate) struct Ticket {
    door: Door,
    source: IpAddr,
}

impl Default for Door {
    fn default() -> Self {
        let state = State {
            inside: BTreeMap::new(),
            sum: 0,
            connects: Buckets::new(CONNECTS),
            foundings: Buckets::new(FOUNDINGS),
        };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl Door {
    /// Lets one more connection of the source in, if there is room for it.
    pub(crate) fn enter(&self, source: IpAddr) -> Option<Ticket> {
        let mut state = self.state();
        let inside = state.inside.get(&source).copied().unwrap_or(0);
        let room = state.sum < CONNECTIONS_MAX && inside < CONNECTIONS_PER_SOURCE_MAX;
        if !room || !state.connects.take(source, 1, clock::steady()) {
            return None;
        }
        state.inside.insert(source, inside + 1);
        state.sum += 1;
        Some(Ticket { door: self.clone(), source })
    }

    /// Whether the source may bring one more circle now. What was asked for and not used is given back by time.
    pub(crate) fn may_found(&self, source: IpAddr) -> bool {
        self.state().foundings.has(source, FOUNDING_COST, clock::steady())
    }

    /// The source has brought a circle.
    pub(crate) fn has_founded(&self, source: IpAddr) {
        self.state().foundings.take(source, FOUNDING_COST, clock::steady());
    }

    /// Counts are whole after every statement, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.door.state();
        state.sum -= 1;
        let left = state.inside.get(&self.source).map_or(0, |inside| inside - 1);
        if left == 0 {
            state.inside.remove(&self.source);
        } else {
            state.inside.insert(self.source, left);
        }
    }
}

#[cfg(test)]
mod tests;
