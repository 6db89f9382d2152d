//! Where a peer is: the way that a datagram takes to it and came from.
//!
//! **Invariant:** every address that the constructors make is plain: an IPv4 address is never written as
//! an IPv6 one (`::ffff:a.b.c.d`), and an IPv6 address carries no flow label. So two endpoints are
//! equal exactly when they are the same way.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

/// The local side of a path: the source address of what we send.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LocalAddr {
    /// The address that the peer reached us at.
    pub ip: IpAddr,
    /// The interface that it came in by; 0 leaves the choice to the routing table.
    pub ifindex: u32,
}

/// A path straight to an address.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct UdpPath {
    /// Where datagrams go.
    pub remote: SocketAddr,
    /// Where they leave from; `None` leaves it to the kernel.
    pub local: Option<LocalAddr>,
    /// Which of the worker's sockets carries them; 0 is the ordinary one.
    pub socket: u8,
}

impl UdpPath {
    /// A path with plain addresses, whatever form the kernel gave them in.
    #[must_use]
    pub fn new(remote: SocketAddr, local: Option<LocalAddr>, socket: u8) -> Self {
        let local = local.map(|local| LocalAddr { ip: local.ip.to_canonical(), ..local });
        Self { remote: plain(remote), local, socket }
    }
}

/// How to reach a peer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Endpoint {
    /// Straight, by UDP.
    Udp(UdpPath),
    /// Through a TURN server, as ChannelData.
    Turn {
        /// The way to the server.
        server: UdpPath,
        /// The channel that is bound to the peer there, 0x4000 to 0x4FFF.
        channel: u16,
    },
    /// Through the control process, for what the data plane cannot carry itself.
    Control {
        /// Control's name for the path.
        token: u64,
    },
}

impl Endpoint {
    /// The plain UDP endpoint that a person types: kernel's choice of source, ordinary socket.
    #[must_use]
    pub fn udp(remote: SocketAddr) -> Self {
        Self::Udp(UdpPath::new(remote, None, 0))
    }

    /// Where datagrams leave for, as far as the network sees.
    #[must_use]
    pub fn remote(&self) -> Option<SocketAddr> {
        match self {
            Self::Udp(path) | Self::Turn { server: path, .. } => Some(path.remote),
            Self::Control { .. } => None,
        }
    }

    /// What names a source to cookies (the paper, section 5.4.7): address and port, big endian. Behind
    /// a relay the channel takes part, since everybody there has the relay's address.
    #[must_use]
    pub fn source_bytes(&self) -> SourceBytes {
        let mut bytes = SourceBytes { bytes: [0; SOURCE_LEN_MAX], len: 0 };
        match self {
            Self::Udp(path) => bytes.push_addr(path.remote),
            Self::Turn { server, channel } => {
                bytes.push_addr(server.remote);
                bytes.push(&channel.to_be_bytes());
            }
            Self::Control { token } => bytes.push(&token.to_be_bytes()),
        }
        bytes
    }
}

/// The bytes that name a source, 6 to 20 of them.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SourceBytes {
    bytes: [u8; SOURCE_LEN_MAX],
    len: usize,
}

impl SourceBytes {
    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, part: &[u8]) {
        self.bytes[self.len..][..part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn push_addr(&mut self, addr: SocketAddr) {
        match addr.ip().to_canonical() {
            IpAddr::V4(ip) => self.push(&ip.octets()),
            IpAddr::V6(ip) => self.push(&ip.octets()),
        }
        self.push(&addr.port().to_be_bytes());
    }
}

impl AsRef<[u8]> for SourceBytes {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// IPv6 address, port, channel.
const SOURCE_LEN_MAX: usize = 16 + 2 + 2;

/// The address in its plain form: IPv4 where it is IPv4, without flow label.
#[must_use]
pub fn plain(addr: SocketAddr) -> SocketAddr {
    match (addr.ip().to_canonical(), addr) {
        (IpAddr::V6(ip), SocketAddr::V6(v6)) => SocketAddrV6::new(ip, v6.port(), 0, v6.scope_id()).into(),
        (ip, addr) => SocketAddr::new(ip, addr.port()),
    }
}

#[cfg(test)]
mod tests;
