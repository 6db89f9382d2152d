//! The kernel edge of one worker: io_uring, TUN, UDP, segment offload. Knows no WireGuard.
//!
//! A worker asks for everything through one trait, [`Port`]; [`UringPort`] answers it with the kernel, [`sim`] in
//! memory. [`Split`] and [`Joiner`] are pure.
//!
//! **Invariant:** what a packet means is nobody's business here: bytes are named by [`Span`]s and counted, never read
//! beyond IP, TCP and UDP headers.

mod address;
mod buffers;
pub mod checksum;
pub mod clock;
mod cmsg;
mod crowd;
mod headers;
mod inbox;
mod join;
mod limits;
mod memory;
mod outbox;
#[cfg(test)]
mod packets;
mod port;
pub mod probe;
mod ring;
pub mod sim;
mod single;
mod slots;
mod source;
mod span;
mod split;
pub mod steer;
mod token;
mod tun;
mod udp;
mod uring;
mod vnet;
mod wake;

pub use inbox::{Arrived, Inbox};
pub use join::Joiner;
pub use limits::{BUFFERS_MAX, Limits, SLOTS_MAX, SOCKETS_MAX, Without};
pub use port::{
    BufId, DATAGRAM_MAX, Destination, Event, Fallback, Features, PIECES_MAX, Port, Queue, SEGMENTS_MAX,
    SLOT_LEN, SlotId,
};
pub use single::send_to;
pub use span::Span;
pub use split::{HEAD_MAX, Split, SplitError};
pub use uring::{Offloads, PortFds, Prepared, UringPort};
pub use vnet::{Gso, VnetHdr};
