//! Inner packets for tests.

use std::net::IpAddr;

use ringmesh_io::{Gso, HEAD_MAX, Split, VnetHdr, checksum::Sum};

/// A packet of a protocol that nothing joins or looks into (253, RFC 3692), `len` bytes long, filled from `seed`.
/// Shorter than its header it is cut there.
pub(crate) fn plain(src: &str, dst: &str, len: usize, seed: u64) -> Vec<u8> {
    let head = if src.contains(':') { 40 } else { 20 };
    let mut packet = with_header(src, dst, 253, &noise(len.saturating_sub(head), seed));
    packet.truncate(len);
    packet
}

/// A UDP packet with its checksum.
pub(crate) fn udp(src: &str, dst: &str, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = udp_open(src, dst, port, payload);
    let sum = Sum::ZERO.add_bytes(&datagram).checksum_never_zero();
    datagram[6..8].copy_from_slice(&sum);
    with_header(src, dst, 17, &datagram)
}

/// A UDP super-packet: datagrams of `size` bytes of payload each.
pub(crate) fn udp_super(src: &str, dst: &str, port: u16, payload: &[u8], size: u16) -> (VnetHdr, Vec<u8>) {
    let packet = with_header(src, dst, 17, &udp_open(src, dst, port, payload));
    (open(Gso::UdpL4, packet.len() - payload.len() - 8, 8, 6, size), packet)
}

/// A TCP super-packet: segments of `size` bytes of payload each.
pub(crate) fn tcp_super(src: &str, dst: &str, seq: u32, payload: &[u8], size: u16) -> (VnetHdr, Vec<u8>) {
    const LEN: usize = 20;
    let mut segment = Vec::with_capacity(LEN + payload.len());
    segment.extend(40_000_u16.to_be_bytes());
    segment.extend(443_u16.to_be_bytes());
    segment.extend(seq.to_be_bytes());
    segment.extend(77_u32.to_be_bytes());
    segment.extend([(LEN as u8 / 4) << 4, 0x18, 1, 0xf5, 0, 0, 0, 0]);
    segment.extend(payload);
    let pseudo = pseudo(src, dst, 6, segment.len());
    segment[16..18].copy_from_slice(&pseudo.partial());
    let packet = with_header(src, dst, 6, &segment);
    let gso = if src.contains(':') { Gso::Tcp6 } else { Gso::Tcp4 };
    (open(gso, packet.len() - segment.len(), LEN, 16, size), packet)
}

/// The packets that a packet or super-packet is cut into.
pub(crate) fn cut(vnet: VnetHdr, packet: &[u8]) -> Vec<Vec<u8>> {
    let split = Split::new(vnet, packet).expect("a sound super-packet");
    let mut head = [0; HEAD_MAX];
    let one = |i| {
        let (len, rest) = split.emit(i, &mut head);
        [&head[..len], rest].concat()
    };
    (0..split.count()).map(one).collect()
}

/// That exactly these packets arrived, in this order; a failure names them by their places instead of their bytes.
#[track_caller]
pub(crate) fn assert_same(arrived: &[Vec<u8>], sent: &[Vec<u8>], case: impl std::fmt::Display) {
    if arrived == sent {
        return;
    }
    let place = |packet: &Vec<u8>| sent.iter().position(|one| one == packet);
    let places: Vec<_> = arrived.iter().map(place).collect();
    panic!("{case}: {} sent, and these arrived: {places:?}", sent.len());
}

/// Bytes without a pattern; the same for the same seed.
pub(crate) fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    std::iter::repeat_with(|| random.next().to_le_bytes()).flatten().take(len).collect()
}

/// SplitMix64, for what tests leave to chance.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

fn udp_open(src: &str, dst: &str, port: u16, payload: &[u8]) -> Vec<u8> {
    let len = 8 + payload.len();
    let mut datagram = Vec::with_capacity(len);
    datagram.extend(port.to_be_bytes());
    datagram.extend(443_u16.to_be_bytes());
    datagram.extend((len as u16).to_be_bytes());
    datagram.extend(pseudo(src, dst, 17, len).partial());
    datagram.extend(payload);
    datagram
}

fn with_header(src: &str, dst: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [src, dst] = [address(src), address(dst)];
    let mut packet = Vec::with_capacity(40 + payload.len());
    if src.len() == 4 {
        packet.extend([0x45, 0]);
        packet.extend((20 + payload.len() as u16).to_be_bytes());
        packet.extend([0, 7, 0x40, 0, 64, protocol, 0, 0]);
        packet.extend([src, dst].concat());
        let sum = Sum::ZERO.add_bytes(&packet).checksum();
        packet[10..12].copy_from_slice(&sum);
    } else {
        packet.extend([0x60, 0, 0, 0]);
        packet.extend((payload.len() as u16).to_be_bytes());
        packet.extend([protocol, 64]);
        packet.extend([src, dst].concat());
    }
    packet.extend(payload);
    packet
}

fn pseudo(src: &str, dst: &str, protocol: u16, len: usize) -> Sum {
    Sum::ZERO.add_bytes(&address(src)).add_bytes(&address(dst)).add_word(protocol).add_long(len as u32)
}

fn address(text: &str) -> Vec<u8> {
    match text.parse().expect("an address") {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

const fn open(gso: Gso, start: usize, transport_len: usize, offset: u16, size: u16) -> VnetHdr {
    VnetHdr {
        flags: VnetHdr::NEEDS_CSUM,
        gso,
        ecn: false,
        hdr_len: (start + transport_len) as u16,
        gso_size: size,
        csum_start: start as u16,
        csum_offset: offset,
    }
}
