//! Where a peer is reached: a tagged value of 64 bytes.
//!
//! | bytes | field |
//! | --- | --- |
//! | 0 | tag: 0 none, 1 UDP, 2 TURN channel, 3 through control |
//! | 1 | socket |
//! | 2–3 | TURN channel |
//! | 4–5 | remote port |
//! | 6 | 1: a local address is named |
//! | 7 | zero |
//! | 8–24 | remote address (family, 16 bytes) |
//! | 25–28 | scope of a link-local remote address |
//! | 29–45 | local address (family, 16 bytes) |
//! | 46–49 | interface of the local address |
//! | 50–57 | token |
//! | 58–63 | zero |
//!
//! Fields that a tag does not use are zero, so equal endpoints are equal bytes.
//!
//! **Invariant:** addresses are never IPv4 inside IPv6.

use crate::fields::{Reader, Writer};
use crate::{Claim, Refused};
use core::net::{IpAddr, SocketAddr, SocketAddrV6};

/// Bytes of an encoded endpoint.
pub const ENDPOINT_LEN: usize = 64;

/// Sockets that a worker can have.
pub const SOCKETS_MAX: u8 = 16;

/// The local end of a path: from which address, over which interface.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LocalAddr {
    /// The address that packets leave from.
    pub ip: IpAddr,
    /// The interface, as the kernel numbers it; 0 leaves it to the routes.
    pub ifindex: u32,
}

/// A way over UDP.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct UdpPath {
    /// The other end.
    pub remote: SocketAddr,
    /// Our end, when it is known.
    pub local: Option<LocalAddr>,
    /// Which of the worker's sockets.
    pub socket: u8,
}

/// Where a peer is reached.
///
/// Having a decoded one tells: it is well-formed, its socket is below [`SOCKETS_MAX`], a TURN channel is in the range of
/// RFC 8656, section 12. It does not tell: that the socket is there, or that the address can be reached or is not our own.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Endpoint {
    /// Unknown.
    #[default]
    None,
    /// Straight over UDP.
    Udp(UdpPath),
    /// In ChannelData messages through a TURN server (RFC 8656, section 12.4).
    Turn {
        /// The way to the server.
        server: UdpPath,
        /// The channel that is bound to the peer.
        channel: u16,
    },
    /// Through the rings, for control to carry.
    Control {
        /// What control calls this way.
        token: u64,
    },
}

impl Endpoint {
    /// The value as it lies in memory.
    #[must_use]
    pub fn encode(&self) -> [u8; ENDPOINT_LEN] {
        let mut bytes = [0; ENDPOINT_LEN];
        let mut fields = Writer::new(&mut bytes);
        match *self {
            Self::None => {}
            Self::Udp(path) => emit_path(&mut fields, TAG_UDP, &path, 0),
            Self::Turn { server, channel } => emit_path(&mut fields, TAG_TURN, &server, channel),
            Self::Control { token } => {
                fields.u8(TAG_CONTROL).raw(&[0; TOKEN_AT - 1]).u64(token);
            }
        }
        bytes
    }

    /// Checks a private copy of 64 bytes.
    ///
    /// # Errors
    /// [`Refused::Field`] names the first field that is not as the table says.
    pub fn decode(bytes: &[u8; ENDPOINT_LEN]) -> Result<Self, Refused> {
        let mut fields = Reader::new(bytes);
        let endpoint = match fields.u8()? {
            0 => Self::None,
            TAG_UDP => {
                let (path, channel) = read_path(&mut fields)?;
                channel.at_most(0, "channel")?;
                Self::Udp(path)
            }
            TAG_TURN => {
                let (server, channel) = read_path(&mut fields)?;
                Self::Turn { server, channel: channel.within(CHANNEL_FIRST, CHANNEL_LAST, "channel")? }
            }
            TAG_CONTROL => {
                if *fields.raw()? != [0; TOKEN_AT - 1] {
                    return Err(Refused::Field("reserved bytes"));
                }
                Self::Control { token: fields.u64()? }
            }
            _ => return Err(Refused::Field("endpoint tag")),
        };
        fields.rest_is_zero()?;
        Ok(endpoint)
    }
}

fn emit_path(fields: &mut Writer<'_>, tag: u8, path: &UdpPath, channel: u16) {
    fields.u8(tag).u8(path.socket).u16(channel).u16(path.remote.port());
    fields.bool(path.local.is_some()).u8(0);
    fields.ip(path.remote.ip().to_canonical()).u32(scope(&path.remote));
    if let Some(local) = path.local {
        fields.ip(local.ip.to_canonical()).u32(local.ifindex);
    }
}

fn read_path(fields: &mut Reader<'_>) -> Result<(UdpPath, Claim<u16>), Refused> {
    let socket = Claim::new(fields.u8()?).below(SOCKETS_MAX, "socket")?;
    let channel = Claim::new(fields.u16()?);
    let port = fields.u16()?;
    let has_local = fields.bool("local address mark")?;
    Claim::new(fields.u8()?).at_most(0, "reserved bytes")?;
    let remote = with_scope(fields.ip()?, port, fields.u32()?)?;
    let local = if has_local { Some(LocalAddr { ip: fields.ip()?, ifindex: fields.u32()? }) } else { None };
    Ok((UdpPath { remote, local, socket }, channel))
}

fn scope(address: &SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => 0,
        SocketAddr::V6(v6) => v6.scope_id(),
    }
}

fn with_scope(ip: IpAddr, port: u16, scope: u32) -> Result<SocketAddr, Refused> {
    match ip {
        IpAddr::V4(_) => Claim::new(scope).at_most(0, "scope").map(|_| SocketAddr::new(ip, port)),
        IpAddr::V6(v6) => Ok(SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope))),
    }
}

/// Channel numbers that TURN may use (RFC 8656, section 12).
const CHANNEL_FIRST: u16 = 0x4000;
const CHANNEL_LAST: u16 = 0x4fff;

const TAG_UDP: u8 = 1;
const TAG_TURN: u8 = 2;
const TAG_CONTROL: u8 = 3;
const TOKEN_AT: usize = 50;

#[cfg(test)]
mod tests;
