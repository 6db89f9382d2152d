//! How a tunnel is, as `ringmesh status` shows it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// One tunnel with both of its processes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// The interface's name.
    pub interface: String,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether the link is up.
    pub up: bool,
    /// Whether the link was moved to another network namespace.
    pub moved: bool,
    /// Our public key in base64, if a private key is set.
    pub public_key: Option<String>,
    /// The UDP port.
    pub listen_port: u16,
    /// The mark of outgoing datagrams; 0 is none.
    pub fwmark: u32,
    /// What the TUN device hands over in one piece, by name.
    pub tun_offloads: Vec<String>,
    /// The control process.
    pub control: Control,
    /// The data plane, if it runs.
    pub plane: Option<Plane>,
    /// The peers.
    pub peers: Vec<Peer>,
}

/// The control process.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Control {
    /// Process number.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_secs: u64,
    /// Version of ringmesh.
    pub version: String,
    /// How often it had to start a data plane anew.
    pub plane_restarts: u64,
    /// Values from the data plane that were refused.
    pub refused: u64,
    /// Datagrams that the data plane punted, and what was answered to them.
    pub punted: u64,
    /// Answers injected through the data plane.
    pub injected: u64,
}

/// The data plane.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Plane {
    /// Process number.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_secs: u64,
    /// Which of its walls stand, by name.
    pub hardening: BTreeMap<String, bool>,
    /// Values from control that it refused.
    pub refused: u64,
    /// Its workers.
    pub workers: Vec<Worker>,
}

/// One worker of the data plane.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Worker {
    /// What it uses of kernel and device, by name.
    pub features: Vec<String>,
    /// How often it had to do without something from then on.
    pub fallbacks: u64,
    /// Counters by name; zero is not listed.
    pub counters: BTreeMap<String, u64>,
    /// Packets that ended early, by reason; zero is not listed.
    pub drops: BTreeMap<String, u64>,
}

/// One peer.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Peer {
    /// Its public key in base64.
    pub public_key: String,
    /// Where it is.
    pub endpoint: Option<SocketAddr>,
    /// Seconds since 1970 of the last handshake.
    pub last_handshake_secs: Option<u64>,
    /// Whether a session is alive.
    pub has_session: bool,
    /// Bytes received from it.
    pub rx_bytes: u64,
    /// Bytes sent to it.
    pub tx_bytes: u64,
    /// Seconds between persistent keepalives; 0 is off.
    pub keepalive_secs: u16,
    /// Its ranges.
    pub allowed_ips: Vec<String>,
}
