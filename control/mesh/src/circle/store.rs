//! All linked records, found by hash, author and what they are about.
//!
//! A record is *linked* when its author may have a chain at all and its predecessor is linked. Both only ever grow
//! (who was an admin by anybody's word stays a *possible* admin here), so linking does not depend on the order of arrival. What a
//! linked record is worth is the roster's business.
//!
//! **Invariant:** a predecessor is linked before its successors, except over a gap that a checkpoint vouches for.

use std::collections::{BTreeMap, BTreeSet};

use super::Refused;
use super::shelf::Shelf;
use super::waiting::Need;
use crate::identity::{CircleId, DeviceId, RecordHash, UseId};
use crate::record::{Admit, Body, Found, Link, Record, Revoke, Role, Witness};

/// A linked record.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) record: Record,
    /// Its predecessor; over a gap, the newest kept record before it.
    pub(crate) parent: Option<u32>,
    /// The author's clock, which in one chain never goes back: a key cannot date a record before its last one.
    pub(crate) time: u64,
}

/// The records of one author.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    /// In order of number, then hash.
    pub(crate) entries: Vec<u32>,
    /// Those that admit admins or revoke.
    pub(crate) acts: Vec<u32>,
    /// Those that witness admissions.
    pub(crate) witnesses: Vec<u32>,
    /// Those that say how the author is called and what it allows. Of an admin who has admitted thousands they are few.
    pub(crate) words: Vec<u32>,
    /// The lowest number that two of them have.
    pub(crate) fork: Option<u64>,
    /// What they take as bytes.
    pub(crate) bytes: usize,
}

/// What became of a record that could be linked.
pub(crate) enum Linked {
    At(u32),
    Waits,
}

#[derive(Clone, Debug)]
pub(crate) struct Store {
    circle: CircleId,
    found: Found,
    founder: DeviceId,
    entries: Shelf<Entry>,
    by_hash: BTreeMap<RecordHash, u32>,
    chains: BTreeMap<DeviceId, Chain>,
    /// Who may have a chain: founder, recovery key, whoever was admitted by a possible admin, or has used an invite.
    authors: BTreeSet<DeviceId>,
    /// Who was ever named an admin by another possible admin.
    admins: BTreeSet<DeviceId>,
    /// Records that a checkpoint of a possible admin keeps, each with the one kept before it.
    vouched: BTreeMap<RecordHash, Option<RecordHash>>,
    /// Records linked over a gap, by the predecessor that was missing.
    gaps: BTreeMap<RecordHash, Vec<u32>>,
    pub(crate) admits: BTreeMap<DeviceId, Vec<u32>>,
    pub(crate) revokes: BTreeMap<DeviceId, Vec<u32>>,
    pub(crate) invites: BTreeMap<UseId, Vec<u32>>,
    pub(crate) cancels: BTreeMap<UseId, Vec<u32>>,
    pub(crate) joins: BTreeMap<UseId, Vec<u32>>,
    pub(crate) witnessed: BTreeMap<RecordHash, Vec<u32>>,
    news: Vec<Need>,
    /// Whether a gap was closed since [`Store::settle`]: then times of linked records may be others.
    rewired: bool,
}

impl Store {
    /// None for a record that founds no circle.
    pub(crate) fn new(record: Record) -> Option<Self> {
        let Body::Found(found) = record.body().clone() else { return None };
        let founder = record.author();
        let known = BTreeSet::from([founder, found.recovery]);
        let mut store = Self {
            circle: record.circle(),
            found,
            founder,
            entries: Shelf::new(),
            by_hash: BTreeMap::new(),
            chains: BTreeMap::new(),
            authors: known.clone(),
            admins: known,
            vouched: BTreeMap::new(),
            gaps: BTreeMap::new(),
            admits: BTreeMap::new(),
            revokes: BTreeMap::new(),
            invites: BTreeMap::new(),
            cancels: BTreeMap::new(),
            joins: BTreeMap::new(),
            witnessed: BTreeMap::new(),
            news: Vec::new(),
            rewired: false,
        };
        store.link(record);
        Some(store)
    }

    // --- looking ----------------------------------------------------------------------------------

    pub(crate) fn circle(&self) -> CircleId {
        self.circle
    }

    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    pub(crate) fn founder(&self) -> DeviceId {
        self.founder
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn entry(&self, at: u32) -> &Entry {
        &self.entries[at as usize]
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    pub(crate) fn by_hash(&self, hash: &RecordHash) -> Option<u32> {
        self.by_hash.get(hash).copied()
    }

    pub(crate) fn chain(&self, author: &DeviceId) -> Option<&Chain> {
        self.chains.get(author)
    }

    pub(crate) fn chains(&self) -> impl Iterator<Item = (&DeviceId, &Chain)> {
        self.chains.iter()
    }

    /// Whether anybody who may be an admin has named the device an admin.
    pub(crate) fn may_be_admin(&self, device: &DeviceId) -> bool {
        self.admins.contains(device)
    }

    /// The records of a chain that no other follows.
    pub(crate) fn heads(&self, chain: &Chain) -> Vec<Link> {
        let followed: BTreeSet<u32> = match chain.fork {
            // Only the last can be without a successor.
            None => {
                return chain.entries.last().map(|at| self.entry(*at).record.link()).into_iter().collect();
            }
            Some(_) => chain.entries.iter().filter_map(|at| self.entry(*at).parent).collect(),
        };
        let heads = chain.entries.iter().filter(|at| !followed.contains(at));
        heads.map(|at| self.entry(*at).record.link()).collect()
    }

    /// Whether `at` is `from` or comes before it on its branch.
    pub(crate) fn leads_to(&self, at: u32, from: u32) -> bool {
        let number = self.entry(at).record.number();
        let mut here = Some(from);
        while let Some(step) = here {
            if step == at {
                return true;
            }
            let entry = self.entry(step);
            here = entry.parent.filter(|_| entry.record.number() > number);
        }
        false
    }

    // --- linking ----------------------------------------------------------------------------------

    /// What the record still needs before it can be linked.
    pub(crate) fn need(&self, record: &Record) -> Result<Option<Need>, Refused> {
        if record.circle() != self.circle {
            return Err(Refused::OtherCircle);
        }
        if record.number() == 0 {
            return Ok(self.need_of_first(record));
        }
        match self.by_hash(&record.previous()).map(|at| &self.entry(at).record) {
            Some(previous) if previous.author() == record.author() => {
                let follows = previous.number() + 1 == record.number();
                if follows { Ok(None) } else { Err(Refused::BadLink) }
            }
            Some(_) => Err(Refused::BadLink),
            None if !self.authors.contains(&record.author()) && !self.is_vouched(record) => {
                Ok(Some(Need::Record(record.previous())))
            }
            None if self.is_vouched(record) => Ok(None),
            None => Ok(Some(Need::Record(record.previous()))),
        }
    }

    fn need_of_first(&self, record: &Record) -> Option<Need> {
        match record.body() {
            Body::Join(join) => {
                let invited = self.invites.get(&join.invite).is_some_and(|invites| {
                    invites.iter().any(|at| self.may_be_admin(&self.entry(*at).record.author()))
                });
                let known = self.authors.contains(&record.author());
                if invited || known { None } else { Some(Need::Invite(join.invite)) }
            }
            Body::Found(_)
            | Body::Admit(_)
            | Body::Revoke(_)
            | Body::Invite(_)
            | Body::Grant(_)
            | Body::Profile(_)
            | Body::Witness(_)
            | Body::Checkpoint(_) => {
                let known = self.authors.contains(&record.author());
                if known { None } else { Some(Need::Author(record.author())) }
            }
        }
    }

    fn is_vouched(&self, record: &Record) -> bool {
        self.vouched.contains_key(&record.hash())
    }

    /// Takes in a record that needs nothing any more.
    pub(crate) fn link(&mut self, record: Record) -> u32 {
        let at = u32::try_from(self.entries.len()).expect("quotas keep records far below 2^32");
        let (author, hash) = (record.author(), record.hash());
        let parent = self.parent(&record);
        let before = parent.map_or(0, |parent| self.entry(parent).time);
        if record.number() > 0 && self.by_hash(&record.previous()).is_none() {
            self.gaps.entry(record.previous()).or_default().push(at);
        }
        self.by_hash.insert(hash, at);
        self.entries.push(Entry { time: before.max(record.time()), parent, record });
        self.put_into_chain(at);
        self.index(at);
        self.meet(author);
        self.close_gaps(at);
        at
    }

    fn parent(&self, record: &Record) -> Option<u32> {
        if record.number() == 0 {
            return None;
        }
        let over_gap = || self.vouched.get(&record.hash()).copied().flatten();
        self.by_hash(&record.previous()).or_else(|| self.by_hash(&over_gap()?))
    }

    fn put_into_chain(&mut self, at: u32) {
        let record = &self.entries[at as usize].record;
        let (author, key) = (record.author(), (record.number(), record.hash()));
        let bytes = record.to_bytes().len();
        let act = match record.body() {
            Body::Revoke(Revoke::Device { .. }) | Body::Admit(Admit { role: Role::Admin, .. }) => true,
            Body::Found(_)
            | Body::Admit(_)
            | Body::Join(_)
            | Body::Revoke(_)
            | Body::Invite(_)
            | Body::Grant(_)
            | Body::Profile(_)
            | Body::Witness(_)
            | Body::Checkpoint(_) => false,
        };
        let witnesses = matches!(record.body(), Body::Witness(_));
        let speaks = matches!(record.body(), Body::Profile(_) | Body::Grant(_));
        let entries = &self.entries;
        let place = |list: &[u32]| {
            list.partition_point(|other| {
                let other = &entries[*other as usize].record;
                (other.number(), other.hash()) < key
            })
        };
        let chain = self.chains.entry(author).or_default();
        chain.bytes += bytes;
        let spot = place(&chain.entries);
        chain.entries.insert(spot, at);
        let beside = [spot.checked_sub(1), Some(spot + 1)];
        let twin = beside.into_iter().flatten().filter_map(|near| chain.entries.get(near));
        if twin.into_iter().any(|near| entries[*near as usize].record.number() == key.0) {
            chain.fork = Some(chain.fork.map_or(key.0, |fork| fork.min(key.0)));
        }
        if act {
            let spot = place(&chain.acts);
            chain.acts.insert(spot, at);
        }
        if speaks {
            let spot = place(&chain.words);
            chain.words.insert(spot, at);
        }
        if witnesses {
            chain.witnesses.push(at);
        }
    }

    fn index(&mut self, at: u32) {
        let record = self.entries[at as usize].record.clone();
        match record.body() {
            Body::Admit(admit) => self.admits.entry(admit.device).or_default().push(at),
            Body::Revoke(Revoke::Device { device, .. }) => self.revokes.entry(*device).or_default().push(at),
            Body::Revoke(Revoke::Invite(invite)) => self.cancels.entry(*invite).or_default().push(at),
            Body::Invite(invite) => self.invites.entry(invite.key).or_default().push(at),
            Body::Join(join) => self.joins.entry(join.invite).or_default().push(at),
            Body::Witness(Witness { record, .. }) => self.witnessed.entry(*record).or_default().push(at),
            Body::Found(_) | Body::Grant(_) | Body::Profile(_) | Body::Checkpoint(_) => {}
        }
        if self.may_be_admin(&record.author()) {
            self.heed(&record);
        }
    }

    /// A record of a possible admin: whom does it let have a chain, and which gaps does it vouch for?
    fn heed(&mut self, record: &Record) {
        match record.body() {
            Body::Admit(admit) => {
                self.meet(admit.device);
                if admit.role == Role::Admin && self.admins.insert(admit.device) {
                    let own = self.chains.get(&admit.device).map_or(vec![], |chain| chain.entries.clone());
                    for at in own {
                        self.heed(&self.entries[at as usize].record.clone());
                    }
                }
            }
            Body::Invite(invite) => self.news.push(Need::Invite(invite.key)),
            Body::Checkpoint(checkpoint) => {
                let mut before = None;
                for link in &checkpoint.kept {
                    self.vouched.entry(link.hash).or_insert(before);
                    self.news.push(Need::Vouched(link.hash));
                    before = Some(link.hash);
                }
            }
            Body::Found(_)
            | Body::Join(_)
            | Body::Revoke(_)
            | Body::Grant(_)
            | Body::Profile(_)
            | Body::Witness(_) => {}
        }
    }

    fn meet(&mut self, author: DeviceId) {
        if self.authors.insert(author) {
            self.news.push(Need::Author(author));
        }
    }

    /// Records that were linked over the gap which `at` fills now follow it.
    fn close_gaps(&mut self, at: u32) {
        let hash = self.entry(at).record.hash();
        let Some(over) = self.gaps.remove(&hash) else { return };
        for next in over {
            self.entries[next as usize].parent = Some(at);
        }
        self.rewired = true;
        let author = self.entry(at).record.author();
        let chain = self.chains.get(&author).map_or(vec![], |chain| chain.entries.clone());
        for next in chain {
            let before = self.entry(next).parent.map_or(0, |parent| self.entry(parent).time);
            let entry = &mut self.entries[next as usize];
            entry.time = before.max(entry.record.time());
        }
    }

    /// Whether times of records that were linked before are others now.
    pub(crate) fn is_rewired(&self) -> bool {
        self.rewired
    }

    /// The roster has been derived from what is there now.
    pub(crate) fn settle(&mut self) {
        self.rewired = false;
    }

    /// Whom and what records that wait may now be tried again for.
    pub(crate) fn take_news(&mut self) -> Vec<Need> {
        std::mem::take(&mut self.news)
    }
}
