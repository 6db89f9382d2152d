//! The kernel edge of one worker: io_uring, TUN, UDP, segment offload. Knows no WireGuard.

pub mod checksum;
mod span;
mod vnet;

pub use span::Span;
pub use vnet::{Gso, VnetHdr};
