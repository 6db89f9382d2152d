//! The numbers that an experiment gives, each with its name, unit and direction.

use crate::table;
use serde::Serialize;

/// One kind of number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Metric {
    /// One TCP stream from A to B: payload bits per second.
    TcpUp,
    /// One TCP stream from B to A.
    TcpDown,
    /// Several TCP streams from A to B at once, together.
    TcpMany,
    /// Processor seconds of the tunnel's processes at both ends, per 10⁹ bytes of TCP payload.
    CpuPerGb,
    /// Seconds of software interrupts of the whole machine per 10⁹ bytes: the kernel's part, whoever caused it.
    SoftirqPerGb,
    /// The median round trip with nothing else going on, in microseconds.
    RttIdleP50,
    /// The 99th percentile of the same.
    RttIdleP99,
    /// The median round trip while a TCP stream fills the tunnel.
    RttLoadP50,
    /// The 99th percentile of the same.
    RttLoadP99,
    /// The median of both ways' times from a send to the other program's socket, while a TCP stream fills the tunnel: the
    /// round trip without what programs wait for a core.
    PathLoadP50,
    /// The 99th percentile of the same.
    PathLoadP99,
    /// Datagrams of this many bytes per second with at most 1 % lost.
    UdpRate(u32),
    /// Bits per second of an application that sends with UDP_SEGMENT and receives with UDP_GRO, at most 1 % lost.
    UdpSegmented,
    /// Interarrival jitter (RFC 3550) at half the highest rate of large datagrams, in microseconds.
    Jitter,
    /// What a paced flow notices, alone or beside streams.
    Flow {
        /// Which number.
        what: FlowNumber,
        /// Whether TCP streams fill the tunnel meanwhile.
        beside: bool,
    },
    /// Those streams' rate, all together: payload bits per second.
    TcpBeside,
    /// What a TCP stream keeps of its rate while small packets share the tunnel with it.
    TcpProbed,
    /// Datagrams of this many bytes per second that arrive when far more are sent, as a share of [`Self::UdpRate`].
    UdpFlooded(u32),
    /// The same share of datagrams sent at [`Self::UdpRate`] while as many others go past the tunnel to a closed
    /// port: what the sender of a flood takes from any tunnel on this machine.
    UdpBesideClosed(u32),
    /// Datagrams per second that the flood's sender got rid of, into the tunnel.
    FloodSent,
    /// The same to a closed port.
    FloodSentClosed,
    /// What is left of one TCP stream while a flood of initiations goes on, as a share of its rate before.
    FloodTcp(Flooded),
    /// The 99th percentile of round trips meanwhile, as a multiple of that before.
    FloodRtt(Flooded),
    /// Initiations per second that were sent.
    FloodRate(Flooded),
    /// Resident memory of both ends' processes after all that, in bytes (shared pages counted once).
    Memory,
}

/// Where a flood of handshake initiations goes, and what is right about them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Flooded {
    /// A port of the host that nothing listens on: what sending and receiving the flood costs by itself.
    ClosedPort,
    /// The tunnel's port; the first MAC is noise.
    Junk,
    /// The tunnel's port; the first MAC is right, and every one comes from another address.
    Sound,
}

impl Flooded {
    /// In the order of measuring.
    pub const ALL: [Self; 3] = [Self::ClosedPort, Self::Junk, Self::Sound];

    const fn key(self) -> &'static str {
        match self {
            Self::ClosedPort => "closed_port",
            Self::Junk => "junk_mac1",
            Self::Sound => "sound_mac1",
        }
    }

    /// For people.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::ClosedPort => "flood to a closed port",
            Self::Junk => "handshake flood, MAC1 junk",
            Self::Sound => "handshake flood, MAC1 right",
        }
    }
}

/// One number of a paced flow.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum FlowNumber {
    /// The median round trip, in microseconds.
    RttP50,
    /// The 99th percentile of the same.
    RttP99,
    /// The median of both ways' times from a send to the other program's socket.
    PathP50,
    /// The 99th percentile of the same.
    PathP99,
    /// Packet delay variation (RFC 5481, section 4.2, against the median): how much later than usual one packet in
    /// a hundred comes to the receiver's socket, one way, in microseconds.
    Variation,
    /// The share of packets that arrived.
    Delivered,
}

impl FlowNumber {
    const fn key(self) -> &'static str {
        match self {
            Self::RttP50 => "rtt_p50_us",
            Self::RttP99 => "rtt_p99_us",
            Self::PathP50 => "path_p50_us",
            Self::PathP99 => "path_p99_us",
            Self::Variation => "variation_p99_us",
            Self::Delivered => "delivered",
        }
    }

    /// For people, behind the name of the flow.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::RttP50 => "round trip p50",
            Self::RttP99 => "round trip p99",
            Self::PathP50 => "of that in the tunnel, p50",
            Self::PathP99 => "of that in the tunnel, p99",
            Self::Variation => "delay variation p99",
            Self::Delivered => "delivered",
        }
    }

    /// A value with its unit.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::RttP50 | Self::RttP99 | Self::PathP50 | Self::PathP99 | Self::Variation => {
                table::micros(value)
            }
            Self::Delivered => format!("{:.2} %", value * 100.0),
        }
    }
}

impl Metric {
    /// Short and without spaces, for machines.
    pub fn key(self) -> String {
        match self {
            Self::TcpUp => "tcp_up_bits_per_sec".to_owned(),
            Self::TcpDown => "tcp_down_bits_per_sec".to_owned(),
            Self::TcpMany => "tcp_many_bits_per_sec".to_owned(),
            Self::CpuPerGb => "cpu_secs_per_gb".to_owned(),
            Self::SoftirqPerGb => "softirq_secs_per_gb".to_owned(),
            Self::RttIdleP50 => "rtt_idle_p50_us".to_owned(),
            Self::RttIdleP99 => "rtt_idle_p99_us".to_owned(),
            Self::RttLoadP50 => "rtt_load_p50_us".to_owned(),
            Self::RttLoadP99 => "rtt_load_p99_us".to_owned(),
            Self::PathLoadP50 => "path_load_p50_us".to_owned(),
            Self::PathLoadP99 => "path_load_p99_us".to_owned(),
            Self::UdpRate(size) => format!("udp_{size}_packets_per_sec"),
            Self::UdpSegmented => "udp_segmented_bits_per_sec".to_owned(),
            Self::Jitter => "udp_jitter_us".to_owned(),
            Self::Flow { what, beside: false } => format!("flow_{}", what.key()),
            Self::Flow { what, beside: true } => format!("flow_beside_tcp_{}", what.key()),
            Self::TcpBeside => "tcp_beside_flow_bits_per_sec".to_owned(),
            Self::TcpProbed => "tcp_beside_probes_share".to_owned(),
            Self::UdpFlooded(size) => format!("udp_{size}_flooded_share"),
            Self::UdpBesideClosed(size) => format!("udp_{size}_beside_closed_port_flood_share"),
            Self::FloodSent => "udp_flood_sent_packets_per_sec".to_owned(),
            Self::FloodSentClosed => "udp_closed_port_flood_sent_packets_per_sec".to_owned(),
            Self::FloodTcp(flooded) => format!("handshake_flood_{}_tcp_share", flooded.key()),
            Self::FloodRtt(flooded) => format!("handshake_flood_{}_rtt_p99_ratio", flooded.key()),
            Self::FloodRate(flooded) => format!("handshake_flood_{}_packets_per_sec", flooded.key()),
            Self::Memory => "memory_bytes".to_owned(),
        }
    }

    /// For people.
    pub fn title(self) -> String {
        match self {
            Self::TcpUp => "TCP, one stream, A to B".to_owned(),
            Self::TcpDown => "TCP, one stream, B to A".to_owned(),
            Self::TcpMany => "TCP, four streams".to_owned(),
            Self::CpuPerGb => "processor seconds per GB, both ends".to_owned(),
            Self::SoftirqPerGb => "softirq seconds per GB, whole machine".to_owned(),
            Self::RttIdleP50 => "round trip idle, p50".to_owned(),
            Self::RttIdleP99 => "round trip idle, p99".to_owned(),
            Self::RttLoadP50 => "round trip under TCP load, p50".to_owned(),
            Self::RttLoadP99 => "round trip under TCP load, p99".to_owned(),
            Self::PathLoadP50 => "of that in the tunnel, p50".to_owned(),
            Self::PathLoadP99 => "of that in the tunnel, p99".to_owned(),
            Self::UdpRate(size) => format!("UDP {size} B, packets/s at ≤ 1 % loss"),
            Self::UdpSegmented => "UDP with GSO and GRO, ≤ 1 % loss".to_owned(),
            Self::Jitter => "UDP jitter at half that rate".to_owned(),
            Self::Flow { what, beside: false } => format!("flow, {}", what.title()),
            Self::Flow { what, beside: true } => format!("flow beside TCP, {}", what.title()),
            Self::TcpBeside => "that TCP, all streams".to_owned(),
            Self::TcpProbed => "TCP beside probes, of its rate alone".to_owned(),
            Self::UdpFlooded(size) => format!("UDP {size} B flooded, arrives of its highest rate"),
            Self::UdpBesideClosed(size) => {
                format!("UDP {size} B at that rate, flood to a closed port beside")
            }
            Self::FloodSent => "that flood, sent into the tunnel".to_owned(),
            Self::FloodSentClosed => "that flood, sent to a closed port".to_owned(),
            Self::FloodTcp(flooded) => format!("{}: TCP left", flooded.title()),
            Self::FloodRtt(flooded) => format!("{}: round trip p99, times", flooded.title()),
            Self::FloodRate(flooded) => format!("{}: sent", flooded.title()),
            Self::Memory => "memory, both ends".to_owned(),
        }
    }

    /// Whether the number says how well a tunnel does; the others say what was done to it.
    pub const fn is_compared(self) -> bool {
        !matches!(
            self,
            Self::FloodSent
                | Self::FloodSentClosed
                | Self::FloodRate(_)
                | Self::FloodTcp(Flooded::ClosedPort)
                | Self::FloodRtt(Flooded::ClosedPort)
                | Self::UdpBesideClosed(_)
        )
    }

    /// Whether more is better.
    pub const fn is_better_high(self) -> bool {
        match self {
            Self::TcpProbed | Self::UdpFlooded(_) | Self::UdpBesideClosed(_) | Self::FloodTcp(_) => true,
            Self::FloodSent | Self::FloodSentClosed | Self::FloodRate(_) => true,
            Self::FloodRtt(_) => false,
            Self::TcpUp | Self::TcpDown | Self::TcpMany | Self::TcpBeside => true,
            Self::UdpRate(_) | Self::UdpSegmented => true,
            Self::Flow { what, .. } => matches!(what, FlowNumber::Delivered),
            Self::CpuPerGb | Self::SoftirqPerGb | Self::Jitter | Self::Memory => false,
            Self::RttIdleP50 | Self::RttIdleP99 | Self::RttLoadP50 | Self::RttLoadP99 => false,
            Self::PathLoadP50 | Self::PathLoadP99 => false,
        }
    }

    /// A value with its unit.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::TcpUp | Self::TcpDown | Self::TcpMany | Self::TcpBeside | Self::UdpSegmented => {
                table::bits(value)
            }
            Self::Flow { what, .. } => what.show(value),
            Self::CpuPerGb | Self::SoftirqPerGb => format!("{value:.2} s"),
            Self::RttIdleP50 | Self::RttIdleP99 | Self::RttLoadP50 | Self::RttLoadP99 | Self::Jitter => {
                table::micros(value)
            }
            Self::PathLoadP50 | Self::PathLoadP99 => table::micros(value),
            Self::TcpProbed | Self::UdpFlooded(_) | Self::UdpBesideClosed(_) | Self::FloodTcp(_) => {
                format!("{:.0} %", value * 100.0)
            }
            Self::FloodRtt(_) => format!("{value:.2} ×"),
            Self::UdpRate(_) | Self::FloodSent | Self::FloodSentClosed | Self::FloodRate(_) => {
                format!("{}/s", table::count(value))
            }
            Self::Memory => table::bytes(value),
        }
    }
}

impl Serialize for Metric {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.key())
    }
}
