//! The slow half of a device: every peer's handshake, timers, cookies, limits and indices.
//!
//! A pure state machine. The caller brings datagrams, notes from the workers, time and the wall clock, and
//! after each call takes [`Device::poll_output`] until it is empty; it comes back at
//! [`Device::poll_timeout`]. One call does a bounded amount of work, so [`Device::poll_timeout`] may name a
//! time that has passed already: then there is more to do.
//!
//! A handshake that we answer goes in three steps, so that no packet of the peer can come before its key is
//! there: [`Output::Install`] to the owner, its [`Device::on_installed`], and only then the response as
//! [`Output::Send`]. The session carries our own packets after [`Device::on_confirmed`].
//!
//! **Invariant:** no curve operation before MAC1 has been checked; no endpoint moves before a message has
//! authenticated; no walk over all peers but when our own private key changes.

mod doorkeeper;
mod initiator;
mod output;
mod responder;
mod timing;

pub use output::{Output, PeerConfig, PeerView, Place, Sent};

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ringmesh_wire::Endpoint;
use ringmesh_wire::keys::{PrivateKey, PublicKey};
use ringmesh_wire::message::{self, Kind};

use crate::Drop;
use crate::PeerId;
use crate::index::Indices;
use crate::noise::Identity;
use crate::peers::{Life, Peers};
use crate::random::Random;
use crate::tai64n::{StampClock, Tai64N};
use crate::timers::Stamps;
use crate::wheel::Wheel;
use doorkeeper::Doorkeeper;

/// The slow half of one device.
pub struct Device {
    random: Random,
    clock: StampClock,
    identity: Option<Identity>,
    doorkeeper: Doorkeeper,
    peers: Peers,
    indices: Indices,
    wheel: Wheel,
    outputs: VecDeque<Output>,
}

impl Device {
    /// A device without key and peers. `seed` is 32 bytes of true randomness. `start` is the greatest
    /// timestamp that this identity has sent before ([`Device::own_timestamp`]), or any smaller one: our own
    /// stamps are always greater.
    #[must_use]
    pub fn new(seed: [u8; 32], start: Tai64N) -> Self {
        let mut random = Random::new(seed);
        Self {
            doorkeeper: Doorkeeper::new(random.array()),
            random,
            clock: StampClock::new(start),
            identity: None,
            peers: Peers::default(),
            indices: Indices::default(),
            wheel: Wheel::default(),
            outputs: VecDeque::new(),
        }
    }

    // Getters.

    /// Our public key; `None` without a private one.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey> {
        self.identity.as_ref().map(Identity::public)
    }

    /// Our private key, for whoever has to hand the state on.
    #[must_use]
    pub fn private_key(&self) -> Option<&PrivateKey> {
        self.identity.as_ref().map(Identity::private)
    }

    /// The peer as it is.
    #[must_use]
    pub fn peer(&self, id: PeerId) -> Option<PeerView> {
        self.peers.get(id).map(|peer| PeerView {
            public_key: peer.public_key(),
            endpoint: peer.endpoint(),
            last_handshake: peer.life().and_then(|life| life.last_handshake),
            has_session: peer.life().is_some_and(|life| !life.keyring.is_empty()),
            is_attempting: peer.life().is_some_and(|life| life.attempt.is_some()),
            is_awake: peer.life().is_some(),
        })
    }

    /// The peer as it was configured, with its newest endpoint.
    #[must_use]
    pub fn config(&self, id: PeerId) -> Option<PeerConfig> {
        self.peers.get(id).map(|peer| peer.config(id))
    }

    /// The peer that has this key.
    #[must_use]
    pub fn peer_by_key(&self, key: &PublicKey) -> Option<PeerId> {
        self.peers.id_of(key)
    }

    /// All peers, in the order of their numbers.
    pub fn peers(&self) -> impl Iterator<Item = PeerId> {
        self.peers.ids()
    }

    /// The greatest timestamp that an initiation of the peer had; zeros for an unknown peer. To be stored:
    /// without it, an initiation that was captured before a restart would be taken once more.
    #[must_use]
    pub fn greatest_timestamp(&self, id: PeerId) -> [u8; Tai64N::LEN] {
        self.peers.get(id).map_or(Tai64N::default(), |peer| peer.greatest).to_bytes()
    }

    /// The greatest timestamp that we have sent. To be stored, for [`Device::new`] or [`Device::raise_own_timestamp`].
    #[must_use]
    pub fn own_timestamp(&self) -> Tai64N {
        self.clock.newest()
    }

    /// The stamps that the peer's owner is to write. A peer that had none is awake from now on.
    #[must_use]
    pub fn stamps(&mut self, id: PeerId) -> Option<Arc<Stamps>> {
        self.peers.get_mut(id).map(|peer| Arc::clone(&peer.wake().stamps))
    }

    // Commands. A live peer keeps running whatever is changed.

    /// Sets our own key. Another key than before ends every session, since their keys were agreed by somebody
    /// whom we no longer are; wishes for a handshake stay. The same key changes nothing. Walks over all
    /// peers.
    pub fn set_private_key(&mut self, key: Option<PrivateKey>) {
        let key = key.filter(|key| !key.is_zero());
        if key.as_ref() == self.private_key() {
            return;
        }
        self.identity = key.map(Identity::new);
        self.doorkeeper.set_key(self.public_key());
        for id in self.peers.ids().collect::<Vec<_>>() {
            self.forget_sessions(id);
            self.begin_again(id);
        }
    }

    /// Adds a peer, or changes the one of this number. With another endpoint, a handshake that waits for its response is
    /// tried again at once, there. A new pre-shared key is used from the next handshake
    /// on and ends nothing. Another public key makes it another peer; a peer that had this key under another
    /// number is removed.
    pub fn set_peer(&mut self, config: PeerConfig) {
        let id = config.id;
        if let Some(holder) = self.peers.id_of(&config.public_key).filter(|holder| *holder != id) {
            self.remove_peer(holder);
        }
        if self.peers.get(id).is_some_and(|peer| peer.public_key() != config.public_key) {
            self.remove_peer(id);
        }
        let persistent = Some(Duration::from_secs(config.keepalive_secs.into())).filter(|it| !it.is_zero());
        match self.peers.get_mut(id) {
            Some(peer) => {
                let (new, old) = (config.endpoint, peer.endpoint());
                let reachable = new.is_some() && old.is_none();
                let moved = new.zip(old).is_some_and(|(new, old)| new.source_bytes() != old.source_bytes());
                peer.configure(config);
                if let Some(Life { timers, attempt, .. }) = peer.life_mut() {
                    timers.persistent_now |= timers.persistent.is_none() || reachable;
                    // Whoever tries another address waits for no answer from the one before.
                    if moved && attempt.as_ref().is_some_and(|attempt| attempt.flight.is_some()) {
                        timers.retry_at = Some(Duration::ZERO);
                    }
                }
            }
            None => self.peers.insert(config),
        }
        if let Some(peer) = self.peers.get_mut(id) {
            if persistent.is_some() {
                peer.wake();
            }
            if let Some(life) = peer.life_mut() {
                life.timers.persistent = persistent;
            }
        }
        self.reschedule(id);
    }

    /// Removes the peer and everything that it holds. Its owner is told to forget its sessions, if it has
    /// any.
    pub fn remove_peer(&mut self, id: PeerId) {
        if self.peers.get(id).is_none() {
            return;
        }
        self.drop_attempt(id);
        self.forget_sessions(id);
        if let Some(mut peer) = self.peers.remove(id)
            && let Some(life) = peer.life_mut()
        {
            self.wheel.set(&mut life.timer, id, None);
        }
    }

    /// Hands back what [`Device::greatest_timestamp`] said before a restart. Never lowers it.
    pub fn set_greatest_timestamp(&mut self, id: PeerId, timestamp: [u8; Tai64N::LEN]) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.greatest = peer.greatest.max(Tai64N::from_bytes(timestamp));
        }
    }

    /// Hands back what [`Device::own_timestamp`] said before a restart. Never lowers it.
    pub fn raise_own_timestamp(&mut self, timestamp: Tai64N) {
        self.clock.raise(timestamp);
    }

    /// Whether we are under load: more handshake messages wait than the slow half keeps up with. Then a
    /// message must carry a cookie, and each source has a limit.
    pub fn set_cookie_pressure(&mut self, pressure: bool) {
        self.doorkeeper.set_pressure(pressure);
    }

    // Input.

    /// Takes a datagram that looks like a handshake message. `from` is where it came from and `wall` what the
    /// wall clock says.
    ///
    /// # Errors
    /// Why the message ended here: [`Drop::Malformed`] (no handshake message), [`Drop::BadMac`],
    /// [`Drop::Overloaded`] (a cookie was sent), [`Drop::RateLimited`], [`Drop::UnknownPeer`],
    /// [`Drop::UnknownIndex`], [`Drop::OldHandshake`] or [`Drop::BadHandshake`].
    pub fn handle_handshake(
        &mut self,
        datagram: &mut [u8],
        from: Endpoint,
        now: Duration,
        wall: Tai64N,
    ) -> Result<(), Drop> {
        self.clock.observe(now, wall);
        match message::classify(datagram) {
            Kind::Initiation => self.handle_initiation(datagram, from, now),
            Kind::Response => self.handle_response(datagram, from, now),
            Kind::CookieReply => self.handle_cookie_reply(datagram, now),
            Kind::Data | Kind::Other => Err(Drop::Malformed),
        }
    }

    /// The owner has seen an authentic packet of the peer come from elsewhere.
    pub fn on_roamed(&mut self, id: PeerId, endpoint: Endpoint) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.set_endpoint(endpoint);
            peer.wake();
        }
    }

    // Output.

    /// The next thing to do. To be called until it says `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Device::handle_timeout`] is to be called, since boot, and why. It may then find that nothing is due yet; what
    /// is due is never attended to early, and by less than [`TICK`](crate::limits::TICK) late.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Duration, &'static str)> {
        self.wheel.poll_timeout().map(|(at, due)| (at, due.reason()))
    }

    // Inside.

    /// Forgets every session of the peer, here and at its owner.
    fn forget_sessions(&mut self, id: PeerId) {
        let Some(life) = self.peers.life_mut(id) else { return };
        let gone = life.keyring.clear();
        life.timers.session_born = None;
        life.reply = None;
        if !gone.is_empty() {
            gone.iter().for_each(|index| self.indices.remove(*index));
            self.outputs.push_back(Output::Forget { peer: id, local_index: None });
        }
        self.reschedule(id);
    }

    /// Forgets the sessions that a newer one has pushed out.
    fn forget_gone(&mut self, id: PeerId, gone: crate::keyring::Gone) {
        for index in gone {
            self.indices.remove(index);
            self.outputs.push_back(Output::Forget { peer: id, local_index: Some(index) });
        }
    }

    /// Puts the peer where its first deadline belongs.
    fn reschedule(&mut self, id: PeerId) {
        let Some(life) = self.peers.life_mut(id) else { return };
        let next = life.timers.next(&life.stamps);
        self.wheel.set(&mut life.timer, id, next);
    }
}

#[cfg(test)]
mod tests;
