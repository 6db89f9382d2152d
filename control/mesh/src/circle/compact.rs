//! Letting old history go. An admin signs, per author, which records still matter; the others need not be kept.
//!
//! A device drops records only where it can see for itself that nothing follows from them: the roster without them must be the
//! same. So a checkpoint that leaves out a revocation makes nobody forget it; at worst, somebody who never had the record is not
//! shown it by those who trust the checkpoint, and hears of it from the rest.

use std::collections::BTreeSet;

use super::{Circle, roster};
use crate::identity::{DeviceId, RecordHash};
use crate::limits::KEPT_MAX;
use crate::record::{Body, Checkpoint, Effect, Link, Record};

/// Why no checkpoint was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoCheckpoint {
    /// The author has no record that does not matter.
    #[error("every record of the device still matters")]
    NothingToDrop,
    /// More records matter than a checkpoint can name.
    #[error("more than {KEPT_MAX} records of the device still matter")]
    TooMany,
    /// The author has forked its chain; that must stay visible.
    #[error("the device has written two histories; both are evidence")]
    Forked,
}

impl Circle {
    /// The checkpoint that an admin could sign about an author now. Its last record is always kept.
    ///
    /// # Errors
    /// [`NoCheckpoint`] if there is nothing to gain, or too much to keep.
    pub fn checkpoint(&self, author: &DeviceId) -> Result<Checkpoint, NoCheckpoint> {
        let chain = self.store.chain(author).ok_or(NoCheckpoint::NothingToDrop)?;
        if chain.fork.is_some() {
            return Err(NoCheckpoint::Forked);
        }
        let all: Vec<&Record> = chain.entries.iter().map(|at| &self.store.entry(*at).record).collect();
        let last = all.last().map(|record| record.hash());
        let matters = self.mattering(author);
        let kept: Vec<Link> = all
            .iter()
            .filter(|record| matters.contains(&record.hash()) || Some(record.hash()) == last)
            .map(|record| record.link())
            .collect();
        if kept.len() == all.len() {
            Err(NoCheckpoint::NothingToDrop)
        } else if kept.len() > KEPT_MAX {
            Err(NoCheckpoint::TooMany)
        } else {
            Ok(Checkpoint { device: *author, kept })
        }
    }

    /// Forgets what checkpoints of admins leave out and nothing follows from; gives the hashes, to be deleted.
    pub fn forget(&mut self) -> Vec<RecordHash> {
        let checkpoints: Vec<Checkpoint> = self
            .records()
            .filter(|record| self.counts(&record.hash()) == Some(true))
            .filter_map(|record| match record.body() {
                Body::Checkpoint(checkpoint) => Some(checkpoint.clone()),
                Body::Found(_)
                | Body::Admit(_)
                | Body::Join(_)
                | Body::Revoke(_)
                | Body::Invite(_)
                | Body::Grant(_)
                | Body::Profile(_)
                | Body::Witness(_) => None,
            })
            .collect();
        checkpoints.iter().flat_map(|checkpoint| self.forget_one(checkpoint)).collect()
    }

    fn forget_one(&mut self, checkpoint: &Checkpoint) -> Vec<RecordHash> {
        let Some(last) = checkpoint.kept.last() else { return vec![] };
        let kept: BTreeSet<RecordHash> = checkpoint.kept.iter().map(|link| link.hash).collect();
        let whole = kept.iter().all(|hash| self.record(hash).is_some());
        let covered = self.records_of(&checkpoint.device, 0);
        let drop: BTreeSet<RecordHash> = covered
            .filter(|record| record.number() < last.number && !kept.contains(&record.hash()))
            .map(Record::hash)
            .collect();
        if !whole || drop.is_empty() {
            return vec![];
        }
        let rest: Vec<Record> =
            self.records().filter(|record| !drop.contains(&record.hash())).cloned().collect();
        let same = roster(self.id(), &rest).is_ok_and(|roster| roster == *self.roster());
        let smaller = Self::from_records(self.id(), rest.iter().cloned());
        match smaller {
            Ok(smaller) if same && smaller.len() == rest.len() => {
                let waiting = std::mem::take(&mut self.waiting);
                let mut smaller = Self { waiting, ..smaller };
                smaller.derived.follow(&self.derived);
                *self = smaller;
                drop.into_iter().collect()
            }
            Ok(_) | Err(_) => vec![],
        }
    }

    /// The records of an author from which something follows today, or without which others would stand in the air.
    fn mattering(&self, author: &DeviceId) -> BTreeSet<RecordHash> {
        let member = self.roster().members.get(author);
        let mut matters: BTreeSet<RecordHash> = member
            .into_iter()
            .flat_map(|member| member.grants.iter().map(|(_, _, granted)| granted.record))
            .collect();
        let mut name = None;
        for record in self.records_of(author, 0) {
            match record.body() {
                // The first of an unbroken row with one name says since when, the last one has the key.
                Body::Profile(profile) if name.as_ref() == Some(&profile.name) => {}
                Body::Profile(profile) => {
                    name = Some(profile.name.clone());
                    matters.insert(record.hash());
                }
                Body::Grant(grant) if grant.effect == Effect::Deny => _ = matters.insert(record.hash()),
                Body::Grant(_) => {}
                Body::Found(_)
                | Body::Admit(_)
                | Body::Join(_)
                | Body::Revoke(_)
                | Body::Invite(_)
                | Body::Witness(_)
                | Body::Checkpoint(_) => _ = matters.insert(record.hash()),
            }
        }
        let profiles = self.records_of(author, 0).filter(|record| matches!(record.body(), Body::Profile(_)));
        matters.extend(profiles.last().map(Record::hash));
        matters
    }
}
