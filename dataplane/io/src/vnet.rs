//! The header in front of every packet on a TUN queue (`struct virtio_net_hdr`, virtio 1.3, section 5.1.6).
//!
//! It says whether a packet is a *super-packet*, how to cut it, and which checksum is still to be
//! computed. TUN speaks the legacy layout: ten bytes, fields in the machine's own byte order.
//!
//! **Invariant:** a parsed header is well-formed, not true. Offsets and sizes in it are checked against the
//! packet by whoever uses them, [`Split`](crate::Split) above all.
#![forbid(unsafe_code)]

use self::field::{CSUM_OFFSET, CSUM_START, FLAGS, GSO_SIZE, GSO_TYPE, HDR_LEN};

/// Where the fields stand.
mod field {
    use core::ops::Range;

    pub(super) const FLAGS: usize = 0;
    pub(super) const GSO_TYPE: usize = 1;
    pub(super) const HDR_LEN: Range<usize> = 2..4;
    pub(super) const GSO_SIZE: Range<usize> = 4..6;
    pub(super) const CSUM_START: Range<usize> = 6..8;
    pub(super) const CSUM_OFFSET: Range<usize> = 8..10;
}

/// Bit of the type field: the first segment carries CWR (RFC 3168) and the others must not.
const TYPE_ECN: u8 = 0x80;

/// How a super-packet is to be cut.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gso {
    /// It is one packet.
    None,
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// UDP datagrams of one size over either; not UFO, which made IP fragments.
    UdpL4,
}

impl Gso {
    const fn from_wire(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::None),
            1 => Some(Self::Tcp4),
            4 => Some(Self::Tcp6),
            5 => Some(Self::UdpL4),
            _ => None,
        }
    }

    const fn to_wire(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Tcp4 => 1,
            Self::Tcp6 => 4,
            Self::UdpL4 => 5,
        }
    }
}

/// The virtio header of one packet or super-packet. All offsets count from the first byte of the IP header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct VnetHdr {
    /// [`Self::NEEDS_CSUM`] and bits that others define.
    pub flags: u8,
    /// How to cut it.
    pub gso: Gso,
    /// Whether the TCP super-packet begins with CWR.
    pub ecn: bool,
    /// Bytes of all headers together, as a hint.
    pub hdr_len: u16,
    /// Payload bytes of each segment; the last may have fewer.
    pub gso_size: u16,
    /// With `NEEDS_CSUM`: where summing begins, which is where the transport header does.
    pub csum_start: u16,
    /// With `NEEDS_CSUM`: where the checksum goes, counted from `csum_start`.
    pub csum_offset: u16,
}

impl VnetHdr {
    /// Bytes on a TUN queue whose header size was not changed.
    pub const LEN: usize = 10;

    /// The checksum field holds the sum of the pseudo-header; the rest is still to be added.
    pub const NEEDS_CSUM: u8 = 1;

    /// An ordinary packet with nothing left to do.
    pub const NONE: Self =
        Self { flags: 0, gso: Gso::None, ecn: false, hdr_len: 0, gso_size: 0, csum_start: 0, csum_offset: 0 };

    /// Reads the header at the start of `bytes`; nothing if they are too few or the type is unknown.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<{ Self::LEN }>()?;
        let word = |at: core::ops::Range<usize>| u16::from_ne_bytes([bytes[at.start], bytes[at.start + 1]]);
        Some(Self {
            flags: bytes[FLAGS],
            gso: Gso::from_wire(bytes[GSO_TYPE] & !TYPE_ECN)?,
            ecn: bytes[GSO_TYPE] & TYPE_ECN != 0,
            hdr_len: word(HDR_LEN),
            gso_size: word(GSO_SIZE),
            csum_start: word(CSUM_START),
            csum_offset: word(CSUM_OFFSET),
        })
    }

    /// The header as the queue wants it.
    pub fn emit(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[FLAGS] = self.flags;
        bytes[GSO_TYPE] = self.gso.to_wire() | if self.ecn { TYPE_ECN } else { 0 };
        bytes[HDR_LEN].copy_from_slice(&self.hdr_len.to_ne_bytes());
        bytes[GSO_SIZE].copy_from_slice(&self.gso_size.to_ne_bytes());
        bytes[CSUM_START].copy_from_slice(&self.csum_start.to_ne_bytes());
        bytes[CSUM_OFFSET].copy_from_slice(&self.csum_offset.to_ne_bytes());
        bytes
    }

    /// Whether a checksum is still to be completed.
    pub const fn needs_csum(&self) -> bool {
        self.flags & Self::NEEDS_CSUM != 0
    }
}

#[cfg(test)]
mod tests;
