//! Looking: how the circle is, who is in it, what was said in it.

use serde::{Deserialize, Serialize};

/// The answer to `status`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CircleStatus {
    /// Version of ringmesh.
    pub version: String,
    /// Process number of the daemon.
    pub pid: u32,
    /// Seconds since the daemon started.
    pub uptime_secs: u64,
    /// The circle that is up, if one is.
    pub circle: Option<CircleState>,
    /// Circles that this device belongs to and that are down.
    pub down: Vec<String>,
}

/// One circle as this device sees it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct CircleState {
    /// Its name.
    pub name: String,
    /// Its id, in hexadecimal digits.
    pub id: String,
    /// `member`, or `joining`.
    pub standing: String,
    /// The network interface.
    pub interface: String,
    /// Whether the tunnel runs.
    pub tunnel: bool,
    /// The UDP port of the tunnel.
    pub listen_port: u16,
    /// Where this device says that it can be reached.
    pub endpoints: Vec<String>,
    /// This device.
    pub device: Device,
    /// How many devices belong to the circle, this one among them.
    pub devices: usize,
    /// How many records are known.
    pub records: usize,
    /// The beacons in use.
    pub beacons: Vec<BeaconState>,
    /// Devices that wait to be let in.
    pub waiting: Vec<Waiting>,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}

/// One beacon as this device sees it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BeaconState {
    /// Its address.
    pub address: String,
    /// Whether it answers.
    pub online: bool,
    /// Where it sees this device, if it answers; why it does not, otherwise.
    pub detail: String,
}

/// A device whose admission does not count yet.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Waiting {
    /// Its key.
    pub key: String,
    /// What it wants to be called.
    pub name: Option<String>,
    /// What it waits for, in a sentence.
    pub reason: String,
}

/// A device of the circle.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Device {
    /// What it goes by.
    pub name: String,
    /// `NAME.CIRCLE.internal`.
    pub full_name: String,
    /// What this device calls it.
    pub nickname: Option<String>,
    /// Its identity: 64 hexadecimal digits.
    pub key: String,
    /// `admin`, `own device` or `guest`.
    pub role: String,
    /// Its mesh addresses.
    pub addresses: Vec<String>,
    /// Whether it is this device.
    pub own: bool,
    /// Whether its permissions have no effect because it wrote two histories.
    pub frozen: bool,
    /// How it is reached; none for this device.
    pub path: Option<PathState>,
}

/// How another device is reached.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct PathState {
    /// Whether a handshake succeeded within the last three minutes.
    pub online: bool,
    /// Where its datagrams come from or are sent to.
    pub endpoint: Option<String>,
    /// Seconds since the last handshake.
    pub handshake_secs: Option<u64>,
    /// Bytes received from it.
    pub rx_bytes: u64,
    /// Bytes sent to it.
    pub tx_bytes: u64,
    /// Addresses that are known of it, the next to try first.
    pub candidates: Vec<String>,
}

/// The answer to `peers`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Peers {
    /// All devices of the circle, this one first, then by name.
    pub devices: Vec<Device>,
}

/// `whois`. Answer: [`Device`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Whois {
    /// Name, nickname, mesh address, or the beginning of a key.
    pub who: String,
}

/// `ping`: one echo through the tunnel. Answer: [`Pong`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// The device.
    pub peer: String,
    /// How long to wait, in milliseconds.
    #[serde(default = "ping_ms")]
    pub wait_ms: u64,
}

const fn ping_ms() -> u64 {
    5000
}

/// The answer came.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Pong {
    /// The device's name.
    pub name: String,
    /// From where.
    pub address: String,
    /// After how long, in milliseconds.
    pub round_trip_ms: f64,
    /// The way that it took.
    pub endpoint: Option<String>,
}

/// `wait`: answers when this device belongs to the circle and, if one is named, when a peer is online. Answer: [`super::Done`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Wait {
    /// Whom to wait for; none for being up.
    pub peer: Option<String>,
    /// For how long at most, in seconds.
    pub wait_secs: u64,
}

impl Default for Wait {
    fn default() -> Self {
        Self { peer: None, wait_secs: 60 }
    }
}

/// `log`. Answer: [`Log`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShowLog {
    /// Check everything that is stored.
    pub verify: bool,
    /// Only the last so many lines; 0 for all.
    pub last: usize,
}

/// The history of a circle.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Log {
    /// The circle.
    pub circle: String,
    /// One line per record, in order of time.
    pub lines: Vec<LogLine>,
    /// What the check found, if it was asked for.
    pub verified: Option<Verified>,
}

/// One record as a sentence.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LogLine {
    /// When, by its author's clock, in seconds since 1970.
    pub time_secs: u64,
    /// The author's key.
    pub author: String,
    /// Its number in the author's chain.
    pub number: u64,
    /// Its hash.
    pub record: String,
    /// Whether it has effect.
    pub counts: bool,
    /// What it says.
    pub sentence: String,
}

/// What the check of all stored records found.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Verified {
    /// Records that are in order.
    pub sound: usize,
    /// What is wrong or odd, one sentence each.
    pub findings: Vec<String>,
}
