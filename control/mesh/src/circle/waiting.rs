//! Records that cannot be linked yet, by what each waits for. Bounded in sum and per author.

use std::collections::BTreeMap;

use super::Refused;
use crate::identity::{DeviceId, RecordHash, UseId};
use crate::limits::{PENDING_MAX, PENDING_PER_AUTHOR_MAX};
use crate::record::Record;

/// What a record waits for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Need {
    /// Its predecessor.
    Record(RecordHash),
    /// Its author's admission.
    Author(DeviceId),
    /// The invite that it uses.
    Invite(UseId),
    /// Not waited for by name: a checkpoint now vouches for the record with this hash itself.
    Vouched(RecordHash),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct WaitingRoom {
    records: BTreeMap<RecordHash, (Record, Need)>,
    needs: BTreeMap<Need, Vec<RecordHash>>,
    authors: BTreeMap<DeviceId, usize>,
}

impl WaitingRoom {
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn holds(&self, hash: &RecordHash) -> bool {
        self.records.contains_key(hash)
    }

    pub(crate) fn holds_of(&self, author: &DeviceId) -> bool {
        self.authors.contains_key(author)
    }

    pub(crate) fn put(&mut self, record: Record, need: Need) -> Result<(), Refused> {
        let own = self.authors.entry(record.author()).or_default();
        if self.records.len() >= PENDING_MAX || *own >= PENDING_PER_AUTHOR_MAX {
            return Err(Refused::WaitingRoomFull);
        }
        *own += 1;
        self.needs.entry(need).or_default().push(record.hash());
        self.records.insert(record.hash(), (record, need));
        Ok(())
    }

    /// Takes out what waited for `need`.
    pub(crate) fn take(&mut self, need: &Need) -> Vec<Record> {
        let hashes = match need {
            Need::Vouched(hash) => vec![*hash],
            Need::Record(_) | Need::Author(_) | Need::Invite(_) => {
                self.needs.remove(need).unwrap_or_default()
            }
        };
        hashes.iter().filter_map(|hash| self.remove(hash)).collect()
    }

    fn remove(&mut self, hash: &RecordHash) -> Option<Record> {
        let (record, need) = self.records.remove(hash)?;
        if let Some(others) = self.needs.get_mut(&need) {
            others.retain(|other| other != hash);
            if others.is_empty() {
                self.needs.remove(&need);
            }
        }
        if let Some(own) = self.authors.get_mut(&record.author()) {
            *own -= 1;
            if *own == 0 {
                self.authors.remove(&record.author());
            }
        }
        Some(record)
    }
}
