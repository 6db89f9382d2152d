//! Datagrams that are not WireGuard, on their way between the data plane's sockets and control.
//!
//! STUN and ChannelData arrive on the socket that carries the tunnel, since a punched hole is good for one socket only. The
//! data plane *punts* them to control through one ring; control *injects* its answers through another. Both use this slot:
//! length (8 bytes), endpoint (64 bytes), payload.
//!
//! **Invariant:** a datagram that does not fit is dropped whole and counted by its caller, never cut.

use crate::endpoint::ENDPOINT_LEN;
use crate::ring::Slot;
use crate::{Claim, Endpoint, Refused};

/// Longest payload in bytes: more than any STUN message that fits into one unfragmented datagram.
pub const DATAGRAM_MAX: usize = 1_600;

const ENDPOINT_WORD: usize = 1;
const PAYLOAD_WORD: usize = ENDPOINT_WORD + ENDPOINT_LEN / 8;

/// Words of a punt or inject slot.
pub(crate) const DATAGRAM_WORDS: usize = PAYLOAD_WORD + DATAGRAM_MAX / 8;
const _: () = assert!(DATAGRAM_MAX.is_multiple_of(8));

/// A datagram that came from, or shall go to, `endpoint`.
#[derive(Clone)]
pub struct Datagram {
    /// Where it came from, or where it shall go.
    pub endpoint: Endpoint,
    len: usize,
    bytes: [u8; DATAGRAM_MAX],
}

impl Datagram {
    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Copies a slot out and checks it.
    pub(crate) fn read(slot: Slot<'_>) -> Result<Self, Refused> {
        let mut head = [0; 8];
        slot.read(0, &mut head);
        let len = Claim::new(u64::from_le_bytes(head)).at_most(DATAGRAM_MAX as u64, "datagram length")?;
        let mut endpoint = [0; ENDPOINT_LEN];
        slot.read(ENDPOINT_WORD, &mut endpoint);
        let mut datagram =
            Self { endpoint: Endpoint::decode(&endpoint)?, len: len as usize, bytes: [0; DATAGRAM_MAX] };
        slot.read(PAYLOAD_WORD, &mut datagram.bytes[..len as usize]);
        Ok(datagram)
    }

    /// Writes a slot; `payload` is at most [`DATAGRAM_MAX`] long.
    pub(crate) fn write(slot: Slot<'_>, endpoint: &Endpoint, payload: &[u8]) {
        slot.write(0, &(payload.len() as u64).to_le_bytes());
        slot.write(ENDPOINT_WORD, &endpoint.encode());
        slot.write(PAYLOAD_WORD, payload);
    }
}

impl core::fmt::Debug for Datagram {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Datagram").field("endpoint", &self.endpoint).field("len", &self.len).finish()
    }
}

#[cfg(test)]
mod tests;
