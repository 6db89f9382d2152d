//! From the lines of a `set=1` request to a [`Set`].
//!
//! The parser takes a line at a time, so a request with 100,000 peers needs no copy of its whole text.
//!
//! **Invariant:** pure, total and bounded: any text gives a [`Set`] or an [`Errno`], and no text makes more
//! than [`PEERS_MAX`] entries and [`ALLOWED_IPS_MAX`] allowed IPs.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use ringmesh_wire::ip::Cidr;
use ringmesh_wire::keys::{PresharedKey, PrivateKey, PublicKey};

use super::errno::Errno;

/// Longest line that is looked at, in bytes; the longest useful one has about 110.
pub const LINE_LEN_MAX: usize = 1024;
/// Most peer sections in one request.
pub const PEERS_MAX: usize = ringmesh_abi::PEERS_MAX as usize;
/// Most allowed IPs in one request.
pub const ALLOWED_IPS_MAX: usize = 1 << 20;

/// Everything that one `set=1` request asks for; `None` leaves a value as it is.
#[derive(Debug, Default)]
pub struct Set {
    /// The device's key; `Some(None)` takes it away.
    pub private_key: Option<Option<PrivateKey>>,
    /// The UDP port; 0 means any.
    pub listen_port: Option<u16>,
    /// The mark of outgoing datagrams; 0 means none.
    pub fwmark: Option<u32>,
    /// Peers that are not named below end.
    pub replace_peers: bool,
    /// The peers' sections in the order of the text; one peer may have several.
    pub peers: Vec<PeerSet>,
}

/// What a request says about one peer.
#[derive(Debug)]
pub struct PeerSet {
    /// Names the peer.
    pub public_key: PublicKey,
    /// The peer ends; everything else is without effect.
    pub remove: bool,
    /// Only an existing peer is changed, none is made.
    pub update_only: bool,
    /// The pre-shared key; all zeros means none.
    pub preshared_key: Option<PresharedKey>,
    /// Where the peer is.
    pub endpoint: Option<PeerEndpoint>,
    /// Seconds between persistent keepalives; 0 turns them off.
    pub keepalive_secs: Option<u16>,
    /// The peer's allowed IPs are emptied first.
    pub replace_allowed_ips: bool,
    /// Changes of the allowed IPs, in order.
    pub allowed_ips: Vec<AllowedIp>,
}

/// One change of the allowed IPs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AllowedIp {
    /// The range becomes this peer's, taken from whoever had it.
    Add(Cidr),
    /// The range is no longer this peer's, if it was (`allowed_ip=-…`).
    Remove(Cidr),
}

/// An endpoint as the text has it: an interface behind `%` still has its name, because only the system
/// knows its number.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerEndpoint {
    /// Address (never IPv4 in IPv6) and port.
    pub addr: SocketAddr,
    /// The interface of a link-local address, when it is a name.
    pub zone: Option<String>,
}

/// Reads the body of a `set=1` request: what follows that line, up to an empty line or the end.
///
/// # Errors
/// [`Errno::PROTOCOL`] for a line without `=`, [`Errno::INVALID`] for an unknown key or a bad value,
/// [`Errno::TOO_BIG`] for more than the bounds above.
pub fn parse(text: &str) -> Result<Set, Errno> {
    let mut parser = Parser::default();
    for line in text.split('\n').take_while(|line| !line.is_empty()) {
        parser.line(line)?;
    }
    Ok(parser.finish())
}

/// The state between two lines.
#[derive(Debug, Default)]
pub struct Parser {
    set: Set,
    allowed_ips: usize,
}

impl Parser {
    /// Takes one line without its line end.
    ///
    /// # Errors
    /// As [`parse`]. After an error the parser's [`Set`] is of no use.
    pub fn line(&mut self, line: &str) -> Result<(), Errno> {
        if line.len() > LINE_LEN_MAX {
            return Err(Errno::TOO_BIG);
        }
        let (key, value) = line.split_once('=').ok_or(Errno::PROTOCOL)?;
        if key == "public_key" {
            return self.on_peer(value);
        }
        match self.set.peers.last_mut() {
            None => device_line(&mut self.set, key, value),
            Some(peer) => peer_line(peer, &mut self.allowed_ips, key, value),
        }
    }

    /// What the lines asked for.
    pub fn finish(self) -> Set {
        self.set
    }

    fn on_peer(&mut self, value: &str) -> Result<(), Errno> {
        if self.set.peers.len() == PEERS_MAX {
            return Err(Errno::TOO_BIG);
        }
        self.set.peers.push(PeerSet {
            public_key: PublicKey::from_hex(value).map_err(|_| Errno::INVALID)?,
            remove: false,
            update_only: false,
            preshared_key: None,
            endpoint: None,
            keepalive_secs: None,
            replace_allowed_ips: false,
            allowed_ips: Vec::new(),
        });
        Ok(())
    }
}

fn device_line(set: &mut Set, key: &str, value: &str) -> Result<(), Errno> {
    match key {
        "private_key" => {
            let key = PrivateKey::from_hex(value).map_err(|_| Errno::INVALID)?;
            set.private_key = Some((!key.is_zero()).then_some(key));
        }
        "listen_port" => set.listen_port = Some(number(value)?),
        "fwmark" => set.fwmark = Some(number(value)?),
        "replace_peers" => set.replace_peers = only_true(value)?,
        _ => return Err(Errno::INVALID),
    }
    Ok(())
}

fn peer_line(peer: &mut PeerSet, allowed_ips: &mut usize, key: &str, value: &str) -> Result<(), Errno> {
    match key {
        "remove" => peer.remove = only_true(value)?,
        "update_only" => peer.update_only = only_true(value)?,
        "preshared_key" => {
            peer.preshared_key = Some(PresharedKey::from_hex(value).map_err(|_| Errno::INVALID)?);
        }
        "endpoint" => peer.endpoint = Some(endpoint(value).ok_or(Errno::INVALID)?),
        "persistent_keepalive_interval" => peer.keepalive_secs = Some(number(value)?),
        "replace_allowed_ips" => {
            peer.replace_allowed_ips = only_true(value)?;
            // Lines count in their order: what was added above this one goes as well.
            peer.allowed_ips.clear();
        }
        "allowed_ip" => {
            *allowed_ips += 1;
            if *allowed_ips > ALLOWED_IPS_MAX {
                return Err(Errno::TOO_BIG);
            }
            peer.allowed_ips.push(allowed_ip(value).ok_or(Errno::INVALID)?);
        }
        "protocol_version" if value == "1" => {}
        _ => return Err(Errno::INVALID),
    }
    Ok(())
}

fn only_true(value: &str) -> Result<bool, Errno> {
    if value == "true" { Ok(true) } else { Err(Errno::INVALID) }
}

/// Decimal digits and nothing else: `from_str` alone would take a sign.
fn number<T: FromStr>(value: &str) -> Result<T, Errno> {
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Errno::INVALID);
    }
    value.parse().map_err(|_| Errno::INVALID)
}

fn allowed_ip(value: &str) -> Option<AllowedIp> {
    let (range, make): (_, fn(Cidr) -> AllowedIp) = match value.strip_prefix('-') {
        Some(range) => (range, AllowedIp::Remove),
        None => (value, AllowedIp::Add),
    };
    // `Cidr` alone would take a bare address, which the protocol does not know.
    let range: Cidr = range.contains('/').then(|| range.parse().ok()).flatten()?;
    plain(range).map(make)
}

/// IPv4 addresses written as IPv6 (`::ffff:10.0.0.0/104`) are IPv4 addresses: no packet has them otherwise.
fn plain(range: Cidr) -> Option<Cidr> {
    match range.addr.to_canonical() {
        same if same == range.addr => Some(range),
        addr => Cidr::new(addr, range.prefix.checked_sub(96)?).ok(),
    }
}

/// `192.0.2.1:51820`, `[2001:db8::1]:51820` or `[fe80::1%eth0]:51820`; port 0 reaches nobody.
fn endpoint(value: &str) -> Option<PeerEndpoint> {
    let (host, port) = value.rsplit_once(':')?;
    let port: u16 = number(port).ok().filter(|port| *port != 0)?;
    let Some(inner) = host.strip_prefix('[') else {
        let ip: std::net::Ipv4Addr = host.parse().ok()?;
        return Some(PeerEndpoint { addr: SocketAddr::new(ip.into(), port), zone: None });
    };
    let inner = inner.strip_suffix(']')?;
    let (ip, zone) = match inner.split_once('%') {
        Some((ip, zone)) => (ip, Some(zone)),
        None => (inner, None),
    };
    let ip: std::net::Ipv6Addr = ip.parse().ok()?;
    let Some(zone) = zone else {
        return Some(PeerEndpoint { addr: SocketAddr::new(IpAddr::V6(ip).to_canonical(), port), zone: None });
    };
    if let Ok(scope) = number::<u32>(zone) {
        let addr = std::net::SocketAddrV6::new(ip, port, 0, scope);
        return Some(PeerEndpoint { addr: addr.into(), zone: None });
    }
    // An interface name has 1 to 15 bytes.
    (1..16)
        .contains(&zone.len())
        .then(|| PeerEndpoint { addr: SocketAddr::new(ip.into(), port), zone: Some(zone.to_owned()) })
}

#[cfg(test)]
mod tests;
