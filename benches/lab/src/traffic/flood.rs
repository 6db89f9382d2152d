//! As many datagrams as one core can send, also from addresses that are not ours.
//!
//! A stranger's datagrams come from wherever he likes, so initiations leave by a raw socket with a source of their
//! own each. All sources lie in [`SPOOFED`], which the benchmarking RFC 2544 has to itself: with a route there, the
//! victim's answers leave it as they would on the Internet, and end nowhere.

use super::initiation::{self, Maker};
use super::plan::{Flood, Flooding};
use super::report::FloodReport;
use crate::{Error, Result, clock};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

/// Where spoofed datagrams come from.
pub const SPOOFED: &str = "198.18.0.0/15";
/// The first address of it, and how many there are.
const SPOOFED_FIRST: u32 = 0xc612_0000;
const SPOOFED_COUNT: u32 = 1 << 17;
/// IPPROTO_RAW: what is sent begins with an IP header.
const RAW: i32 = 255;
/// Bytes of an IPv4 header without options, and of both headers.
const IP_LEN: usize = 20;
const HEADS_LEN: usize = IP_LEN + 8;
/// Datagrams between two looks at the clock.
const BURST: u32 = 16;

/// Sends until the time is over.
pub(super) fn flood(plan: &Flood) -> Result<FloodReport> {
    match plan.what {
        Flooding::Plain(size) => {
            let failed = |error| Error::io(format!("cannot send to {}", plan.to), error);
            let socket = UdpSocket::bind(("0.0.0.0", 0)).map_err(failed)?;
            socket.connect(plan.to).map_err(failed)?;
            let datagram = vec![0x5a; size as usize];
            Ok(as_fast_as_possible(plan.millis, || socket.send(&datagram).map(|_| ())))
        }
        Flooding::Initiations { responder, sound } => {
            let seed = getrandom::u64().map_err(|error| Error::Needs(format!("no randomness: {error}")))?;
            let mut spoofer = Spoofer::new(plan.to, Maker::new(&responder, sound, seed))?;
            Ok(as_fast_as_possible(plan.millis, || spoofer.send()))
        }
    }
}

fn as_fast_as_possible(millis: u64, mut send: impl FnMut() -> io::Result<()>) -> FloodReport {
    let mut report = FloodReport::default();
    let start = clock::now();
    let end = start + Duration::from_millis(millis);
    loop {
        let now = clock::now();
        if now >= end {
            report.secs = (now - start).as_secs_f64();
            return report;
        }
        for _ in 0..BURST {
            match send() {
                Ok(()) => report.sent += 1,
                // ENOBUFS, or what ICMP says of an earlier one.
                Err(_) => report.refused += 1,
            }
        }
    }
}

/// Sends initiations from one address after the other.
struct Spoofer {
    socket: Socket,
    to: SockAddr,
    maker: Maker,
    packet: [u8; HEADS_LEN + initiation::LEN],
    sources: u32,
}

impl Spoofer {
    fn new(to: SocketAddr, maker: Maker) -> Result<Self> {
        let SocketAddr::V4(victim) = to else {
            return Err(Error::Traffic("sources are spoofed over IPv4 only".to_owned()));
        };
        let failed = |error| Error::io("cannot open a raw socket", error);
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(RAW))).map_err(failed)?;
        // A raw socket's destination has no port; the datagram's stands in its header.
        let to = SockAddr::from(SocketAddrV4::new(*victim.ip(), 0));
        Ok(Self { socket, to, maker, packet: start(victim), sources: 0 })
    }

    fn send(&mut self) -> io::Result<()> {
        // An odd step through a power of two meets every address once before any comes again.
        self.sources = self.sources.wrapping_add(0x9e37_79b9);
        let source = Ipv4Addr::from_bits(SPOOFED_FIRST + self.sources % SPOOFED_COUNT);
        self.packet[12..16].copy_from_slice(&source.octets());
        self.packet[20..22].copy_from_slice(&(1_024 | self.sources as u16).to_be_bytes());
        if let Some(message) = self.packet.last_chunk_mut() {
            self.maker.fill(message);
        }
        self.socket.send_to(&self.packet, &self.to).map(|_| ())
    }
}

/// The headers of every packet to `victim`. The kernel fills in length, number and checksum of IPv4 (raw(7)); UDP's
/// checksum may be left out (RFC 768).
fn start(victim: SocketAddrV4) -> [u8; HEADS_LEN + initiation::LEN] {
    let mut packet = [0; HEADS_LEN + initiation::LEN];
    packet[..IP_LEN].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet[16..20].copy_from_slice(&victim.ip().octets());
    packet[22..24].copy_from_slice(&victim.port().to_be_bytes());
    packet[24..26].copy_from_slice(&((8 + initiation::LEN) as u16).to_be_bytes());
    packet
}
