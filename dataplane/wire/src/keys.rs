//! Keys as types of their own, so that a public key cannot be given where a secret is meant.
//!
//! Text forms are those of the `wg` tool: base64 in configuration files, hexadecimal in the
//! cross-platform userspace interface.
//!
//! **Invariant:** a secret is never printed by `Debug`, is compared in constant time, and is wiped
//! when it is dropped.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Length of every key here, in bytes.
pub const KEY_LEN: usize = 32;

/// The text is no 32-byte key in the form that was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadKey;

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a key of 32 bytes")
    }
}

impl std::error::Error for BadKey {}

/// An X25519 public key: who a peer is.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PublicKey(pub [u8; KEY_LEN]);

impl PublicKey {
    /// Reads the 44 characters of standard base64 with padding.
    ///
    /// # Errors
    /// [`BadKey`] for anything else, also for surrounding space.
    pub fn from_base64(text: &str) -> Result<Self, BadKey> {
        bytes_from_base64(text).map(|bytes| Self(*bytes))
    }

    /// Reads 64 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`BadKey`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, BadKey> {
        bytes_from_hex(text).map(|bytes| Self(*bytes))
    }

    /// The key as 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An X25519 private key, clamped (RFC 7748, section 5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrivateKey(Secret);

impl PrivateKey {
    /// Clamps `bytes`. Only the key of all zeros stays what it is: it is how the `wg` tool says "no key".
    #[must_use]
    pub fn new(mut bytes: [u8; KEY_LEN]) -> Self {
        if bytes != [0; KEY_LEN] {
            bytes[0] &= 0b1111_1000;
            bytes[31] = bytes[31] & 0b0111_1111 | 0b0100_0000;
        }
        let key = Self(Secret(bytes));
        bytes.zeroize();
        key
    }

    /// Reads the 44 characters of standard base64 with padding.
    ///
    /// # Errors
    /// [`BadKey`] for anything else, also for surrounding space.
    pub fn from_base64(text: &str) -> Result<Self, BadKey> {
        bytes_from_base64(text).map(|bytes| Self::new(*bytes))
    }

    /// Reads 64 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`BadKey`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, BadKey> {
        bytes_from_hex(text).map(|bytes| Self::new(*bytes))
    }

    /// The bytes themselves. The caller answers for every copy that it makes.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0.0
    }

    /// Whether this is the key of all zeros, which means that there is none.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

/// The optional symmetric key of a pair of peers, mixed into the handshake (the paper, section 5.4.2).
///
/// Most pairs have none, and a device can have 100,000 peers; so the bytes lie in the heap, where there are any.
#[derive(Clone, Eq, PartialEq)]
pub struct PresharedKey(Option<Box<Secret>>);

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not even whether there is one.
        f.write_str("PresharedKey((secret))")
    }
}

impl PresharedKey {
    /// Takes the key as it is; all zeros means that the pair has none.
    #[must_use]
    pub fn new(mut bytes: [u8; KEY_LEN]) -> Self {
        let key = Some(Box::new(Secret(bytes))).filter(|key| !key.is_zero());
        bytes.zeroize();
        Self(key)
    }

    /// Reads the 44 characters of standard base64 with padding.
    ///
    /// # Errors
    /// [`BadKey`] for anything else, also for surrounding space.
    pub fn from_base64(text: &str) -> Result<Self, BadKey> {
        bytes_from_base64(text).map(|bytes| Self::new(*bytes))
    }

    /// Reads 64 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`BadKey`] for anything else.
    pub fn from_hex(text: &str) -> Result<Self, BadKey> {
        bytes_from_hex(text).map(|bytes| Self::new(*bytes))
    }

    /// The bytes themselves. The caller answers for every copy that it makes.
    #[must_use]
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        self.0.as_ref().map_or(&[0; KEY_LEN], |key| &key.0)
    }

    /// Whether this is the key of all zeros, which means that there is none.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_none()
    }
}

/// What the two kinds of secret keys have in common.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Secret([u8; KEY_LEN]);

impl Secret {
    fn is_zero(&self) -> bool {
        self.0.ct_eq(&[0; KEY_LEN]).into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

fn bytes_from_hex(text: &str) -> Result<Zeroizing<[u8; KEY_LEN]>, BadKey> {
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    hex::decode_to_slice(text, &mut *bytes).map_err(|_| BadKey)?;
    Ok(bytes)
}

fn bytes_from_base64(text: &str) -> Result<Zeroizing<[u8; KEY_LEN]>, BadKey> {
    // The decoder wants room for whole groups of three bytes.
    let mut room = Zeroizing::new([0; KEY_LEN + 1]);
    let len = STANDARD.decode_slice(text, &mut *room).map_err(|_| BadKey)?;
    let mut bytes = Zeroizing::new([0; KEY_LEN]);
    if len != KEY_LEN {
        return Err(BadKey);
    }
    bytes.copy_from_slice(&room[..KEY_LEN]);
    Ok(bytes)
}

#[cfg(test)]
mod tests;
