//! The answer of a responder under load (the paper, section 5.4.7).

use std::ops::Range;

use super::{MAC_LEN, TAG_LEN};

/// Length of a cookie reply, in bytes.
pub const COOKIE_REPLY_LEN: usize = 64;

pub(super) const TYPE: [u8; 4] = [3, 0, 0, 0];
/// Length of the XChaCha20-Poly1305 nonce, in bytes.
const NONCE_LEN: usize = 24;

/// A checked view of a cookie reply.
#[derive(Clone, Copy, Debug)]
pub struct CookieReply<'a>(&'a [u8; COOKIE_REPLY_LEN]);

impl<'a> CookieReply<'a> {
    /// Where the receiver's index lies, as its handshake message named it.
    pub const RECEIVER: Range<usize> = 4..8;
    /// Where the nonce lies.
    pub const NONCE: Range<usize> = Self::RECEIVER.end..Self::RECEIVER.end + NONCE_LEN;
    /// Where the sealed cookie lies, with its tag.
    pub const COOKIE: Range<usize> = Self::NONCE.end..Self::NONCE.end + MAC_LEN + TAG_LEN;

    /// Checks length, type and reserved bytes.
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let message: &[u8; COOKIE_REPLY_LEN] = datagram.as_array()?;
        message.starts_with(&TYPE).then_some(Self(message))
    }

    /// The receiver's index.
    #[must_use]
    pub fn receiver(self) -> u32 {
        u32::from_le_bytes(*super::field(self.0, Self::RECEIVER))
    }

    /// The nonce that the cookie was sealed with.
    #[must_use]
    pub fn nonce(self) -> &'a [u8; NONCE_LEN] {
        super::field(self.0, Self::NONCE)
    }

    /// The cookie, sealed.
    #[must_use]
    pub fn sealed_cookie(self) -> &'a [u8; MAC_LEN + TAG_LEN] {
        super::field(self.0, Self::COOKIE)
    }

    /// Writes a whole message.
    #[must_use]
    pub fn emit(
        receiver: u32,
        nonce: &[u8; NONCE_LEN],
        sealed_cookie: &[u8; MAC_LEN + TAG_LEN],
    ) -> [u8; COOKIE_REPLY_LEN] {
        let mut out = [0; COOKIE_REPLY_LEN];
        out[..TYPE.len()].copy_from_slice(&TYPE);
        out[Self::RECEIVER].copy_from_slice(&receiver.to_le_bytes());
        out[Self::NONCE].copy_from_slice(nonce);
        out[Self::COOKIE].copy_from_slice(sealed_cookie);
        out
    }
}

const _: () = assert!(CookieReply::COOKIE.end == COOKIE_REPLY_LEN);
