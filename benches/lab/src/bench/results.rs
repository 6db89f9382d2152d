//! What a comparison found, and what follows from it.

use crate::implementations::{Kind, Setting};
use crate::measure::host::Host;
use crate::measure::stats::{Ratio, Summary};
use crate::pair::Choice;
use crate::suite::{Metric, Values};
use crate::table::Table;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// All rounds of all choices; the first is the one that the others are compared with.
#[derive(Clone, Debug)]
pub struct Results {
    /// What it was measured on.
    pub host: Host,
    /// Whether super-packets crossed the wire whole.
    pub offloads: bool,
    /// In the order of measuring.
    pub entries: Vec<Entry>,
}

/// One implementation with one setting.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Which implementation.
    pub kind: Kind,
    /// How it was run.
    pub setting: Setting,
    /// What it says about its version.
    pub version: String,
    /// The rounds; a failed one says why.
    pub rounds: Vec<Result<Values, String>>,
}

impl Entry {
    /// Nothing measured yet.
    pub fn of(choice: &Choice) -> Self {
        Self {
            kind: choice.implementation.kind,
            setting: choice.setting.clone(),
            version: choice.implementation.version.clone(),
            rounds: Vec::new(),
        }
    }

    /// Adds a round.
    pub fn keep(&mut self, outcome: crate::Result<Values>) {
        self.rounds.push(outcome.map_err(|error| error.to_string()));
    }

    /// `boringtun-cli -t 1`.
    pub fn label(&self) -> String {
        format!("{} {}", self.kind.name(), self.setting.label).trim().to_owned()
    }

    /// One number over the rounds that have it.
    pub fn summary(&self, metric: Metric) -> Option<Summary> {
        let values: Vec<f64> = self.rounds.iter().filter_map(|round| value(round, metric)).collect();
        Summary::of(&values)
    }

    /// This entry's number as a multiple of the other's, over the rounds that both have.
    pub fn ratio(&self, other: &Self, metric: Metric) -> Option<Ratio> {
        let both = self.rounds.iter().zip(&other.rounds);
        let both = both.filter_map(|(one, other)| Some((value(one, metric)?, value(other, metric)?)));
        let (one, other): (Vec<f64>, Vec<f64>) = both.unzip();
        Ratio::of_rounds(&one, &other)
    }
}

fn value(round: &Result<Values, String>, metric: Metric) -> Option<f64> {
    round.as_ref().ok()?.get(&metric).copied()
}

impl Results {
    /// Nothing measured yet.
    pub const fn new(host: Host, offloads: bool, entries: Vec<Entry>) -> Self {
        Self { host, offloads, entries }
    }

    /// Whether every round of the first entry succeeded.
    pub fn is_complete(&self) -> bool {
        self.entries.first().is_some_and(|entry| entry.rounds.iter().all(Result::is_ok))
    }

    /// The numbers that any entry has, in order.
    pub fn metrics(&self) -> BTreeSet<Metric> {
        let rounds = self.entries.iter().flat_map(|entry| entry.rounds.iter().flatten());
        rounds.flat_map(|values| values.keys().copied()).collect()
    }

    /// The other implementations, in order of measuring.
    pub fn others(&self) -> Vec<Kind> {
        let mut kinds: Vec<Kind> = self.entries.iter().skip(1).map(|entry| entry.kind).collect();
        kinds.dedup();
        kinds
    }

    /// The setting with which an implementation does best at one thing: what ours is compared with.
    pub fn best(&self, kind: Kind, metric: Metric) -> Option<&Entry> {
        let entries = self.entries.iter().skip(1).filter(|entry| entry.kind == kind);
        let ranked = entries.filter_map(|entry| Some((entry.summary(metric)?.median, entry)));
        let better = |one: &(f64, &Entry), other: &(f64, &Entry)| match metric.is_better_high() {
            true => one.0.total_cmp(&other.0),
            false => other.0.total_cmp(&one.0),
        };
        ranked.max_by(better).map(|(_, entry)| entry)
    }

    /// Numbers at which the first entry is behind somebody's best, and behind whom.
    pub fn losses(&self) -> Vec<(Metric, Kind, Ratio)> {
        let Some(own) = self.entries.first() else { return Vec::new() };
        let pairs = self
            .metrics()
            .into_iter()
            .flat_map(|metric| self.others().into_iter().map(move |kind| (metric, kind)));
        let compared = pairs
            .filter_map(|(metric, kind)| Some((metric, kind, own.ratio(self.best(kind, metric)?, metric)?)));
        compared
            .filter(|(metric, _, ratio)| {
                metric.is_compared() && metric.is_better_high() == (ratio.median < 1.0) && ratio.median != 1.0
            })
            .collect()
    }

    /// The table: medians with their spread, and the first entry as a multiple of each other's best.
    pub fn table(&self) -> Table {
        let own = self.entries.first();
        let mut headings = vec!["median ± half the range".to_owned(), "better".to_owned()];
        headings.extend(own.map(Entry::label));
        for kind in self.others() {
            headings.extend([kind.name().to_owned(), "ratio".to_owned()]);
        }
        let mut table = Table::with_headings(headings);
        for metric in self.metrics() {
            let mut row = vec![metric.title(), direction(metric).to_owned()];
            row.extend(own.map(|own| shown(own, metric)));
            for kind in self.others() {
                let best = self.best(kind, metric);
                row.push(best.map_or_else(|| "–".to_owned(), |best| shown_with_setting(best, metric)));
                let ratio = own.zip(best).and_then(|(own, best)| own.ratio(best, metric));
                row.push(ratio.map_or_else(|| "–".to_owned(), |ratio| shown_ratio(&ratio)));
            }
            table.row(row);
        }
        table
    }

    /// Everything for a terminal.
    pub fn text(&self) -> String {
        format!("\n{}\n{}", self.table().text(), self.notes().join("\n") + "\n")
    }

    /// What a table does not say: losses, failures, versions, the machine.
    pub fn notes(&self) -> Vec<String> {
        let first = self.entries.first().map(Entry::label).unwrap_or_default();
        let mut notes: Vec<String> = Vec::new();
        for (metric, kind, ratio) in self.losses() {
            notes.push(format!(
                "{first} is behind {}: {} ({})",
                kind.name(),
                metric.title(),
                shown_ratio(&ratio)
            ));
        }
        for entry in &self.entries {
            let failures = entry.rounds.iter().filter_map(|round| round.as_ref().err());
            notes.extend(failures.map(|why| format!("{} failed in a round: {why}", entry.label())));
        }
        let versions: BTreeMap<Kind, &str> =
            self.entries.iter().map(|entry| (entry.kind, entry.version.as_str())).collect();
        notes.extend(versions.iter().map(|(kind, version)| format!("{}: {version}", kind.name())));
        let rounds = self.entries.first().map_or(0, |entry| entry.rounds.len());
        notes.push(format!(
            "{rounds} interleaved rounds; each implementation at the setting that suits it best"
        ));
        if !self.offloads {
            notes.push("a wire without segment offload: every packet crosses it by itself".to_owned());
        }
        notes.push(self.host.line());
        notes
    }
}

/// What is better; nothing where a number only says what was done.
const fn direction(metric: Metric) -> &'static str {
    match (metric.is_compared(), metric.is_better_high()) {
        (false, _) => "",
        (true, true) => "more",
        (true, false) => "less",
    }
}

fn shown(entry: &Entry, metric: Metric) -> String {
    let Some(summary) = entry.summary(metric) else { return "–".to_owned() };
    let value = metric.show(summary.median);
    if summary.rounds > 1 { format!("{value} ±{:.0} %", summary.spread() * 100.0) } else { value }
}

fn shown_with_setting(entry: &Entry, metric: Metric) -> String {
    match entry.setting.label.as_str() {
        "" => shown(entry, metric),
        label => format!("{} ({label})", shown(entry, metric)),
    }
}

fn shown_ratio(ratio: &Ratio) -> String {
    if ratio.min == ratio.max {
        return format!("{:.2} ×", ratio.median);
    }
    format!("{:.2} × ({:.2}–{:.2})", ratio.median, ratio.min, ratio.max)
}

impl Serialize for Entry {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let metrics: BTreeSet<Metric> =
            self.rounds.iter().flatten().flat_map(|values| values.keys().copied()).collect();
        let summaries: BTreeMap<Metric, Option<Summary>> =
            metrics.into_iter().map(|metric| (metric, self.summary(metric))).collect();
        let mut entry = serializer.serialize_struct("Entry", 6)?;
        entry.serialize_field("label", &self.label())?;
        entry.serialize_field("kind", &self.kind)?;
        entry.serialize_field("setting", &self.setting)?;
        entry.serialize_field("version", &self.version)?;
        entry.serialize_field("rounds", &self.rounds)?;
        entry.serialize_field("summaries", &summaries)?;
        entry.end()
    }
}

impl Serialize for Results {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut ratios: BTreeMap<&str, BTreeMap<Metric, (String, Ratio)>> = BTreeMap::new();
        for kind in self.others() {
            for metric in self.metrics() {
                let best = self.best(kind, metric);
                let ratio = self.entries.first().zip(best).and_then(|(own, best)| own.ratio(best, metric));
                if let Some((best, ratio)) = best.zip(ratio) {
                    ratios.entry(kind.name()).or_default().insert(metric, (best.label(), ratio));
                }
            }
        }
        let mut results = serializer.serialize_struct("Results", 4)?;
        results.serialize_field("host", &self.host)?;
        results.serialize_field("offloads", &self.offloads)?;
        results.serialize_field("entries", &self.entries)?;
        results.serialize_field("ratios", &ratios)?;
        results.end()
    }
}

#[cfg(test)]
mod tests;
