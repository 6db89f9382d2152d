//! Which records of one author count: those before its ends, on the branch that was chosen, before an open fork.
//!
//! Restrictions (revocations, denials) count on every branch, permissions only before the fork.

use std::collections::BTreeSet;

use crate::circle::store::{Chain, Store};
use crate::record::Link;

/// What others have decided about an author's records.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Cuts {
    /// Ends: only what leads to each of them counts; nothing, if one names no record.
    pub(crate) ends: Vec<Option<Link>>,
    /// Branches that were chosen, the first chooser's first.
    pub(crate) branches: Vec<Link>,
    /// The author itself has left with this number.
    pub(crate) left: Option<u64>,
}

impl Cuts {
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.is_empty() && self.branches.is_empty() && self.left.is_none()
    }

    /// What both have decided.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.ends.extend_from_slice(&other.ends);
        both.branches.extend_from_slice(&other.branches);
        both.left = [self.left, other.left].into_iter().flatten().min();
        both
    }
}

/// Which records of one author count.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum View {
    /// No two records have one number: all below the limit count.
    Line { limit: u64 },
    /// A forked chain.
    Tree {
        within: BTreeSet<u32>,
        /// Where the fork begins that nobody has decided.
        frozen: Option<u64>,
    },
}

impl View {
    /// Everything counts.
    pub(crate) const ALL: Self = Self::Line { limit: u64::MAX };

    pub(crate) fn of(store: &Store, chain: &Chain, cuts: &Cuts) -> Self {
        match chain.fork {
            None if cuts.is_empty() => Self::ALL,
            None => Self::Line { limit: line_limit(store, chain, cuts) },
            Some(_) => Self::tree(store, chain, cuts),
        }
    }

    fn tree(store: &Store, chain: &Chain, cuts: &Cuts) -> Self {
        let branches = agreeing(store, &cuts.branches);
        let within = chain.entries.iter().copied().filter(|at| {
            cuts.ends.iter().all(|end| before_end(store, *at, *end))
                && branches.iter().all(|branch| on_branch(store, *at, *branch))
                && cuts.left.is_none_or(|left| store.entry(*at).record.number() <= left)
        });
        let within: BTreeSet<u32> = within.collect();
        let mut numbers: Vec<u64> = within.iter().map(|at| store.entry(*at).record.number()).collect();
        numbers.sort_unstable();
        let frozen = numbers.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        Self::Tree { within, frozen }
    }

    /// Whether the record at `at` with this number counts.
    pub(crate) fn counts(&self, at: u32, number: u64, restricts: bool) -> bool {
        match self {
            Self::Line { limit } => number < *limit,
            Self::Tree { within, frozen } => {
                within.contains(&at) && (restricts || frozen.is_none_or(|frozen| number < frozen))
            }
        }
    }

    /// Where the fork begins that nobody has decided.
    pub(crate) fn frozen(&self) -> Option<u64> {
        match self {
            Self::Line { .. } => None,
            Self::Tree { frozen, .. } => *frozen,
        }
    }
}

/// The first number that does not count any more.
fn line_limit(store: &Store, chain: &Chain, cuts: &Cuts) -> u64 {
    let end = |end: &Option<Link>| {
        let Some(end) = end else { return 0 };
        // A record of that number with another hash lies on a branch that was not meant.
        let at = chain.entries.partition_point(|at| store.entry(*at).record.number() < end.number);
        let there = chain.entries.get(at).map(|at| store.entry(*at).record.link());
        let other = there.is_some_and(|link| link.number == end.number && link.hash != end.hash);
        end.number.saturating_add(u64::from(!other))
    };
    let ends = cuts.ends.iter().map(end);
    ends.chain(cuts.left.map(|left| left.saturating_add(1))).min().unwrap_or(u64::MAX)
}

fn before_end(store: &Store, at: u32, end: Option<Link>) -> bool {
    let Some(end) = end else { return false };
    match store.by_hash(&end.hash) {
        Some(last) => store.leads_to(at, last),
        None => {
            let record = &store.entry(at).record;
            record.number() < end.number
        }
    }
}

fn on_branch(store: &Store, at: u32, branch: u32) -> bool {
    store.leads_to(at, branch) || store.leads_to(branch, at)
}

/// The chosen branches that lie on one line; what contradicts an earlier choice is no choice.
fn agreeing(store: &Store, branches: &[Link]) -> Vec<u32> {
    let mut agreed: Vec<u32> = Vec::new();
    for branch in branches.iter().filter_map(|link| store.by_hash(&link.hash)) {
        if agreed.iter().all(|other| on_branch(store, branch, *other)) {
            agreed.push(branch);
        }
    }
    agreed
}
