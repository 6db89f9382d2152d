//! Who signs: the device's signing key, the public keys that follow, and the circle's id.
//!
//! A device *is* its Ed25519 key. The WireGuard key beside it can be rotated, and the name changed,
//! without moving anything; the signing key cannot.
//!
//! **Invariant:** a signing key is wiped when dropped and never printed.

use std::fmt;

use ed25519_dalek::Signer as _;

use crate::limits::SIGNATURE_LEN;

/// Length of every public key and of the circle's id, in bytes.
pub const KEY_LEN: usize = 32;

macro_rules! public_bytes {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(pub [u8; KEY_LEN]);

        impl $name {
            /// Reads 64 hexadecimal digits of either case.
            #[must_use]
            pub fn from_hex(text: &str) -> Option<Self> {
                let mut bytes = [0; KEY_LEN];
                hex::decode_to_slice(text, &mut bytes).ok().map(|()| Self(bytes))
            }

            /// The first ten hexadecimal digits: enough for people to tell two apart, never a proof.
            #[must_use]
            pub fn short(&self) -> String {
                hex::encode(&self.0[..5])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }
    };
}

public_bytes! {
    /// The Ed25519 public key of a device, or of the recovery key: whoever may be the author of records.
    DeviceId
}
public_bytes! {
    /// The Ed25519 public key of a beacon, pinned by invites. It signs receipts and nothing else.
    BeaconId
}
public_bytes! {
    /// The Ed25519 public key of an invite. Whoever holds the invite's code holds the private half.
    UseId
}
public_bytes! {
    /// A circle: the hash of its first record. So it pins founder, recovery key, name and address block.
    CircleId
}
public_bytes! {
    /// The hash of a record, without its signature. Names a record wherever one is meant.
    RecordHash
}

impl RecordHash {
    /// What the first record of a chain names as its predecessor.
    pub const NONE: Self = Self([0; KEY_LEN]);
}

/// An Ed25519 private key: a device's, a recovery key, an invite's or a beacon's.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of a seed (RFC 8032, section 5.1.5). 32 bytes of true randomness make it secret.
    #[must_use]
    pub fn from_seed(seed: &[u8; KEY_LEN]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The seed, to be stored. The caller answers for every copy that it makes.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        self.0.as_bytes()
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> [u8; KEY_LEN] {
        self.0.verifying_key().to_bytes()
    }

    /// The public half of a device's or recovery key.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        DeviceId(self.public())
    }

    /// The public half of a beacon's key.
    #[must_use]
    pub fn beacon(&self) -> BeaconId {
        BeaconId(self.public())
    }

    /// The public half of an invite's key.
    #[must_use]
    pub fn invite(&self) -> UseId {
        UseId(self.public())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

#[cfg(test)]
mod tests;
