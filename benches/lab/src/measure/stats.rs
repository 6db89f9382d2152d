//! Medians, spreads and ratios.
//!
//! Rounds of an experiment are few and their noise is one-sided (something else ran), so the middle is a median and the
//! spread is simply the smallest and the largest: no distribution is assumed and nothing is thrown away.

use serde::{Deserialize, Serialize};

/// Several rounds of one number.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Summary {
    /// The median.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many rounds.
    pub rounds: usize,
}

impl Summary {
    /// The summary of some values; `None` if there is none, or one is not a number.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() || values.iter().any(|value| value.is_nan()) {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (sorted[0], sorted[sorted.len() - 1]);
        Some(Self { median: median_of_sorted(&sorted), min, max, rounds: sorted.len() })
    }

    /// Half the distance between smallest and largest, as a share of the median: the `±` of tables.
    pub fn spread(&self) -> f64 {
        if self.median == 0.0 { 0.0 } else { (self.max - self.min) / 2.0 / self.median.abs() }
    }
}

/// How many times as large one is as the other.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ratio {
    /// Of the medians.
    pub median: f64,
    /// The least that the rounds allow: smallest by largest.
    pub min: f64,
    /// The most that they allow.
    pub max: f64,
}

impl Ratio {
    /// The median of the ratios of each round, with the rounds' spread. Rounds are interleaved, so what slowed a whole round
    /// down slowed both; `None` without rounds in common, or where `other` has a zero.
    pub fn of_rounds(one: &[f64], other: &[f64]) -> Option<Self> {
        if other.iter().any(|value| *value <= 0.0) {
            return None;
        }
        let ratios: Vec<f64> = one.iter().zip(other).map(|(one, other)| one / other).collect();
        let summary = Summary::of(&ratios)?;
        Some(Self { median: summary.median, min: summary.min, max: summary.max })
    }
}

fn median_of_sorted(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

#[cfg(test)]
mod tests;
