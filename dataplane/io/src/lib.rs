//! The kernel edge of one worker: io_uring, TUN, UDP, segment offload. Knows no WireGuard.

pub mod checksum;
mod headers;
mod join;
#[cfg(test)]
mod packets;
mod port;
mod span;
mod split;
mod vnet;

pub use join::Joiner;
pub use port::{
    BufId, DATAGRAM_MAX, Destination, Event, Fallback, Features, PIECES_MAX, Port, SEGMENTS_MAX, SLOT_LEN,
    SlotId,
};
pub use span::Span;
pub use split::{HEAD_MAX, Split, SplitError};
pub use vnet::{Gso, VnetHdr};
