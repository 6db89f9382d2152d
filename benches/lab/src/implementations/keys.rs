//! Keys for experiments: made anew for each, kept in memory only.

use crate::{Error, Result};
use x25519_dalek::{PublicKey, StaticSecret};

/// A static key pair of WireGuard (X25519).
#[derive(Clone)]
pub struct Keypair {
    secret: StaticSecret,
    public: PublicKey,
}

impl Keypair {
    /// A new pair.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self> {
        let secret = StaticSecret::from(random_key()?);
        let public = PublicKey::from(&secret);
        Ok(Self { secret, public })
    }

    /// The private half.
    pub fn private(&self) -> [u8; 32] {
        self.secret.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        self.public.to_bytes()
    }
}

impl std::fmt::Debug for Keypair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Keypair").field(&hex::encode(self.public())).finish()
    }
}

/// 32 random bytes, for a pre-shared key or a peer that is nobody.
///
/// # Errors
/// When the system has no randomness.
pub fn random_key() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::Needs(format!("no randomness: {error}")))?;
    Ok(bytes)
}
