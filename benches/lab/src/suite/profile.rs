//! What people use a tunnel for, as measurements: a paced flow alone, then beside bulk transfers through the same peer.
//!
//! One number for "latency under load" hides who suffers: a game sends small packets both ways 60 times a second, a call 50
//! times, and each notices variation, not the mean. So the flow is what is measured, and the bulk is what it is
//! measured against; the bulk's own rate stands beside it, since a tunnel that slows it down has an easy time.

use super::{Stage, SuitePlan};

/// One kind of use.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Profile {
    /// A game, 60 packets a second both ways, alone and beside two uploads.
    Gaming,
    /// Large files: one stream each way, four streams, and datagrams with segment offload.
    Bulk,
    /// A call, 50 packets a second both ways, alone and beside one upload and one download.
    Voip,
    /// All measurements, and a game beside two uploads and two downloads.
    Mixed,
}

/// A paced flow, and what runs beside it.
#[derive(Clone, Copy, Debug)]
pub struct FlowPlan {
    /// Packets per second each way.
    pub rate_pps: u32,
    /// UDP payload bytes of each.
    pub size: u32,
    /// Milliseconds that it is watched, alone and then beside the streams.
    pub millis: u64,
    /// TCP streams from A to B beside it.
    pub uploads: u32,
    /// TCP streams from B to A beside it.
    pub downloads: u32,
}

/// A game's updates: positions and input of a few players.
const GAME: FlowPlan = FlowPlan { rate_pps: 60, size: 128, millis: 0, uploads: 2, downloads: 0 };
/// A call's frames: 20 ms of G.711 behind an RTP header (RFC 3550, RFC 3551).
const CALL: FlowPlan = FlowPlan { rate_pps: 50, size: 172, millis: 0, uploads: 1, downloads: 1 };
/// Of fewer packets the 99th percentile says nothing.
const FLOW_PACKETS_MIN: u64 = 300;

impl FlowPlan {
    /// A game beside two uploads, watched for `secs` or as long as a percentile needs.
    pub fn game(secs: f64) -> Self {
        GAME.lasting(secs)
    }

    fn lasting(self, secs: f64) -> Self {
        let enough = FLOW_PACKETS_MIN * 1_000 / u64::from(self.rate_pps);
        Self { millis: enough.max((secs * 1_000.0) as u64), ..self }
    }
}

impl Profile {
    /// Its measurements, each stream for `secs`, each flow at least as long as a percentile needs.
    pub fn plan(self, secs: f64) -> SuitePlan {
        let with = |flow: FlowPlan| SuitePlan { flow: flow.lasting(secs), ..SuitePlan::full(secs) };
        match self {
            Self::Gaming => with(GAME).only(&[Stage::Flow]),
            Self::Voip => with(CALL).only(&[Stage::Flow]),
            Self::Bulk => SuitePlan::full(secs).only(&[Stage::Tcp, Stage::Streams, Stage::Segmented]),
            Self::Mixed => with(FlowPlan { downloads: 2, ..GAME }),
        }
    }
}

#[cfg(test)]
mod tests;
