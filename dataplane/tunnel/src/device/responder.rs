//! The handshakes that peers begin: initiation, our response, its confirmation.
//!
//! **Invariant:** nothing is kept of an initiation that is not from a peer of ours, or that is not newer than
//! every one before it.

use std::time::Duration;

use ringmesh_wire::Endpoint;
use ringmesh_wire::message::Initiation;
use zeroize::Zeroizing;

use super::{Device, Output, Place, Sent};
use crate::Drop;
use crate::PeerId;
use crate::keyring::Known;
use crate::limits::INITIATION_INTERVAL_MIN;
use crate::noise::{self, Initiated};
use crate::peers::Reply;
use crate::session::Session;

impl Device {
    /// The owner can receive on the session. If we answered for it, the response leaves now.
    pub fn on_installed(&mut self, id: PeerId, local_index: u32) {
        let Some(life) = self.peers.life_mut(id) else { return };
        if let Some(reply) = life.reply.take_if(|reply| reply.local_index == local_index) {
            let bytes = reply.message.into_iter().collect();
            self.outputs.push_back(Output::Send {
                peer: Some(id),
                to: reply.to,
                bytes,
                what: Sent::Response,
            });
        }
    }

    /// The first packet on a session that we answered for has come: both sides can use it, and an attempt of
    /// our own is not needed any more.
    pub fn on_confirmed(&mut self, id: PeerId, local_index: u32, now: Duration) {
        let Some(life) = self.peers.life_mut(id) else { return };
        let Some(gone) = life.keyring.confirm(local_index, now) else { return };
        life.last_handshake = Some(now);
        self.forget_gone(id, gone);
        self.drop_attempt(id);
        self.reschedule(id);
    }

    /// The first message of a handshake that a peer begins.
    pub(super) fn handle_initiation(
        &mut self,
        datagram: &[u8],
        from: Endpoint,
        now: Duration,
    ) -> Result<(), Drop> {
        let message = Initiation::parse(datagram).ok_or(Drop::Malformed)?;
        self.admit(datagram, message.sender(), from, now)?;
        let (id, initiated) = self.authenticate(message)?;
        self.accept_timestamp(id, &initiated, now)?;
        self.respond(id, initiated, message.sender(), from, now)
    }

    /// Who has sent the message, proved. Nothing has changed yet.
    fn authenticate(&self, message: Initiation<'_>) -> Result<(PeerId, Initiated), Drop> {
        let me = self.identity.as_ref().ok_or(Drop::BadMac)?;
        let claimed = noise::read_static(me, message).map_err(|_| Drop::BadHandshake)?;
        if claimed.peer == me.public() {
            return Err(Drop::BadHandshake);
        }
        let id = self.peers.id_of(&claimed.peer).ok_or(Drop::UnknownPeer)?;
        let peer = self.peers.get(id).ok_or(Drop::UnknownPeer)?;
        let initiated = peer.static_static(me).and_then(|shared| claimed.read_timestamp(shared, message));
        Ok((id, initiated.map_err(|_| Drop::BadHandshake)?))
    }

    /// Each timestamp is good once, and a peer is answered only so often.
    fn accept_timestamp(&mut self, id: PeerId, initiated: &Initiated, now: Duration) -> Result<(), Drop> {
        let peer = self.peers.get_mut(id).ok_or(Drop::UnknownPeer)?;
        if initiated.timestamp <= peer.greatest {
            return Err(Drop::OldHandshake);
        }
        let life = peer.wake();
        if life.answered_at.is_some_and(|last| now < last + INITIATION_INTERVAL_MIN) {
            return Err(Drop::RateLimited);
        }
        life.answered_at = Some(now);
        peer.greatest = initiated.timestamp;
        Ok(())
    }

    /// Makes the session and the response, which waits for the owner.
    fn respond(
        &mut self,
        id: PeerId,
        initiated: Initiated,
        remote_index: u32,
        from: Endpoint,
        now: Duration,
    ) -> Result<(), Drop> {
        let peer = self.peers.get_mut(id).ok_or(Drop::UnknownPeer)?;
        let owner = peer.owner;
        let local_index = self.indices.insert(&mut self.random, owner, id).ok_or(Drop::Overloaded)?;
        let ephemeral = Zeroizing::new(self.random.array());
        let made = initiated.respond(&peer.preshared_key, ephemeral, local_index, remote_index);
        let Ok((keys, mut message)) = made else {
            self.indices.remove(local_index);
            return Err(Drop::BadHandshake);
        };
        let key = peer.public_key();
        let life = peer.wake();
        life.jar.sign(&mut message, &key, now);
        life.reply = Some(Reply { local_index, to: from, message });
        life.timers.on_sent(now);
        let gone = life.keyring.install_next(Known { local_index, born: now }, now);
        let session = Session::new(&keys, local_index, remote_index, false, now);
        self.establish(id, Box::new(session), Place::Next, from);
        self.forget_gone(id, gone);
        self.reschedule(id);
        Ok(())
    }
}
