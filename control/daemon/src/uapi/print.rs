//! The answer to `get=1`.
//!
//! **Invariant:** the text holds private keys, so its memory is taken once, large enough, and wiped when it
//! goes: text that grows would leave copies behind.

use std::fmt::Write;
use std::net::SocketAddr;

use ringmesh_wire::ip::Cidr;
use ringmesh_wire::keys::PublicKey;
use zeroize::Zeroizing;

/// The device as `get=1` shows it.
#[derive(Debug)]
pub struct Device<'a> {
    /// The device's key.
    pub private_key: Option<&'a [u8; 32]>,
    /// The UDP port.
    pub listen_port: u16,
    /// The mark of outgoing datagrams; 0 is not shown.
    pub fwmark: u32,
    /// Its peers.
    pub peers: Vec<Peer<'a>>,
}

/// One peer as `get=1` shows it.
#[derive(Debug)]
pub struct Peer<'a> {
    /// Names the peer.
    pub public_key: PublicKey,
    /// Zeros when there is none.
    pub preshared_key: &'a [u8; 32],
    /// Where it was last heard, or where it was said to be.
    pub endpoint: Option<SocketAddr>,
    /// Wall clock of the last handshake: seconds and nanoseconds since 1970, zeros for never.
    pub last_handshake: (u64, u32),
    /// Bytes received from it, as they were on the wire.
    pub rx_bytes: u64,
    /// Bytes sent to it, as they were on the wire.
    pub tx_bytes: u64,
    /// Seconds between persistent keepalives; 0 means off.
    pub keepalive_secs: u16,
    /// Its allowed IPs.
    pub allowed_ips: &'a [Cidr],
}

/// Prints all lines but the `errno=` that ends the answer.
pub fn print(device: &Device<'_>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(room(device)));
    if let Some(key) = device.private_key {
        push_key(&mut text, "private_key", key);
    }
    line(&mut text, format_args!("listen_port={}", device.listen_port));
    if device.fwmark != 0 {
        line(&mut text, format_args!("fwmark={}", device.fwmark));
    }
    for peer in &device.peers {
        push_peer(&mut text, peer);
    }
    text
}

fn push_peer(text: &mut String, peer: &Peer<'_>) {
    push_key(text, "public_key", &peer.public_key.0);
    push_key(text, "preshared_key", peer.preshared_key);
    line(text, format_args!("protocol_version=1"));
    if let Some(endpoint) = peer.endpoint {
        line(text, format_args!("endpoint={endpoint}"));
    }
    line(text, format_args!("last_handshake_time_sec={}", peer.last_handshake.0));
    line(text, format_args!("last_handshake_time_nsec={}", peer.last_handshake.1));
    line(text, format_args!("tx_bytes={}", peer.tx_bytes));
    line(text, format_args!("rx_bytes={}", peer.rx_bytes));
    line(text, format_args!("persistent_keepalive_interval={}", peer.keepalive_secs));
    for range in peer.allowed_ips {
        line(text, format_args!("allowed_ip={range}"));
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = text.write_fmt(line);
    text.push('\n');
}

/// Digit by digit, so that no other piece of memory ever holds the key's text.
fn push_key(text: &mut String, name: &str, key: &[u8; 32]) {
    text.push_str(name);
    text.push('=');
    for byte in key {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text.push('\n');
}

fn room(device: &Device<'_>) -> usize {
    let ranges: usize = device.peers.iter().map(|peer| peer.allowed_ips.len()).sum();
    DEVICE_LEN_MAX + device.peers.len() * PEER_LEN_MAX + ranges * RANGE_LEN_MAX + TRAILER_LEN_MAX
}

/// Three lines: a key (77), a port (18), a mark (18).
const DEVICE_LEN_MAX: usize = 128;
/// Two keys (155), version (19), endpoint (72), handshake (45 + 36), bytes (30 + 30), keepalive (37).
const PEER_LEN_MAX: usize = 448;
/// `allowed_ip=`, 39 characters of IPv6 (45 with an IPv4 tail), `/128` and the line end.
const RANGE_LEN_MAX: usize = 64;
/// `errno=` and its empty line.
const TRAILER_LEN_MAX: usize = 32;

#[cfg(test)]
mod tests;
