//! Transport data (the paper, section 5.4.6): receiver and counter, then ciphertext and tag.

use std::ops::Range;

use super::TAG_LEN;

/// Length of what precedes the ciphertext, in bytes.
pub const DATA_HEADER_LEN: usize = 16;
/// What one packet grows by, padding aside: header and tag, in bytes.
pub const DATA_OVERHEAD: usize = DATA_HEADER_LEN + TAG_LEN;
/// Length of a data message with an empty plaintext, in bytes.
pub const KEEPALIVE_LEN: usize = DATA_OVERHEAD;

pub(super) const TYPE: [u8; 4] = [4, 0, 0, 0];
const RECEIVER: Range<usize> = 4..8;
const COUNTER: Range<usize> = 8..16;
const _: () = assert!(COUNTER.end == DATA_HEADER_LEN);

/// The clear part of a data message. It is not authenticated by itself: a wrong counter or receiver
/// shows only when the text does not open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DataHeader {
    /// The receiver's index of the session.
    pub receiver: u32,
    /// The nonce that the text was sealed with.
    pub counter: u64,
}

impl DataHeader {
    /// Reads the header of a datagram that [`super::classify`] calls data; `None` for every other.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        if super::classify(datagram) != super::Kind::Data {
            return None;
        }
        let receiver = u32::from_le_bytes(*super::field(datagram, RECEIVER));
        let counter = u64::from_le_bytes(*super::field(datagram, COUNTER));
        Some(Self { receiver, counter })
    }

    /// Writes type, receiver and counter.
    pub fn emit(self, out: &mut [u8; DATA_HEADER_LEN]) {
        out[..TYPE.len()].copy_from_slice(&TYPE);
        out[RECEIVER].copy_from_slice(&self.receiver.to_le_bytes());
        out[COUNTER].copy_from_slice(&self.counter.to_le_bytes());
    }
}
