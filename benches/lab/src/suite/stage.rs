//! The stages of a suite, by the names that people choose them with.

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
pub enum Stage {
    /// Round trips with nothing else going on.
    Idle,
    /// One TCP stream each way, its cost in processor time, and round trips beside another.
    Tcp,
    /// Several TCP streams at once.
    Streams,
    /// What a TCP stream loses to small packets beside it.
    Yield,
    /// The highest rates of datagrams without loss.
    Udp,
    /// What still arrives of many more datagrams than that.
    Flood,
    /// The same for an application that sends and receives datagrams joined.
    Segmented,
    /// How evenly datagrams arrive at half the highest rate.
    Jitter,
    /// A paced flow, alone and beside TCP streams.
    Flow,
    /// A TCP stream and round trips while strangers flood one end with handshakes.
    Handshakes,
}
