//! WireGuard's four messages (the paper, section 5.4): what a datagram is, and where its fields lie.
//!
//! Every message starts with a type byte and three reserved bytes of zero; all numbers are little
//! endian. The lengths are fixed but for data, so telling messages apart costs one load and one
//! comparison. No STUN or ChannelData message can be taken for one: a STUN message that starts like
//! this would have a length field of zero and thus 20 bytes, and ChannelData starts with 0x40 to 0x4F.
//!
//! **Invariant:** nothing here decides whether a message is honest, only whether it has the shape.

mod cookie_reply;
mod data;
mod initiation;
mod response;

pub use cookie_reply::{COOKIE_REPLY_LEN, CookieReply};
pub use data::{DATA_HEADER_LEN, DATA_OVERHEAD, DataHeader, KEEPALIVE_LEN};
pub use initiation::{INITIATION_LEN, Initiation};
pub use response::{RESPONSE_LEN, Response};

/// Length of a Poly1305 tag, in bytes.
pub const TAG_LEN: usize = 16;
/// Length of each of the two MACs at the end of a handshake message, in bytes.
pub const MAC_LEN: usize = 16;
/// Plaintext is padded with zeros to a multiple of this many bytes, but never above the MTU: so the length of a
/// data message tells nothing about its form (the paper, section 5.4.6).
pub const PADDING: usize = 16;

/// What a datagram is by its shape.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    /// First message of a handshake.
    Initiation,
    /// Second message of a handshake.
    Response,
    /// The answer of a responder under load.
    CookieReply,
    /// Encrypted traffic; a keepalive is one without any.
    Data,
    /// No well-formed WireGuard message: STUN, ChannelData or junk.
    Other,
}

/// Tells what `datagram` is: the type, the reserved bytes and the length must all fit. Data may
/// have any length from that of a keepalive on.
#[must_use]
pub fn classify(datagram: &[u8]) -> Kind {
    match (datagram.first_chunk(), datagram.len()) {
        (Some(&data::TYPE), len) if len >= DATA_OVERHEAD => Kind::Data,
        (Some(&initiation::TYPE), INITIATION_LEN) => Kind::Initiation,
        (Some(&response::TYPE), RESPONSE_LEN) => Kind::Response,
        (Some(&cookie_reply::TYPE), COOKIE_REPLY_LEN) => Kind::CookieReply,
        _ => Kind::Other,
    }
}

/// The bytes of a field whose range lies inside the message, as an array.
fn field<const LEN: usize>(message: &[u8], at: std::ops::Range<usize>) -> &[u8; LEN] {
    message[at].as_array().expect("field ranges are constants of the right length")
}

#[cfg(test)]
mod tests;
