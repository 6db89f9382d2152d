//! Just enough of IPv4 and IPv6 to route a packet and to carry its ECN field (RFC 791, RFC 8200).
//!
//! **Invariant:** nothing here looks behind the fixed IP header; a packet from [`peek`] has as many bytes as its
//! header says, or more.

mod cidr;
pub mod ecn;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use cidr::{BadCidr, Cidr};

/// TCP's protocol number (IANA).
pub const TCP: u8 = 6;
/// UDP's protocol number (IANA).
pub const UDP: u8 = 17;

/// What the header of a packet says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IpPacket {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Total length by the header, in bytes. What follows in the slice is padding.
    pub len: usize,
    /// Length of the fixed header with IPv4 options, in bytes; IPv6 extension headers are payload here.
    pub header_len: usize,
    /// IPv4 protocol or IPv6 next header.
    pub protocol: u8,
    /// Type of service or traffic class: DSCP in the upper six bits, ECN in the lower two.
    pub tos: u8,
}

/// Reads the header of `packet`. `None` is malformed: no IP version that we know, a header that does
/// not fit, or a total length that is shorter than the header or longer than the slice.
#[must_use]
pub fn peek(packet: &[u8]) -> Option<IpPacket> {
    peek_head(packet).filter(|header| header.len <= packet.len())
}

/// The same for a packet of which perhaps only the beginning is there.
#[must_use]
pub fn peek_head(packet: &[u8]) -> Option<IpPacket> {
    match packet.first()? >> 4 {
        4 => peek_v4(packet),
        6 => peek_v6(packet),
        _ => None,
    }
}

fn peek_v4(packet: &[u8]) -> Option<IpPacket> {
    let fixed: &[u8; V4_HEADER_LEN] = packet.first_chunk()?;
    let header_len = usize::from(fixed[0] & 0x0F) * 4;
    let len = usize::from(u16::from_be_bytes([fixed[2], fixed[3]]));
    if header_len < V4_HEADER_LEN || len < header_len {
        return None;
    }
    Some(IpPacket {
        src: Ipv4Addr::new(fixed[12], fixed[13], fixed[14], fixed[15]).into(),
        dst: Ipv4Addr::new(fixed[16], fixed[17], fixed[18], fixed[19]).into(),
        len,
        header_len,
        protocol: fixed[9],
        tos: fixed[1],
    })
}

fn peek_v6(packet: &[u8]) -> Option<IpPacket> {
    let fixed: &[u8; V6_HEADER_LEN] = packet.first_chunk()?;
    let len = V6_HEADER_LEN + usize::from(u16::from_be_bytes([fixed[4], fixed[5]]));
    let (src, dst) = fixed[8..].split_first_chunk::<16>()?;
    Some(IpPacket {
        src: Ipv6Addr::from_octets(*src).into(),
        dst: Ipv6Addr::from_octets(*dst.first_chunk()?).into(),
        len,
        header_len: V6_HEADER_LEN,
        protocol: fixed[6],
        tos: tos_of(fixed),
    })
}

/// Type of service or traffic class of an IP packet; 0 for what is none.
#[must_use]
pub fn tos_of(packet: &[u8]) -> u8 {
    match packet {
        [first, tos, ..] if first >> 4 == 4 => *tos,
        [first, second, ..] if first >> 4 == 6 => first << 4 | second >> 4,
        _ => 0,
    }
}

/// Sets type of service or traffic class, and in IPv4 mends the header checksum by the difference (RFC 1624).
/// Leaves alone what is no IP packet.
pub fn set_tos(packet: &mut [u8], tos: u8) {
    match packet {
        [first, old, rest @ ..] if *first >> 4 == 4 => {
            let Some(checksum) = rest.get_mut(V4_CHECKSUM) else { return };
            let before = u16::from_be_bytes([*first, *old]);
            let after = u16::from_be_bytes([*first, tos]);
            let mended = mend(u16::from_be_bytes([checksum[0], checksum[1]]), before, after);
            checksum.copy_from_slice(&mended.to_be_bytes());
            *old = tos;
        }
        [first, second, ..] if *first >> 4 == 6 => {
            *first = *first & 0xF0 | tos >> 4;
            *second = *second & 0x0F | tos << 4;
        }
        _ => {}
    }
}

/// The checksum of a header in which the word `before` became `after`: HC' = ~(~HC + ~m + m'), equation 3 of
/// RFC 1624.
fn mend(checksum: u16, before: u16, after: u16) -> u16 {
    let sum = u32::from(!checksum) + u32::from(!before) + u32::from(after);
    let sum = (sum & 0xFFFF) + (sum >> 16);
    let sum = (sum & 0xFFFF) + (sum >> 16);
    !(sum as u16)
}

const V4_HEADER_LEN: usize = 20;
const V6_HEADER_LEN: usize = 40;
/// Where the IPv4 header checksum lies, counted from the third byte of the header.
const V4_CHECKSUM: std::ops::Range<usize> = 8..10;

#[cfg(test)]
mod tests;
