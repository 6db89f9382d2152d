//! Who may admit, invite and revoke, and which of their revocations hold.
//!
//! Admins are heard one after the other: the recovery key first, then the founder, then by seniority. Each one's
//! revocations count unless somebody heard before has ended its power before that record. So of two that revoke
//! each other, the senior wins. A junior may revoke a senior who has not revoked it; the hearing then begins again
//! with that as a given fact. Facts only grow in number, so this ends; where revocations bite each other in a circle, all
//! that were ever heard as facts hold: when in doubt, power is taken away.
//!
//! A revocation never reaches back past the record that made its own author an admin. Otherwise the newest admin could
//! make everything undone that led to its being one.
//!
//! **Invariant:** the outcome is a function of the set of records.

use std::collections::{BTreeMap, BTreeSet};

use super::view::{Cuts, View};
use crate::address::Seniority;
use crate::circle::store::{Chain, Store};
use crate::identity::DeviceId;
use crate::record::{Admit, Body, Link, Revoke, Role, Scope};

/// Where an admin stands among admins: the recovery key before all others.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Rank {
    pub(crate) ordinary: bool,
    pub(crate) seniority: Seniority,
}

/// A revocation that holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Ended {
    pub(crate) by: DeviceId,
    pub(crate) record: u32,
}

/// What others have decided about one device.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Decided {
    /// Limits on all that it says.
    pub(crate) cuts: Cuts,
    /// Further limits on what it says as an admin.
    pub(crate) admin_cuts: Cuts,
    /// The revocation of its membership that was heard first.
    pub(crate) membership: Option<Ended>,
    /// Whether it was removed from the admins.
    pub(crate) demoted: bool,
}

/// Admins and what they have decided.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Authority {
    /// Everybody who is or was an admin, with the rank of the admission that counts.
    pub(crate) ranks: BTreeMap<DeviceId, Rank>,
    /// What was decided about whom.
    pub(crate) decided: BTreeMap<DeviceId, Decided>,
    /// What each of `ranks` may say as an admin.
    views: BTreeMap<DeviceId, View>,
}

impl Authority {
    pub(crate) fn of(store: &Store) -> Self {
        let mut facts = Facts::default();
        loop {
            match Hearing::new(store, &facts).run() {
                Ok(authority) => return authority,
                Err(more) => facts = more,
            }
        }
    }

    /// Whether what the record at `at` says as an admin counts.
    pub(crate) fn counts(&self, store: &Store, at: u32, restricts: bool) -> bool {
        let record = &store.entry(at).record;
        self.views.get(&record.author()).is_some_and(|view| view.counts(at, record.number(), restricts))
    }

    /// What `device` may say about itself.
    pub(crate) fn own_view(&self, store: &Store, device: &DeviceId) -> View {
        let Some(chain) = store.chain(device) else { return View::ALL };
        match self.decided.get(device) {
            None if chain.fork.is_none() => View::ALL,
            None => View::of(store, chain, &Cuts::default()),
            Some(decided) => View::of(store, chain, &decided.cuts),
        }
    }
}

/// Revocations of seniors by juniors that were heard in an earlier round, as numbers of records.
#[derive(Clone, Default)]
struct Facts(BTreeMap<u32, Fact>);

#[derive(Clone, Copy)]
struct Fact {
    device: DeviceId,
    scope: Scope,
    last: Option<Link>,
}

/// How somebody came to be an admin: by whose record.
type Support = Option<(DeviceId, Link)>;

struct Hearing<'a> {
    store: &'a Store,
    facts: &'a Facts,
    queue: BTreeSet<(Rank, Option<u32>)>,
    supports: BTreeMap<DeviceId, Support>,
    authority: Authority,
}

impl<'a> Hearing<'a> {
    fn new(store: &'a Store, facts: &'a Facts) -> Self {
        let mut hearing = Self {
            store,
            facts,
            queue: BTreeSet::new(),
            supports: BTreeMap::new(),
            authority: Authority::default(),
        };
        let time = store.entry(0).time;
        let at = |device| Seniority { since: time, depth: 0, device };
        hearing.queue.insert((Rank { ordinary: false, seniority: at(store.found().recovery) }, None));
        hearing.queue.insert((Rank { ordinary: true, seniority: at(store.founder()) }, None));
        for (record, fact) in &facts.0 {
            hearing.apply(*record, fact);
        }
        hearing
    }

    /// All admins in turn; the facts to begin again with, if somebody has revoked a senior.
    fn run(mut self) -> Result<Authority, Facts> {
        while let Some((rank, by)) = self.queue.pop_first() {
            let device = rank.seniority.device;
            if self.authority.ranks.contains_key(&device) {
                continue;
            }
            self.authority.ranks.insert(device, rank);
            let support = by.map(|at| &self.store.entry(at).record);
            self.supports.insert(device, support.map(|record| (record.author(), record.link())));
            let facts = self.hear(rank);
            if !facts.0.is_empty() {
                let mut all = self.facts.clone();
                all.0.extend(facts.0);
                return Err(all);
            }
        }
        self.close();
        Ok(self.authority)
    }

    /// Hears one admin: what it revokes and whom it makes an admin.
    fn hear(&mut self, rank: Rank) -> Facts {
        let author = rank.seniority.device;
        let mut facts = Facts::default();
        let store = self.store;
        let Some(chain) = store.chain(&author) else { return facts };
        let view = self.view(&author, chain);
        for at in &chain.acts {
            let record = &store.entry(*at).record;
            match record.body() {
                Body::Admit(Admit { device, role: Role::Admin })
                    if view.counts(*at, record.number(), false) =>
                {
                    self.name_admin(*at, *device, rank);
                }
                Body::Revoke(Revoke::Device { device, scope, last })
                    if *device != author && view.counts(*at, record.number(), *scope != Scope::Branches) =>
                {
                    let fact =
                        Fact { device: *device, scope: *scope, last: self.clamp(&author, device, *last) };
                    if !self.authority.ranks.contains_key(device) {
                        self.apply(*at, &fact);
                    } else if !self.facts.0.contains_key(at) {
                        facts.0.insert(*at, fact);
                    }
                }
                Body::Admit(_)
                | Body::Revoke(_)
                | Body::Found(_)
                | Body::Join(_)
                | Body::Invite(_)
                | Body::Grant(_)
                | Body::Profile(_)
                | Body::Witness(_)
                | Body::Checkpoint(_) => {}
            }
        }
        facts
    }

    fn name_admin(&mut self, at: u32, device: DeviceId, by: Rank) {
        let since = self.store.entry(at).time.max(by.seniority.since);
        let seniority = Seniority { since, depth: by.seniority.depth + 1, device };
        self.queue.insert((Rank { ordinary: true, seniority }, Some(at)));
    }

    /// What an admin may say as such, from what was decided so far.
    fn view(&mut self, author: &DeviceId, chain: &Chain) -> View {
        let left = own_end(self.store, chain, author, self.authority.decided.get(author));
        if left.any() {
            let decided = self.authority.decided.entry(*author).or_default();
            left.note(*author, decided);
        }
        let decided = self.authority.decided.get(author).cloned().unwrap_or_default();
        View::of(self.store, chain, &decided.cuts.and(&decided.admin_cuts))
    }

    /// A revocation takes effect on somebody.
    fn apply(&mut self, at: u32, fact: &Fact) {
        let by = self.store.entry(at).record.author();
        let decided = self.authority.decided.entry(fact.device).or_default();
        match fact.scope {
            Scope::Membership => {
                decided.cuts.ends.push(fact.last);
                decided.membership.get_or_insert(Ended { by, record: at });
            }
            Scope::Admin => {
                decided.admin_cuts.ends.push(fact.last);
                decided.demoted = true;
            }
            Scope::Branches => decided.cuts.branches.extend(fact.last),
        }
    }

    /// The end that `author` sets to `device`, moved up to the record that made `author` an admin, if it came before.
    fn clamp(&self, author: &DeviceId, device: &DeviceId, last: Option<Link>) -> Option<Link> {
        let mut here = *author;
        while let Some(Some((by, link))) = self.supports.get(&here) {
            if by == device {
                let made = self.store.by_hash(&link.hash)?;
                let after = last.is_some_and(|last| match self.store.by_hash(&last.hash) {
                    Some(last) => self.store.leads_to(made, last),
                    None => last.number >= link.number,
                });
                return if after { last } else { Some(*link) };
            }
            here = *by;
        }
        last
    }

    /// Everybody was heard: what remains are the views and the ends that others set to themselves.
    fn close(&mut self) {
        let ranks: Vec<DeviceId> = self.authority.ranks.keys().copied().collect();
        for device in ranks {
            if let Some(chain) = self.store.chain(&device) {
                let decided = self.authority.decided.get(&device).cloned().unwrap_or_default();
                let view = View::of(self.store, chain, &decided.cuts.and(&decided.admin_cuts));
                self.authority.views.insert(device, view);
            }
        }
        for (device, chain) in self.store.chains() {
            if !self.authority.ranks.contains_key(device) && !chain.acts.is_empty() {
                let left = own_end(self.store, chain, device, self.authority.decided.get(device));
                if left.any() {
                    left.note(*device, self.authority.decided.entry(*device).or_default());
                }
            }
        }
    }
}

/// Where an author has ended its own membership or power.
#[derive(Default)]
pub(super) struct OwnEnd {
    left: Option<(u64, u32)>,
    stepped_down: Option<u64>,
}

impl OwnEnd {
    pub(super) fn any(&self) -> bool {
        self.left.is_some() || self.stepped_down.is_some()
    }

    pub(super) fn note(&self, author: DeviceId, decided: &mut Decided) {
        if let Some((number, record)) = self.left {
            decided.cuts.left = Some(number);
            decided.membership.get_or_insert(Ended { by: author, record });
        }
        if let Some(number) = self.stepped_down {
            decided.admin_cuts.left = Some(number);
            decided.demoted = true;
        }
    }
}

/// The first record with which `author` ends its own membership or power, among those that count.
pub(super) fn own_end(store: &Store, chain: &Chain, author: &DeviceId, decided: Option<&Decided>) -> OwnEnd {
    let mut end = OwnEnd::default();
    let own = chain.acts.iter().filter_map(|at| match store.entry(*at).record.body() {
        Body::Revoke(Revoke::Device { device, scope, .. }) if device == author => Some((*at, *scope)),
        Body::Revoke(_)
        | Body::Admit(_)
        | Body::Found(_)
        | Body::Join(_)
        | Body::Invite(_)
        | Body::Grant(_)
        | Body::Profile(_)
        | Body::Witness(_)
        | Body::Checkpoint(_) => None,
    });
    let mut own = own.peekable();
    if own.peek().is_none() {
        return end;
    }
    let cuts = decided.map(|decided| decided.cuts.clone()).unwrap_or_default();
    let view = View::of(store, chain, &cuts);
    for (at, scope) in own {
        let number = store.entry(at).record.number();
        if view.counts(at, number, true) {
            match scope {
                Scope::Membership => _ = end.left.get_or_insert((number, at)),
                Scope::Admin => _ = end.stepped_down.get_or_insert(number),
                Scope::Branches => {}
            }
        }
    }
    end
}
