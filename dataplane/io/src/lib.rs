//! The kernel edge of one worker: io_uring, TUN, UDP, segment offload. Knows no WireGuard.

pub mod checksum;
mod port;
mod span;
mod vnet;

pub use port::{
    BufId, DATAGRAM_MAX, Destination, Event, Fallback, Features, PIECES_MAX, Port, SEGMENTS_MAX, SLOT_LEN,
    SlotId,
};
pub use span::Span;
pub use vnet::{Gso, VnetHdr};
