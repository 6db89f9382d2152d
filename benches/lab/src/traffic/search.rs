//! The highest rate of numbered datagrams at which hardly anything gets lost.
//!
//! Doubling until a trial fails, then halving the gap, then a longer run that gives the numbers (and steps down if
//! it fails after all: queues forgive a short trial what they do not forgive a long one).

use super::plan::{Search, Udp};
use super::report::{Progress, UdpReport};
use super::udp;
use crate::Result;

/// A trial whose sender reached less of its rate than this found the sender's limit, not the tunnel's.
const REACHED_MIN: f64 = 0.95;
/// Doublings (or halvings) at most: from 20,000 that is 1 to more than any machine sends.
const DOUBLINGS_MAX: u32 = 14;
/// The gap is halved until it is this share of the rate.
const GAP_MAX: f64 = 0.05;
/// A trial has so many tries: one that another process disturbed says nothing about the tunnel, and
/// a tunnel that loses by chance does not pass the long run.
const TRIES: u32 = 2;
/// How far the rate steps down after a long run failed.
const STEP_DOWN: f64 = 0.92;
/// How often it may.
const STEPS_DOWN_MAX: u32 = 20;

/// Searches; the report is that of the last confirming run, whether or not it passed: its loss says so.
pub(super) fn highest_rate(plan: &Search, show: &mut dyn FnMut(&Progress)) -> Result<UdpReport> {
    let mut rate = find(plan.trial.rate_pps, |rate| {
        let trial = Udp { rate_pps: rate, ..plan.trial.clone() };
        for _ in 0..TRIES {
            if passes(&udp::numbered(&trial, show)?, rate, plan.loss_max) {
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    let mut confirm = |rate| {
        udp::numbered(&Udp { rate_pps: rate, millis: plan.confirm_millis, ..plan.trial.clone() }, show)
    };
    let mut report = confirm(rate)?;
    for _ in 0..STEPS_DOWN_MAX {
        if report.loss() <= plan.loss_max {
            break;
        }
        rate *= STEP_DOWN;
        report = confirm(rate)?;
    }
    Ok(report)
}

fn passes(report: &UdpReport, rate: f64, loss_max: f64) -> bool {
    let reached = report.sent as f64 >= REACHED_MIN * rate * report.secs;
    reached && report.loss() <= loss_max
}

/// The highest rate that `holds`, to within [`GAP_MAX`], beginning at `first`.
fn find(first: f64, mut holds: impl FnMut(f64) -> Result<bool>) -> Result<f64> {
    let (mut low, mut high) = (first, first);
    if holds(first)? {
        for _ in 0..DOUBLINGS_MAX {
            high = low * 2.0;
            if !holds(high)? {
                break;
            }
            low = high;
        }
    } else {
        for _ in 0..DOUBLINGS_MAX {
            low = high / 2.0;
            if holds(low)? {
                break;
            }
            high = low;
        }
    }
    while high - low > GAP_MAX * high {
        let middle = f64::midpoint(low, high);
        if holds(middle)? { low = middle } else { high = middle }
    }
    Ok(low)
}

#[cfg(test)]
mod tests;
