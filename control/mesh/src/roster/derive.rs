//! From records to the roster, all at once. How it follows single records is [`super::grow`]'s.

use std::collections::{BTreeMap, BTreeSet};

use super::authority::{Authority, Ended};
use super::membership::{Admission, Rules, Uses};
use super::names::{Choice, Names};
use super::view::View;
use super::{Former, Granted, InviteState, Member, Pending, Roster, Waiting};
use crate::address::{Assignment, Seniority, ipv6_of};
use crate::circle::store::Store;
use crate::identity::{DeviceId, UseId};
use crate::limits::{GUEST_GRANTS_MAX, LIVE_GRANTS_MAX};
use crate::name::Label;
use crate::record::{Body, Effect, Link, Role, What};
use ringmesh_wire::keys::PublicKey;

/// The roster, and what is needed to follow it from record to record.
#[derive(Clone, Debug)]
pub(crate) struct Derived {
    pub(super) roster: Roster,
    pub(super) authority: Authority,
    /// Authors whose records do not all count.
    pub(super) views: BTreeMap<DeviceId, View>,
    /// Everybody whose admission counts, also those whose membership has ended.
    pub(super) admissions: BTreeMap<DeviceId, Admission>,
    pub(super) uses: Uses,
    pub(super) addresses: Assignment,
    pub(super) names: Names,
    /// Goes up with every change of the roster but for grants and for who waits; see [`Derived::standing`].
    pub(super) standing: u64,
}

/// What a device says about itself.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Own {
    /// Its name, and since when it has chosen that.
    pub(super) name: Option<(Label, u64)>,
    pub(super) wireguard: Option<PublicKey>,
    pub(super) grants: BTreeMap<(DeviceId, What), Granted>,
}

impl Derived {
    pub(crate) fn of(store: &Store) -> Self {
        let found = store.found();
        let authority = Authority::of(store);
        let views = views(store, &authority);
        let rules = Rules { store, authority: &authority, views: &views };
        let (admissions, uses) = rules.admissions();
        let roster = Roster {
            circle: store.circle(),
            name: found.name.clone(),
            founder: store.founder(),
            recovery: found.recovery,
            block: found.block,
            members: BTreeMap::new(),
            former: BTreeMap::new(),
            waiting: BTreeMap::new(),
            invites: BTreeMap::new(),
            index: Default::default(),
        };
        let addresses = Assignment::new(store.circle(), found.block);
        let names = Names::default();
        let mut derived = Self { roster, authority, views, admissions, uses, addresses, names, standing: 0 };
        derived.fill(store);
        derived
    }

    fn fill(&mut self, store: &Store) {
        for (device, admission) in &self.admissions {
            self.addresses.insert(admission.seniority(device));
        }
        let devices: Vec<DeviceId> = self.admissions.keys().copied().collect();
        for device in &devices {
            self.place(store, device);
        }
        for device in &devices {
            self.rename(device);
        }
        let invites: Vec<UseId> = store.invites.keys().copied().collect();
        invites.iter().for_each(|key| self.note_invite(store, key));
        let joins: Vec<u32> = store.joins.values().flatten().copied().collect();
        joins.iter().for_each(|at| self.note_waiting(store, *at));
    }

    // --- looking ----------------------------------------------------------------------------------

    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// A number that is another one whenever something else than grants and who waits may be another: members, former ones, invites.
    pub(crate) fn standing(&self) -> u64 {
        self.standing
    }

    /// The same roster as `before` had, worked out from fewer records.
    pub(crate) fn follow(&mut self, before: &Self) {
        self.standing = before.standing;
    }

    pub(crate) fn into_roster(self) -> Roster {
        self.roster
    }

    pub(super) fn rules<'a>(&'a self, store: &'a Store) -> Rules<'a> {
        Rules { store, authority: &self.authority, views: &self.views }
    }

    /// Where the author's next record goes.
    pub(crate) fn head(&self, store: &Store, author: &DeviceId) -> Option<Link> {
        let chain = store.chain(author)?;
        let heads = store.heads(chain);
        let counting = |link: &Link| {
            store.by_hash(&link.hash).is_some_and(|at| {
                self.views.get(author).is_none_or(|view| view.counts(at, link.number, true))
            })
        };
        heads.iter().copied().max_by_key(|link| (counting(link), *link))
    }

    /// Whether the record at `at` has effect.
    pub(crate) fn counts(&self, store: &Store, at: u32) -> bool {
        let record = &store.entry(at).record;
        let author = record.author();
        let rules = self.rules(store);
        let known = self.admissions.get(&author);
        match record.body() {
            Body::Found(_) => true,
            Body::Admit(_) | Body::Invite(_) | Body::Checkpoint(_) => {
                self.authority.counts(store, at, false)
                    && (author != self.roster.recovery || rules.names_admin(at))
            }
            Body::Revoke(crate::record::Revoke::Device { device, .. }) if *device == author => {
                known.is_some() && rules.counts_own(at, true)
            }
            Body::Revoke(_) => self.authority.counts(store, at, true),
            Body::Join(_) => known.is_some() && rules.counts_own(at, false),
            Body::Grant(grant) => known.is_some() && rules.counts_own(at, grant.effect == Effect::Deny),
            Body::Profile(_) => known.is_some() && rules.counts_own(at, false),
            Body::Witness(witness) => {
                let may = known.is_some_and(|own| own.role != Role::Guest);
                (may || witness.receipt.is_some()) && rules.counts_own(at, false)
            }
        }
    }

    // --- entries ----------------------------------------------------------------------------------

    /// Enters a device that was admitted among members or former ones. Its name is given by [`Self::rename`].
    pub(super) fn place(&mut self, store: &Store, device: &DeviceId) {
        let Some(admission) = self.admissions.get(device).copied() else { return };
        self.roster.waiting.remove(device);
        let ended = self.authority.decided.get(device).and_then(|decided| decided.membership);
        let own = self.own(store, device, admission.role);
        match ended {
            Some(ended) => self.part(store, *device, &admission, own, ended),
            None => self.enter(*device, &admission, own),
        }
    }

    fn enter(&mut self, device: DeviceId, admission: &Admission, own: Own) {
        let (chosen, since) = own.name.unzip();
        let choice = chosen
            .clone()
            .zip(since)
            .map(|(label, since)| (label, Choice { guest: admission.role == Role::Guest, since, device }));
        let touched = self.names.choose(device, choice);
        let member = Member {
            device,
            role: admission.role,
            name: self.names.name(&device),
            chosen,
            wireguard: own.wireguard,
            ipv6: ipv6_of(&self.roster.circle, &device),
            ipv4: self.addresses.address(&device),
            seniority: admission.seniority(&device),
            admitted: admission.how,
            frozen: self.views.get(&device).and_then(View::frozen),
            grants: own.grants.into(),
        };
        self.roster.index.put(&member);
        let before = self.roster.members.insert(device, member);
        if !before.as_ref().zip(self.roster.members.get(&device)).is_some_and(|(was, is)| was.stands_as(is)) {
            self.standing += 1;
        }
        if let Some(before) = before {
            self.reindex(&device, &before);
        }
        touched.iter().for_each(|other| _ = self.rename(other));
    }

    fn part(&mut self, store: &Store, device: DeviceId, admission: &Admission, own: Own, ended: Ended) {
        let touched = self.names.choose(device, None);
        self.standing += 1;
        if let Some(member) = self.roster.members.remove(&device) {
            self.roster.index.take(&member);
        }
        let former = Former {
            by: ended.by,
            time: store.entry(ended.record).time,
            role: admission.role,
            name: own.name.map(|(label, _)| label),
            wireguard: own.wireguard,
        };
        self.roster.former.insert(device, former);
        touched.iter().for_each(|other| _ = self.rename(other));
    }

    /// Brings name and address of a member up to date; says whether one of them is another now.
    pub(super) fn rename(&mut self, device: &DeviceId) -> bool {
        let (name, ipv4) = (self.names.name(device), self.addresses.address(device));
        let Some(member) = self.roster.members.get_mut(device) else { return false };
        if member.name == name && member.ipv4 == ipv4 {
            return false;
        }
        self.standing += 1;
        self.roster.index.take(member);
        (member.name, member.ipv4) = (name, ipv4);
        self.roster.index.put(member);
        true
    }

    /// A member's entry was replaced: it is found by what it is now, and by nothing that it was.
    fn reindex(&mut self, device: &DeviceId, before: &Member) {
        self.roster.index.take(before);
        if let Some(member) = self.roster.members.get(device) {
            self.roster.index.put(member);
        }
    }

    /// What a device says about itself, as far as it counts.
    pub(super) fn own(&self, store: &Store, device: &DeviceId, role: Role) -> Own {
        let mut own = Own::default();
        let Some(chain) = store.chain(device) else { return own };
        let most = if role == Role::Guest { GUEST_GRANTS_MAX } else { LIVE_GRANTS_MAX };
        let rules = self.rules(store);
        let mut live = 0;
        for at in &chain.words {
            let entry = store.entry(*at);
            match entry.record.body() {
                Body::Profile(profile) if rules.counts_own(*at, false) => {
                    let since = own.name.take().filter(|(label, _)| *label == profile.name);
                    own.name = Some((profile.name.clone(), since.map_or(entry.time, |(_, since)| since)));
                    own.wireguard = Some(profile.wireguard);
                }
                Body::Grant(grant) if rules.counts_own(*at, grant.effect == Effect::Deny) => {
                    let key = (grant.to, grant.what);
                    let was = own.grants.get(&key).is_some_and(|granted| granted.effect != Effect::Deny);
                    let is = grant.effect != Effect::Deny;
                    if is && !was && live >= most {
                        continue;
                    }
                    live = live + usize::from(is) - usize::from(was);
                    own.grants.insert(key, Granted { effect: grant.effect, record: entry.record.hash() });
                }
                Body::Profile(_)
                | Body::Grant(_)
                | Body::Found(_)
                | Body::Admit(_)
                | Body::Join(_)
                | Body::Revoke(_)
                | Body::Invite(_)
                | Body::Witness(_)
                | Body::Checkpoint(_) => {}
            }
        }
        own
    }

    pub(super) fn note_invite(&mut self, store: &Store, key: &UseId) {
        let Some(terms) = self.rules(store).terms(key) else { return };
        let state = InviteState {
            by: terms.by,
            guest: terms.invite.guest,
            uses: terms.invite.uses,
            used: self.uses.get(key).into_iter().flatten().copied().collect(),
            expires: terms.invite.expires,
            room: terms.invite.room,
            beacons: terms.invite.beacons.clone(),
            cancelled: terms.cancelled,
        };
        if self.roster.invites.get(key) != Some(&state) {
            self.standing += 1;
            self.roster.invites.insert(*key, state);
        }
    }

    /// Enters the author of the *join* at `at` among those who wait, unless it is admitted.
    pub(super) fn note_waiting(&mut self, store: &Store, at: u32) {
        let device = store.entry(at).record.author();
        if self.admissions.contains_key(&device) {
            return;
        }
        // Whoever used several invites at once waits for the one whose record comes first in its forked chain.
        let own = store.chain(&device).into_iter().flat_map(|chain| &chain.entries);
        let joins = own.map(|at| &store.entry(*at).record).find_map(|record| match record.body() {
            Body::Join(join) => Some((record, join)),
            Body::Found(_)
            | Body::Admit(_)
            | Body::Revoke(_)
            | Body::Invite(_)
            | Body::Grant(_)
            | Body::Profile(_)
            | Body::Witness(_)
            | Body::Checkpoint(_) => None,
        });
        let Some((record, join)) = joins else { return };
        let used = self.uses.get(&join.invite);
        let reason = match self.roster.invites.get(&join.invite) {
            None => Pending::Cancelled,
            Some(state) if state.cancelled => Pending::Cancelled,
            Some(state) => match used {
                Some(used) if used.len() > usize::from(state.uses) => Pending::Overused,
                Some(_) | None => Pending::Unwitnessed,
            },
        };
        let own = self.own(store, &device, Role::Guest);
        let waiting = Waiting {
            invite: join.invite,
            record: record.hash(),
            reason,
            name: own.name.map(|(label, _)| label),
            wireguard: own.wireguard,
        };
        self.roster.waiting.insert(device, waiting);
    }
}

impl Admission {
    pub(super) fn seniority(&self, device: &DeviceId) -> Seniority {
        Seniority { since: self.since, depth: self.depth, device: *device }
    }
}

/// The views of all authors of whose records not all count.
pub(super) fn views(store: &Store, authority: &Authority) -> BTreeMap<DeviceId, View> {
    let forked = store.chains().filter(|(_, chain)| chain.fork.is_some()).map(|(author, _)| *author);
    let decided = authority.decided.keys().copied();
    let authors: BTreeSet<DeviceId> = forked.chain(decided).collect();
    let views = authors.into_iter().map(|author| (author, authority.own_view(store, &author)));
    views.filter(|(_, view)| *view != View::ALL).collect()
}
