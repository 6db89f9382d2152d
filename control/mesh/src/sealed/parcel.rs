//! The circle key on its way to a member, and the ring of keys that a member has.
//!
//! Whoever removes a device draws a new key and sends it to everybody who is left, each in a *parcel* of its own: sealed to the
//! member's WireGuard key by an ephemeral X25519 key, and signed by the sender, who must be a member that is no guest. A joiner is
//! sent the key by whoever witnesses it. A parcel says how many removals its author knew of; the key of the most removals is
//! the one to seal with, older ones only open what was sealed before. Two admins who remove at the same moment make
//! two keys; as soon as one of them knows both removals it draws a third ([`KeyRing::is_stale`]).
//!
//! ```text
//! version 1 │ circle 32 │ from 32 │ to 32 │ ephemeral 32 │ removals 4 │ sealed key 32+16 │ signature 64
//! ```

use std::collections::BTreeMap;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use ringmesh_wire::keys::{PrivateKey, PublicKey};
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::{KeyId, SealKey, TAG_LEN};
use crate::codec::{Malformed, Reader, Writer};
use crate::hash::Domain;
use crate::identity::{CircleId, DeviceId, SigningKey};
use crate::record::Role;
use crate::roster::Roster;
use crate::signature;

const VERSION: u8 = 1;
const SIGNED: &[u8] = b"ringmesh parcel v1\0";
const SHARED: Domain = Domain("ringmesh 2026 key of a parcel");
/// Length of a parcel, in bytes.
pub const PARCEL_LEN: usize = 1 + 4 * 32 + 4 + 32 + TAG_LEN + 64;
/// Keys that are kept to open what was sealed before.
pub const KEYS_MAX: usize = 64;

/// The public key of a WireGuard private key.
#[must_use]
pub fn public_of(private: &PrivateKey) -> PublicKey {
    PublicKey(x25519_dalek::PublicKey::from(&StaticSecret::from(*private.expose())).to_bytes())
}

/// A circle key, sealed to one member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parcel {
    circle: CircleId,
    from: DeviceId,
    to: PublicKey,
    ephemeral: PublicKey,
    removals: u32,
    sealed: [u8; 32 + TAG_LEN],
    signature: [u8; 64],
}

/// Why a parcel was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadParcel {
    /// It is for somebody else.
    #[error("the parcel is for another device")]
    NotForUs,
    /// Its sender may not hand out keys.
    #[error("the parcel is from somebody who is no own device of the circle")]
    Sender,
    /// Seal or signature does not hold.
    #[error("the parcel is forged")]
    Forged,
}

impl Parcel {
    /// Seals a circle key to a member. `ephemeral` is 32 random bytes, drawn for this parcel alone. None if the member's key
    /// is no key.
    #[must_use]
    pub fn seal(
        key: &SealKey,
        removals: u32,
        sender: &SigningKey,
        to: &PublicKey,
        ephemeral: [u8; 32],
    ) -> Option<Self> {
        let secret = StaticSecret::from(ephemeral);
        let public = PublicKey(x25519_dalek::PublicKey::from(&secret).to_bytes());
        let from = sender.device();
        let mut parcel = Self {
            circle: key.circle,
            from,
            to: *to,
            ephemeral: public,
            removals,
            sealed: [0; 32 + TAG_LEN],
            signature: [0; 64],
        };
        let cipher = parcel.cipher(&secret, to)?;
        let payload = Payload { msg: key.expose(), aad: &parcel.header() };
        let sealed = cipher.encrypt(&Nonce::default(), payload).ok()?;
        parcel.sealed = sealed.try_into().ok()?;
        parcel.signature = sender.sign(&parcel.message());
        Some(parcel)
    }

    /// Opens a parcel that is for us.
    ///
    /// # Errors
    /// [`BadParcel`] unless the sender is an own device by `roster` (a joiner that has no roster yet gives the inviter's or
    /// witness's key as [`Sender::Pinned`]) and everything holds.
    pub fn open(&self, private: &PrivateKey, sender: Sender<'_>) -> Result<(SealKey, u32), BadParcel> {
        if self.to != public_of(private) {
            return Err(BadParcel::NotForUs);
        }
        if !sender.may(self) {
            return Err(BadParcel::Sender);
        }
        if !signature::verify_one(&self.from.0, &self.message(), &self.signature) {
            return Err(BadParcel::Forged);
        }
        let secret = StaticSecret::from(*private.expose());
        let cipher = self.cipher(&secret, &self.ephemeral).ok_or(BadParcel::Forged)?;
        let payload = Payload { msg: &self.sealed, aad: &self.header() };
        let opened = cipher.decrypt(&Nonce::default(), payload).map_err(|_| BadParcel::Forged)?;
        let opened = Zeroizing::new(opened);
        let key = opened.as_slice().try_into().map_err(|_| BadParcel::Forged)?;
        Ok((SealKey::new(self.circle, key), self.removals))
    }

    /// Whose key is in it, as far as one may believe an unopened parcel.
    #[must_use]
    pub fn from(&self) -> DeviceId {
        self.from
    }

    /// To whom it is sealed.
    #[must_use]
    pub fn to(&self) -> PublicKey {
        self.to
    }

    /// The encoding, [`PARCEL_LEN`] bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.header();
        let mut writer = Writer(&mut out);
        writer.bytes(&self.sealed);
        writer.bytes(&self.signature);
        out
    }

    /// Reads a parcel.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the encoding of one.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        if from.u8("version")? != VERSION {
            return Err(Malformed("version"));
        }
        let parcel = Self {
            circle: CircleId(from.array("circle")?),
            from: DeviceId(from.array("sender")?),
            to: PublicKey(from.array("receiver")?),
            ephemeral: PublicKey(from.array("ephemeral key")?),
            removals: u32::from_be_bytes(from.array("removals")?),
            sealed: from.array("sealed key")?,
            signature: from.array("signature")?,
        };
        from.end("parcel")?;
        Ok(parcel)
    }

    fn header(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PARCEL_LEN);
        let mut writer = Writer(&mut out);
        writer.u8(VERSION);
        for field in [self.circle.0, self.from.0, self.to.0, self.ephemeral.0] {
            writer.bytes(&field);
        }
        writer.bytes(&self.removals.to_be_bytes());
        out
    }

    fn message(&self) -> Vec<u8> {
        [SIGNED, &self.header(), &self.sealed].concat()
    }

    /// The cipher of the pair of an ephemeral and a static key. Each key seals one message, so the nonce is zero.
    fn cipher(&self, secret: &StaticSecret, public: &PublicKey) -> Option<ChaCha20Poly1305> {
        let shared = secret.diffie_hellman(&x25519_dalek::PublicKey::from(public.0));
        // A public key of low order makes a secret that everybody knows.
        if !shared.was_contributory() {
            return None;
        }
        let key = Zeroizing::new(SHARED.hash(&[shared.as_bytes(), &self.header()]));
        Some(ChaCha20Poly1305::new((&*key).into()))
    }
}

/// From whom a parcel is taken.
#[derive(Clone, Copy, Debug)]
pub enum Sender<'a> {
    /// Any own device of the circle.
    Member(&'a Roster),
    /// One device, in one circle: what a joiner knows from the code.
    Pinned(CircleId, DeviceId),
}

impl Sender<'_> {
    fn may(self, parcel: &Parcel) -> bool {
        match self {
            Self::Member(roster) => {
                let sender = roster.members.get(&parcel.from);
                parcel.circle == roster.circle && sender.is_some_and(|sender| sender.role != Role::Guest)
            }
            Self::Pinned(circle, device) => parcel.circle == circle && parcel.from == device,
        }
    }
}

/// The circle keys that a device has: one to seal with, all to open with.
#[derive(Clone, Debug, Default)]
pub struct KeyRing {
    keys: BTreeMap<(u32, KeyId), SealKey>,
}

impl KeyRing {
    /// Takes a key in; of more than [`KEYS_MAX`] the oldest goes. True if it was new.
    pub fn put(&mut self, key: SealKey, removals: u32) -> bool {
        let new = self.keys.insert((removals, key.id()), key).is_none();
        if self.keys.len() > KEYS_MAX {
            self.keys.pop_first();
        }
        new
    }

    /// The key to seal with now, and how many removals it knows of.
    #[must_use]
    pub fn current(&self) -> Option<(&SealKey, u32)> {
        self.keys.last_key_value().map(|((removals, _), key)| (key, *removals))
    }

    /// The key with this id.
    #[must_use]
    pub fn get(&self, id: &KeyId) -> Option<&SealKey> {
        self.keys.values().find(|key| key.id() == *id)
    }

    /// All keys with their number of removals, to be stored.
    pub fn iter(&self) -> impl Iterator<Item = (&SealKey, u32)> {
        self.keys.iter().map(|((removals, _), key)| (key, *removals))
    }

    /// Whether somebody was removed whom the current key is known to: an admin then draws a new one and sends it to all members.
    #[must_use]
    pub fn is_stale(&self, roster: &Roster) -> bool {
        self.current().is_none_or(|(_, removals)| (removals as usize) < roster.former.len())
    }
}

#[cfg(test)]
mod tests;
