//! Bytes on the network, no decisions: WireGuard messages, IP headers, keys, endpoints.
//!
//! Everything here reads or writes a slice that somebody else owns. A view of a message exists only
//! after its length and fixed fields were checked, so its accessors cannot fail.
//!
//! **Invariant:** nothing here allocates per packet, opens anything, reads a clock or keeps state
//! between two calls. Bytes that do not follow their format give `None`, never a panic.

#![forbid(unsafe_code)]

mod endpoint;
pub mod ip;
pub mod keys;
pub mod message;
pub mod punt;

pub use endpoint::{Endpoint, LocalAddr, SourceBytes, UdpPath, plain};
