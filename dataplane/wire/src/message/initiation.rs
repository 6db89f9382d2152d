//! The first message of a handshake (the paper, section 5.4.2).

use std::ops::Range;

use super::{MAC_LEN, TAG_LEN};
use crate::keys::KEY_LEN;

/// Length of an initiation, in bytes.
pub const INITIATION_LEN: usize = 148;

pub(super) const TYPE: [u8; 4] = [1, 0, 0, 0];

/// A checked view of an initiation.
#[derive(Clone, Copy, Debug)]
pub struct Initiation<'a>(&'a [u8; INITIATION_LEN]);

impl<'a> Initiation<'a> {
    /// Where the sender's index of the session to be lies.
    pub const SENDER: Range<usize> = 4..8;
    /// Where the ephemeral public key lies.
    pub const EPHEMERAL: Range<usize> = Self::SENDER.end..Self::SENDER.end + KEY_LEN;
    /// Where the sealed public key of the sender lies, with its tag.
    pub const STATIC: Range<usize> = Self::EPHEMERAL.end..Self::EPHEMERAL.end + KEY_LEN + TAG_LEN;
    /// Where the sealed TAI64N timestamp lies, with its tag.
    pub const TIMESTAMP: Range<usize> = Self::STATIC.end..Self::STATIC.end + 12 + TAG_LEN;
    /// Where the first MAC lies; it covers everything before it.
    pub const MAC1: Range<usize> = Self::TIMESTAMP.end..Self::TIMESTAMP.end + MAC_LEN;
    /// Where the second MAC lies; it covers everything before it.
    pub const MAC2: Range<usize> = Self::MAC1.end..Self::MAC1.end + MAC_LEN;

    /// Checks length, type and reserved bytes.
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let message: &[u8; INITIATION_LEN] = datagram.as_array()?;
        message.starts_with(&TYPE).then_some(Self(message))
    }

    /// The sender's index.
    #[must_use]
    pub fn sender(self) -> u32 {
        u32::from_le_bytes(*super::field(self.0, Self::SENDER))
    }

    /// The ephemeral public key.
    #[must_use]
    pub fn ephemeral(self) -> &'a [u8; KEY_LEN] {
        super::field(self.0, Self::EPHEMERAL)
    }

    /// The sender's static public key, sealed.
    #[must_use]
    pub fn sealed_static(self) -> &'a [u8; KEY_LEN + TAG_LEN] {
        super::field(self.0, Self::STATIC)
    }

    /// The TAI64N timestamp, sealed.
    #[must_use]
    pub fn sealed_timestamp(self) -> &'a [u8; 12 + TAG_LEN] {
        super::field(self.0, Self::TIMESTAMP)
    }

    /// The MAC keyed with the responder's public key.
    #[must_use]
    pub fn mac1(self) -> &'a [u8; MAC_LEN] {
        super::field(self.0, Self::MAC1)
    }

    /// The MAC keyed with a cookie, or zeros.
    #[must_use]
    pub fn mac2(self) -> &'a [u8; MAC_LEN] {
        super::field(self.0, Self::MAC2)
    }

    /// Writes a message whose two MACs are still zero.
    #[must_use]
    pub fn emit(
        sender: u32,
        ephemeral: &[u8; KEY_LEN],
        sealed_static: &[u8; KEY_LEN + TAG_LEN],
        sealed_timestamp: &[u8; 12 + TAG_LEN],
    ) -> [u8; INITIATION_LEN] {
        let mut out = [0; INITIATION_LEN];
        out[..TYPE.len()].copy_from_slice(&TYPE);
        out[Self::SENDER].copy_from_slice(&sender.to_le_bytes());
        out[Self::EPHEMERAL].copy_from_slice(ephemeral);
        out[Self::STATIC].copy_from_slice(sealed_static);
        out[Self::TIMESTAMP].copy_from_slice(sealed_timestamp);
        out
    }
}

const _: () = assert!(Initiation::MAC2.end == INITIATION_LEN);
