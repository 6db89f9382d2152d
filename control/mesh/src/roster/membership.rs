//! Who was admitted: by an admin's word, or by an invite and a witness.
//!
//! Admissions by invite depend on each other: whoever came in may witness the next. So they are worked out from the
//! founder outwards, twice. The first time nobody looks at how often an invite may be used; that gives who *used* it. The second
//! time, invites that were used too often admit nobody but those whom an admin has confirmed. Counting first and
//! admitting after keeps a device from being the witness of its own rival, and the outcome from depending on order.
//!
//! **Invariant:** only devices that are admitted without it can make an admission count: no circle of witnesses holds itself up.

use std::collections::{BTreeMap, BTreeSet};

use super::Admitted;
use super::authority::Authority;
use super::view::View;
use crate::circle::store::Store;
use crate::identity::{DeviceId, UseId};
use crate::record::{Body, Invite, Role, Witness};

/// An admission that counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Admission {
    pub(crate) role: Role,
    pub(crate) since: u64,
    pub(crate) depth: u32,
    pub(crate) how: Admitted,
}

/// Who used which invite, witnessed in time.
pub(crate) type Uses = BTreeMap<UseId, BTreeSet<DeviceId>>;

/// An invite of an admin, as it counts.
pub(crate) struct Terms<'a> {
    pub(crate) invite: &'a Invite,
    pub(crate) by: DeviceId,
    pub(crate) time: u64,
    pub(crate) depth: u32,
    pub(crate) cancelled: bool,
}

/// What admissions follow from.
pub(crate) struct Rules<'a> {
    pub(crate) store: &'a Store,
    pub(crate) authority: &'a Authority,
    /// The views of authors whose records do not all count.
    pub(crate) views: &'a BTreeMap<DeviceId, View>,
}

impl<'a> Rules<'a> {
    /// Whether what the record at `at` says about its author, or witnesses, counts.
    pub(crate) fn counts_own(&self, at: u32, restricts: bool) -> bool {
        let record = &self.store.entry(at).record;
        self.views.get(&record.author()).is_none_or(|view| view.counts(at, record.number(), restricts))
    }

    /// The invite with this key. If several admins signed one key, the one whose hash is the smallest.
    pub(crate) fn terms(&self, key: &UseId) -> Option<Terms<'a>> {
        let signed = self.store.invites.get(key)?.iter().filter(|at| self.may_admit(**at));
        let at = signed.min_by_key(|at| self.store.entry(**at).record.hash())?;
        let entry = self.store.entry(*at);
        let Body::Invite(invite) = entry.record.body() else { return None };
        let by = entry.record.author();
        let cancels = self.store.cancels.get(key).map_or(&[][..], Vec::as_slice);
        let cancelled = cancels.iter().any(|at| self.authority.counts(self.store, *at, true));
        let depth = self.authority.ranks.get(&by).map_or(0, |rank| rank.seniority.depth);
        Some(Terms { invite, by, time: entry.time, depth, cancelled })
    }

    /// Whether the record at `at` is one with which its author may admit: all of an admin's; the recovery key may only name admins.
    fn may_admit(&self, at: u32) -> bool {
        let record = &self.store.entry(at).record;
        let recovers = record.author() == self.store.found().recovery;
        (!recovers || self.names_admin(at)) && self.authority.counts(self.store, at, false)
    }

    /// Whether the record at `at` names an admin.
    pub(crate) fn names_admin(&self, at: u32) -> bool {
        matches!(self.store.entry(at).record.body(), Body::Admit(admit) if admit.role == Role::Admin)
    }

    /// The admission by admins' words alone.
    pub(crate) fn direct(&self, device: &DeviceId) -> Option<Admission> {
        if *device == self.store.founder() {
            let since = self.store.entry(0).time;
            let demoted = self.authority.decided.get(device).is_some_and(|decided| decided.demoted);
            let role = if demoted { Role::Member } else { Role::Admin };
            return Some(Admission { role, since, depth: 0, how: Admitted::Founder });
        }
        let admits = self.store.admits.get(device)?.iter().filter(|at| self.may_admit(**at));
        let admissions = admits.filter_map(|at| {
            let entry = self.store.entry(*at);
            let Body::Admit(admit) = entry.record.body() else { return None };
            let by = entry.record.author();
            let rank = self.authority.ranks.get(&by)?;
            let since = entry.time.max(rank.seniority.since);
            let role = self.role(device, admit.role);
            Some(Admission { role, since, depth: rank.seniority.depth + 1, how: Admitted::By(by) })
        });
        admissions.reduce(both)
    }

    /// Who was removed from the admins stays an own device.
    fn role(&self, device: &DeviceId, role: Role) -> Role {
        let demoted = self.authority.decided.get(device).is_some_and(|decided| decided.demoted);
        if demoted { role.min(Role::Member) } else { role }
    }

    /// The admission by the *join* at `at`, if somebody who is a `source` has witnessed it in time.
    pub(crate) fn invited(&self, at: u32, source: impl Fn(&DeviceId) -> bool) -> Option<(UseId, Admission)> {
        let record = &self.store.entry(at).record;
        let Body::Join(join) = record.body() else { return None };
        if !self.counts_own(at, false) {
            return None;
        }
        let terms = self.terms(&join.invite)?;
        let witnesses = self.store.witnessed.get(&record.hash()).map_or(&[][..], Vec::as_slice);
        let times = witnesses.iter().filter_map(|at| self.seen(*at, &record.author(), terms.invite, &source));
        let since = times.min()?.max(terms.time);
        let role = if terms.invite.guest { Role::Guest } else { Role::Member };
        let how = Admitted::Invite(join.invite);
        Some((join.invite, Admission { role, since, depth: terms.depth + 1, how }))
    }

    /// When the witness at `at` saw the joiner, if it counts and came in time.
    fn seen(
        &self,
        at: u32,
        joiner: &DeviceId,
        invite: &Invite,
        source: impl Fn(&DeviceId) -> bool,
    ) -> Option<u64> {
        let entry = self.store.entry(at);
        let Body::Witness(Witness { receipt, .. }) = entry.record.body() else { return None };
        let author = entry.record.author();
        let time = match receipt {
            // A receipt proves itself, whoever passes it on.
            Some(receipt) if invite.beacons.contains(&receipt.beacon) => receipt.time,
            Some(_) => return None,
            None if author == *joiner || !source(&author) || !self.counts_own(at, false) => return None,
            None => entry.time,
        };
        (time <= invite.expires).then_some(time)
    }

    /// All admissions that count, and who used which invite.
    pub(crate) fn admissions(&self) -> (BTreeMap<DeviceId, Admission>, Uses) {
        let mut direct = BTreeMap::new();
        let named = self.store.admits.keys().copied().chain([self.store.founder()]);
        for device in named {
            if let Some(admission) = self.direct(&device) {
                direct.insert(device, admission);
            }
        }
        let (_, uses) = self.closure(direct.clone(), |_| true);
        let closed: BTreeSet<UseId> = uses
            .iter()
            .filter(|(key, used)| {
                self.terms(key)
                    .is_none_or(|terms| terms.cancelled || used.len() > usize::from(terms.invite.uses))
            })
            .map(|(key, _)| *key)
            .collect();
        let (admissions, _) = self.closure(direct, |key| !closed.contains(key));
        (admissions, uses)
    }

    /// From those who are admitted already to all whom they let in, one witness after the other.
    fn closure(
        &self,
        direct: BTreeMap<DeviceId, Admission>,
        open: impl Fn(&UseId) -> bool,
    ) -> (BTreeMap<DeviceId, Admission>, Uses) {
        let mut uses = Uses::new();
        let mut found = direct.clone();
        let joins: Vec<u32> = self.store.joins.values().flatten().copied().collect();
        let mut queue = joins.clone();
        while let Some(at) = queue.pop() {
            let device = self.store.entry(at).record.author();
            let was_source = found.get(&device).is_some_and(is_source);
            let Some((key, admission)) = self.invited(at, |who| found.get(who).is_some_and(is_source)) else {
                continue;
            };
            uses.entry(key).or_default().insert(device);
            if open(&key) {
                let merged = found.get(&device).map_or(admission, |own| both(*own, admission));
                found.insert(device, merged);
                if !was_source && is_source(&merged) {
                    queue.extend(self.witnessed_by(&device));
                }
            }
        }
        // Now that all witnesses are known, the first one of each says since when.
        let mut settled = direct;
        for at in joins {
            let device = self.store.entry(at).record.author();
            let admitted = self.invited(at, |who| found.get(who).is_some_and(is_source));
            if let Some((_, admission)) = admitted.filter(|(key, _)| open(key)) {
                let merged = settled.get(&device).map_or(admission, |own| both(*own, admission));
                settled.insert(device, merged);
            }
        }
        (settled, uses)
    }

    /// The *join* records that a device has witnessed.
    pub(crate) fn witnessed_by(&self, device: &DeviceId) -> Vec<u32> {
        let witnesses = self.store.chain(device).map_or(&[][..], |chain| chain.witnesses.as_slice());
        let targets = witnesses.iter().filter_map(|at| match self.store.entry(*at).record.body() {
            Body::Witness(witness) => self.store.by_hash(&witness.record),
            Body::Found(_)
            | Body::Admit(_)
            | Body::Join(_)
            | Body::Revoke(_)
            | Body::Invite(_)
            | Body::Grant(_)
            | Body::Profile(_)
            | Body::Checkpoint(_) => None,
        });
        targets.collect()
    }
}

/// Whether a device with this admission may witness others.
pub(crate) fn is_source(admission: &Admission) -> bool {
    admission.role != Role::Guest
}

/// Of two admissions of one device, the greater role and the earlier time; an admin's word before an invite.
pub(crate) fn both(a: Admission, b: Admission) -> Admission {
    let key = |admission: &Admission| {
        let invited = matches!(admission.how, Admitted::Invite(_));
        (invited, admission.since, admission.depth, by(admission))
    };
    let first = if key(&a) <= key(&b) { a } else { b };
    let (since, depth) = (a.since, a.depth).min((b.since, b.depth));
    Admission { role: a.role.max(b.role), since, depth, how: first.how }
}

fn by(admission: &Admission) -> [u8; 32] {
    match admission.how {
        Admitted::Founder => [0; 32],
        Admitted::By(device) => device.0,
        Admitted::Invite(invite) => invite.0,
    }
}
