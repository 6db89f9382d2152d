//! Datagrams that no honest peer sends.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::thread::JoinHandle;

use blake2::digest::consts::U16;
use blake2::digest::{KeyInit, Mac};
use blake2::{Blake2s256, Blake2sMac, Digest};
use ringmesh_lab::namespaces::Namespace;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::traffic::Stop;

/// The greatest payload of a UDP datagram over IPv4.
pub const DATAGRAM_MAX: usize = 65_507;

/// A small generator of bytes that look random: the same for the same seed.
#[derive(Clone, Debug)]
pub struct Noise(u64);

impl Noise {
    /// A generator with this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9E37_79B9_7F4A_7C15)
    }

    /// The next number (xorshift64*).
    pub const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        for piece in out.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            piece.copy_from_slice(&bytes[..piece.len()]);
        }
    }
}

/// What the first bytes of hostile datagrams claim to be.
const BEGINNINGS: &[&[u8]] = &[
    &[],
    &[1, 0, 0, 0],
    &[2, 0, 0, 0],
    &[3, 0, 0, 0],
    &[4, 0, 0, 0],
    &[4, 0, 0, 1],
    &[4, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    // STUN: a binding request with the magic cookie; and a TURN channel.
    &[0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42],
    &[0x40, 0, 0, 4],
    &[0; 16],
    &[0xFF; 16],
];

/// Sends a datagram of every length from 0 to [`DATAGRAM_MAX`] to `to`, their beginnings in turn, and every beginning with
/// each length up to 256.
///
/// # Panics
/// When the system does not send them.
pub fn every_length(socket: &UdpSocket, to: SocketAddr, seed: u64) {
    let mut noise = Noise::new(seed);
    let mut datagram = vec![0; DATAGRAM_MAX];
    noise.fill(&mut datagram);
    let short = (0..=256).flat_map(|len| BEGINNINGS.iter().map(move |beginning| (len, *beginning)));
    let long = (0..=DATAGRAM_MAX).map(|len| (len, BEGINNINGS[len % BEGINNINGS.len()]));
    for (len, beginning) in short.chain(long) {
        let claimed = beginning.len().min(len);
        datagram[..claimed].copy_from_slice(&beginning[..claimed]);
        let sent = socket.send_to(&datagram[..len], to);
        assert_eq!(sent.unwrap_or_else(|error| panic!("{len} B to {to}: {error}")), len);
        // Fresh bytes behind the beginning, where the fields are.
        noise.fill(&mut datagram[16..128]);
    }
}

/// A handshake initiation from nobody whose first code (MAC1) is right for this responder, so it is worth an answer or
/// a costly look.
///
/// # Panics
/// Never: the key of the code has the right length.
pub fn initiation(responder: &[u8; 32], noise: &mut Noise) -> [u8; 148] {
    let mut message = [0; 148];
    noise.fill(&mut message);
    message[..4].copy_from_slice(&[1, 0, 0, 0]);
    message[132..].fill(0);
    let key = Blake2s256::new().chain_update(b"mac1----").chain_update(responder).finalize();
    let mut mac = Blake2sMac::<U16>::new_from_slice(&key).expect("a key of 32 bytes");
    mac.update(&message[..116]);
    message[116..132].copy_from_slice(&mac.finalize().into_bytes());
    message
}

/// Initiations from spoofed sources at full speed, until finished.
#[derive(Debug)]
pub struct Flood {
    stop: Stop,
    thread: JoinHandle<u64>,
}

impl Flood {
    /// Floods `to`, whose public key is `responder`, from `host`.
    ///
    /// # Panics
    /// Without the right to open a raw socket.
    pub fn start(host: &Namespace, to: SocketAddrV4, responder: [u8; 32]) -> Self {
        let raw = || Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc_raw())));
        let socket = host.enter(raw).unwrap_or_else(|error| panic!("{error}"));
        let socket = socket.expect("a raw socket");
        let stop = Stop::default();
        let until = stop.clone();
        let thread = std::thread::spawn(move || flood(&socket, to, &responder, &until));
        Self { stop, thread }
    }

    /// Ends it and says how many datagrams left.
    ///
    /// # Panics
    /// When the flooding thread did.
    pub fn finish(self) -> u64 {
        self.stop.now();
        self.thread.join().expect("the flood ended well")
    }
}

/// IPPROTO_RAW: we write the IP header ourselves, so we choose the source.
const fn libc_raw() -> i32 {
    255
}

fn flood(socket: &Socket, to: SocketAddrV4, responder: &[u8; 32], until: &Stop) -> u64 {
    let mut noise = Noise::new(u64::from(to.port()));
    // The responder does not know these; computing a fresh code for each would slow the flood.
    let messages: Vec<_> = (0..256).map(|_| initiation(responder, &mut noise)).collect();
    let target = SockAddr::from(to);
    let mut sent = 0;
    while !until.is_now() {
        let message = &messages[(sent % 256) as usize];
        let packet = spoofed(&mut noise, to, message);
        // A full queue is the flood's limit, not a failure.
        sent += u64::from(socket.send_to(&packet, &target).is_ok());
    }
    sent
}

/// An IPv4 packet with a UDP datagram from a source of 10.77.128.0/17 that nobody has. The kernel fills the checksum of
/// the header; the one of UDP may be left out over IPv4.
fn spoofed(noise: &mut Noise, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let random = noise.next().to_le_bytes();
    let source = Ipv4Addr::new(10, 78, random[0], random[1]);
    let udp_len = (8 + payload.len()) as u16;
    let mut packet = Vec::with_capacity(28 + payload.len());
    packet.extend([0x45, 0]);
    packet.extend((20 + udp_len).to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(source.octets());
    packet.extend(to.ip().octets());
    packet.extend([random[2] | 0x80, random[3]]);
    packet.extend(to.port().to_be_bytes());
    packet.extend(udp_len.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

#[cfg(test)]
mod tests;
