//! What leaves a device, sealed: so that a beacon, or whoever listens on the LAN, learns no more than sizes and times.
//!
//! ```text
//! version 1 │ purpose 1 │ key id 8 │ nonce 24 │ XChaCha20-Poly1305 of the content, tag 16
//! ```
//!
//! Two kinds of keys seal: the *circle key*, which all members have and which changes with every removal, and an
//! invite's *room key*, which members and the invite's holders have. How the circle key comes to a member is [`parcel`]'s; what is
//! said with it are records ([`crate::sync`]), announcements on the LAN and signals ([`signal`]).
//!
//! **Invariant:** everything before the content is authenticated with it, so no message can be taken for one of
//! another purpose or circle.

pub mod parcel;
pub mod signal;

use std::fmt;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::codec::{Malformed, Reader, Writer};
use crate::hash::Domain;
use crate::identity::CircleId;
use crate::limits::SEALED_MAX;

const VERSION: u8 = 1;
const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;
const KEY_ID_LEN: usize = 8;
const HEADER_LEN: usize = 2 + KEY_ID_LEN + NONCE_LEN;
/// What sealing adds to a content, in bytes.
pub const OVERHEAD: usize = HEADER_LEN + TAG_LEN;

const KEY_ID: Domain = Domain("ringmesh 2026 id of a sealing key");
const SUBKEY: Domain = Domain("ringmesh 2026 sealing key of a purpose");

/// What a sealed message is for. Each purpose has a key of its own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Purpose {
    /// Records in a beacon's mailbox.
    Records = 1,
    /// A joiner's first records, and the answers to it.
    Room = 2,
    /// Multicast on the LAN.
    Announcement = 3,
    /// Where a device can be reached, through a beacon.
    Signal = 4,
}

impl Purpose {
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match from.u8("purpose")? {
            1 => Self::Records,
            2 => Self::Room,
            3 => Self::Announcement,
            4 => Self::Signal,
            _ => return Err(Malformed("purpose")),
        })
    }
}

/// Which key a message was sealed with: tells nothing about the key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyId(pub [u8; KEY_ID_LEN]);

/// A key that seals: a circle key or a room key.
#[derive(Clone, Eq, PartialEq)]
pub struct SealKey {
    circle: CircleId,
    key: Zeroizing<[u8; 32]>,
    id: KeyId,
}

/// Why a sealed message could not be opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CannotOpen {
    /// It is no sealed message, or of another version.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It was sealed with another key.
    #[error("sealed with a key that this device does not have")]
    OtherKey(KeyId),
    /// It was sealed for another purpose.
    #[error("sealed for another purpose")]
    OtherPurpose,
    /// It was changed, or is a forgery.
    #[error("the seal does not hold")]
    Forged,
}

impl SealKey {
    /// A key of 32 random bytes, or an invite's room key.
    #[must_use]
    pub fn new(circle: CircleId, key: [u8; 32]) -> Self {
        let id = KEY_ID.hash(&[&circle.0, &key]);
        Self { circle, key: Zeroizing::new(key), id: KeyId(id[..KEY_ID_LEN].try_into().unwrap_or_default()) }
    }

    /// Which key it is.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key itself, to be stored. The caller answers for every copy that it makes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.key
    }

    /// Seals `content`. `nonce` is random; 24 bytes are enough for that to never repeat.
    ///
    /// # Panics
    /// If the content is longer than what may be opened again ([`SEALED_MAX`]).
    #[must_use]
    pub fn seal(&self, purpose: Purpose, nonce: [u8; NONCE_LEN], content: &[u8]) -> Vec<u8> {
        assert!(content.len() + OVERHEAD <= SEALED_MAX, "every kind of content is bounded below this");
        let mut out = Vec::with_capacity(content.len() + OVERHEAD);
        let mut writer = Writer(&mut out);
        writer.u8(VERSION);
        writer.u8(purpose as u8);
        writer.bytes(&self.id.0);
        writer.bytes(&nonce);
        let payload = Payload { msg: content, aad: &out };
        let sealed = self.cipher(purpose).encrypt(&XNonce::from(nonce), payload);
        out.extend_from_slice(&sealed.expect("the content is far shorter than the cipher's limit"));
        out
    }

    /// Opens what was sealed with this key for this purpose.
    ///
    /// # Errors
    /// [`CannotOpen`] for anything else.
    pub fn open(&self, purpose: Purpose, sealed: &[u8]) -> Result<Vec<u8>, CannotOpen> {
        let header = Header::read(sealed)?;
        if header.key != self.id {
            return Err(CannotOpen::OtherKey(header.key));
        }
        if header.purpose != purpose {
            return Err(CannotOpen::OtherPurpose);
        }
        let (aad, msg) = sealed.split_at(HEADER_LEN);
        self.cipher(purpose)
            .decrypt(&XNonce::from(header.nonce), Payload { msg, aad })
            .map_err(|_| CannotOpen::Forged)
    }

    fn cipher(&self, purpose: Purpose) -> XChaCha20Poly1305 {
        let key = Zeroizing::new(SUBKEY.hash(&[&self.circle.0, &*self.key, &[purpose as u8]]));
        XChaCha20Poly1305::new((&*key).into())
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({}, secret)", hex::encode(self.id.0))
    }
}

/// What anybody can read of a sealed message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// What it is for.
    pub purpose: Purpose,
    /// Which key sealed it.
    pub key: KeyId,
    nonce: [u8; NONCE_LEN],
}

impl Header {
    /// Reads the header of a sealed message, without opening it.
    ///
    /// # Errors
    /// [`Malformed`] for what is no sealed message of this version.
    pub fn read(sealed: &[u8]) -> Result<Self, Malformed> {
        if !(OVERHEAD..=SEALED_MAX).contains(&sealed.len()) {
            return Err(Malformed("length"));
        }
        let mut from = Reader::new(sealed);
        if from.u8("version")? != VERSION {
            return Err(Malformed("version"));
        }
        let purpose = Purpose::read(&mut from)?;
        Ok(Self { purpose, key: KeyId(from.array("key")?), nonce: from.array("nonce")? })
    }
}

#[cfg(test)]
mod tests;
