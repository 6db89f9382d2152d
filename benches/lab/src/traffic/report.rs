//! What a traffic process answers.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One line of a traffic process' standard output.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line {
    /// A sink listens.
    Ready,
    /// Still at it.
    Progress(Progress),
    /// The end.
    Done(Outcome),
    /// The end, too.
    Failed(String),
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Progress {
    /// Seconds since its start.
    pub secs: f64,
    /// Bits per second of payload, lately.
    pub bits_per_sec: f64,
    /// Datagrams per second; 0 for streams.
    pub packets_per_sec: f64,
}

/// A run's result.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// A sink has none.
    Served,
    /// Of [`super::Tcp`].
    Tcp(TcpReport),
    /// Of [`super::Udp`] and [`super::Search`].
    Udp(UdpReport),
    /// Of [`super::Ping`].
    Ping(PingReport),
    /// Of [`super::Sweep`].
    Sweep(SweepReport),
    /// Of [`super::Flood`].
    Flood(FloodReport),
}

/// Streams whose every byte was the right one.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct TcpReport {
    /// Payload bytes that arrived, over all streams.
    pub bytes: u64,
    /// From the first connect to the last receipt.
    pub secs: f64,
    /// Streams that ended as they should.
    pub completed: u32,
    /// What went wrong with the others.
    pub failures: Vec<String>,
}

impl TcpReport {
    /// Payload bits per second.
    pub fn bits_per_sec(&self) -> f64 {
        if self.secs > 0.0 { self.bytes as f64 * 8.0 / self.secs } else { 0.0 }
    }
}

/// Numbered datagrams, counted where they arrived.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct UdpReport {
    /// UDP payload bytes of each.
    pub size: u32,
    /// Datagrams that left the sender.
    pub sent: u64,
    /// Different datagrams that arrived.
    pub received: u64,
    /// Arrived once more.
    pub duplicates: u64,
    /// Arrived after one with a higher number (RFC 4737, type-P-reordered).
    pub reordered: u64,
    /// Sends that the system refused.
    pub refused: u64,
    /// Seconds of sending.
    pub secs: f64,
    /// Interarrival jitter at the end (RFC 3550, section 6.4.1).
    pub jitter_us: f64,
    /// One way, from the sender's clock to when it came to the receiver's socket (the clocks are one).
    pub delay: Delays,
    /// Per tenth of a second of sending.
    pub slots: Vec<Slot>,
}

impl UdpReport {
    /// The share that did not arrive.
    pub fn loss(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.sent.saturating_sub(self.received) as f64 / self.sent as f64 }
    }

    /// Datagrams per second that arrived.
    pub fn packets_per_sec(&self) -> f64 {
        if self.secs > 0.0 { self.received as f64 / self.secs } else { 0.0 }
    }

    /// Payload bits per second that arrived.
    pub fn bits_per_sec(&self) -> f64 {
        self.packets_per_sec() * f64::from(self.size) * 8.0
    }
}

/// What was sent in one tenth of a second, and how much of it arrived.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Slot {
    /// Milliseconds of the machine's monotonic clock at its begin.
    pub at_millis: u64,
    /// Datagrams sent.
    pub sent: u32,
    /// Datagrams of those that arrived.
    pub received: u32,
}

/// Round trips.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct PingReport {
    /// Probes sent.
    pub sent: u32,
    /// Answers that came.
    pub received: u32,
    /// Times of the answered ones, as the programs see them.
    pub delay: Delays,
    /// The same without what the programs waited for a core: from each send to the other's socket, both ways together.
    pub tunnel: Delays,
    /// Milliseconds of the machine's monotonic clock at which the unanswered were sent; the first thousand.
    pub lost_at_millis: Vec<u64>,
}

/// Sizes that did not come back as they went.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct SweepReport {
    /// Sizes tried.
    pub tried: u32,
    /// Sizes that never came back.
    pub lost: Vec<u32>,
    /// Sizes that came back with other bytes.
    pub damaged: Vec<u32>,
}

/// Datagrams that left.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct FloodReport {
    /// Datagrams that the system took.
    pub sent: u64,
    /// Datagrams that it refused.
    pub refused: u64,
    /// Seconds of sending.
    pub secs: f64,
}

impl FloodReport {
    /// Datagrams per second that left.
    pub fn packets_per_sec(&self) -> f64 {
        if self.secs > 0.0 { self.sent as f64 / self.secs } else { 0.0 }
    }
}

/// A distribution of times in microseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Delays {
    /// The median.
    pub p50_us: f64,
    /// Nine of ten are not longer.
    pub p90_us: f64,
    /// Ninety-nine of a hundred are not longer.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// Collects times; three significant digits from 1 ns to a minute.
#[derive(Clone, Debug)]
pub(super) struct Stopwatch {
    histogram: Histogram<u64>,
}

impl Stopwatch {
    /// # Panics
    /// Never: the bounds are constant and allowed.
    pub(super) fn new() -> Self {
        let longest_nanos = 60_000_000_000;
        Self { histogram: Histogram::new_with_bounds(1, longest_nanos, 3).expect("allowed bounds") }
    }

    pub(super) fn record(&mut self, time: Duration) {
        self.histogram.saturating_record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn delays(&self) -> Delays {
        if self.histogram.is_empty() {
            return Delays::default();
        }
        let at = |quantile| self.histogram.value_at_quantile(quantile) as f64 / 1_000.0;
        Delays {
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            max_us: self.histogram.max() as f64 / 1_000.0,
        }
    }
}
