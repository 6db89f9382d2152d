//! How the roster follows single records without being worked out anew.
//!
//! Most records touch one device. Those that can change who has power (an admin named or revoked, a fork, a branch
//! chosen, an invite cancelled or used too often) are rare, and for them everything is derived again.
//!
//! **Invariant:** the outcome equals [`Derived::of`]; where that is not certain at a glance, that is what is done.

use std::collections::BTreeSet;

use super::authority::{Ended, own_end};
use super::derive::Derived;
use super::membership::{Admission, both, is_source};
use super::view::View;
use super::{Pending, Roster};
use crate::circle::store::Store;
use crate::identity::DeviceId;
use crate::record::{Admit, Body, Link, Revoke, Role, Scope};

/// The record changes more than one device's standing: all must be derived again.
struct TooMuch;

impl Derived {
    /// Follows newly linked records; gives the devices whose entry is another now, or came or went.
    pub(crate) fn update(&mut self, store: &Store, linked: &[u32]) -> BTreeSet<DeviceId> {
        let mut changed = BTreeSet::new();
        let simple =
            !store.is_rewired() && linked.iter().all(|at| self.grow(store, *at, &mut changed).is_ok());
        if simple {
            return changed;
        }
        let fresh = Self::of(store);
        // What was changed on the way to here counts too: it was told to nobody yet.
        changed.extend(differences(&self.roster, &fresh.roster));
        let standing = self.standing + 1;
        *self = Self { standing, ..fresh };
        changed
    }

    fn grow(&mut self, store: &Store, at: u32, changed: &mut BTreeSet<DeviceId>) -> Result<(), TooMuch> {
        let record = &store.entry(at).record;
        let author = record.author();
        let forked = store.chain(&author).is_some_and(|chain| chain.fork.is_some());
        if forked || self.authority.decided.contains_key(&author) {
            return Err(TooMuch);
        }
        match record.body() {
            Body::Profile(_) | Body::Grant(_) => self.refresh(store, &author, changed),
            Body::Join(_) => self.recheck(store, at, changed)?,
            Body::Witness(witness) => {
                if let Some(join) = store.by_hash(&witness.record) {
                    self.recheck(store, join, changed)?;
                }
            }
            Body::Invite(invite) => {
                self.note_invite(store, &invite.key);
                for join in store.joins.get(&invite.key).cloned().unwrap_or_default() {
                    self.recheck(store, join, changed)?;
                }
            }
            Body::Admit(admit) => self.admit(store, at, admit, changed)?,
            Body::Revoke(Revoke::Device { device, scope: Scope::Membership, last }) => {
                self.end(store, at, device, *last, changed)?;
            }
            Body::Revoke(_) => return Err(TooMuch),
            Body::Found(_) | Body::Checkpoint(_) => {}
        }
        Ok(())
    }

    /// A device has said something new about itself.
    fn refresh(&mut self, store: &Store, device: &DeviceId, changed: &mut BTreeSet<DeviceId>) {
        if self.admissions.contains_key(device) {
            self.replace(store, device, changed);
        } else if let Some(waiting) = self.roster.waiting.get_mut(device) {
            let join = waiting.record;
            if let Some(at) = store.by_hash(&join) {
                self.note_waiting(store, at);
                changed.insert(*device);
            }
        }
    }

    /// Enters a device anew and notes everybody whom that changed.
    fn replace(&mut self, store: &Store, device: &DeviceId, changed: &mut BTreeSet<DeviceId>) {
        let before = self.roster.members.get(device).cloned();
        let chosen = before.as_ref().and_then(|member| member.chosen.clone());
        let rivals = |derived: &Self| {
            let now = derived.roster.members.get(device).and_then(|member| member.chosen.clone());
            let names: BTreeSet<_> = [chosen.clone(), now].into_iter().flatten().collect();
            names.iter().flat_map(|label| derived.names.holders(label)).collect::<BTreeSet<_>>()
        };
        let beside: BTreeSet<DeviceId> = rivals(self);
        self.place(store, device);
        if self.roster.members.get(device) != before.as_ref() {
            changed.insert(*device);
        }
        let now = self.roster.members.get(device).and_then(|member| member.chosen.clone());
        if now != chosen {
            changed.extend(beside.union(&rivals(self)));
        }
    }

    fn admit(
        &mut self,
        store: &Store,
        at: u32,
        admit: &Admit,
        changed: &mut BTreeSet<DeviceId>,
    ) -> Result<(), TooMuch> {
        // Also of an author that was nobody so far: the recovery key's first record makes it one that counts.
        if admit.role == Role::Admin {
            return Err(TooMuch);
        }
        if !self.authority.counts(store, at, false) {
            return Ok(());
        }
        let Some(admission) = self.rules(store).direct(&admit.device) else { return Ok(()) };
        self.admitted(store, admit.device, admission, changed)
    }

    /// Looks again at whether the *join* at `at` counts.
    fn recheck(&mut self, store: &Store, at: u32, changed: &mut BTreeSet<DeviceId>) -> Result<(), TooMuch> {
        let device = store.entry(at).record.author();
        let admissions = &self.admissions;
        // Whoever waits because its invite was used too often may yet have used others' up.
        let waits = |who: &DeviceId| self.roster.waiting.get(who).map(|waiting| waiting.reason);
        if self.roster.waiting.values().any(|waiting| waiting.reason != Pending::Unwitnessed) {
            let overused = store.witnessed.get(&store.entry(at).record.hash()).into_iter().flatten();
            let mut witnesses = overused.map(|at| store.entry(*at).record.author());
            if witnesses.any(|who| waits(&who).is_some_and(|reason| reason != Pending::Unwitnessed)) {
                return Err(TooMuch);
            }
        }
        let source = |who: &DeviceId| admissions.get(who).is_some_and(is_source);
        let Some((key, admission)) = self.rules(store).invited(at, source) else {
            self.note_waiting(store, at);
            if self.roster.waiting.contains_key(&device) {
                changed.insert(device);
            }
            return Ok(());
        };
        let terms =
            self.rules(store).terms(&key).map(|terms| (terms.cancelled, usize::from(terms.invite.uses)));
        let used = self.uses.entry(key).or_default();
        used.insert(device);
        let (cancelled, uses) = terms.ok_or(TooMuch)?;
        if cancelled || used.len() > uses {
            return Err(TooMuch);
        }
        self.note_invite(store, &key);
        self.admitted(store, device, admission, changed)
    }

    /// A device has an admission that counts, perhaps beside others.
    fn admitted(
        &mut self,
        store: &Store,
        device: DeviceId,
        admission: Admission,
        changed: &mut BTreeSet<DeviceId>,
    ) -> Result<(), TooMuch> {
        let before = self.admissions.get(&device).copied();
        let now = before.map_or(admission, |before| both(before, admission));
        if before == Some(now) {
            return Ok(());
        }
        self.admissions.insert(device, now);
        match before {
            None => {
                let moved = self.addresses.insert(now.seniority(&device));
                changed.extend(moved.iter().filter(|other| self.rename(other)));
            }
            Some(before) if before.seniority(&device) != now.seniority(&device) => {
                if !self.addresses.grew_older(now.seniority(&device)) {
                    return Err(TooMuch);
                }
            }
            Some(_) => {}
        }
        changed.insert(device);
        self.replace(store, &device, changed);
        if !before.is_some_and(|before| is_source(&before)) && is_source(&now) {
            for join in self.rules(store).witnessed_by(&device) {
                self.recheck(store, join, changed)?;
            }
        }
        Ok(())
    }

    /// The record at `at` ends the membership of a device that has no power over others.
    fn end(
        &mut self,
        store: &Store,
        at: u32,
        device: &DeviceId,
        last: Option<Link>,
        changed: &mut BTreeSet<DeviceId>,
    ) -> Result<(), TooMuch> {
        let author = store.entry(at).record.author();
        if author != *device && !self.authority.counts(store, at, true) {
            return Ok(());
        }
        let chain = store.chain(device);
        let tangled = store.may_be_admin(device)
            || self.authority.decided.contains_key(device)
            || chain.is_some_and(|chain| chain.fork.is_some() || !chain.witnesses.is_empty());
        if tangled {
            return Err(TooMuch);
        }
        if author == *device {
            let Some(chain) = chain else { return Ok(()) };
            let end = own_end(store, chain, device, None);
            end.note(author, self.authority.decided.entry(*device).or_default());
        } else {
            let decided = self.authority.decided.entry(*device).or_default();
            decided.cuts.ends.push(last);
            decided.membership = Some(Ended { by: author, record: at });
        }
        let view = self.authority.own_view(store, device);
        if view != View::ALL {
            self.views.insert(*device, view);
        }
        self.after_end(store, device, changed)
    }

    /// An end may also have voided the *join* by which the device came in.
    fn after_end(
        &mut self,
        store: &Store,
        device: &DeviceId,
        changed: &mut BTreeSet<DeviceId>,
    ) -> Result<(), TooMuch> {
        let joined = store.chain(device).and_then(|chain| chain.entries.first().copied());
        let voided = joined.is_some_and(|at| !self.rules(store).counts_own(at, false));
        if voided {
            return Err(TooMuch);
        }
        if self.admissions.contains_key(device) {
            changed.insert(*device);
            self.replace(store, device, changed);
        }
        Ok(())
    }
}

/// The devices whose entry differs.
fn differences(a: &Roster, b: &Roster) -> BTreeSet<DeviceId> {
    let mut devices = BTreeSet::new();
    devices.extend(unequal(&a.members, &b.members));
    devices.extend(unequal(&a.former, &b.former));
    devices.extend(unequal(&a.waiting, &b.waiting));
    devices
}

fn unequal<'a, T: PartialEq>(
    a: &'a std::collections::BTreeMap<DeviceId, T>,
    b: &'a std::collections::BTreeMap<DeviceId, T>,
) -> impl Iterator<Item = DeviceId> + 'a {
    let gone = a.keys().filter(|device| !b.contains_key(device));
    let other = b.iter().filter(|(device, entry)| a.get(device) != Some(entry)).map(|(device, _)| device);
    gone.chain(other).copied()
}
