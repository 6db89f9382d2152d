//! What was measured, as a table with the goals beside it.

use crate::measure::stats::Summary;
use crate::table::bytes;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Most seconds from `ringmesh join` to the first ping that is answered, on a LAN.
const PING_SECS_MAX: f64 = 2.0;
/// Most resident memory of an idle daemon, in bytes.
const RESIDENT_MAX: f64 = 30e6;
/// Most of one processor that an idle daemon uses.
const SHARE_MAX: f64 = 0.001;

/// One device that joined, in seconds since its command began.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Round {
    /// `join` has ended, and the device belongs to the circle.
    pub join_secs: f64,
    /// A ping has been answered.
    pub ping_secs: f64,
}

/// One daemon while nothing happened.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Idle {
    /// Resident memory in bytes.
    pub resident_bytes: f64,
    /// Share of one processor.
    pub cpu_share: f64,
}

/// Everything that was measured.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Verdict {
    /// In order.
    pub without_beacon: Vec<Round>,
    /// In order.
    pub with_beacon: Vec<Round>,
    /// Each daemon of a circle of three.
    pub idle: Vec<Idle>,
}

impl Verdict {
    /// The rounds of one kind.
    pub(super) fn rounds_of(&mut self, with_beacon: bool) -> &mut Vec<Round> {
        if with_beacon { &mut self.with_beacon } else { &mut self.without_beacon }
    }

    /// Whether the medians of all that has a goal have reached it.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.rows().iter().all(|row| match (row.summary, row.most) {
            (Some(summary), Some(most)) => summary.median < most,
            (None, _) | (Some(_), None) => true,
        })
    }

    /// A line for each number: the median, the smallest and largest, and the goal where there is one.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{} rounds of each kind\n", self.without_beacon.len());
        for Row { name, summary, most, show } in self.rows() {
            let Some(Summary { median, min, max, .. }) = summary else { continue };
            let goal = match most {
                Some(most) if median < most => format!("  goal: below {}", show(most)),
                Some(most) => format!("  goal: below {}, MISSED", show(most)),
                None => String::new(),
            };
            // Writing to a string does not fail.
            let _infallible =
                writeln!(text, "{name:44} {:>9}  ({} to {}){goal}", show(median), show(min), show(max));
        }
        text
    }

    fn rows(&self) -> [Row; 6] {
        let secs = |seconds: f64| format!("{seconds:.2} s");
        let percent = |share: f64| format!("{:.3} %", share * 100.0);
        let of = |rounds: &[Round], value: fn(&Round) -> f64| {
            Summary::of(&rounds.iter().map(value).collect::<Vec<_>>())
        };
        let idle = |value: fn(&Idle) -> f64| Summary::of(&self.idle.iter().map(value).collect::<Vec<_>>());
        let (without, with) = (&self.without_beacon, &self.with_beacon);
        let row = |name, summary, most, show| Row { name, summary, most, show };
        [
            row("join ends, LAN without a beacon", of(without, |round| round.join_secs), None, secs),
            row(
                "join to first ping, without a beacon",
                of(without, |round| round.ping_secs),
                Some(PING_SECS_MAX),
                secs,
            ),
            row("join ends, LAN with a beacon", of(with, |round| round.join_secs), None, secs),
            row(
                "join to first ping, with a beacon",
                of(with, |round| round.ping_secs),
                Some(PING_SECS_MAX),
                secs,
            ),
            row("idle daemon, resident memory", idle(|idle| idle.resident_bytes), Some(RESIDENT_MAX), bytes),
            row("idle daemon, share of a processor", idle(|idle| idle.cpu_share), Some(SHARE_MAX), percent),
        ]
    }
}

struct Row {
    name: &'static str,
    summary: Option<Summary>,
    most: Option<f64>,
    show: fn(f64) -> String,
}

#[cfg(test)]
mod tests;
