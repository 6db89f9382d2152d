//! Whether all went as it should.

use super::chaos::{Deed, Done};
use super::sorted;
use crate::measure::stats::Summary;
use crate::table;
use crate::traffic::{Outcome, Slot, UdpReport};
use serde::Serialize;
use std::time::Duration;

/// The share of datagrams that may be lost outside the second after a kill.
const LOSS_MAX: f64 = 0.001;
/// How long after the death of a data plane losses are excused.
const EXCUSED_MILLIS: u64 = 1_000;
/// A gap is printed if it has at least the nth part of all losses.
const GAPS_SHOWN_SHARE: u64 = 30;
/// The length of a slot of [`Slot`].
const SLOT_MILLIS: u64 = 100;
/// Memory may grow by this factor and these bytes from the second quarter to the last.
const GROWTH_MAX: (f64, f64) = (1.10, 4e6);

/// What a soak found.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// Repeats it.
    pub seed: u64,
    /// How long it was.
    pub secs: f64,
    /// What happened.
    pub deeds: Vec<Done>,
    /// Streams that ended with every byte right.
    pub streams_completed: u32,
    /// Bytes that they carried.
    pub stream_bytes: u64,
    /// Why the others did not.
    pub stream_failures: Vec<String>,
    /// Numbered datagrams, from A and from B.
    pub flows: Vec<Flow>,
    /// Memory of both ends.
    pub memory: Option<Memory>,
    /// Everything for which it did not pass; empty if it did.
    pub objections: Vec<String>,
}

/// A stretch of time in which datagrams got lost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// Milliseconds since the soak began.
    pub from_millis: u64,
    /// The same.
    pub to_millis: u64,
    /// Datagrams lost.
    pub lost: u64,
}

/// Numbered datagrams of one direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flow {
    /// Datagrams sent outside the seconds after kills of a data plane.
    pub sent: u64,
    /// Of those, lost.
    pub lost: u64,
    /// Lost within those seconds.
    pub lost_excused: u64,
    /// Arrived after a later one.
    pub reordered: u64,
    /// Arrived twice.
    pub duplicates: u64,
    /// When it was that datagrams got lost, excused or not.
    pub gaps: Vec<Gap>,
}

impl Flow {
    /// Judges a report: slots that touch the second after one of `kills` (milliseconds) are excused. The soak
    /// began at `start_millis`.
    fn of(report: &UdpReport, kills: &[u64], start_millis: u64) -> Self {
        let excused = |slot: &&Slot| {
            kills
                .iter()
                .any(|kill| slot.at_millis + SLOT_MILLIS > *kill && slot.at_millis < kill + EXCUSED_MILLIS)
        };
        let (excused, counted): (Vec<&Slot>, Vec<&Slot>) = report.slots.iter().partition(excused);
        let sum =
            |slots: &[&Slot], of: fn(&Slot) -> u32| slots.iter().map(|slot| u64::from(of(slot))).sum::<u64>();
        let lost = |slot: &Slot| slot.sent.saturating_sub(slot.received);
        Self {
            sent: sum(&counted, |slot| slot.sent),
            lost: sum(&counted, lost),
            lost_excused: sum(&excused, lost),
            reordered: report.reordered,
            duplicates: report.duplicates,
            gaps: gaps(&report.slots, start_millis),
        }
    }

    /// The share that was lost without an excuse.
    pub fn loss(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.lost as f64 / self.sent as f64 }
    }
}

/// Neighbouring slots with losses, joined.
fn gaps(slots: &[Slot], start_millis: u64) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    for slot in slots.iter().filter(|slot| slot.received < slot.sent) {
        let from_millis = slot.at_millis.saturating_sub(start_millis);
        let (to_millis, lost) = (from_millis + SLOT_MILLIS, u64::from(slot.sent - slot.received));
        match gaps.last_mut().filter(|gap| gap.to_millis >= from_millis) {
            Some(gap) => *gap = Gap { to_millis, lost: gap.lost + lost, ..*gap },
            None => gaps.push(Gap { from_millis, to_millis, lost }),
        }
    }
    gaps
}

/// Memory of both ends' processes over the soak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// The median of the second quarter, in bytes: the first is for warming up.
    pub early_bytes: f64,
    /// The median of the last quarter.
    pub late_bytes: f64,
}

impl Memory {
    /// `None` with too few samples for quarters.
    fn of(samples: &[f64]) -> Option<Self> {
        let quarter = samples.len() / 4;
        let early = Summary::of(samples.get(quarter..2 * quarter)?)?;
        let late = Summary::of(samples.get(samples.len() - quarter..)?)?;
        Some(Self { early_bytes: early.median, late_bytes: late.median })
    }

    /// Whether it grew no more than allocators and kernels do by themselves.
    pub fn is_flat(&self) -> bool {
        self.late_bytes <= self.early_bytes * GROWTH_MAX.0 + GROWTH_MAX.1
    }
}

impl Verdict {
    /// Judges what happened in a span, given by its begin and length.
    pub(super) fn of(
        seed: u64,
        (start, length): (Duration, Duration),
        deeds: Vec<Done>,
        outcomes: &[Outcome],
        memory: &[f64],
        trouble: Vec<String>,
    ) -> Self {
        let (streams, datagrams) = sorted(outcomes);
        let start_millis = u64::try_from(start.as_millis()).unwrap_or(u64::MAX);
        let kills: Vec<u64> =
            deeds.iter().filter(|done| done.deed == Deed::KillPlane).map(|done| done.at_millis).collect();
        let mut verdict = Self {
            seed,
            secs: length.as_secs_f64(),
            deeds,
            streams_completed: streams.iter().map(|report| report.completed).sum(),
            stream_bytes: streams.iter().map(|report| report.bytes).sum(),
            stream_failures: streams.iter().flat_map(|report| report.failures.clone()).collect(),
            flows: datagrams.into_iter().map(|report| Flow::of(report, &kills, start_millis)).collect(),
            memory: Memory::of(memory),
            objections: trouble,
        };
        let found = verdict.object();
        verdict.objections.extend(found);
        verdict
    }

    /// Whether nothing is to be objected to.
    pub fn passed(&self) -> bool {
        self.objections.is_empty()
    }

    /// Everything for a terminal.
    pub fn text(&self) -> String {
        let mut lines =
            vec![format!("{} deeds in {:.0} s, --seed {}", self.deeds.len(), self.secs, self.seed)];
        lines.push(format!(
            "streams: {} complete with every byte right ({}), {} broken",
            self.streams_completed,
            table::bytes(self.stream_bytes as f64),
            self.stream_failures.len()
        ));
        for (flow, from) in self.flows.iter().zip(["A", "B"]) {
            lines.push(format!(
                "datagrams from {from}: {:.4} % of {} lost, {} more in the second after a kill, {} reordered",
                flow.loss() * 100.0,
                flow.sent,
                flow.lost_excused,
                flow.reordered
            ));
            // The worst first would hide what belongs together; so by time, and only those that weigh.
            let heavy =
                flow.gaps.iter().filter(|gap| gap.lost * GAPS_SHOWN_SHARE >= flow.lost + flow.lost_excused);
            for Gap { from_millis, to_millis, lost } in heavy.copied() {
                let [from, to] = [from_millis, to_millis].map(|millis| millis as f64 / 1_000.0);
                lines.push(format!("    {lost} lost from {from:.1} to {to:.1} s"));
            }
        }
        if let Some(memory) = self.memory {
            let [early, late] = [memory.early_bytes, memory.late_bytes].map(table::bytes);
            lines.push(format!("memory of both ends: {early} early, {late} late"));
        }
        lines.extend(self.objections.iter().map(|objection| format!("NOT GOOD: {objection}")));
        lines.push(if self.passed() { "passed".to_owned() } else { "failed".to_owned() });
        lines.join("\n") + "\n"
    }

    fn object(&self) -> Vec<String> {
        let mut objections = self.stream_failures.clone();
        if self.streams_completed == 0 {
            objections.push("no stream completed".to_owned());
        }
        if self.flows.len() != 2 {
            objections.push("a direction of datagrams has no result".to_owned());
        }
        for flow in self.flows.iter().filter(|flow| flow.loss() > LOSS_MAX) {
            objections
                .push(format!("{:.3} % of the datagrams of a direction were lost", flow.loss() * 100.0));
        }
        if self.memory.is_some_and(|memory| !memory.is_flat()) {
            objections.push("memory grew".to_owned());
        }
        objections
    }
}

#[cfg(test)]
mod tests;
