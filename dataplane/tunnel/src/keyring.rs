//! Which sessions of one peer exist, as the slow half knows them; the keys themselves are at the owner worker.
//!
//! *Current* is what we send on. *Next* is a session that we answered to and that the peer has not used yet: we
//! receive on it, and its first packet makes it current. *Older* ones only receive what is still on its way.
//! When both sides begin at once, each ends up sending on the session that it began and receiving on the
//! other's; so a few older ones are kept rather than one.
//!
//! **Invariant:** a peer has at most [`SESSIONS_MAX`] sessions, and each one that leaves the ring is returned to
//! the caller exactly once, to be forgotten by the worker and to free its index.

use std::time::Duration;

use arrayvec::ArrayVec;

use crate::limits::{REJECT_AFTER_TIME, SESSIONS_MAX};

/// All but the current and the next one.
const OLDER_MAX: usize = SESSIONS_MAX - 2;

/// The local indices of sessions that just left the ring.
pub(crate) type Gone = ArrayVec<u32, SESSIONS_MAX>;

/// What the slow half knows of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Known {
    pub(crate) local_index: u32,
    /// When its handshake ended, since boot.
    pub(crate) born: Duration,
}

impl Known {
    fn is_expired(&self, now: Duration) -> bool {
        now.saturating_sub(self.born) >= REJECT_AFTER_TIME
    }
}

/// The sessions of one peer.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    current: Option<Known>,
    next: Option<Known>,
    /// Oldest first.
    older: ArrayVec<Known, OLDER_MAX>,
}

impl Keyring {
    pub(crate) fn current(&self) -> Option<Known> {
        self.current
    }

    pub(crate) fn next(&self) -> Option<Known> {
        self.next
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.current.is_none() && self.next.is_none() && self.older.is_empty()
    }

    /// Whether something can be sent at `now` without a new handshake.
    pub(crate) fn can_send(&self, now: Duration) -> bool {
        self.current.is_some_and(|current| !current.is_expired(now))
    }

    /// A handshake that we began has ended. What the peer had begun meanwhile can still receive.
    pub(crate) fn install_current(&mut self, new: Known, now: Duration) -> Gone {
        let mut gone = self.retire(now);
        for session in [self.current.replace(new), self.next.take()].into_iter().flatten() {
            self.demote(session, now, &mut gone);
        }
        gone
    }

    /// A handshake that we answered has ended. The peer begins anew only when our last answer did not reach it,
    /// so an unused session before it is of no use to anybody.
    pub(crate) fn install_next(&mut self, new: Known, now: Duration) -> Gone {
        let mut gone = self.retire(now);
        gone.extend(self.next.replace(new).map(|unused| unused.local_index));
        gone
    }

    /// The peer has used the next session: it becomes the current one. `None` when `local_index` is not that of
    /// the next session.
    pub(crate) fn confirm(&mut self, local_index: u32, now: Duration) -> Option<Gone> {
        let confirmed = self.next.filter(|next| next.local_index == local_index)?;
        self.next = None;
        let mut gone = self.retire(now);
        if let Some(before) = self.current.replace(confirmed) {
            self.demote(before, now, &mut gone);
        }
        Some(gone)
    }

    /// Empties the ring.
    pub(crate) fn clear(&mut self) -> Gone {
        let older = self.older.drain(..);
        older.chain(self.current.take()).chain(self.next.take()).map(|session| session.local_index).collect()
    }

    fn demote(&mut self, session: Known, now: Duration, gone: &mut Gone) {
        if session.is_expired(now) {
            gone.push(session.local_index);
            return;
        }
        if self.older.is_full() {
            gone.push(self.older.remove(0).local_index);
        }
        self.older.push(session);
    }

    /// Takes out the older sessions that nothing can be received on any more.
    fn retire(&mut self, now: Duration) -> Gone {
        let gone = self.older.iter().filter(|session| session.is_expired(now));
        let gone = gone.map(|session| session.local_index).collect();
        self.older.retain(|session| !session.is_expired(now));
        gone
    }
}

#[cfg(test)]
mod tests;
