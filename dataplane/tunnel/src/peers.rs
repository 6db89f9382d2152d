//! The table of peers, and everything that the slow half keeps about one of them.
//!
//! **Invariant:** a public key belongs to at most one peer. Everything here costs the logarithm of the number
//! of peers at most; what walks over all of them says so.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ringmesh_wire::keys::PublicKey;
use ringmesh_wire::message::RESPONSE_LEN;
use ringmesh_wire::{Endpoint, UdpPath};

use crate::PeerId;
use crate::cookie::Jar;
use crate::device::PeerConfig;
use crate::keyring::Keyring;
use crate::noise::{Identity, Initiating, Refused, Shared};
use crate::tai64n::Tai64N;
use crate::timers::{Stamps, Timers};

/// A handshake that we want: it is in flight, or waits until it may leave.
pub(crate) struct Attempt {
    /// When it was last asked for; it is given up a while after that. Since boot.
    pub(crate) wanted_at: Duration,
    /// Our newest initiation. A response to any before it is refused.
    pub(crate) flight: Option<Flight>,
}

/// An initiation that has left.
pub(crate) struct Flight {
    pub(crate) local_index: u32,
    pub(crate) noise: Initiating,
}

/// A response that waits until the owner can receive on its session.
pub(crate) struct Reply {
    pub(crate) local_index: u32,
    pub(crate) to: Endpoint,
    pub(crate) message: [u8; RESPONSE_LEN],
}

/// One peer.
pub(crate) struct Peer {
    pub(crate) config: PeerConfig,
    /// Computed at the first handshake; the greater half of what a handshake would cost again.
    static_static: OnceCell<Result<Shared, Refused>>,
    /// The greatest timestamp that an initiation of the peer had.
    pub(crate) greatest: Tai64N,
    /// When we last answered an initiation, and when we last sent one.
    pub(crate) answered_at: Option<Duration>,
    pub(crate) initiated_at: Option<Duration>,
    pub(crate) attempt: Option<Attempt>,
    pub(crate) reply: Option<Reply>,
    pub(crate) jar: Jar,
    pub(crate) keyring: Keyring,
    pub(crate) stamps: Arc<Stamps>,
    pub(crate) timers: Timers,
    /// When a handshake last ended with a session that works, since boot.
    pub(crate) last_handshake: Option<Duration>,
    /// Where it stands in the schedule.
    pub(crate) due: Option<Duration>,
}

impl Peer {
    pub(crate) fn new(config: PeerConfig) -> Self {
        Self {
            config,
            static_static: OnceCell::new(),
            greatest: Tai64N::default(),
            answered_at: None,
            initiated_at: None,
            attempt: None,
            reply: None,
            jar: Jar::default(),
            keyring: Keyring::default(),
            stamps: Arc::new(Stamps::new()),
            timers: Timers::default(),
            last_handshake: None,
            due: None,
        }
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        self.config.public_key
    }

    /// The secret that both static keys share, computed when it is first needed.
    pub(crate) fn static_static(&self, me: &Identity) -> Result<&Shared, Refused> {
        let shared = self.static_static.get_or_init(|| me.shared_with(&self.config.public_key));
        shared.as_ref().map_err(|refused| *refused)
    }

    /// Our own key was replaced: nothing that was computed with the old one holds.
    pub(crate) fn forget_identity(&mut self) {
        self.static_static.take();
        self.jar = Jar::default();
        self.reply = None;
        self.initiated_at = None;
    }

    /// Lets the kernel choose the source address again: the one that we used may be the reason for the silence.
    pub(crate) fn forget_source(&mut self) {
        if let Some(Endpoint::Udp(UdpPath { local, .. })) = &mut self.config.endpoint {
            *local = None;
        }
    }
}

/// All peers, by number and by key.
#[derive(Default)]
pub(crate) struct Peers {
    by_id: BTreeMap<PeerId, Box<Peer>>,
    by_key: BTreeMap<PublicKey, PeerId>,
}

impl Peers {
    pub(crate) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    pub(crate) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.by_id.get_mut(&id).map(Box::as_mut)
    }

    pub(crate) fn id_of(&self, key: &PublicKey) -> Option<PeerId> {
        self.by_key.get(key).copied()
    }

    /// Adds a peer whose number and key are free.
    pub(crate) fn insert(&mut self, peer: Peer) {
        let id = peer.config.id;
        self.by_key.insert(peer.public_key(), id);
        self.by_id.insert(id, Box::new(peer));
    }

    pub(crate) fn remove(&mut self, id: PeerId) -> Option<Box<Peer>> {
        let peer = self.by_id.remove(&id)?;
        self.by_key.remove(&peer.public_key());
        Some(peer)
    }

    /// All of them, in the order of their numbers.
    pub(crate) fn ids(&self) -> impl Iterator<Item = PeerId> {
        self.by_id.keys().copied()
    }
}

#[cfg(test)]
mod tests;
