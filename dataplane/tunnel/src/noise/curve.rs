//! X25519 (RFC 7748): the one operation that makes a handshake expensive.
//!
//! AWS-LC's formally verified assembly computes it in less than half the time of the portable crate, which judges it in the
//! tests.
//!
//! **Invariant:** a shared secret of zero never leaves this module, and private keys are wiped when they are dropped (by
//! AWS-LC, which wipes all memory that it frees).

use std::fmt;

use aws_lc_rs::agreement::{self, UnparsedPublicKey, X25519};
use ringmesh_wire::keys::PublicKey;
use zeroize::Zeroizing;

use super::{Refused, Shared};

/// A private key, ready to compute with.
pub(crate) struct Scalar {
    key: agreement::PrivateKey,
    public: PublicKey,
}

impl Scalar {
    pub(crate) fn new(bytes: &[u8; 32]) -> Self {
        let key = agreement::PrivateKey::from_private_key(&X25519, bytes);
        let key = key.expect("any 32 bytes are a private key of X25519");
        let public = key.compute_public_key().expect("any private key has a public one");
        let mut bytes = [0; 32];
        bytes.copy_from_slice(public.as_ref());
        Self { key, public: PublicKey(bytes) }
    }

    pub(crate) const fn public(&self) -> PublicKey {
        self.public
    }

    /// The secret shared with the owner of a public key; a result of zero is refused.
    pub(crate) fn shared(&self, public: &[u8; 32]) -> Result<Shared, Refused> {
        let theirs = UnparsedPublicKey::new(&X25519, public);
        // AWS-LC refuses a zero itself, and nothing else of 32 bytes.
        agreement::agree(&self.key, theirs, Refused::ZeroShared, |secret| {
            let mut shared = Zeroizing::new([0; 32]);
            shared.copy_from_slice(secret);
            Ok(shared)
        })
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalar(secret)")
    }
}

#[cfg(test)]
mod tests;
