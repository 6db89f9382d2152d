//! Where the fields stand that segments differ in, for splitting and joining alike (RFC 791, 8200, 9293, 768).
#![forbid(unsafe_code)]

/// IPv4; offsets from its first byte.
pub(crate) mod v4 {
    use core::ops::Range;

    /// The header without options, the only one that is joined.
    pub(crate) const LEN: usize = 20;
    pub(crate) const TOS: usize = 1;
    pub(crate) const TOTAL_LEN: Range<usize> = 2..4;
    pub(crate) const ID: Range<usize> = 4..6;
    pub(crate) const FRAGMENT: Range<usize> = 6..8;
    pub(crate) const TTL: usize = 8;
    pub(crate) const PROTOCOL: usize = 9;
    pub(crate) const CHECKSUM: Range<usize> = 10..12;
    /// Both addresses.
    pub(crate) const ADDRESSES: Range<usize> = 12..20;
    /// "Don't fragment" in the fragment word.
    pub(crate) const DF: u16 = 0x4000;
    /// "More fragments" and the fragment's offset: a fragment has some of these.
    pub(crate) const FRAGMENT_MASK: u16 = 0x3fff;
}

/// IPv6; offsets from its first byte.
pub(crate) mod v6 {
    use core::ops::Range;

    pub(crate) const LEN: usize = 40;
    /// Version, traffic class and flow label.
    pub(crate) const FIRST_WORD: Range<usize> = 0..4;
    pub(crate) const PAYLOAD_LEN: Range<usize> = 4..6;
    pub(crate) const NEXT_HEADER: usize = 6;
    pub(crate) const HOP_LIMIT: usize = 7;
    /// Both addresses.
    pub(crate) const ADDRESSES: Range<usize> = 8..40;
}

/// TCP; offsets from its first byte.
pub(crate) mod tcp {
    use core::ops::Range;

    pub(crate) const PROTOCOL: u8 = 6;
    /// The header without options.
    pub(crate) const LEN: usize = 20;
    pub(crate) const SEQ: Range<usize> = 4..8;
    pub(crate) const ACK: Range<usize> = 8..12;
    /// Header length, reserved bits and flags.
    pub(crate) const FLAG_WORD: Range<usize> = 12..14;
    pub(crate) const FLAGS: usize = 13;
    pub(crate) const WINDOW: Range<usize> = 14..16;
    pub(crate) const CHECKSUM: Range<usize> = 16..18;
    pub(crate) const URGENT: Range<usize> = 18..20;

    pub(crate) const FIN: u8 = 0x01;
    pub(crate) const SYN: u8 = 0x02;
    pub(crate) const RST: u8 = 0x04;
    pub(crate) const PSH: u8 = 0x08;
    pub(crate) const URG: u8 = 0x20;
    pub(crate) const CWR: u8 = 0x80;
}

/// UDP; offsets from its first byte.
pub(crate) mod udp {
    use core::ops::Range;

    pub(crate) const PROTOCOL: u8 = 17;
    pub(crate) const LEN: usize = 8;
    pub(crate) const LENGTH: Range<usize> = 4..6;
    pub(crate) const CHECKSUM: Range<usize> = 6..8;
}

/// The 16-bit field that begins at `at`.
#[inline]
pub(crate) const fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The 32-bit field that begins at `at`.
#[inline]
pub(crate) const fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
