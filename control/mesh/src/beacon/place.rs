//! Where a beacon is, as one line that people pass on: `beacon://nas.example.org:3478/4f6e…`.
//!
//! Host and port say where to connect, the rest is the beacon's key. Without a key the line is good only where a certificate
//! authority vouches for the host.

use std::fmt;
use std::str::FromStr;

use super::PORT;
use crate::identity::BeaconId;
use crate::invite::Beacon;
use crate::limits::BEACON_URL_MAX;

/// What the line begins with. It may be left out.
pub const SCHEME: &str = "beacon://";

/// A beacon's address, and its key if that is known.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BeaconUrl {
    /// Name or address of the host, an IPv6 address without brackets.
    pub host: Box<str>,
    /// Its port, TCP and UDP.
    pub port: u16,
    /// Its key.
    pub key: Option<BeaconId>,
}

/// Why a text does not say where a beacon is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadUrl {
    /// No host, or one that cannot be one.
    #[error(
        "this is no address of a beacon; `ringmesh beacon` prints one, like beacon://nas.example.org/4f6e…"
    )]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("the beacon's port is not a number from 1 to 65535")]
    Port,
    /// The key is cut off or mistyped.
    #[error("the beacon's key is not 64 hexadecimal digits; copy the address again as a whole")]
    Key,
}

impl BeaconUrl {
    /// Where an invite's beacon is.
    ///
    /// # Errors
    /// [`BadUrl`] if its address is no host, or host and port.
    pub fn of(beacon: &Beacon) -> Result<Self, BadUrl> {
        let (host, port) = host_and_port(&beacon.address)?;
        Ok(Self { host, port, key: Some(beacon.key) })
    }

    /// The same for an invite, once the key is known.
    #[must_use]
    pub fn pinned(&self, key: BeaconId) -> Beacon {
        Beacon { key, address: self.authority().into() }
    }

    /// Host and port as they are typed, the port only where it is not [`PORT`].
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() };
        if self.port == PORT { host } else { format!("{host}:{}", self.port) }
    }
}

impl FromStr for BeaconUrl {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Self, BadUrl> {
        let text = text.trim();
        let start = text.get(..SCHEME.len()).filter(|start| start.eq_ignore_ascii_case(SCHEME));
        let text = start.map_or(text, |start| &text[start.len()..]);
        let (authority, key) = text.split_once('/').unwrap_or((text, ""));
        let key = match key.trim_end_matches('/') {
            "" => None,
            key => Some(BeaconId::from_hex(key).ok_or(BadUrl::Key)?),
        };
        let (host, port) = host_and_port(authority)?;
        Ok(Self { host, port, key })
    }
}

impl fmt::Display for BeaconUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.authority())?;
        self.key.map_or(Ok(()), |key| write!(f, "/{key}"))
    }
}

fn host_and_port(authority: &str) -> Result<(Box<str>, u16), BadUrl> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(BadUrl::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| BadUrl::Host)?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(BadUrl::Port)?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    // Room for brackets and a port, so that what was read can always be written into an invite.
    if host.is_empty() || host.len() > BEACON_URL_MAX - 8 || !host.bytes().all(named) {
        return Err(BadUrl::Host);
    }
    let port = port.map_or(Ok(PORT), |port| port.parse().map_err(|_| BadUrl::Port))?;
    if port == 0 { Err(BadUrl::Port) } else { Ok((host.to_ascii_lowercase().into(), port)) }
}
