//! The shape of a super-packet, and the head of each of its segments.

use super::{HEAD_MAX, SplitError};
use crate::checksum::Sum;
use crate::headers::{long, tcp, udp, v4, v6, word};
use crate::{Gso, VnetHdr};

/// A checked super-packet: where its parts are, and sums of everything that all segments share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segments {
    transport: usize,
    head_len: usize,
    payload_len: usize,
    /// Payload bytes of every segment but the last.
    size: usize,
    /// Of IPv4, the header less length, identification and checksum.
    ip: Option<Sum>,
    proto: Proto,
    /// The pseudo-header and the transport header, less what differs between segments.
    shared: Sum,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Proto {
    Tcp,
    Udp,
}

impl Segments {
    pub(super) fn new(vnet: &VnetHdr, packet: &[u8]) -> Result<Self, SplitError> {
        if !vnet.needs_csum() {
            return Err(SplitError::ChecksumClosed);
        }
        let proto = if vnet.gso == Gso::UdpL4 { Proto::Udp } else { Proto::Tcp };
        let transport = usize::from(vnet.csum_start);
        let ip = network(vnet.gso, packet, transport)?;
        let header = packet.get(transport..).ok_or(SplitError::Malformed)?;
        let header_len = proto.header_len(header, vnet.csum_offset).ok_or(SplitError::Malformed)?;
        let (head_len, size) = (transport + header_len, usize::from(vnet.gso_size));
        let payload_len = packet.len().checked_sub(head_len).ok_or(SplitError::Malformed)?;
        if size == 0 {
            return Err(SplitError::Malformed);
        }
        if head_len > HEAD_MAX {
            return Err(SplitError::HeadTooLong);
        }
        let transport_len = u16::try_from(header.len()).map_err(|_| SplitError::TooLong)?;
        let shared = proto.shared(&header[..header_len]).take_word(transport_len);
        let this = Self { transport, head_len, payload_len, size, ip, proto, shared };
        let named = this.len(0) - if ip.is_some() { 0 } else { v6::LEN };
        if named > usize::from(u16::MAX) { Err(SplitError::TooLong) } else { Ok(this) }
    }

    pub(super) const fn count(&self) -> usize {
        if self.payload_len == 0 { 1 } else { self.payload_len.div_ceil(self.size) }
    }

    pub(super) const fn len(&self, i: usize) -> usize {
        let left = self.payload_len.saturating_sub(i.saturating_mul(self.size));
        self.head_len + if left < self.size { left } else { self.size }
    }

    #[inline]
    pub(super) fn emit<'a>(
        &self,
        packet: &'a [u8],
        i: usize,
        head: &mut [u8; HEAD_MAX],
    ) -> (usize, &'a [u8]) {
        let len = self.len(i);
        let start = self.head_len + i * self.size;
        let payload = &packet[start..start + len - self.head_len];
        let head = &mut head[..self.head_len];
        head.copy_from_slice(&packet[..self.head_len]);
        let (network, transport) = head.split_at_mut(self.transport);
        self.finish_network(network, i, len);
        match self.proto {
            Proto::Tcp => self.finish_tcp(transport, i, payload),
            Proto::Udp => self.finish_udp(transport, payload),
        }
        (self.head_len, payload)
    }

    /// Length, and for IPv4 identification and checksum. Identifications count up, as the kernel's do.
    #[inline]
    fn finish_network(&self, header: &mut [u8], i: usize, len: usize) {
        let Some(sum) = self.ip else {
            header[v6::PAYLOAD_LEN].copy_from_slice(&((len - v6::LEN) as u16).to_be_bytes());
            return;
        };
        let id = word(header, v4::ID.start).wrapping_add(i as u16);
        header[v4::TOTAL_LEN].copy_from_slice(&(len as u16).to_be_bytes());
        header[v4::ID].copy_from_slice(&id.to_be_bytes());
        let sum = sum.add_word(len as u16).add_word(id);
        header[v4::CHECKSUM].copy_from_slice(&sum.checksum());
    }

    /// FIN and PSH belong to the last segment alone, CWR to the first (RFC 3168, section 6.1.2: it answers once).
    #[inline]
    fn finish_tcp(&self, header: &mut [u8], i: usize, payload: &[u8]) {
        let seq = long(header, tcp::SEQ.start).wrapping_add((i * self.size) as u32);
        let mut cleared = 0;
        if i > 0 {
            cleared |= tcp::CWR;
        }
        if i + 1 < self.count() {
            cleared |= tcp::FIN | tcp::PSH;
        }
        header[tcp::SEQ].copy_from_slice(&seq.to_be_bytes());
        header[tcp::FLAGS] &= !cleared;
        let sum = self.shared.add_long(seq).add_word(word(header, tcp::FLAG_WORD.start));
        let sum = sum.add_word((header.len() + payload.len()) as u16).add_bytes(payload);
        header[tcp::CHECKSUM].copy_from_slice(&sum.checksum());
    }

    /// The length stands twice in what is summed: in the header and in the pseudo-header.
    #[inline]
    fn finish_udp(&self, header: &mut [u8], payload: &[u8]) {
        let len = (header.len() + payload.len()) as u16;
        header[udp::LENGTH].copy_from_slice(&len.to_be_bytes());
        let sum = self.shared.add_word(len).add_word(len).add_bytes(payload);
        header[udp::CHECKSUM].copy_from_slice(&sum.checksum_never_zero());
    }
}

impl Proto {
    /// The transport header's length, if the header is whole and its checksum is where this protocol has it.
    fn header_len(self, header: &[u8], csum_offset: u16) -> Option<usize> {
        let (least, checksum) = match self {
            Self::Tcp => (tcp::LEN, tcp::CHECKSUM.start),
            Self::Udp => (udp::LEN, udp::CHECKSUM.start),
        };
        if header.len() < least || usize::from(csum_offset) != checksum {
            return None;
        }
        let len = match self {
            Self::Tcp => usize::from(header[tcp::FLAG_WORD.start] >> 4) * 4,
            Self::Udp => least,
        };
        (len >= least && len <= header.len()).then_some(len)
    }

    /// The checksum field holds the pseudo-header's sum, whatever extension headers did to its addresses.
    /// So the header is summed with it, and what each segment has for itself is taken away.
    fn shared(self, header: &[u8]) -> Sum {
        let sum = Sum::ZERO.add_bytes(header);
        match self {
            Self::Tcp => sum
                .take_word(word(header, tcp::SEQ.start))
                .take_word(word(header, tcp::SEQ.start + 2))
                .take_word(word(header, tcp::FLAG_WORD.start)),
            Self::Udp => sum.take_word(word(header, udp::LENGTH.start)),
        }
    }
}

/// Checks the IP header in front of the transport header; of IPv4, sums what all segments share.
/// IPv6 extension headers are copied to each segment, so only their length matters.
fn network(gso: Gso, packet: &[u8], transport: usize) -> Result<Option<Sum>, SplitError> {
    let first = *packet.first().ok_or(SplitError::Malformed)?;
    match (first >> 4, gso) {
        (4, Gso::Tcp4 | Gso::UdpL4) if usize::from(first & 15) * 4 == transport => {
            let header = packet.get(..transport.max(v4::LEN)).ok_or(SplitError::Malformed)?;
            let proto = if gso == Gso::UdpL4 { udp::PROTOCOL } else { tcp::PROTOCOL };
            let fragment = word(header, v4::FRAGMENT.start) & v4::FRAGMENT_MASK != 0;
            if transport < v4::LEN || header[v4::PROTOCOL] != proto || fragment {
                return Err(SplitError::Malformed);
            }
            let sum = Sum::ZERO.add_bytes(header).take_word(word(header, v4::TOTAL_LEN.start));
            let sum = sum.take_word(word(header, v4::ID.start));
            Ok(Some(sum.take_word(word(header, v4::CHECKSUM.start))))
        }
        (6, Gso::Tcp6 | Gso::UdpL4) if transport >= v6::LEN => Ok(None),
        _ => Err(SplitError::Malformed),
    }
}
