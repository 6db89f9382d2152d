//! A circle's records, and the roster that follows from them, kept up to date record by record.
//!
//! Records come in any order. One whose predecessor or author is not known yet waits; what waits is bounded, in sum
//! and per author. One that is known already changes nothing. Two with one number from one author are both kept: they are the evidence.
//!
//! **Invariant:** the roster equals [`roster`] of the records, whatever the order in which they came.

mod compact;
mod quota;
mod shelf;
pub(crate) mod store;
mod waiting;

use std::collections::BTreeSet;

use crate::identity::{CircleId, DeviceId, RecordHash};
use crate::record::{Body, Link, Place, Record};
use crate::roster::{Derived, Roster};
pub use compact::NoCheckpoint;
use store::{Linked, Store};
use waiting::{Need, WaitingRoom};

/// Why a record was not taken. None of these is a reason to trust its sender less, but for [`Refused::OtherCircle`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// It belongs to another circle.
    #[error("the record belongs to another circle")]
    OtherCircle,
    /// It names as its predecessor a record of another author or number.
    #[error("the record names a predecessor that is none")]
    BadLink,
    /// Its author has used up what one author may store.
    #[error("its author has written more than one device may")]
    Quota,
    /// Too many records wait for predecessors; it may be offered again later.
    #[error("too many records wait for others that were not sent")]
    WaitingRoomFull,
    /// The first record of the circle was expected.
    #[error("this is not the record that founded the circle")]
    NotFound,
}

/// What became of records that were offered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Ingested {
    /// Those that are now part of the circle, also ones that had waited, each after its predecessor. These are to be stored.
    pub added: Vec<RecordHash>,
    /// How many were known.
    pub known: usize,
    /// How many wait for others.
    pub waiting: usize,
    /// Which were not taken, and why.
    pub refused: Vec<(RecordHash, Refused)>,
    /// The devices whose entry in the roster is another now, or came or went.
    pub changed: BTreeSet<DeviceId>,
}

/// Two records of one author with one number: somebody has two copies of its key, or it lies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Equivocation {
    /// Who signed both.
    pub author: DeviceId,
    /// The lowest number that was used twice.
    pub number: u64,
    /// The records with that number: proof for everybody who has the author's public key.
    pub records: Vec<RecordHash>,
}

/// All records of a circle and what follows from them.
#[derive(Clone, Debug)]
pub struct Circle {
    store: Store,
    waiting: WaitingRoom,
    derived: Derived,
}

/// The roster of a set of records. Reads no clock, and is the same for every order of `records`.
///
/// # Errors
/// [`Refused::NotFound`] unless the record that founded `circle` is among them. Records of other circles and such that cannot
/// be linked have no effect.
pub fn roster(circle: CircleId, records: &[Record]) -> Result<Roster, Refused> {
    Circle::from_records(circle, records.iter().cloned()).map(|circle| circle.derived.into_roster())
}

impl Circle {
    /// Begins with the record that founds the circle.
    ///
    /// # Errors
    /// [`Refused::NotFound`] for any other record.
    pub fn new(found: Record) -> Result<Self, Refused> {
        let store = Store::new(found).ok_or(Refused::NotFound)?;
        let derived = Derived::of(&store);
        Ok(Self { store, waiting: WaitingRoom::default(), derived })
    }

    /// A circle from records in any order: what a device does after a restart, or a joiner with what it was sent.
    ///
    /// # Errors
    /// [`Refused::NotFound`] unless the record that founded `circle` is among them.
    pub fn from_records(
        circle: CircleId,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, Refused> {
        let mut records: Vec<_> = records.into_iter().collect();
        let founds =
            records.iter().position(|record| record.hash().0 == circle.0).ok_or(Refused::NotFound)?;
        // In order of number nothing has to wait for its predecessor, but many for their authors' admission.
        let found = records.swap_remove(founds);
        records.sort_by_key(Record::number);
        let mut circle = Self::new(found)?;
        circle.link_whole(records);
        circle.derived = Derived::of(&circle.store);
        circle.store.settle();
        Ok(circle)
    }

    // --- looking ----------------------------------------------------------------------------------

    /// The circle's id.
    #[must_use]
    pub fn id(&self) -> CircleId {
        self.store.circle()
    }

    /// Who belongs to the circle.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        self.derived.roster()
    }

    /// A number that is another one whenever the roster may be another but for grants and for who waits. With a number that was
    /// seen before, peers, names and addresses are what they were then.
    #[must_use]
    pub fn standing(&self) -> u64 {
        self.derived.standing()
    }

    /// How many records are part of the circle.
    #[must_use]
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// Never true: the record that founded the circle is always there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record with this hash, if it is part of the circle.
    #[must_use]
    pub fn record(&self, hash: &RecordHash) -> Option<&Record> {
        self.store.by_hash(hash).map(|at| &self.store.entry(at).record)
    }

    /// Whether the record is part of the circle or waits to be.
    #[must_use]
    pub fn knows(&self, hash: &RecordHash) -> bool {
        self.store.by_hash(hash).is_some() || self.waiting.holds(hash)
    }

    /// How many records wait for others that were not sent.
    #[must_use]
    pub fn waits(&self) -> usize {
        self.waiting.len()
    }

    /// Whether records of the author wait for others that were not sent.
    #[must_use]
    pub fn waits_for(&self, author: &DeviceId) -> bool {
        self.waiting.holds_of(author)
    }

    /// All records, each after its predecessor.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.store.entries().map(|entry| &entry.record)
    }

    /// The records of one author from a number on, in order of number.
    pub fn records_of(&self, author: &DeviceId, from: u64) -> impl Iterator<Item = &Record> {
        let chain = self.store.chain(author).map_or(&[][..], |chain| chain.entries.as_slice());
        chain.iter().map(|at| &self.store.entry(*at).record).filter(move |record| record.number() >= from)
    }

    /// All authors and the ends of their chains: one each, more if an author has forked its chain.
    pub fn heads(&self) -> impl Iterator<Item = (DeviceId, Link)> + '_ {
        self.store
            .chains()
            .flat_map(|(author, chain)| self.store.heads(chain).into_iter().map(move |link| (*author, link)))
    }

    /// Where the author's next record goes. A forked chain goes on at the branch that counts, else at the longest.
    #[must_use]
    pub fn place(&self, author: &DeviceId) -> Place {
        Place { circle: self.id(), after: self.derived.head(&self.store, author) }
    }

    /// Authors that have forked their chain, with the evidence, whether that was decided or not.
    #[must_use]
    pub fn equivocations(&self) -> Vec<Equivocation> {
        let forked = self.store.chains().filter_map(|(author, chain)| {
            let number = chain.fork?;
            let at = chain.entries.iter().map(|at| self.store.entry(*at));
            let records = at.filter(|entry| entry.record.number() == number);
            Some(Equivocation {
                author: *author,
                number,
                records: records.map(|entry| entry.record.hash()).collect(),
            })
        });
        forked.collect()
    }

    /// Whether the record has effect: its author might say what it says, and no revocation or fork has taken that away.
    /// None for a record that is not part of the circle.
    #[must_use]
    pub fn counts(&self, hash: &RecordHash) -> Option<bool> {
        self.store.by_hash(hash).map(|at| self.derived.counts(&self.store, at))
    }

    /// Admissions that `member` could witness: none of them counts yet for want of a witness.
    #[must_use]
    pub fn to_witness(&self, member: &DeviceId) -> Vec<(DeviceId, RecordHash)> {
        let may = self.roster().members.get(member).is_some_and(|me| me.role != crate::record::Role::Guest);
        let waiting = self
            .roster()
            .waiting
            .iter()
            .filter(|(_, waiting)| may && waiting.reason == crate::roster::Pending::Unwitnessed);
        waiting.map(|(device, waiting)| (*device, waiting.record)).collect()
    }

    /// Devices that came in by an invite of `admin` and that it has not confirmed: after its confirmation, no later misuse of the
    /// invite can make them wait again.
    #[must_use]
    pub fn to_confirm(&self, admin: &DeviceId) -> Vec<DeviceId> {
        let roster = self.roster();
        let invited = roster.members.values().filter(|member| match member.admitted {
            crate::roster::Admitted::Invite(invite) => {
                roster.invites.get(&invite).is_some_and(|state| state.by == *admin)
            }
            crate::roster::Admitted::Founder | crate::roster::Admitted::By(_) => false,
        });
        invited.map(|member| member.device).collect()
    }

    // --- changing ---------------------------------------------------------------------------------

    /// Takes records in any order, also again, also such whose predecessors are still on their way.
    pub fn ingest(&mut self, records: impl IntoIterator<Item = Record>) -> Ingested {
        let mut ingested = Ingested::default();
        let linked = self.link_all(records, &mut ingested);
        if !linked.is_empty() {
            ingested.changed = self.derived.update(&self.store, &linked);
            self.store.settle();
        }
        ingested
    }

    /// Links a whole circle's records, of which more may have to wait for each other at once than the waiting room holds: what it has
    /// no room for comes again, for as long as that helps.
    fn link_whole(&mut self, mut records: Vec<Record>) {
        loop {
            let (before, mut full) = (self.len(), vec![]);
            for record in records {
                let again = record.clone();
                let mut ingested = Ingested::default();
                self.link_all([record], &mut ingested);
                if ingested.refused.iter().any(|(_, refused)| *refused == Refused::WaitingRoomFull) {
                    full.push(again);
                }
            }
            if full.is_empty() || self.len() == before {
                return;
            }
            records = full;
        }
    }

    fn link_all(&mut self, records: impl IntoIterator<Item = Record>, ingested: &mut Ingested) -> Vec<u32> {
        let mut linked = Vec::new();
        for record in records {
            let mut next = vec![record];
            while let Some(record) = next.pop() {
                if self.knows(&record.hash()) {
                    ingested.known += 1;
                    continue;
                }
                let hash = record.hash();
                match self.try_link(record) {
                    Ok(Linked::At(at)) => {
                        linked.push(at);
                        ingested.added.push(hash);
                        next.extend(self.woken_by(at));
                    }
                    Ok(Linked::Waits) => {}
                    Err(refused) => ingested.refused.push((hash, refused)),
                }
            }
        }
        ingested.waiting = self.waiting.len();
        linked
    }

    fn try_link(&mut self, record: Record) -> Result<Linked, Refused> {
        match self.store.need(&record)? {
            None => {
                quota::check(&self.store, self.derived.roster(), &record)?;
                Ok(Linked::At(self.store.link(record)))
            }
            Some(need) => self.waiting.put(record, need).map(|()| Linked::Waits),
        }
    }

    /// What waited for the record at `at`.
    fn woken_by(&mut self, at: u32) -> Vec<Record> {
        let record = &self.store.entry(at).record;
        let mut needs = vec![Need::Record(record.hash())];
        match record.body() {
            Body::Invite(invite) => needs.push(Need::Invite(invite.key)),
            Body::Checkpoint(checkpoint) => {
                needs.extend(checkpoint.kept.iter().map(|link| Need::Vouched(link.hash)));
            }
            Body::Found(_)
            | Body::Admit(_)
            | Body::Join(_)
            | Body::Revoke(_)
            | Body::Grant(_)
            | Body::Profile(_)
            | Body::Witness(_) => {}
        }
        needs.extend(self.store.take_news());
        needs.iter().flat_map(|need| self.waiting.take(need)).collect()
    }
}

#[cfg(test)]
mod tests;
