//! What can be seen of a packet alone: whose it is, and whether it may join others at all.

use crate::Span;
use crate::checksum::Sum;
use crate::headers::{long, tcp, udp, v4, v6, word};

/// Whom a packet's order matters to.
#[derive(Debug)]
pub(super) enum Sight {
    /// It may join a run of its flow.
    Joins(Candidate),
    /// It leaves alone, behind what is held of its flow.
    Flow(Flow),
    /// Its flow cannot be seen: it leaves behind everything held between its hosts.
    Hosts(Hosts),
    /// It belongs to no flow that is ever held.
    Free,
}

/// Source and destination; IPv4 addresses fill the low bits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Hosts {
    src: u128,
    dst: u128,
    v6: bool,
}

/// The five-tuple.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Flow {
    pub(super) hosts: Hosts,
    /// Both ports as they stand.
    ports: [u8; 4],
    pub(super) proto: Proto,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Proto {
    Tcp,
    Udp,
}

/// A whole packet that carries payload behind headers of the plain kind.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) flow: Flow,
    /// Bytes of all headers.
    pub(super) head_len: usize,
    /// Bytes of payload; at least one.
    pub(super) payload_len: usize,
    /// Of TCP.
    pub(super) seq: u32,
    /// Of TCP.
    pub(super) flags: u8,
    /// Of IPv4.
    pub(super) id: u16,
    /// Of IPv4.
    pub(super) dont_fragment: bool,
}

/// Extension headers (RFC 8200, 4302, 6275, 7401, 5533) that hide the transport header from a first look.
const V6_EXTENSIONS: [u8; 8] = [0, 43, 44, 51, 60, 135, 139, 140];

impl Sight {
    #[inline]
    pub(super) fn of(packet: &[u8]) -> Self {
        match packet.first().map(|first| first >> 4) {
            Some(4) if packet.len() >= v4::LEN => Self::of_v4(packet),
            Some(6) if packet.len() >= v6::LEN => Self::of_v6(packet),
            _ => Self::Free,
        }
    }

    #[inline]
    fn of_v4(packet: &[u8]) -> Self {
        let hosts = Hosts::of_v4(packet);
        let header_len = usize::from(packet[0] & 15) * 4;
        let fragment = word(packet, v4::FRAGMENT.start);
        if usize::from(word(packet, v4::TOTAL_LEN.start)) != packet.len() || fragment & v4::FRAGMENT_MASK != 0
        {
            return Self::Hosts(hosts);
        }
        let Some(proto) = Proto::from_number(packet[v4::PROTOCOL]) else {
            return Self::Free;
        };
        let Some(flow) = Flow::of(hosts, proto, packet, header_len) else {
            return Self::Hosts(hosts);
        };
        if header_len != v4::LEN || fragment & !v4::DF != 0 {
            return Self::Flow(flow);
        }
        let (id, dont_fragment) = (word(packet, v4::ID.start), fragment & v4::DF != 0);
        Self::of_transport(flow, packet, header_len, id, dont_fragment)
    }

    #[inline]
    fn of_v6(packet: &[u8]) -> Self {
        let hosts = Hosts::of_v6(packet);
        let payload_len = usize::from(word(packet, v6::PAYLOAD_LEN.start));
        let next = packet[v6::NEXT_HEADER];
        if v6::LEN + payload_len != packet.len() || V6_EXTENSIONS.contains(&next) {
            return Self::Hosts(hosts);
        }
        let Some(proto) = Proto::from_number(next) else {
            return Self::Free;
        };
        match Flow::of(hosts, proto, packet, v6::LEN) {
            Some(flow) => Self::of_transport(flow, packet, v6::LEN, 0, true),
            None => Self::Hosts(hosts),
        }
    }

    #[inline]
    fn of_transport(flow: Flow, packet: &[u8], at: usize, id: u16, dont_fragment: bool) -> Self {
        let header = &packet[at..];
        let seen = match flow.proto {
            Proto::Tcp => look_at_tcp(header),
            Proto::Udp => look_at_udp(header),
        };
        match seen {
            Some((header_len, seq, flags)) if header_len < header.len() => {
                let (head_len, payload_len) = (at + header_len, header.len() - header_len);
                Self::Joins(Candidate { flow, head_len, payload_len, seq, flags, id, dont_fragment })
            }
            _ => Self::Flow(flow),
        }
    }
}

/// Header length, sequence number and flags of a segment that is neither urgent nor begins or resets anything.
#[inline]
fn look_at_tcp(header: &[u8]) -> Option<(usize, u32, u8)> {
    let fixed = header.first_chunk::<{ tcp::LEN }>()?;
    let len = usize::from(fixed[tcp::FLAG_WORD.start] >> 4) * 4;
    let flags = fixed[tcp::FLAGS];
    let plain = len >= tcp::LEN && flags & (tcp::SYN | tcp::RST | tcp::URG) == 0;
    plain.then(|| (len, long(fixed, tcp::SEQ.start), flags))
}

/// A datagram must have the length it says and a checksum: a super-packet's segments all get one.
#[inline]
fn look_at_udp(header: &[u8]) -> Option<(usize, u32, u8)> {
    let fixed = header.first_chunk::<{ udp::LEN }>()?;
    let whole = usize::from(word(fixed, udp::LENGTH.start)) == header.len();
    (whole && word(fixed, udp::CHECKSUM.start) != 0).then_some((udp::LEN, 0, 0))
}

impl Candidate {
    /// Whether no later packet may be appended to this one (PSH, FIN).
    #[inline]
    pub(super) const fn ends_run(&self) -> bool {
        self.flags & (tcp::PSH | tcp::FIN) != 0
    }

    /// Where the payload of `packet`, which this was seen of, lies.
    #[inline]
    pub(super) const fn payload_of(&self, packet: Span) -> Span {
        Span { start: packet.start + self.head_len as u32, len: self.payload_len as u32 }
    }

    /// Whether the packet's checksums are those that splitting will compute.
    #[inline]
    pub(super) fn is_sound(&self, packet: &[u8]) -> bool {
        is_sound(&self.flow, packet)
    }
}

/// Whether all checksums of a packet that is a [`Candidate`] are right and in the form that splitting gives
/// them: the other form of zero would not come back.
pub(super) fn is_sound(flow: &Flow, packet: &[u8]) -> bool {
    let transport = flow.transport();
    if !flow.hosts.v6 {
        let found = word(packet, v4::CHECKSUM.start);
        let sum = Sum::ZERO.add_bytes(&packet[..v4::LEN]).take_word(found);
        if sum.checksum() != found.to_be_bytes() {
            return false;
        }
    }
    let at = transport + flow.checksum_offset();
    let found = word(packet, at);
    let len = (packet.len() - transport) as u16;
    // Addresses, transport header and payload lie in one stretch.
    let sum = Sum::ZERO.add_bytes(&packet[flow.addresses_at()..]);
    let sum = sum.add_word(u16::from(flow.proto.number())).add_word(len).take_word(found);
    let checksum = match flow.proto {
        Proto::Tcp => sum.checksum(),
        Proto::Udp => sum.checksum_never_zero(),
    };
    checksum == found.to_be_bytes()
}

impl Proto {
    #[inline]
    const fn from_number(number: u8) -> Option<Self> {
        match number {
            tcp::PROTOCOL => Some(Self::Tcp),
            udp::PROTOCOL => Some(Self::Udp),
            _ => None,
        }
    }

    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Tcp => tcp::PROTOCOL,
            Self::Udp => udp::PROTOCOL,
        }
    }
}

impl Hosts {
    #[inline]
    fn of_v4(packet: &[u8]) -> Self {
        let address = |at| u128::from(long(packet, at));
        Self { src: address(v4::ADDRESSES.start), dst: address(v4::ADDRESSES.start + 4), v6: false }
    }

    #[inline]
    fn of_v6(packet: &[u8]) -> Self {
        let word = |at| u128::from(long(packet, at));
        let address = |at| word(at) << 96 | word(at + 4) << 64 | word(at + 8) << 32 | word(at + 12);
        Self { src: address(v6::ADDRESSES.start), dst: address(v6::ADDRESSES.start + 16), v6: true }
    }
}

impl Flow {
    #[inline]
    fn of(hosts: Hosts, proto: Proto, packet: &[u8], transport: usize) -> Option<Self> {
        let ports = *packet.get(transport..)?.first_chunk()?;
        Some(Self { hosts, ports, proto })
    }

    /// Which of `sets` (a power of two) the flow belongs to. Whoever makes flows collide only keeps them from
    /// being joined.
    #[inline]
    pub(super) fn set(&self, sets: usize) -> usize {
        let fold = |address: u128| (address >> 64) as u64 ^ address as u64;
        let words = fold(self.hosts.src) ^ fold(self.hosts.dst).rotate_left(29);
        let mixed = words ^ u64::from(u32::from_ne_bytes(self.ports)).rotate_left(17);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize & (sets - 1)
    }

    pub(super) const fn is_v6(&self) -> bool {
        self.hosts.v6
    }

    /// Where the transport header of a [`Candidate`] begins.
    pub(super) const fn transport(&self) -> usize {
        if self.hosts.v6 { v6::LEN } else { v4::LEN }
    }

    pub(super) const fn addresses_at(&self) -> usize {
        if self.hosts.v6 { v6::ADDRESSES.start } else { v4::ADDRESSES.start }
    }

    /// Where the checksum stands in the transport header.
    pub(super) const fn checksum_offset(&self) -> usize {
        match self.proto {
            Proto::Tcp => tcp::CHECKSUM.start,
            Proto::Udp => udp::CHECKSUM.start,
        }
    }
}
