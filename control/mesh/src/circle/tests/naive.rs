//! The rules of DESIGN.md, chapter "Trust", as plainly as they can be written: sets of records, no index, nothing kept. It
//! takes for granted that every record's predecessors are there.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::{DeviceId, RecordHash, UseId};
use crate::record::{Body, Invite, Link, Record, Revoke, Role, Scope};

/// An end or choice about a device, by whose record.
#[derive(Clone)]
struct Cut {
    device: DeviceId,
    scope: Scope,
    last: Option<Link>,
    record: RecordHash,
}

struct Naive<'a> {
    all: BTreeMap<RecordHash, &'a Record>,
    times: BTreeMap<RecordHash, u64>,
    founder: DeviceId,
    recovery: DeviceId,
}

/// Who is a member, and as what.
pub(super) fn roles(records: &[Record]) -> BTreeMap<DeviceId, Role> {
    let all: BTreeMap<_, _> = records.iter().map(|record| (record.hash(), record)).collect();
    let (founder, recovery) = records
        .iter()
        .find_map(|record| match record.body() {
            Body::Found(found) => Some((record.author(), found.recovery)),
            _ => None,
        })
        .expect("somebody founded it");
    let mut naive = Naive { all, times: BTreeMap::new(), founder, recovery };
    naive.times = naive.all.keys().map(|hash| (*hash, naive.time(hash))).collect();
    naive.roles()
}

impl<'a> Naive<'a> {
    fn time(&self, hash: &RecordHash) -> u64 {
        self.branch(hash).iter().map(|hash| self.all[hash].time()).max().unwrap_or(0)
    }

    /// A record and all before it.
    fn branch(&self, hash: &RecordHash) -> BTreeSet<RecordHash> {
        let mut branch = BTreeSet::new();
        let mut next = self.all.get(hash);
        while let Some(record) = next {
            branch.insert(record.hash());
            next = self.all.get(&record.previous());
        }
        branch
    }

    fn of(&self, author: &DeviceId) -> Vec<&'a Record> {
        let mut own: Vec<_> =
            self.all.values().filter(|record| record.author() == *author).copied().collect();
        own.sort_by_key(|record| record.link());
        own
    }

    /// Which records of an author count: all restrictions within its limits, permissions only before an open fork.
    fn counting(&self, author: &DeviceId, cuts: &[Cut], as_admin: bool) -> Vec<&'a Record> {
        let about = cuts.iter().filter(|cut| cut.device == *author);
        let mut within = self.of(author);
        let mut chosen: Vec<RecordHash> = vec![];
        for cut in about {
            let end = cut.last.map(|last| (last.hash, self.branch(&last.hash)));
            match (cut.scope, end) {
                (Scope::Admin, _) if !as_admin => {}
                (Scope::Branches, Some((last, path))) => {
                    let fits =
                        |other: &RecordHash| path.contains(other) || self.branch(other).contains(&last);
                    if chosen.iter().all(fits) {
                        within.retain(|record| fits(&record.hash()));
                        chosen.push(last);
                    }
                }
                (_, Some((_, path))) => within.retain(|record| path.contains(&record.hash())),
                (_, None) => within.clear(),
            }
        }
        let own_ends: Vec<_> =
            within.iter().filter_map(|record| Some((record.number(), own_end(record)?))).collect();
        let left = own_ends
            .iter()
            .filter(|(_, scope)| *scope == Scope::Membership || as_admin && *scope == Scope::Admin);
        if let Some(left) = left.map(|(number, _)| *number).min() {
            within.retain(|record| record.number() <= left);
        }
        let forked = within
            .iter()
            .filter(|a| within.iter().any(|b| a.number() == b.number() && a.hash() != b.hash()))
            .map(|record| record.number())
            .min();
        within.retain(|record| restricts(record) || forked.is_none_or(|fork| record.number() < fork));
        within
    }

    /// Hears the admins by rank, again from the start whenever one has revoked a senior.
    fn hear(&self) -> (BTreeMap<DeviceId, (u64, u32)>, Vec<Cut>) {
        let mut facts: Vec<Cut> = vec![];
        'again: loop {
            let mut cuts = facts.clone();
            let start = self.times[&self.of(&self.founder)[0].hash()];
            let mut named =
                vec![((false, start, 0_u32, self.recovery), None), ((true, start, 0, self.founder), None)];
            let mut heard: BTreeMap<DeviceId, (u64, u32)> = BTreeMap::new();
            let mut made: BTreeMap<DeviceId, Option<&Record>> = BTreeMap::new();
            loop {
                named.retain(|((_, _, _, device), _)| !heard.contains_key(device));
                named.sort_by_key(|(rank, by): &(_, Option<&Record>)| (*rank, by.map(|by| by.hash())));
                let Some(((_, since, depth, admin), by)) = named.first().copied() else { break };
                heard.insert(admin, (since, depth));
                made.insert(admin, by);
                let mut new = vec![];
                for record in self.counting(&admin, &cuts, true) {
                    match record.body() {
                        Body::Admit(admit) if admit.role == Role::Admin => {
                            let since = since.max(self.times[&record.hash()]);
                            named.push(((true, since, depth + 1, admit.device), Some(record)));
                        }
                        Body::Revoke(Revoke::Device { device, scope, last }) if *device != admin => {
                            let last = self.clamp(&made, admin, device, *last);
                            let cut = Cut { device: *device, scope: *scope, last, record: record.hash() };
                            if !heard.contains_key(device) {
                                cuts.push(cut);
                            } else if facts.iter().all(|fact| fact.record != cut.record) {
                                new.push(cut);
                            }
                        }
                        _ => {}
                    }
                }
                if !new.is_empty() {
                    facts.extend(new);
                    facts.sort_by_key(|fact| fact.record);
                    continue 'again;
                }
            }
            return (heard, cuts);
        }
    }

    fn clamp(
        &self,
        made: &BTreeMap<DeviceId, Option<&Record>>,
        admin: DeviceId,
        device: &DeviceId,
        last: Option<Link>,
    ) -> Option<Link> {
        let mut here = admin;
        while let Some(Some(by)) = made.get(&here) {
            if by.author() == *device {
                let after = last.is_some_and(|last| self.branch(&last.hash).contains(&by.hash()));
                return if after { last } else { Some(by.link()) };
            }
            here = by.author();
        }
        last
    }

    fn roles(&self) -> BTreeMap<DeviceId, Role> {
        let (admins, cuts) = self.hear();
        let power: Vec<&Record> = admins.keys().flat_map(|admin| self.counting(admin, &cuts, true)).collect();
        let devices: BTreeSet<DeviceId> = self.all.values().map(|record| record.author()).collect();
        let own: Vec<&Record> =
            devices.iter().flat_map(|device| self.counting(device, &cuts, false)).collect();
        let mut direct = BTreeMap::from([(self.founder, Role::Admin)]);
        for record in &power {
            if let Body::Admit(admit) = record.body()
                && (record.author() != self.recovery || admit.role == Role::Admin)
            {
                let role = direct.entry(admit.device).or_insert(admit.role);
                *role = admit.role.max(*role);
            }
        }
        let (_, used) = self.joined(&direct, &power, &own, &BTreeSet::new());
        let closed = used.iter().filter(|(key, who)| {
            let cancelled =
                power.iter().any(|r| matches!(r.body(), Body::Revoke(Revoke::Invite(it)) if it == *key));
            cancelled
                || self.terms(&power, key).is_none_or(|(_, invite)| who.len() > usize::from(invite.uses))
        });
        let closed = closed.map(|(key, _)| *key).collect();
        let (mut members, _) = self.joined(&direct, &power, &own, &closed);
        for cut in &cuts {
            match cut.scope {
                Scope::Membership => _ = members.remove(&cut.device),
                Scope::Admin => {
                    _ = members.entry(cut.device).and_modify(|role| *role = Role::Member.min(*role))
                }
                Scope::Branches => {}
            }
        }
        for record in own.iter().chain(&power) {
            match own_end(record) {
                Some(Scope::Membership) => _ = members.remove(&record.author()),
                Some(Scope::Admin) => {
                    _ = members.entry(record.author()).and_modify(|role| *role = Role::Member.min(*role));
                }
                Some(Scope::Branches) | None => {}
            }
        }
        members
    }

    fn terms(&self, power: &[&'a Record], key: &UseId) -> Option<(u64, &'a Invite)> {
        let signed = power.iter().filter(|record| record.author() != self.recovery);
        let invites = signed.filter_map(|record| match record.body() {
            Body::Invite(invite) if invite.key == *key => Some((record.hash(), invite)),
            _ => None,
        });
        invites.min_by_key(|(hash, _)| *hash).map(|(hash, invite)| (self.times[&hash], invite))
    }

    /// Everybody who is in, after all who can come in by open invites did; and who used which.
    fn joined(
        &self,
        direct: &BTreeMap<DeviceId, Role>,
        power: &[&'a Record],
        own: &[&'a Record],
        closed: &BTreeSet<UseId>,
    ) -> (BTreeMap<DeviceId, Role>, BTreeMap<UseId, BTreeSet<DeviceId>>) {
        let mut members = direct.clone();
        let mut used: BTreeMap<UseId, BTreeSet<DeviceId>> = BTreeMap::new();
        loop {
            let before = (members.clone(), used.clone());
            for join in own {
                let Body::Join(Join { invite: key, .. }) = join.body() else { continue };
                let Some((_, invite)) = self.terms(power, key) else { continue };
                let seen = own.iter().any(|record| match record.body() {
                    Body::Witness(witness) if witness.record == join.hash() && witness.receipt.is_none() => {
                        let may = members.get(&record.author()).is_some_and(|role| *role != Role::Guest);
                        may && record.author() != join.author()
                            && self.times[&record.hash()] <= invite.expires
                    }
                    _ => false,
                });
                if seen {
                    used.entry(*key).or_default().insert(join.author());
                    if !closed.contains(key) {
                        let as_what = if invite.guest { Role::Guest } else { Role::Member };
                        let role = members.entry(join.author()).or_insert(as_what);
                        *role = as_what.max(*role);
                    }
                }
            }
            if before == (members.clone(), used.clone()) {
                return (members, used);
            }
        }
    }
}

use crate::record::Join;

fn own_end(record: &Record) -> Option<Scope> {
    match record.body() {
        Body::Revoke(Revoke::Device { device, scope, .. }) if *device == record.author() => Some(*scope),
        _ => None,
    }
}

fn restricts(record: &Record) -> bool {
    match record.body() {
        Body::Revoke(Revoke::Device { scope, .. }) => *scope != Scope::Branches,
        Body::Revoke(Revoke::Invite(_)) => true,
        _ => false,
    }
}
