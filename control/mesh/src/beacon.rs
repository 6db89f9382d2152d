//! What devices and a beacon say to each other: one stream of framed messages inside TLS 1.3.
//!
//! ```text
//! beacon ── Greeting ──► device    its key signs the TLS channel; what the device's address looks like from there
//! device ── Hello ─────► beacon    its key signs the same channel; which circle, and why it belongs there
//! beacon ── Welcome ───► device    what it may do, where the log ends
//! device ── Request ───► beacon    answered in order, one Answer each; what was acknowledged is on the beacon's disk
//! beacon ── Push ──────► device    at any time: the log has grown, a parcel, a signal
//! ```
//!
//! A frame is a length of four bytes and as many bytes of message, at most [`FRAME_MAX`](crate::limits::FRAME_MAX).
//!
//! A beacon keeps a *box* for each circle that an admin brought to it: one log of sealed entries, the standing of each device
//! ([`roll`]), parcels, admissions. It is trusted by nobody. It cannot open an entry; it can leave entries out, show old ones or show
//! two devices different ones, which the records' own chains and the members' heads ([`crate::sync`]) find out.
//!
//! Both sides sign the channel itself (exported keying material, RFC 9266), so it does not matter whose certificate was shown:
//! somebody in between has two channels, and a signature over one says nothing in the other.
//!
//! **Invariant:** decoding takes no more memory than the frame is long, and takes exactly one encoding of each message.

pub mod hello;
pub mod message;
pub mod place;
pub mod refusal;
pub mod roll;

pub use hello::{Binding, Greeting, Hello, Who};
pub use message::{Answer, Page, Push, Request, Stored, ToDevice, Welcome};
pub use refusal::Refusal;
pub use roll::{Entry, Offer, Standing};

use crate::hash::Domain;
use crate::limits::FRAME_MAX;

/// The protocol's name in TLS (RFC 7301). A later version has another one.
pub const ALPN: &[u8] = b"ringmesh-beacon/1";
/// The label of the keying material that both sides sign.
pub const EXPORTER: &[u8] = b"EXPORTER-ringmesh-beacon";
/// The port of a beacon that names none, TCP and UDP: STUN's (RFC 8489, section 8.6).
pub const PORT: u16 = 3478;
/// Length of a frame's own length, in bytes.
pub const FRAME_HEADER_LEN: usize = 4;
/// How often a device says something, in seconds, so that NATs on the way keep the connection.
pub const PING_SECS: u64 = 25;
/// After how much silence, in seconds, either side takes the other for gone.
pub const SILENCE_SECS_MAX: u64 = 80;

const ENTRY: Domain = Domain("ringmesh 2026 entry of a beacon's log");

/// A frame: the length of `message`, and `message`.
///
/// # Panics
/// If the message is longer than a frame may be, which no message of this module is.
#[must_use]
pub fn frame(message: &[u8]) -> Vec<u8> {
    assert!(message.len() <= FRAME_MAX, "every message is bounded below this");
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&len.to_be_bytes(), message].concat()
}

/// The length in the header of a frame, if it is at most `max`.
#[must_use]
pub fn frame_len(header: [u8; FRAME_HEADER_LEN], max: usize) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(header)).ok().filter(|len| *len <= max)
}

/// What tells two entries of a log apart: the same bytes are stored once.
#[must_use]
pub fn entry_hash(sealed: &[u8]) -> [u8; 32] {
    ENTRY.hash(&[sealed])
}

#[cfg(test)]
mod tests;
