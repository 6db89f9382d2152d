//! What the rounds gave, as a table.

use crate::measure::stats::Summary;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// One round.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Round {
    /// Memory of both processes for each added peer.
    pub bytes_per_peer: f64,
    /// Processor time of both processes for each peer of a large request, in microseconds.
    pub set_cpu_us: f64,
    /// The same for a peer that is added by itself, when all the others are there.
    pub add_cpu_us: f64,
    /// How long such a request took until it was answered, in microseconds: the median.
    pub add_wait_us: f64,
    /// Round trips of the real peer while nothing is added, in microseconds.
    pub calm_p99_us: f64,
    /// The same while single peers are added.
    pub busy_p99_us: f64,
    /// One TCP stream to the real peer without the others.
    pub few_bits_per_sec: f64,
    /// The same with them.
    pub many_bits_per_sec: f64,
}

/// All rounds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Verdict {
    /// Peers that were added.
    pub peers: u32,
    /// Memory of both processes after all of it, the peers gone.
    pub loaded_bytes: f64,
    /// In order.
    pub rounds: Vec<Round>,
}

impl Verdict {
    /// A line for each number: the median, and the smallest and largest of the rounds.
    pub fn text(&self) -> String {
        type Row = (&'static str, fn(&Round) -> f64, usize);
        let rows: [Row; 8] = [
            ("bytes for each idle peer, both processes", |round| round.bytes_per_peer, 0),
            ("processor time for a peer of a large request, us", |round| round.set_cpu_us, 1),
            ("processor time for a peer by itself, us", |round| round.add_cpu_us, 1),
            ("answer to such a request after, us", |round| round.add_wait_us, 0),
            ("round trip p99, nothing added, us", |round| round.calm_p99_us, 0),
            ("round trip p99 while peers are added, us", |round| round.busy_p99_us, 0),
            ("TCP to the one real peer, with the others, Gbit/s", |round| round.many_bits_per_sec / 1e9, 2),
            ("TCP with them / without them", |round| round.many_bits_per_sec / round.few_bits_per_sec, 2),
        ];
        let mut text = format!("{} peers, {} rounds\n", self.peers, self.rounds.len());
        for (name, value, digits) in rows {
            let values: Vec<f64> = self.rounds.iter().map(value).collect();
            if let Some(Summary { median, min, max, .. }) = Summary::of(&values) {
                // Writing to a string does not fail.
                let _infallible =
                    writeln!(text, "{name:52} {median:9.digits$}  ({min:.digits$} to {max:.digits$})");
            }
        }
        let _infallible = writeln!(
            text,
            "{:52} {:9.1}",
            "memory of both processes afterwards, MB",
            self.loaded_bytes / 1e6
        );
        text
    }
}

#[cfg(test)]
mod tests;
