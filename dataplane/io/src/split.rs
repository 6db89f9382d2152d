//! Splitting: a super-packet from the TUN queue becomes the segments that travel.
//!
//! The kernel hands over up to 64 KiB of one TCP or UDP flow under one set of headers, with the checksum
//! left open. [`Split`] checks that once and then gives each segment as a fresh head and a stretch of the
//! payload where it lies, so that sealing is the first and only copy of it. What does not change between
//! segments is summed once for all of them.
//!
//! Segments are those that the kernel's own software segmentation would make (`tcp_gso_segment`,
//! `__udp_gso_segment`, `inet_gso_segment`), bit for bit.
//!
//! **Invariant:** nothing is trusted because the kernel said it. Every offset has been checked against the
//! packet before the first segment is made, so making them cannot fail.
#![forbid(unsafe_code)]

mod segments;

use self::segments::Segments;
use crate::checksum::Sum;
use crate::{Gso, VnetHdr};
use core::fmt;

/// The longest head in bytes: an IPv6 header, 60 bytes of extension headers and a TCP header with all options.
pub const HEAD_MAX: usize = 160;

/// Why a packet and its virtio header do not belong together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SplitError {
    /// The headers contradict each other, or reach beyond the packet.
    Malformed,
    /// More than [`HEAD_MAX`] bytes of headers come before the payload.
    HeadTooLong,
    /// The transport part is longer than the 65,535 bytes that its pseudo-header can name.
    TooLong,
    /// A super-packet without an open checksum (virtio 1.3, section 5.1.6.2 forbids it).
    ChecksumClosed,
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "headers contradict each other or the packet's length",
            Self::HeadTooLong => "too many bytes of headers",
            Self::TooLong => "longer than an IP packet can be",
            Self::ChecksumClosed => "a super-packet whose checksum is not left open",
        })
    }
}

impl core::error::Error for SplitError {}

/// A packet or super-packet, checked and ready to be emitted segment by segment.
#[derive(Clone, Copy, Debug)]
pub struct Split<'a> {
    packet: &'a [u8],
    cut: Cut,
}

#[derive(Clone, Copy, Debug)]
enum Cut {
    /// One packet, ready as it is.
    Whole,
    /// One packet whose checksum is the sum of all from `start` and belongs at `field`.
    Sum { start: usize, field: usize },
    /// A super-packet.
    Segments(Segments),
}

impl<'a> Split<'a> {
    /// Checks `packet` (the IP header first) against its virtio header.
    ///
    /// # Errors
    /// See [`SplitError`]; such a packet must be dropped.
    pub fn new(vnet: VnetHdr, packet: &'a [u8]) -> Result<Self, SplitError> {
        let cut = match vnet.gso {
            Gso::None if vnet.needs_csum() => sum(&vnet, packet)?,
            Gso::None => Cut::Whole,
            Gso::Tcp4 | Gso::Tcp6 | Gso::UdpL4 => Cut::Segments(Segments::new(&vnet, packet)?),
        };
        Ok(Self { packet, cut })
    }

    /// How many packets come out; at least one.
    pub const fn count(&self) -> usize {
        match &self.cut {
            Cut::Whole | Cut::Sum { .. } => 1,
            Cut::Segments(segments) => segments.count(),
        }
    }

    /// The length of packet `i` in bytes, headers included. All are equal, but the last may be shorter.
    pub const fn segment_len(&self, i: usize) -> usize {
        match &self.cut {
            Cut::Whole | Cut::Sum { .. } => self.packet.len(),
            Cut::Segments(segments) => segments.len(i),
        }
    }

    /// Writes the first bytes of packet `i` to `head`; returns how many there are (none if the packet is
    /// ready as it lies) and the bytes that follow them.
    ///
    /// # Panics
    /// If `i` is not below [`Self::count`].
    #[inline]
    pub fn emit(&self, i: usize, head: &mut [u8; HEAD_MAX]) -> (usize, &'a [u8]) {
        assert!(i < self.count(), "packet {i} of {}", self.count());
        match &self.cut {
            Cut::Whole => (0, self.packet),
            Cut::Sum { start, field } => {
                let (front, rest) = self.packet.split_at(field + 2);
                let sum = Sum::ZERO.add_bytes(&self.packet[*start..]);
                head[..front.len()].copy_from_slice(front);
                // As the kernel completes any checksum that is left open (`skb_checksum_help`).
                head[*field..front.len()].copy_from_slice(&sum.checksum_never_zero());
                (front.len(), rest)
            }
            Cut::Segments(segments) => segments.emit(self.packet, i, head),
        }
    }
}

fn sum(vnet: &VnetHdr, packet: &[u8]) -> Result<Cut, SplitError> {
    let start = usize::from(vnet.csum_start);
    let field = start + usize::from(vnet.csum_offset);
    if field + 2 > packet.len() {
        return Err(SplitError::Malformed);
    }
    if field + 2 > HEAD_MAX {
        return Err(SplitError::HeadTooLong);
    }
    Ok(Cut::Sum { start, field })
}

#[cfg(test)]
mod tests;
