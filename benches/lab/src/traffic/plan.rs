//! What a traffic process is asked to do.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// One task for one process.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    /// Serve all the others until standard input closes.
    Sink,
    /// Streams of checked bytes.
    Tcp(Tcp),
    /// Numbered datagrams at a fixed rate.
    Udp(Udp),
    /// The highest rate of numbered datagrams that arrives.
    Search(Search),
    /// Round trips.
    Ping(Ping),
    /// One datagram of each size, there and back.
    Sweep(Sweep),
    /// As many datagrams as one core can send.
    Flood(Flood),
    /// Datagrams to many addresses in turn.
    Scatter(Scatter),
}

/// TCP streams to or from the sink.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Tcp {
    /// The sink.
    pub to: IpAddr,
    /// How many streams at once.
    pub streams: u32,
    /// The sink sends.
    pub reverse: bool,
    /// When a stream ends.
    pub limit: Limit,
    /// With a limit in bytes: each stream starts anew until this many milliseconds have passed.
    pub repeat_millis: u64,
    /// Smallest and largest write in bytes, cycled through with Nagle's algorithm off; `None`: as large as possible.
    pub write_sizes: Option<(u32, u32)>,
    /// Bytes per second of each stream at most; 0 is no limit.
    pub pace_bytes_per_sec: u64,
}

/// When a stream ends.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// After this many milliseconds.
    Millis(u64),
    /// After this many bytes.
    Bytes(u64),
}

impl Tcp {
    /// One stream towards the sink for a time.
    pub const fn upload(to: IpAddr, millis: u64) -> Self {
        Self {
            to,
            streams: 1,
            reverse: false,
            limit: Limit::Millis(millis),
            repeat_millis: 0,
            write_sizes: None,
            pace_bytes_per_sec: 0,
        }
    }
}

/// Numbered datagrams to the sink.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Udp {
    /// The sink.
    pub to: IpAddr,
    /// UDP payload bytes, at least [`super::numbered::HEADER_LEN`].
    pub size: u32,
    /// Datagrams per second.
    pub rate_pps: f64,
    /// How long.
    pub millis: u64,
    /// Datagrams per send (UDP_SEGMENT); 1 sends each by itself. More than one goes to the sink's UDP_GRO port.
    pub per_send: u32,
}

/// A search for the highest rate at which no more than `loss_max` gets lost.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Search {
    /// What is sent; its rate is where the search begins, its time that of one trial.
    pub trial: Udp,
    /// The share that may be lost.
    pub loss_max: f64,
    /// Milliseconds of the run that confirms what was found and gives the numbers.
    pub confirm_millis: u64,
}

/// Round trips by the sink's echo.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Ping {
    /// The sink.
    pub to: IpAddr,
    /// Microseconds between two.
    pub interval_us: u64,
    /// How many.
    pub count: u32,
    /// UDP payload bytes, at least 16.
    pub size: u32,
    /// End with the first answer.
    pub until_first: bool,
}

/// One datagram of each size by the sink's echo.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Sweep {
    /// The sink.
    pub to: IpAddr,
    /// The smallest UDP payload.
    pub from_size: u32,
    /// The largest.
    pub to_size: u32,
}

/// As many datagrams as one core can send; nobody counts where they arrive.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Flood {
    /// Where they go.
    pub to: SocketAddr,
    /// What they are.
    pub what: Flooding,
    /// How long.
    pub millis: u64,
}

/// What a flood consists of.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flooding {
    /// Datagrams with this many bytes of nothing in particular.
    Plain(u32),
    /// Handshake initiations for the device with this public key, each from another address of
    /// [`super::SPOOFED`]. They look right from outside and lead to no session.
    Initiations {
        /// The device's key, which MAC1 is made with.
        responder: [u8; 32],
        /// Whether MAC1 is right (paper, section 5.4.4).
        sound: bool,
    },
}

/// Datagrams to consecutive addresses, in an order that jumps about.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Scatter {
    /// The first address.
    pub first: Ipv4Addr,
    /// How many addresses.
    pub addresses: u32,
    /// How many datagrams.
    pub packets: u32,
    /// UDP payload bytes of each.
    pub size: u32,
    /// Datagrams per second.
    pub rate_pps: f64,
}
