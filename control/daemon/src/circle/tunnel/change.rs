//! From a tunnel as it is and one as it should be to the request that leads from one to the other.
//!
//! **Invariant:** a peer that is as it should be is not in the request, so its session is not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;

use ringmesh_wire::ip::Cidr;
use ringmesh_wire::keys::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::{Seen, SeenPeer};

/// A tunnel as it should be.
#[derive(Debug)]
pub(in crate::circle) struct Wanted {
    /// Its key.
    pub(in crate::circle) private_key: PrivateKey,
    /// Its UDP port; 0 for any.
    pub(in crate::circle) listen_port: u16,
    /// Its peers; all others end.
    pub(in crate::circle) peers: BTreeMap<PublicKey, WantedPeer>,
}

/// A peer as it should be.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::circle) struct WantedPeer {
    /// Its ranges.
    pub(in crate::circle) allowed: BTreeSet<Cidr>,
    /// Seconds between keepalives; 0 for none.
    pub(in crate::circle) keepalive_secs: u16,
    /// Where to try to reach it from now on; none leaves that to the tunnel, which follows a peer that moves.
    pub(in crate::circle) endpoint: Option<SocketAddr>,
}

/// What to say; none if everything is as it should be.
pub(super) fn request(seen: &Seen, wanted: &Wanted) -> Option<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(256 + wanted.peers.len() * 512));
    text.push_str("set=1\n");
    let empty = text.len();
    let same_key = seen.private_key.as_ref().is_some_and(|key| key.expose() == wanted.private_key.expose());
    if !same_key {
        text.push_str("private_key=");
        push_hex(&mut text, wanted.private_key.expose());
    }
    if wanted.listen_port != 0 && wanted.listen_port != seen.listen_port {
        push(&mut text, format_args!("listen_port={}", wanted.listen_port));
    }
    for key in seen.peers.keys().filter(|key| !wanted.peers.contains_key(key)) {
        push(&mut text, format_args!("public_key={}\nremove=true", key.to_hex()));
    }
    for (key, peer) in &wanted.peers {
        push_peer(&mut text, key, seen.peers.get(key), peer);
    }
    if text.len() == empty {
        return None;
    }
    text.push('\n');
    Some(text)
}

fn push_peer(text: &mut String, key: &PublicKey, seen: Option<&SeenPeer>, wanted: &WantedPeer) {
    let begin = text.len();
    push(text, format_args!("public_key={}", key.to_hex()));
    let named = text.len();
    if seen.is_none_or(|seen| seen.allowed != wanted.allowed) {
        text.push_str("replace_allowed_ips=true\n");
        wanted.allowed.iter().for_each(|range| push(text, format_args!("allowed_ip={range}")));
    }
    if let Some(endpoint) = wanted.endpoint
        && seen.is_none_or(|seen| seen.endpoint != Some(endpoint))
    {
        push(text, format_args!("endpoint={endpoint}"));
    }
    // Behind the endpoint: a keepalive that is turned on is sent at once.
    if seen.map_or(0, |seen| seen.keepalive_secs) != wanted.keepalive_secs {
        push(text, format_args!("persistent_keepalive_interval={}", wanted.keepalive_secs));
    }
    if text.len() == named && seen.is_some() {
        text.truncate(begin);
    }
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = text.write_fmt(line);
    text.push('\n');
}

/// Digit by digit, so that no other piece of memory ever holds the key's text.
fn push_hex(text: &mut String, key: &[u8; 32]) {
    for byte in key {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests;
