//! Noise's symmetric state: the chaining key and the transcript hash of one handshake.
//!
//! **Invariant:** whatever is sealed or opened goes into the transcript, so that both sides hold the same hash
//! exactly when they saw the same messages.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce, Tag};
use ringmesh_wire::keys::PresharedKey;
use ringmesh_wire::message::TAG_LEN;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Refused;
use crate::hash::{self, HASH_LEN};

/// A key that seals one field.
pub(super) type FieldKey = Zeroizing<[u8; HASH_LEN]>;

/// CONSTRUCTION of the paper, section 5.4.
pub(super) const CONSTRUCTION: &[u8] = b"Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
/// IDENTIFIER of the paper, section 5.4: Noise calls it the prologue.
pub(super) const IDENTIFIER: &[u8] = b"WireGuard v1 zx2c4 Jason@zx2c4.com";

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Symmetric {
    chain: [u8; HASH_LEN],
    hash: [u8; HASH_LEN],
}

impl Symmetric {
    /// The state before the first message to the owner of `responder`, a static public key.
    pub(super) fn new(prologue: &[u8], responder: &[u8; 32]) -> Self {
        let chain = hash::hash(&[CONSTRUCTION]);
        let mut state = Self { chain, hash: hash::hash(&[&chain, prologue]) };
        state.mix_hash(responder);
        state
    }

    pub(super) fn mix_hash(&mut self, data: &[u8]) {
        self.hash = hash::hash(&[&self.hash, data]);
    }

    /// Takes in an ephemeral public key. The patterns with a pre-shared key mix it into both halves.
    pub(super) fn mix_ephemeral(&mut self, public: &[u8; 32]) {
        self.mix_hash(public);
        self.mix_chain(public);
    }

    /// Mixes a secret into the chain without taking a key, because another secret follows at once.
    pub(super) fn mix_chain(&mut self, input: &[u8]) {
        let [chain] = hash::kdf(&self.chain, input);
        self.chain = *chain;
    }

    /// Mixes a secret into the chain and takes the key for the next field.
    pub(super) fn mix_key(&mut self, input: &[u8]) -> FieldKey {
        let [chain, key] = hash::kdf(&self.chain, input);
        self.chain = *chain;
        key
    }

    /// Mixes the pre-shared key into both halves and takes the key for the next field.
    pub(super) fn mix_psk(&mut self, psk: &PresharedKey) -> FieldKey {
        let [chain, transcript, key] = hash::kdf(&self.chain, psk.expose());
        self.chain = *chain;
        self.mix_hash(transcript.as_slice());
        key
    }

    /// Seals `plaintext` into `out`, which is one tag longer.
    pub(super) fn seal(&mut self, key: &FieldKey, plaintext: &[u8], out: &mut [u8]) {
        let (text, tag) = out.split_at_mut(plaintext.len());
        text.copy_from_slice(plaintext);
        let sealed = cipher(key).encrypt_inout_detached(&Nonce::default(), &self.hash, text.into());
        tag.copy_from_slice(&sealed.expect("a field is far shorter than the cipher's limit"));
        self.mix_hash(out);
    }

    /// Opens `sealed` into `out`, which is one tag shorter. On failure the state and `out` mean nothing.
    pub(super) fn open(&mut self, key: &FieldKey, sealed: &[u8], out: &mut [u8]) -> Result<(), Refused> {
        let (text, tag) = sealed.split_at(sealed.len() - TAG_LEN);
        let tag = Tag::try_from(tag).map_err(|_| Refused::Forged)?;
        out.copy_from_slice(text);
        cipher(key)
            .decrypt_inout_detached(&Nonce::default(), &self.hash, out.into(), &tag)
            .map_err(|_| Refused::Forged)?;
        self.mix_hash(sealed);
        Ok(())
    }

    /// The keys of the session: the initiator's sending key first.
    pub(super) fn split(self) -> [Zeroizing<[u8; HASH_LEN]>; 2] {
        hash::kdf(&self.chain, &[])
    }
}

/// Every key of a handshake seals one field, so the nonce is always zero.
fn cipher(key: &FieldKey) -> ChaCha20Poly1305 {
    ChaCha20Poly1305::new((&**key).into())
}
