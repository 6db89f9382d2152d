//! The peers that one worker owns: their sessions, their waiting packets, where they are.
//!
//! A peer belongs to one worker for both directions, so its counters and replay window have one writer and nothing
//! here is locked. A peer is here from the moment on that something happens to it: the slow thread introduces it.
//! Several sessions can live at once: the current one seals and opens; the next one (the peer began
//! it) opens until its first packet confirms it; older ones open what is still on its way. When both sides begin at
//! the same moment, each may send on a session that the other has already replaced, so only the device says when a
//! session ends.
//!
//! **Invariant:** every receiver index in the table belongs to a session that exists.

use std::sync::Arc;

use arrayvec::ArrayVec;
use ringmesh_tunnel::{
    PeerId,
    device::Place,
    index::Table,
    limits::{SESSIONS_MAX, STAGED_MAX},
    session::Session,
    timers::Stamps,
};
use ringmesh_wire::Endpoint;

use crate::{
    lobby::Lobby,
    parcel::{Pool, Queue},
};

/// One peer at its owner.
pub(crate) struct Peer {
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) stamps: Arc<Stamps>,
    pub(crate) current: Option<Box<Session>>,
    pub(crate) next: Option<Box<Session>>,
    /// Replaced, and still opening; the newest is last.
    older: ArrayVec<Box<Session>, OLDER_MAX>,
    /// What waits for a session.
    pub(crate) staged: Queue,
    /// Bytes of authenticated datagrams received, with all of WireGuard's own.
    pub(crate) rx_bytes: u64,
    /// Bytes of datagrams sent, with all of WireGuard's own.
    pub(crate) tx_bytes: u64,
    /// Inner packets of both directions, without keepalives.
    pub(crate) rx_packets: u64,
    pub(crate) tx_packets: u64,
    /// What the slow thread has not been told yet.
    pub(crate) owed: Owed,
    /// When the slow thread was last asked for a session, in nanoseconds since boot.
    pub(crate) asked_at: u64,
}

impl Peer {
    pub(crate) fn new(stamps: Arc<Stamps>, endpoint: Option<Endpoint>) -> Self {
        Self {
            endpoint,
            stamps,
            current: None,
            next: None,
            older: ArrayVec::new(),
            staged: Queue::default(),
            rx_bytes: 0,
            tx_bytes: 0,
            rx_packets: 0,
            tx_packets: 0,
            owed: Owed::default(),
            asked_at: 0,
        }
    }

    fn sessions(&self) -> impl Iterator<Item = &Session> {
        [&self.current, &self.next].into_iter().flatten().chain(&self.older).map(|session| &**session)
    }

    /// The session that opens packets for `local_index`.
    pub(crate) fn session_mut(&mut self, local_index: u32) -> Option<&mut Session> {
        [&mut self.current, &mut self.next]
            .into_iter()
            .flatten()
            .chain(&mut self.older)
            .map(|session| &mut **session)
            .find(|session| session.local_index() == local_index)
    }

    /// Keeps a session to open with. The device forgets sessions before there are too many; should it not, the oldest
    /// one ends, and is given back.
    fn retire(&mut self, session: Option<Box<Session>>) -> Option<Box<Session>> {
        let session = session?;
        let oldest = if self.older.is_full() { self.older.pop_at(0) } else { None };
        self.older.push(session);
        oldest
    }

    /// Whether `local_index` is the session that waits for its first packet.
    pub(crate) fn is_next(&self, local_index: u32) -> bool {
        self.next.as_ref().is_some_and(|session| session.local_index() == local_index)
    }
}

/// What the slow thread must learn of a peer, kept while its mail is full. Of each kind only the newest counts: a session
/// before it has been replaced, an endpoint before it has been left.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Owed {
    installed: Option<u32>,
    confirmed: Option<u32>,
    roamed: bool,
    active: bool,
}

impl Owed {
    /// Adds what is owed; says whether nothing was before.
    pub(crate) fn add(&mut self, what: Report) -> bool {
        let first = *self == Self::default();
        match what {
            Report::Installed(index) => self.installed = Some(index),
            Report::Confirmed(index) => self.confirmed = Some(index),
            Report::Roamed => self.roamed = true,
            Report::Active => self.active = true,
        }
        first
    }

    /// Takes the next thing, in the order in which the slow thread is to hear of them.
    pub(crate) fn take(&mut self) -> Option<Report> {
        let Self { installed, confirmed, roamed, active } = self;
        let session =
            installed.take().map(Report::Installed).or_else(|| confirmed.take().map(Report::Confirmed));
        session
            .or_else(|| std::mem::take(roamed).then_some(Report::Roamed))
            .or_else(|| std::mem::take(active).then_some(Report::Active))
    }
}

/// News of a peer that must not be lost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Report {
    /// The session with this index can open packets.
    Installed(u32),
    /// The session with this index was used by the peer for the first time.
    Confirmed(u32),
    /// The peer is at its endpoint of now.
    Roamed,
    /// The peer has traffic again.
    Active,
}

/// Peers by slot and by receiver index.
#[derive(Default)]
pub(crate) struct Peers {
    slots: Vec<Option<Box<Peer>>>,
    by_index: Table,
    /// Packets for peers that are not here.
    pub(crate) lobby: Lobby,
}

impl Peers {
    pub(crate) fn peer_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    /// Reads something of all that sealing for these peers reads, to have it near when it comes to that. What can only be
    /// found by what was read before comes in a round of its own, so that no peer's memory is waited for alone.
    pub(crate) fn read_ahead(&self, ids: &[PeerId]) {
        let peers = || ids.iter().filter_map(|id| self.slots.get(id.0 as usize)?.as_deref());
        for peer in peers() {
            std::hint::black_box((peer.tx_bytes, peer.asked_at, peer.endpoint.is_some()));
        }
        for peer in peers() {
            peer.stamps.read_ahead();
            if let Some(session) = &peer.current {
                session.read_ahead();
            }
        }
        for session in peers().filter_map(|peer| peer.current.as_ref()) {
            session.send_key().read_ahead();
        }
    }

    /// The same for opening packets, each with its receiver index and the counter that it says it has.
    pub(crate) fn read_ahead_in(&self, packets: &[(u32, u64)]) {
        let ids: ArrayVec<_, AHEAD_MAX> =
            packets.iter().take(AHEAD_MAX).map(|&(index, _)| self.by_index(index)).collect();
        let peers = || ids.iter().map(|id| self.slots.get(id.as_ref()?.0 as usize)?.as_deref());
        for peer in peers().flatten() {
            std::hint::black_box((peer.rx_bytes, peer.endpoint.is_some(), peer.current.is_some()));
        }
        // Nearly all packets are for the current session; for the others it is their own bad luck.
        let sessions =
            || peers().zip(packets).filter_map(|(peer, packet)| Some((peer?.current.as_ref()?, packet)));
        for (session, &(_, counter)) in sessions() {
            session.read_ahead_in(counter);
        }
        for peer in peers().flatten() {
            peer.stamps.read_ahead();
        }
        for (session, _) in sessions() {
            session.read_ahead_recv_key();
        }
    }

    /// The peer whose session has this receiver index.
    pub(crate) fn by_index(&self, local_index: u32) -> Option<PeerId> {
        self.by_index.get(local_index)
    }

    /// Puts a peer in, with what waited for it to come; what was in its slot is removed. Returns how many packets waited
    /// there.
    pub(crate) fn insert(&mut self, id: PeerId, mut peer: Box<Peer>, pool: &Pool) -> u64 {
        let dropped = self.empty_slot(id, pool);
        while let Some(parcel) = self.lobby.pop(id) {
            // The lobby is smaller than a peer's queue.
            let _ = peer.staged.push(parcel, STAGED_MAX);
        }
        let slot = id.0 as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(peer);
        }
        dropped
    }

    /// Wipes a peer; packets that wait for it or its coming go back to `pool`. Returns how many they were.
    pub(crate) fn remove(&mut self, id: PeerId, pool: &Pool) -> u64 {
        let mut dropped = self.empty_slot(id, pool);
        while let Some(parcel) = self.lobby.pop(id) {
            pool.give(parcel);
            dropped += 1;
        }
        dropped
    }

    fn empty_slot(&mut self, id: PeerId, pool: &Pool) -> u64 {
        let Some(mut peer) = self.slots.get_mut(id.0 as usize).and_then(Option::take) else { return 0 };
        for session in peer.sessions() {
            self.by_index.remove(session.local_index());
        }
        let waiting = peer.staged.len() as u64;
        while let Some(parcel) = peer.staged.pop() {
            pool.give(parcel);
        }
        waiting
    }

    /// Puts a session in its place and says whether the peer exists.
    pub(crate) fn install(&mut self, id: PeerId, session: Box<Session>, place: Place) -> bool {
        let Some(peer) = self.slots.get_mut(id.0 as usize).and_then(Option::as_deref_mut) else {
            return false;
        };
        // More indices than the device can draw do not come.
        if !self.by_index.insert(session.local_index(), id) {
            return false;
        }
        let replaced = match place {
            Place::Current => [peer.next.take(), peer.current.replace(session)],
            Place::Next => [peer.next.replace(session), None],
        };
        for session in replaced {
            if let Some(ended) = peer.retire(session) {
                self.by_index.remove(ended.local_index());
            }
        }
        true
    }

    /// The waiting session was used by the peer: it becomes the current one.
    pub(crate) fn confirm(&mut self, id: PeerId) {
        let Some(peer) = self.slots.get_mut(id.0 as usize).and_then(Option::as_deref_mut) else { return };
        let Some(next) = peer.next.take() else { return };
        let replaced = peer.current.replace(next);
        if let Some(ended) = peer.retire(replaced) {
            self.by_index.remove(ended.local_index());
        }
    }

    /// Wipes one session, or all of the peer's.
    pub(crate) fn forget_session(&mut self, id: PeerId, local_index: Option<u32>) {
        let Some(peer) = self.slots.get_mut(id.0 as usize).and_then(Option::as_deref_mut) else { return };
        let by_index = &mut self.by_index;
        let mut ends = |session: &Session| {
            let ends = local_index.is_none_or(|index| session.local_index() == index);
            if ends {
                by_index.remove(session.local_index());
            }
            ends
        };
        peer.current.take_if(|session| ends(session));
        peer.next.take_if(|session| ends(session));
        peer.older.retain(|session| !ends(session));
    }

    /// Slots that have ever been in use.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    #[cfg(test)]
    pub(crate) fn indices(&self) -> usize {
        self.by_index.len()
    }

    /// Every peer, for a new publication of all rows.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        (0..).zip(&self.slots).filter_map(|(slot, peer)| Some((PeerId(slot), peer.as_deref()?)))
    }
}

/// Peers that are read ahead of a turn: what fits into the nearest cache.
pub(crate) const AHEAD_MAX: usize = 64;
/// All but the current and the next one.
const OLDER_MAX: usize = SESSIONS_MAX - 2;

#[cfg(test)]
mod tests;
