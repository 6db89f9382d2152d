//! The second message of a handshake (the paper, section 5.4.3).

use std::ops::Range;

use super::{MAC_LEN, TAG_LEN};
use crate::keys::KEY_LEN;

/// Length of a response, in bytes.
pub const RESPONSE_LEN: usize = 92;

pub(super) const TYPE: [u8; 4] = [2, 0, 0, 0];

/// A checked view of a response.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a>(&'a [u8; RESPONSE_LEN]);

impl<'a> Response<'a> {
    /// Where the sender's index of the session to be lies.
    pub const SENDER: Range<usize> = 4..8;
    /// Where the receiver's index lies, as its initiation named it.
    pub const RECEIVER: Range<usize> = 8..12;
    /// Where the ephemeral public key lies.
    pub const EPHEMERAL: Range<usize> = Self::RECEIVER.end..Self::RECEIVER.end + KEY_LEN;
    /// Where the tag of the sealed nothing lies.
    pub const EMPTY: Range<usize> = Self::EPHEMERAL.end..Self::EPHEMERAL.end + TAG_LEN;
    /// Where the first MAC lies; it covers everything before it.
    pub const MAC1: Range<usize> = Self::EMPTY.end..Self::EMPTY.end + MAC_LEN;
    /// Where the second MAC lies; it covers everything before it.
    pub const MAC2: Range<usize> = Self::MAC1.end..Self::MAC1.end + MAC_LEN;

    /// Checks length, type and reserved bytes.
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let message: &[u8; RESPONSE_LEN] = datagram.as_array()?;
        message.starts_with(&TYPE).then_some(Self(message))
    }

    /// The sender's index.
    #[must_use]
    pub fn sender(self) -> u32 {
        u32::from_le_bytes(*super::field(self.0, Self::SENDER))
    }

    /// The receiver's index.
    #[must_use]
    pub fn receiver(self) -> u32 {
        u32::from_le_bytes(*super::field(self.0, Self::RECEIVER))
    }

    /// The ephemeral public key.
    #[must_use]
    pub fn ephemeral(self) -> &'a [u8; KEY_LEN] {
        super::field(self.0, Self::EPHEMERAL)
    }

    /// The tag of an empty plaintext: proof that the sender has the key.
    #[must_use]
    pub fn sealed_empty(self) -> &'a [u8; TAG_LEN] {
        super::field(self.0, Self::EMPTY)
    }

    /// The MAC keyed with the initiator's public key.
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
        receiver: u32,
        ephemeral: &[u8; KEY_LEN],
        sealed_empty: &[u8; TAG_LEN],
    ) -> [u8; RESPONSE_LEN] {
        let mut out = [0; RESPONSE_LEN];
        out[..TYPE.len()].copy_from_slice(&TYPE);
        out[Self::SENDER].copy_from_slice(&sender.to_le_bytes());
        out[Self::RECEIVER].copy_from_slice(&receiver.to_le_bytes());
        out[Self::EPHEMERAL].copy_from_slice(ephemeral);
        out[Self::EMPTY].copy_from_slice(sealed_empty);
        out
    }
}

const _: () = assert!(Response::MAC2.end == RESPONSE_LEN);
