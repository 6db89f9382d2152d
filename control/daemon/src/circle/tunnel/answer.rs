//! What the `wg` interface answers, as far as the daemon needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use ringmesh_wire::ip::Cidr;
use ringmesh_wire::keys::{PrivateKey, PublicKey};

/// A tunnel as it is.
#[derive(Debug, Default)]
pub(in crate::circle) struct Seen {
    /// Its key.
    pub(in crate::circle) private_key: Option<PrivateKey>,
    /// Its UDP port.
    pub(in crate::circle) listen_port: u16,
    /// Its peers.
    pub(in crate::circle) peers: BTreeMap<PublicKey, SeenPeer>,
}

/// A peer as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::circle) struct SeenPeer {
    /// Where it is.
    pub(in crate::circle) endpoint: Option<SocketAddr>,
    /// When the last handshake was, in seconds since 1970; 0 for never.
    pub(in crate::circle) handshake_secs: u64,
    /// Bytes received from it.
    pub(in crate::circle) rx_bytes: u64,
    /// Bytes sent to it.
    pub(in crate::circle) tx_bytes: u64,
    /// Seconds between keepalives; 0 for none.
    pub(in crate::circle) keepalive_secs: u16,
    /// Its ranges.
    pub(in crate::circle) allowed: BTreeSet<Cidr>,
}

/// Reads an answer; what is not understood is passed over. Gives the error number too: 0 is success, -1 none was said.
pub(super) fn read(text: &str) -> (Seen, i32) {
    let (mut seen, mut errno) = (Seen::default(), -1);
    let mut peer: Option<&mut SeenPeer> = None;
    for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
        match (key, &mut peer) {
            ("errno", _) => errno = value.parse().unwrap_or(-1),
            ("private_key", None) => seen.private_key = PrivateKey::from_hex(value).ok(),
            ("listen_port", None) => seen.listen_port = value.parse().unwrap_or(0),
            ("public_key", _) => {
                peer = PublicKey::from_hex(value).ok().map(|key| seen.peers.entry(key).or_default());
            }
            (_, Some(peer)) => read_peer(peer, key, value),
            (_, None) => {}
        }
    }
    (seen, errno)
}

fn read_peer(peer: &mut SeenPeer, key: &str, value: &str) {
    match key {
        "endpoint" => peer.endpoint = value.parse().ok(),
        "last_handshake_time_sec" => peer.handshake_secs = value.parse().unwrap_or(0),
        "rx_bytes" => peer.rx_bytes = value.parse().unwrap_or(0),
        "tx_bytes" => peer.tx_bytes = value.parse().unwrap_or(0),
        "persistent_keepalive_interval" => peer.keepalive_secs = value.parse().unwrap_or(0),
        "allowed_ip" => peer.allowed.extend(value.parse::<Cidr>().ok()),
        _ => {}
    }
}
