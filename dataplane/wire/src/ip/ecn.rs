//! Congestion marks across a tunnel (RFC 6040, normal mode).
//!
//! A router inside the path can mark only the outer header, so the mark has to come in with the packet;
//! and what the sender inside allows (ECT) has to go out with it.

/// The ECN field: the lower two bits of type of service or traffic class.
const MASK: u8 = 0b11;
const NOT_ECT: u8 = 0b00;
const ECT_1: u8 = 0b01;
/// Congestion experienced.
pub const CE: u8 = 0b11;

/// The outer type of service for a packet: the inner ECN field and no DSCP (RFC 6040, section 4.1).
#[must_use]
pub fn on_encapsulate(inner_tos: u8) -> u8 {
    inner_tos & MASK
}

/// What becomes of a packet that leaves the tunnel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decap {
    /// The inner header stays as it is.
    Keep,
    /// The inner type of service becomes this; its DSCP is unchanged.
    Set(u8),
    /// Congestion was signalled to a sender that could not hear of it: the loss of the packet is the signal.
    Drop,
}

/// The table of RFC 6040, section 4.2, figure 4.
#[must_use]
pub fn on_decapsulate(outer_tos: u8, inner_tos: u8) -> Decap {
    let ecn = match (inner_tos & MASK, outer_tos & MASK) {
        (NOT_ECT, CE) => return Decap::Drop,
        (NOT_ECT | CE, _) => return Decap::Keep,
        (_, outer @ (ECT_1 | CE)) => outer,
        (_, _) => return Decap::Keep,
    };
    let tos = inner_tos & !MASK | ecn;
    if tos == inner_tos { Decap::Keep } else { Decap::Set(tos) }
}

#[cfg(test)]
mod tests;
