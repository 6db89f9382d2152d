//! The table of peers, and everything that the slow half keeps about one of them.
//!
//! **Invariant:** a public key belongs to at most one peer. Nothing here costs more because there are more peers; what
//! walks over all of them says so.

mod keys;
mod way;

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use ringmesh_wire::keys::{PresharedKey, PublicKey};
use ringmesh_wire::message::RESPONSE_LEN;
use ringmesh_wire::{Endpoint, UdpPath};

use crate::PeerId;
use crate::cookie::Jar;
use crate::device::PeerConfig;
use crate::keyring::Keyring;
use crate::limits::PEERS_MAX;
use crate::noise::{Identity, Initiating, Refused, Shared};
use crate::tai64n::Tai64N;
use crate::timers::{Stamps, Timers};
use crate::wheel::Armed;
use keys::Keys;
use way::Way;

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

/// One peer. Most of a large device's peers have never been heard of since it started, so what only a handshake brings
/// lies in [`Life`] and does not exist before the first.
pub(crate) struct Peer {
    public_key: PublicKey,
    pub(crate) preshared_key: PresharedKey,
    keepalive_secs: u16,
    pub(crate) owner: u8,
    way: Way,
    /// Computed at the first handshake; the greater half of what a handshake would cost again.
    static_static: OnceCell<Box<Result<Shared, Refused>>>,
    /// The greatest timestamp that an initiation of the peer had.
    pub(crate) greatest: Tai64N,
    life: Option<Box<Life>>,
}

/// What there is of a peer from its first handshake, or its first timer, on.
#[derive(Default)]
pub(crate) struct Life {
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
    /// Its first deadline, if it has one.
    pub(crate) timer: Option<Armed>,
}

impl Peer {
    fn new(config: PeerConfig) -> Self {
        let PeerConfig { id: _, public_key, preshared_key, keepalive_secs, endpoint, owner } = config;
        Self {
            public_key,
            preshared_key,
            keepalive_secs,
            owner,
            way: endpoint.into(),
            static_static: OnceCell::new(),
            greatest: Tai64N::default(),
            life: None,
        }
    }

    /// What is wanted of the same peer now. Without an endpoint it stays where it is.
    pub(crate) fn configure(&mut self, config: PeerConfig) {
        let PeerConfig { id: _, public_key: _, preshared_key, keepalive_secs, endpoint, owner } = config;
        self.preshared_key = preshared_key;
        self.keepalive_secs = keepalive_secs;
        self.owner = owner;
        if endpoint.is_some() {
            self.way = endpoint.into();
        }
    }

    /// As it was configured under this number, with its newest endpoint.
    pub(crate) fn config(&self, id: PeerId) -> PeerConfig {
        PeerConfig {
            id,
            public_key: self.public_key,
            preshared_key: self.preshared_key.clone(),
            keepalive_secs: self.keepalive_secs,
            endpoint: self.endpoint(),
            owner: self.owner,
        }
    }

    pub(crate) fn endpoint(&self) -> Option<Endpoint> {
        self.way.endpoint()
    }

    pub(crate) fn set_endpoint(&mut self, endpoint: Endpoint) {
        self.way = Some(endpoint).into();
    }

    pub(crate) fn life(&self) -> Option<&Life> {
        self.life.as_deref()
    }

    pub(crate) fn life_mut(&mut self) -> Option<&mut Life> {
        self.life.as_deref_mut()
    }

    /// Its life, which begins now if it has not begun before.
    pub(crate) fn wake(&mut self) -> &mut Life {
        self.life.get_or_insert_default()
    }

    pub(crate) fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// The secret that both static keys share, computed when it is first needed.
    pub(crate) fn static_static(&self, me: &Identity) -> Result<&Shared, Refused> {
        let shared = self.static_static.get_or_init(|| Box::new(me.shared_with(&self.public_key)));
        shared.as_ref().as_ref().map_err(|refused| *refused)
    }

    /// Our own key was replaced: nothing that was computed with the old one holds.
    pub(crate) fn forget_identity(&mut self) {
        self.static_static.take();
        if let Some(life) = self.life_mut() {
            life.jar = Jar::default();
            life.reply = None;
            life.initiated_at = None;
        }
    }

    /// Lets the kernel choose the source address again: the one that we used may be the reason for the silence.
    pub(crate) fn forget_source(&mut self) {
        if let Some(Endpoint::Udp(path)) = self.endpoint() {
            self.set_endpoint(Endpoint::Udp(UdpPath { local: None, ..path }));
        }
    }
}

/// All peers, by number and by key.
#[derive(Default)]
pub(crate) struct Peers {
    /// By number; at most [`PEERS_MAX`].
    slots: Vec<Option<Box<Peer>>>,
    /// The number of each key. Keys are configured, not sent, so nobody can choose them to collide.
    by_key: Keys,
}

impl Peers {
    pub(crate) fn get(&self, id: PeerId) -> Option<&Peer> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    pub(crate) fn life(&self, id: PeerId) -> Option<&Life> {
        self.get(id)?.life()
    }

    pub(crate) fn life_mut(&mut self, id: PeerId) -> Option<&mut Life> {
        self.get_mut(id)?.life_mut()
    }

    pub(crate) fn id_of(&self, key: &PublicKey) -> Option<PeerId> {
        self.by_key.find(key, &self.slots)
    }

    /// Adds a peer whose number and key are free. One whose number is too great stays outside.
    pub(crate) fn insert(&mut self, config: PeerConfig) {
        let (id, key) = (config.id, config.public_key);
        let slot = id.0 as usize;
        if slot >= PEERS_MAX {
            return;
        }
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, || None);
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(Box::new(Peer::new(config)));
            self.by_key.insert(&key, id, &self.slots);
        }
    }

    pub(crate) fn remove(&mut self, id: PeerId) -> Option<Box<Peer>> {
        let key = self.get(id)?.public_key();
        self.by_key.remove(&key, &self.slots);
        self.slots.get_mut(id.0 as usize)?.take()
    }

    /// All of them, in the order of their numbers.
    pub(crate) fn ids(&self) -> impl Iterator<Item = PeerId> {
        (0..).zip(&self.slots).filter(|(_, peer)| peer.is_some()).map(|(slot, _)| PeerId(slot))
    }
}

#[cfg(test)]
mod tests;
