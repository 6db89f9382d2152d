//! What the measured pipelines carry: packets as a Linux kernel hands them to a TUN device with offloads on.

use std::fmt;
use std::io;
use std::net::Ipv4Addr;

use ringmesh_io::checksum::Sum;
use ringmesh_io::{Gso, VnetHdr};
use ringmesh_worker::pipeline::Pipeline;

/// One kind of traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Traffic {
    /// Super-packets of [`SEGMENTS`] TCP segments, as bulk transfers send.
    Tcp,
    /// Single datagrams with this many bytes of payload.
    Udp(usize),
}

/// Traffic over some peers, each turn's packets for the next peers in a circle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Case {
    pub(crate) traffic: Traffic,
    pub(crate) peers: u32,
}

impl Case {
    /// Everything that is measured.
    pub(crate) const ALL: [Self; 6] = [
        Self { traffic: Traffic::Tcp, peers: 1 },
        Self { traffic: Traffic::Tcp, peers: MANY },
        Self { traffic: Traffic::Udp(1_372), peers: 1 },
        Self { traffic: Traffic::Udp(1_372), peers: MANY },
        Self { traffic: Traffic::Udp(64), peers: 1 },
        Self { traffic: Traffic::Udp(64), peers: MANY },
    ];

    /// Reads of one turn: as many as send slots are free for when each goes to another peer.
    const fn reads(self) -> u32 {
        match self.traffic {
            Traffic::Tcp => 1,
            Traffic::Udp(_) => 16,
        }
    }

    /// Packets on the wire of one turn.
    pub(crate) const fn packets(self) -> u64 {
        match self.traffic {
            Traffic::Tcp => (self.reads() as usize * SEGMENTS) as u64,
            Traffic::Udp(_) => self.reads() as u64,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peers = if self.peers == 1 { "1 peer".to_owned() } else { format!("{} peers", self.peers) };
        match self.traffic {
            Traffic::Tcp => write!(f, "TCP, {peers}"),
            Traffic::Udp(size) => write!(f, "UDP {size} B, {peers}"),
        }
    }
}

/// A pipeline with its traffic, which is fed turn by turn.
pub(crate) struct Fed {
    pipeline: Pipeline,
    case: Case,
    packets: Vec<(VnetHdr, Vec<u8>)>,
    next: usize,
}

impl Fed {
    /// A pipeline that has carried this traffic already, and lost nothing of it.
    pub(crate) fn new(case: Case) -> io::Result<Self> {
        let packets = (0..case.peers).map(|peer| packet(case.traffic, peer)).collect();
        let mut fed = Self { pipeline: Pipeline::new(case.peers)?, case, packets, next: 0 };
        for _ in 0..WARM_UP_TURNS {
            fed.feed();
            fed.send()?;
            fed.carry();
            fed.receive()?;
        }
        let expected = WARM_UP_TURNS * case.packets();
        assert_eq!(fed.pipeline.packets(), (expected, expected), "{case}: packets were lost");
        Ok(fed)
    }

    /// Lets one turn's packets wait for the sender.
    pub(crate) fn feed(&mut self) {
        for _ in 0..self.case.reads() {
            let (vnet, bytes) = &self.packets[self.next];
            self.pipeline.feed(*vnet, bytes);
            self.next = (self.next + 1) % self.packets.len();
        }
    }

    pub(crate) fn send(&mut self) -> io::Result<()> {
        self.pipeline.send()
    }

    pub(crate) fn carry(&mut self) {
        self.pipeline.carry(self.sealed_len());
    }

    /// Forgets what was sent.
    pub(crate) fn discard(&mut self) {
        self.pipeline.discard();
    }

    pub(crate) fn receive(&mut self) -> io::Result<()> {
        self.pipeline.receive()
    }

    /// Bytes of each datagram on the wire: padded to 16 unless that is beyond the MTU, header and tag around it.
    fn sealed_len(&self) -> usize {
        let inner = match self.case.traffic {
            Traffic::Tcp => HEAD + SEGMENT,
            Traffic::Udp(size) => 28 + size,
        };
        inner.next_multiple_of(16).min(inner.max(MTU)) + 32
    }
}

/// A packet, or super-packet, for one peer.
fn packet(traffic: Traffic, peer: u32) -> (VnetHdr, Vec<u8>) {
    match traffic {
        Traffic::Tcp => tcp(peer),
        Traffic::Udp(size) => udp(peer, size),
    }
}

/// Segments with time stamps, their checksum left open.
fn tcp(peer: u32) -> (VnetHdr, Vec<u8>) {
    let mut segment = vec![0x9c, 0x40, 1, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0x80, 0x10, 1, 0, 0, 0, 0, 0];
    segment.extend([1, 1, 8, 10, 0, 0, 1, 2, 0, 0, 3, 4]);
    segment.extend((0..SEGMENTS * SEGMENT).map(|i| (i * 7) as u8));
    let packet = over_ipv4(peer, 6, segment, 16);
    let vnet = VnetHdr {
        flags: VnetHdr::NEEDS_CSUM,
        gso: Gso::Tcp4,
        ecn: false,
        hdr_len: HEAD as u16,
        gso_size: SEGMENT as u16,
        csum_start: 20,
        csum_offset: 16,
    };
    (vnet, packet)
}

/// A datagram, its checksum left open.
fn udp(peer: u32, size: usize) -> (VnetHdr, Vec<u8>) {
    let mut datagram = vec![0x9c, 0x40, 1, 0xbb];
    datagram.extend((8 + size as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend((0..size).map(|i| (i * 7) as u8));
    let packet = over_ipv4(peer, 17, datagram, 6);
    let vnet = VnetHdr { flags: VnetHdr::NEEDS_CSUM, csum_start: 20, csum_offset: 6, ..VnetHdr::NONE };
    (vnet, packet)
}

/// Puts an IPv4 header in front, and the sum of the pseudo-header where the checksum will be.
fn over_ipv4(peer: u32, protocol: u8, mut transport: Vec<u8>, checksum_at: usize) -> Vec<u8> {
    let ends: [Ipv4Addr; 2] = [Pipeline::source(peer), Pipeline::destination(peer)];
    let ends = ends.map(|end| end.octets()).concat();
    let len = transport.len() as u16;
    let pseudo = Sum::ZERO.add_bytes(&ends).add_word(protocol.into()).add_word(len);
    transport[checksum_at..checksum_at + 2].copy_from_slice(&pseudo.partial());
    let mut packet = vec![0x45, 0];
    packet.extend((20 + len).to_be_bytes());
    packet.extend([0, 7, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend(ends);
    let sum = Sum::ZERO.add_bytes(&packet).checksum();
    packet[10..12].copy_from_slice(&sum);
    packet.extend(transport);
    packet
}

/// Peers of a busy server.
const MANY: u32 = 5_000;
/// Segments of one super-packet: what fits 64 KiB of sealed datagrams.
const SEGMENTS: usize = 45;
/// Payload of each: MTU less headers.
const SEGMENT: usize = MTU - HEAD;
/// IPv4 and TCP with time stamps.
const HEAD: usize = 52;
const MTU: usize = 1_420;
/// Until buffers, tables and branch predictors are what they stay.
const WARM_UP_TURNS: u64 = 400;
