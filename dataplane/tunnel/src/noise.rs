//! The handshake: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s as the paper's section 5.4 uses it.
//!
//! The initiator knows the responder's static key and sends its own, sealed, in the first message; the second
//! one mixes in the pre-shared key and ends the handshake. Each step is a function that takes the state of the
//! step before by value, so the order cannot be mistaken:
//!
//! ```text
//! initiator   initiate() ─► Initiating ───────────────────────────────► finish() ─► Keys
//! responder   read_static() ─► Claimed ─ read_timestamp() ─► Initiated ─ respond() ─► Keys
//! ```
//!
//! Between `read_static` and `read_timestamp` lies the caller's look-up: who claims to be there, and what is
//! the shared secret of the two static keys, which is computed once per peer.
//!
//! **Invariant:** a Diffie-Hellman result of zero ends the handshake (a peer could otherwise force a key that
//! everybody knows), and every intermediate secret is wiped when its value is dropped.

mod curve;
mod symmetric;

use ringmesh_wire::keys::{PresharedKey, PrivateKey, PublicKey};
use ringmesh_wire::message::{Initiation, Response, TAG_LEN};
use zeroize::Zeroizing;

use crate::session::Keys;
use crate::tai64n::Tai64N;
use curve::Scalar;
use symmetric::{IDENTIFIER, Symmetric};

/// Why a handshake message was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// A field does not authenticate.
    Forged,
    /// A Diffie-Hellman result is zero: one of the public keys is of low order.
    ZeroShared,
}

/// The result of a Diffie-Hellman, never zero.
pub(crate) type Shared = Zeroizing<[u8; 32]>;

/// Our own static keys.
pub(crate) struct Identity {
    private: PrivateKey,
    scalar: Scalar,
    public: PublicKey,
}

impl Identity {
    pub(crate) fn new(private: PrivateKey) -> Self {
        let scalar = Scalar::new(private.expose());
        let public = scalar.public();
        Self { private, scalar, public }
    }

    /// Somebody who names a key that is not theirs.
    #[cfg(test)]
    pub(crate) fn posing_as(private: PrivateKey, public: PublicKey) -> Self {
        let scalar = Scalar::new(private.expose());
        Self { private, scalar, public }
    }

    pub(crate) fn private(&self) -> &PrivateKey {
        &self.private
    }

    pub(crate) fn public(&self) -> PublicKey {
        self.public
    }

    /// The secret that our static key shares with a peer's; the same in every handshake.
    pub(crate) fn shared_with(&self, peer: &PublicKey) -> Result<Shared, Refused> {
        self.scalar.shared(&peer.0)
    }
}

/// The initiator, after its message has left.
pub(crate) struct Initiating {
    state: Symmetric,
    ephemeral: Scalar,
}

/// The responder, when the message has named its sender but not yet proved it.
pub(crate) struct Claimed {
    state: Symmetric,
    /// Who the sender says it is.
    pub(crate) peer: PublicKey,
    ephemeral: [u8; 32],
}

/// The responder, after the sender has proved that it holds its static key. The message may still be old.
pub(crate) struct Initiated {
    state: Symmetric,
    peer: PublicKey,
    ephemeral: [u8; 32],
    /// When the sender made the message. Greater than all before, or the message is a replay.
    pub(crate) timestamp: Tai64N,
}

/// Begins a handshake with `peer`. Returns the message with MACs of zero. `ephemeral` is 32 fresh random bytes
/// and `sender` the index that the response is to name.
pub(crate) fn initiate(
    me: &Identity,
    peer: &PublicKey,
    static_static: &Shared,
    ephemeral: Zeroizing<[u8; 32]>,
    timestamp: Tai64N,
    sender: u32,
) -> Result<(Initiating, [u8; ringmesh_wire::message::INITIATION_LEN]), Refused> {
    let mut state = Symmetric::new(IDENTIFIER, &peer.0);
    let ephemeral = Scalar::new(&ephemeral);
    let ephemeral_public = ephemeral.public().0;
    state.mix_ephemeral(&ephemeral_public);

    let key = state.mix_key(ephemeral.shared(&peer.0)?.as_slice());
    let mut sealed_static = [0; 32 + TAG_LEN];
    state.seal(&key, &me.public.0, &mut sealed_static);

    let key = state.mix_key(static_static.as_slice());
    let mut sealed_timestamp = [0; Tai64N::LEN + TAG_LEN];
    state.seal(&key, &timestamp.to_bytes(), &mut sealed_timestamp);

    let message = Initiation::emit(sender, &ephemeral_public, &sealed_static, &sealed_timestamp);
    Ok((Initiating { state, ephemeral }, message))
}

/// Reads who an initiation claims to be from. Costs one Diffie-Hellman.
pub(crate) fn read_static(me: &Identity, message: Initiation<'_>) -> Result<Claimed, Refused> {
    let mut state = Symmetric::new(IDENTIFIER, &me.public.0);
    let ephemeral = *message.ephemeral();
    state.mix_ephemeral(&ephemeral);
    let key = state.mix_key(me.scalar.shared(&ephemeral)?.as_slice());
    let mut peer = PublicKey([0; 32]);
    state.open(&key, message.sealed_static(), &mut peer.0)?;
    Ok(Claimed { state, peer, ephemeral })
}

impl Claimed {
    /// Checks the claim: the timestamp opens only under the secret that both static keys share.
    pub(crate) fn read_timestamp(
        mut self,
        static_static: &Shared,
        message: Initiation<'_>,
    ) -> Result<Initiated, Refused> {
        let key = self.state.mix_key(static_static.as_slice());
        let mut timestamp = [0; Tai64N::LEN];
        self.state.open(&key, message.sealed_timestamp(), &mut timestamp)?;
        let timestamp = Tai64N::from_bytes(timestamp);
        Ok(Initiated { state: self.state, peer: self.peer, ephemeral: self.ephemeral, timestamp })
    }
}

impl Initiated {
    /// Ends the handshake on the responder's side. Returns the message with MACs of zero. `ephemeral` is 32
    /// fresh random bytes, `sender` our index of the session, and `receiver` the initiator's.
    pub(crate) fn respond(
        self,
        psk: &PresharedKey,
        ephemeral: Zeroizing<[u8; 32]>,
        sender: u32,
        receiver: u32,
    ) -> Result<(Keys, [u8; ringmesh_wire::message::RESPONSE_LEN]), Refused> {
        let mut state = self.state;
        let ephemeral = Scalar::new(&ephemeral);
        let ephemeral_public = ephemeral.public().0;
        state.mix_ephemeral(&ephemeral_public);
        state.mix_chain(ephemeral.shared(&self.ephemeral)?.as_slice());
        state.mix_chain(ephemeral.shared(&self.peer.0)?.as_slice());
        let key = state.mix_psk(psk);
        let mut sealed_empty = [0; TAG_LEN];
        state.seal(&key, &[], &mut sealed_empty);
        let [recv, send] = state.split();
        let message = Response::emit(sender, receiver, &ephemeral_public, &sealed_empty);
        Ok((Keys { send: *send, recv: *recv }, message))
    }
}

impl Initiating {
    /// Ends the handshake on the initiator's side. A response that fails leaves everything as it was, so that
    /// the honest one may still come.
    pub(crate) fn finish(
        &self,
        me: &Identity,
        psk: &PresharedKey,
        message: Response<'_>,
    ) -> Result<Keys, Refused> {
        let mut state = self.state.clone();
        let theirs = message.ephemeral();
        state.mix_ephemeral(theirs);
        state.mix_chain(self.ephemeral.shared(theirs)?.as_slice());
        state.mix_chain(me.scalar.shared(theirs)?.as_slice());
        let key = state.mix_psk(psk);
        state.open(&key, message.sealed_empty(), &mut [])?;
        let [send, recv] = state.split();
        Ok(Keys { send: *send, recv: *recv })
    }
}

#[cfg(test)]
mod tests;
