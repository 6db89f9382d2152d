//! The handshakes that we begin: wish, initiation, retries, response.
//!
//! **Invariant:** a peer has at most one initiation in flight, no two leave for one address within
//! [`REKEY_TIMEOUT`], and without a new wish the last one leaves less than [`REKEY_ATTEMPT_TIME`] after the first.

use std::time::Duration;

use arrayvec::ArrayVec;
use ringmesh_wire::Endpoint;
use ringmesh_wire::message::{CookieReply, INITIATION_LEN, Response};
use zeroize::Zeroizing;

use super::doorkeeper::Verdict;
use super::{Device, Output, Place, Sent};
use crate::Drop;
use crate::PeerId;
use crate::keyring::Known;
use crate::limits::{CROSSED_DELAY_MAX, REKEY_ATTEMPT_TIME, REKEY_JITTER_MAX, REKEY_TIMEOUT};
use crate::noise::{self, Refused};
use crate::peers::{Attempt, Flight, Peer};
use crate::session::{Keys, Session};

impl Device {
    /// The owner has packets and no session to send them on, or a session that is to be replaced. The
    /// handshake begins at once unless one has just begun or ended; a wish during a handshake lengthens the
    /// time in which it is tried again. A peer that cannot be reached at all is given up at once.
    pub fn on_want_session(&mut self, id: PeerId, now: Duration) {
        if self.peers.get(id).is_none() {
            return;
        }
        if let Some(attempt) = self.peers.life_mut(id).and_then(|life| life.attempt.as_mut()) {
            attempt.wanted_at = now;
        } else if self.may_initiate(id) {
            self.begin(id, now);
        } else {
            self.outputs.push_back(Output::GiveUp { peer: id });
        }
    }

    /// Whether a handshake with the peer makes sense: there is a key, somebody else's, and a place to send
    /// to.
    pub(super) fn may_initiate(&self, id: PeerId) -> bool {
        let peer = self.peers.get(id).filter(|peer| peer.endpoint().is_some());
        self.identity.as_ref().zip(peer).is_some_and(|(me, peer)| me.public() != peer.public_key())
    }

    /// Begins a handshake, at once or when it may.
    fn begin(&mut self, id: PeerId, now: Duration) {
        let Some(life) = self.peers.get_mut(id).map(Peer::wake) else { return };
        // The note crossed the session that it asks for.
        if life.keyring.current().is_some_and(|current| now < current.born + REKEY_TIMEOUT) {
            return;
        }
        // Whoever has just begun a handshake with us will use it in a moment; a second one would only cross
        // it.
        let theirs = life.keyring.next().map(|next| next.born);
        let at = theirs.max(life.initiated_at).map_or(now, |last| now.max(last + REKEY_TIMEOUT));
        life.attempt = Some(Attempt { wanted_at: now, flight: None });
        life.timers.retry_at = Some(at);
        if at <= now {
            self.initiate(id, now);
        }
        self.reschedule(id);
    }

    /// The response did not come, or the time for the first initiation has.
    pub(super) fn retry(&mut self, id: PeerId, now: Duration) {
        let Some(peer) = self.peers.get_mut(id) else { return };
        let Some(life) = peer.life_mut() else { return };
        life.timers.retry_at = None;
        let Some(attempt) = &life.attempt else { return };
        let wanted_at = attempt.wanted_at;
        if attempt.flight.is_some() {
            peer.forget_source();
        }
        if now.saturating_sub(wanted_at) >= REKEY_ATTEMPT_TIME || !self.may_initiate(id) {
            self.give_up(id, now);
        } else {
            self.initiate(id, now);
        }
    }

    /// Sends an initiation and waits for its response.
    fn initiate(&mut self, id: PeerId, now: Duration) {
        self.drop_flight(id);
        match self.make_initiation(id, now) {
            Some((flight, message, to)) => {
                let jitter = self.jitter();
                let Some(life) = self.peers.life_mut(id) else { return };
                if let Some(attempt) = &mut life.attempt {
                    attempt.flight = Some(flight);
                }
                life.initiated_at = Some(now);
                life.timers.retry_at = Some(now + REKEY_TIMEOUT + jitter);
                life.timers.on_sent(now);
                let bytes = ArrayVec::from(message);
                self.outputs.push_back(Output::Send { peer: Some(id), to, bytes, what: Sent::Initiation });
            }
            None => self.give_up(id, now),
        }
    }

    /// `None` when no handshake with this peer is possible: no endpoint, a key of low order.
    fn make_initiation(
        &mut self,
        id: PeerId,
        now: Duration,
    ) -> Option<(Flight, [u8; INITIATION_LEN], Endpoint)> {
        let me = self.identity.as_ref()?;
        let peer = self.peers.get_mut(id)?;
        let to = peer.endpoint()?;
        let key = peer.public_key();
        let local_index = self.indices.insert(&mut self.random, peer.owner, id)?;
        let ephemeral = Zeroizing::new(self.random.array());
        let stamp = self.clock.stamp(now);
        let made = peer
            .static_static(me)
            .and_then(|shared| noise::initiate(me, &key, shared, ephemeral, stamp, local_index));
        match made {
            Ok((noise, mut message)) => {
                peer.wake().jar.sign(&mut message, &key, now);
                Some((Flight { local_index, noise }, message, to))
            }
            Err(Refused::Forged | Refused::ZeroShared) => {
                self.indices.remove(local_index);
                None
            }
        }
    }

    /// Ends the attempt without a session.
    fn give_up(&mut self, id: PeerId, now: Duration) {
        self.drop_attempt(id);
        if let Some(life) = self.peers.life_mut(id) {
            life.timers.settle_silence(now);
        }
        self.outputs.push_back(Output::GiveUp { peer: id });
    }

    /// Our own key was replaced: what is in flight is void, what was wanted is still wanted.
    pub(super) fn begin_again(&mut self, id: PeerId) {
        self.drop_flight(id);
        let Some(peer) = self.peers.get_mut(id) else { return };
        peer.forget_identity();
        if let Some(life) = peer.life_mut().filter(|life| life.attempt.is_some()) {
            life.timers.retry_at = Some(Duration::ZERO);
        }
        self.reschedule(id);
    }

    /// Ends the attempt, if there is one; nothing that was sent for it will be answered to.
    pub(super) fn drop_attempt(&mut self, id: PeerId) {
        self.drop_flight(id);
        if let Some(life) = self.peers.life_mut(id) {
            life.attempt = None;
            life.timers.retry_at = None;
        }
    }

    fn drop_flight(&mut self, id: PeerId) {
        let attempt = self.peers.life_mut(id).and_then(|life| life.attempt.as_mut());
        if let Some(flight) = attempt.and_then(|attempt| attempt.flight.take()) {
            self.indices.remove(flight.local_index);
        }
    }

    /// The second message of a handshake that we began.
    pub(super) fn handle_response(
        &mut self,
        datagram: &[u8],
        from: Endpoint,
        now: Duration,
    ) -> Result<(), Drop> {
        let message = Response::parse(datagram).ok_or(Drop::Malformed)?;
        self.admit(datagram, message.sender(), from, now)?;
        let id = self.indices.holder(message.receiver()).ok_or(Drop::UnknownIndex)?;
        let keys = self.finish(id, message).ok_or(Drop::BadHandshake)?;
        let born = Known { local_index: message.receiver(), born: now };
        let mut session = Session::new(&keys, born.local_index, message.sender(), true, now);
        // An unused session of the peer's making: its handshake crossed ours, and it has one that crossed its own. With one
        // state per peer, as others do it, both handshakes would fail and be tried again; so each keeps its own, and the
        // first to replace it ends the symmetry.
        if self.peers.get(id).and_then(Peer::life).is_some_and(|life| life.keyring.next().is_some()) {
            session.delay_rekey(Duration::from_nanos(self.random.below(nanos(CROSSED_DELAY_MAX))));
        }
        self.establish(id, Box::new(session), Place::Current, from);
        let Some(life) = self.peers.life_mut(id) else { return Ok(()) };
        // The flight's index lives on as the session's.
        life.attempt = None;
        life.timers.retry_at = None;
        life.last_handshake = Some(now);
        let gone = life.keyring.install_current(born, now);
        self.forget_gone(id, gone);
        self.outputs.push_back(Output::Keepalive { peer: id });
        self.reschedule(id);
        Ok(())
    }

    /// The keys, if the message answers what this peer has in flight.
    fn finish(&self, id: PeerId, message: Response<'_>) -> Option<Keys> {
        let peer = self.peers.get(id)?;
        let flight = peer.life()?.attempt.as_ref()?.flight.as_ref()?;
        let ours = flight.local_index == message.receiver();
        let psk = &peer.preshared_key;
        ours.then(|| flight.noise.finish(self.identity.as_ref()?, psk, message).ok())?
    }

    /// The answer of a responder under load. It proves nothing about where the peer is, so the endpoint
    /// stays; the cookie is used when the initiation is tried again.
    pub(super) fn handle_cookie_reply(&mut self, datagram: &[u8], now: Duration) -> Result<(), Drop> {
        let reply = CookieReply::parse(datagram).ok_or(Drop::Malformed)?;
        let id = self.indices.holder(reply.receiver()).ok_or(Drop::UnknownIndex)?;
        let peer = self.peers.get_mut(id).ok_or(Drop::UnknownIndex)?;
        let key = peer.public_key();
        if peer.wake().jar.accept(reply, &key, now) { Ok(()) } else { Err(Drop::BadHandshake) }
    }

    /// Lets a handshake message in, or says why it must stay out.
    pub(super) fn admit(
        &mut self,
        datagram: &[u8],
        sender: u32,
        from: Endpoint,
        now: Duration,
    ) -> Result<(), Drop> {
        match self.doorkeeper.judge(datagram, sender, &from, now, &mut self.random) {
            Verdict::Enter => Ok(()),
            Verdict::Leave(why) => Err(why),
            Verdict::Answer(reply) => {
                let bytes = reply.into_iter().collect();
                self.outputs.push_back(Output::Send { peer: None, to: from, bytes, what: Sent::CookieReply });
                Err(Drop::Overloaded)
            }
        }
    }

    /// Hands a new session to its owner and notes what every ended handshake means.
    pub(super) fn establish(&mut self, id: PeerId, session: Box<Session>, place: Place, from: Endpoint) {
        let now = session.born();
        let jitter = self.jitter();
        if let Some(peer) = self.peers.get_mut(id) {
            peer.set_endpoint(from);
            let timers = &mut peer.wake().timers;
            timers.on_received(now);
            timers.session_born = Some(now);
            timers.jitter = jitter;
        }
        self.outputs.push_back(Output::Install { peer: id, session, place, endpoint: Some(from) });
    }

    pub(super) fn jitter(&mut self) -> Duration {
        Duration::from_nanos(self.random.below(nanos(REKEY_JITTER_MAX)))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
