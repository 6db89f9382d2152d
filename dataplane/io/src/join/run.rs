//! A run: segments of one flow that will leave as one super-packet.

use super::sight::{self, Candidate, Flow, Proto};
use crate::checksum::Sum;
use crate::headers::{tcp, udp, v4, v6};
use crate::{Gso, PIECES_MAX, SEGMENTS_MAX, VnetHdr};

/// The longest super-packet in bytes: what the length field of IPv4 can say (RFC 791).
const TOTAL_MAX: usize = u16::MAX as usize;

/// What is known of the packets so far; their bytes stay where they are.
#[derive(Debug)]
pub(super) struct Run {
    flow: Flow,
    head_len: usize,
    /// Payload bytes of the first packet, and so of each but the last.
    size: usize,
    total: usize,
    count: usize,
    next_seq: u32,
    /// PSH and FIN of the packets so far: only the last may have them.
    last_flags: u8,
    /// Of IPv4, as all that follows.
    first_id: u16,
    dont_fragment: bool,
    /// Identifications do not count up. The second packet decides.
    fixed_id: bool,
    /// The first packet's checksums are verified. That waits for a second packet: one that stays alone
    /// leaves as it came and needs no check.
    sound: bool,
}

impl Run {
    pub(super) const fn begin(candidate: &Candidate) -> Self {
        Self {
            flow: candidate.flow,
            head_len: candidate.head_len,
            size: candidate.payload_len,
            total: candidate.head_len + candidate.payload_len,
            count: 1,
            next_seq: candidate.seq.wrapping_add(candidate.payload_len as u32),
            last_flags: 0,
            first_id: candidate.id,
            dont_fragment: candidate.dont_fragment,
            fixed_id: false,
            sound: false,
        }
    }

    pub(super) const fn flow(&self) -> &Flow {
        &self.flow
    }

    /// How many packets it holds.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Whether `packet`, of the same flow, continues what begins with the packet `first`: in sequence, with
    /// nothing different in the headers that splitting would not make different, and with room for it.
    #[inline]
    pub(super) fn takes(&self, first: &[u8], packet: &[u8], candidate: &Candidate) -> bool {
        let counted = match self.flow.proto {
            Proto::Tcp => self.count < PIECES_MAX && candidate.seq == self.next_seq,
            Proto::Udp => self.count < SEGMENTS_MAX,
        };
        counted
            && candidate.head_len == self.head_len
            && candidate.payload_len <= self.size
            && self.total + candidate.payload_len <= TOTAL_MAX
            && self.same_network(first, packet, candidate)
            && (self.flow.proto == Proto::Udp || same_tcp(self.transport(first), self.transport(packet)))
    }

    /// Takes a candidate that it [takes](Self::takes); says whether nothing may follow it.
    #[inline]
    pub(super) const fn append(&mut self, candidate: &Candidate) -> bool {
        self.fixed_id |= candidate.id == self.first_id;
        self.count += 1;
        self.total += candidate.payload_len;
        self.next_seq = self.next_seq.wrapping_add(candidate.payload_len as u32);
        self.last_flags |= candidate.flags & (tcp::PSH | tcp::FIN);
        candidate.payload_len < self.size || candidate.ends_run()
    }

    /// Whether the checksums of the first packet are right; verified once.
    #[inline]
    pub(super) fn is_sound(&mut self, first: &[u8]) -> bool {
        self.sound = self.sound || sight::is_sound(&self.flow, first);
        self.sound
    }

    /// Makes the first packet's headers those of the super-packet, with the checksum left open.
    pub(super) fn finish(&self, first: &mut [u8]) -> VnetHdr {
        let transport = self.flow.transport();
        let len = (self.total - transport) as u16;
        self.finish_network(first);
        let pseudo = Sum::ZERO.add_bytes(&first[self.flow.addresses_at()..transport]);
        let pseudo = pseudo.add_word(u16::from(self.flow.proto.number())).add_word(len);
        let header = &mut first[transport..self.head_len];
        let (gso, ecn) = match self.flow.proto {
            Proto::Tcp => {
                header[tcp::CHECKSUM].copy_from_slice(&pseudo.partial());
                header[tcp::FLAGS] |= self.last_flags;
                let gso = if self.flow.is_v6() { Gso::Tcp6 } else { Gso::Tcp4 };
                (gso, header[tcp::FLAGS] & tcp::CWR != 0)
            }
            Proto::Udp => {
                header[udp::CHECKSUM].copy_from_slice(&pseudo.partial());
                header[udp::LENGTH].copy_from_slice(&len.to_be_bytes());
                (Gso::UdpL4, false)
            }
        };
        VnetHdr {
            flags: VnetHdr::NEEDS_CSUM,
            gso,
            ecn,
            hdr_len: self.head_len as u16,
            gso_size: self.size as u16,
            csum_start: transport as u16,
            csum_offset: self.flow.checksum_offset() as u16,
        }
    }

    fn finish_network(&self, first: &mut [u8]) {
        if self.flow.is_v6() {
            let len = (self.total - v6::LEN) as u16;
            first[v6::PAYLOAD_LEN].copy_from_slice(&len.to_be_bytes());
            return;
        }
        first[v4::TOTAL_LEN].copy_from_slice(&(self.total as u16).to_be_bytes());
        first[v4::CHECKSUM].fill(0);
        let sum = Sum::ZERO.add_bytes(&first[..v4::LEN]);
        first[v4::CHECKSUM].copy_from_slice(&sum.checksum());
    }

    /// Traffic class, hop limit and the like must be equal, ECN included: a mark says something of one packet.
    #[inline]
    fn same_network(&self, first: &[u8], packet: &[u8], candidate: &Candidate) -> bool {
        if self.flow.is_v6() {
            return first[v6::FIRST_WORD] == packet[v6::FIRST_WORD]
                && first[v6::HOP_LIMIT] == packet[v6::HOP_LIMIT];
        }
        first[v4::TOS] == packet[v4::TOS]
            && first[v4::TTL] == packet[v4::TTL]
            && self.dont_fragment == candidate.dont_fragment
            && self.takes_id(candidate.id)
    }

    /// Identifications count up by one or, where they mean nothing, all stay the same.
    #[inline]
    const fn takes_id(&self, id: u16) -> bool {
        let grown = id.wrapping_sub(self.first_id);
        let fixed = if self.count == 1 { self.dont_fragment && grown == 0 } else { self.fixed_id };
        grown == if fixed { 0 } else { self.count as u16 }
    }

    fn transport<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        &packet[self.flow.transport()..self.head_len]
    }
}

/// Whether two TCP headers of one length differ in nothing but sequence number, checksum, and the flags that
/// splitting puts right: PSH and FIN at the end, CWR at the beginning, where `packet` is not.
#[inline]
fn same_tcp(first: &[u8], packet: &[u8]) -> bool {
    let flags = tcp::PSH | tcp::FIN | tcp::CWR;
    (first[tcp::FLAGS] ^ packet[tcp::FLAGS]) & !flags == 0
        && packet[tcp::FLAGS] & tcp::CWR == 0
        && first[tcp::FLAG_WORD.start] == packet[tcp::FLAG_WORD.start]
        && first[tcp::ACK] == packet[tcp::ACK]
        && first[tcp::WINDOW] == packet[tcp::WINDOW]
        && first[tcp::URGENT] == packet[tcp::URGENT]
        && first[tcp::LEN..] == packet[tcp::LEN..]
}
