//! Packets for peers that this worker has never been told of.
//!
//! Most peers of a large device are silent, so a worker knows only those that something has happened to. The first packet
//! for another one waits here while the slow thread is asked; it introduces the peer, whose queue then takes what
//! waits, or says that there is no such peer.
//!
//! **Invariant:** whoever waits here has been asked for, and every answer takes all that waits for that peer.

use std::collections::VecDeque;

use ringmesh_io::{Port, Span, VnetHdr};
use ringmesh_tunnel::{Drop, PeerId};

use crate::{
    mail::Note,
    parcel::{Load, Parcel},
    turn::{Sealed, Worker, slice},
};

/// What waits, in the order in which it came.
pub(crate) struct Lobby(VecDeque<(PeerId, Box<Parcel>)>);

impl Default for Lobby {
    fn default() -> Self {
        Self(VecDeque::with_capacity(WAITING_MAX))
    }
}

impl Lobby {
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= WAITING_MAX
    }

    /// Whether something waits for this peer.
    pub(crate) fn awaits(&self, id: PeerId) -> bool {
        self.0.iter().any(|(other, _)| *other == id)
    }

    pub(crate) fn push(&mut self, id: PeerId, parcel: Box<Parcel>) {
        self.0.push_back((id, parcel));
    }

    /// Takes the oldest parcel that waits for this peer.
    pub(crate) fn pop(&mut self, id: PeerId) -> Option<Box<Parcel>> {
        let at = self.0.iter().position(|(other, _)| *other == id)?;
        self.0.remove(at).map(|(_, parcel)| parcel)
    }
}

impl<P: Port> Worker<P> {
    /// Lets a packet wait until the peer is known here. The rest of one that has partly left does not: its peer has just
    /// been removed.
    pub(crate) fn wait_for_peer(&mut self, id: PeerId, vnet: VnetHdr, span: Span, done: usize) -> Sealed {
        if done > 0 {
            return self.lost(Drop::NoRoute);
        }
        if self.peers.lobby.is_full() {
            return self.lost(Drop::QueueFull);
        }
        if !self.peers.lobby.awaits(id) && !self.note(Note::WantSession { id }) {
            return self.lost(Drop::QueueFull);
        }
        let Some(mut parcel) = self.office.pool.take() else { return self.lost(Drop::QueueFull) };
        match slice(self.port.region(), span) {
            Some(bytes) if parcel.fill(Load::Packet { vnet }, bytes) => {
                self.peers.lobby.push(id, parcel);
                Sealed::Done
            }
            Some(_) | None => {
                self.office.pool.give(parcel);
                self.lost(Drop::QueueFull)
            }
        }
    }
}

/// Parcels of all unknown peers together: the slow thread answers within a turn of its own.
const WAITING_MAX: usize = 64;

#[cfg(test)]
mod tests;
