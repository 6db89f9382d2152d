//! Chains as strangers send them; and whole circles from a seed, whose devices write, part, meet and are lied to.
//!
//! A failure prints its seed. `RINGMESH_TEST_LONG=1` runs 1,000 seeds.

#![allow(clippy::wildcard_enum_match_arm, reason = "a model for tests looks at few kinds at a time")]

mod naive;

use std::collections::BTreeMap;

use super::{Circle, Refused, roster};
use crate::identity::DeviceId;
use crate::invite::Code;
use crate::limits::{PENDING_MAX, PENDING_PER_AUTHOR_MAX};
use crate::record::{Admit, Body, Effect, Grant, Link, Place, Profile, Record, Role, Scope, What, Witness};
use crate::roster::{Grants, Roster};
use crate::testing::{FOUNDER, RECOVERY, START, World, founding, id, key, revocation, wireguard_public};

#[test]
fn what_does_not_belong_is_refused_and_what_is_early_waits() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let place = |after| Place { circle: world.circle.id(), after };
    let profile =
        || Body::Profile(Profile { name: "x".parse().expect("a name"), wireguard: wireguard_public(1) });
    let mut circle = world.circle.clone();
    let mut offer = |record: &Record| {
        let ingested = circle.ingest([record.clone()]);
        (ingested.added.len(), ingested.waiting, ingested.refused.first().map(|(_, why)| *why))
    };
    let head = world.head(1).expect("it wrote");
    let abroad = Place { circle: crate::identity::CircleId([1; 32]), after: Some(head) };
    assert_eq!(offer(&Record::sign(&key(1), abroad, 0, profile())), (0, 0, Some(Refused::OtherCircle)));
    let others = Record::sign(&key(1), place(world.head(FOUNDER)), 0, profile());
    assert_eq!(offer(&others), (0, 0, Some(Refused::BadLink)));
    let skips = Record::sign(&key(1), place(Some(Link { number: 8, hash: head.hash })), 0, profile());
    assert_eq!(offer(&skips), (0, 0, Some(Refused::BadLink)));
    let next = Record::sign(&key(1), place(Some(head)), 0, profile());
    let after = Record::sign(&key(1), place(Some(next.link())), 0, profile());
    assert_eq!(offer(&after), (0, 1, None));
    assert_eq!(offer(&after), (0, 1, None), "again changes nothing");
    assert_eq!(offer(&next), (2, 0, None));
    assert_eq!(offer(&next), (0, 0, None));
}

#[test]
fn a_stranger_fills_no_memory() {
    let mut circle = Circle::new(founding()).expect("the record founds");
    let profile =
        || Body::Profile(Profile { name: "x".parse().expect("a name"), wireguard: wireguard_public(1) });
    let mut refused = 0;
    for author in 1..80 {
        for number in 0..70 {
            let after = Some(Link { number, hash: crate::identity::RecordHash([7; 32]) });
            let record = Record::sign(&key(author), Place { circle: circle.id(), after }, 0, profile());
            refused += circle.ingest([record]).refused.len();
        }
    }
    let first = PENDING_PER_AUTHOR_MAX * 79;
    assert_eq!(refused, 79 * 70 - first.min(PENDING_MAX));
    assert_eq!(circle.len(), 1);
}

#[test]
fn a_circle_of_any_size_is_whole_after_a_restart() {
    let mut world = World::new();
    let count = u16::try_from(PENDING_MAX).expect("a bound of thousands") + 40;
    for device in 1..=count {
        world.admit(FOUNDER, device, Role::Member);
    }
    let records: Vec<Record> = world.circle.records().cloned().collect();
    let again = Circle::from_records(world.circle.id(), records).expect("it was founded");
    assert_eq!(again.len(), world.circle.len());
    assert!(again.roster() == world.circle.roster());
}

#[test]
fn a_guest_cannot_write_without_end() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Guest);
    for _ in 0..crate::limits::GUEST_RECORDS_MAX {
        world.grant(1, FOUNDER, What::Ssh, Effect::Deny);
    }
    let place = world.circle.place(&id(1));
    let one_more = Body::Grant(Grant { to: id(FOUNDER), what: What::Ssh, effect: Effect::Deny });
    let ingested = world.circle.ingest([Record::sign(&key(1), place, world.now, one_more)]);
    assert_eq!(ingested.refused.first().map(|(_, why)| *why), Some(Refused::Quota));
}

#[test]
fn a_checkpoint_lets_old_history_go_and_nothing_else() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    for round in 0..20 {
        world.profile(1, &format!("name{round}"));
        world.grant(1, FOUNDER, What::Ssh, Effect::Allow { until: Some(START + round) });
    }
    let whole = world.circle.clone();
    let checkpoint = world.circle.checkpoint(&id(1));
    assert!(checkpoint.is_err() || checkpoint.as_ref().is_ok_and(|checkpoint| checkpoint.kept.len() < 41));
    let checkpoint = checkpoint.expect("most of it does not matter any more");
    world.write(FOUNDER, Body::Checkpoint(checkpoint.clone()));
    let before = world.circle.roster().clone();
    let gone = world.circle.forget();
    assert!(!gone.is_empty() && world.circle.len() < whole.len());
    assert_eq!(*world.circle.roster(), before);
    // A newcomer that is only shown what is left, in any order, and one that knows more, agree.
    let mut left: Vec<Record> = world.circle.records().cloned().collect();
    left.reverse();
    assert_eq!(roster(world.circle.id(), &left).expect("it was founded"), before);
    let mut both = whole;
    both.ingest(left);
    assert_eq!(*both.roster(), before);
    world.profile(1, "still-writing");
    assert_eq!(world.circle.roster().members[&id(1)].name.as_str(), "still-writing");
}

#[test]
fn a_checkpoint_that_leaves_out_a_denial_makes_nobody_forget_it() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let denial = world.grant(1, FOUNDER, What::Reach, Effect::Deny);
    let last = world.profile(1, "later");
    let kept = vec![last.link()];
    world.write(FOUNDER, Body::Checkpoint(crate::record::Checkpoint { device: id(1), kept }));
    assert_eq!(world.circle.forget(), []);
    assert!(world.circle.record(&denial.hash()).is_some());
}

// --- circles from a seed --------------------------------------------------------------------------

/// Numbers from a seed (xorshift64*): enough for a simulation, no more.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        (1..list.len()).rev().for_each(|at| list.swap(at, self.below(at + 1)));
    }
}

const DEVICES: u16 = 7;

/// Everything of a roster but grants and who waits.
fn without_grants(circle: &Circle) -> Roster {
    let mut roster = circle.roster().clone();
    roster.members.values_mut().for_each(|member| member.grants = Grants::default());
    roster.waiting.clear();
    roster
}

/// Devices with a replica each; two networks that cannot see each other at times.
struct Sim {
    dice: Dice,
    now: u64,
    replicas: Vec<Circle>,
    codes: Vec<Code>,
    written: BTreeMap<DeviceId, Vec<Link>>,
    said: Vec<Record>,
}

impl Sim {
    fn new(seed: u64) -> Self {
        let circle = Circle::new(founding()).expect("the record founds");
        let replicas = vec![circle; usize::from(DEVICES) + 1];
        let dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        Self { dice, now: START, replicas, codes: vec![], written: BTreeMap::new(), said: vec![] }
    }

    /// The last replica belongs to the recovery key.
    fn number(at: usize) -> u16 {
        if at == usize::from(DEVICES) { RECOVERY } else { at as u16 }
    }

    fn someone(&mut self) -> usize {
        self.dice.below(self.replicas.len())
    }

    fn step(&mut self) {
        self.now += self.dice.below(40) as u64;
        let at = self.someone();
        match self.dice.below(10) {
            0..=5 => self.speak(at),
            6..=8 => {
                let other = self.someone();
                self.meet(at, other);
            }
            _ => self.beacon(at),
        }
    }

    fn speak(&mut self, at: usize) {
        let author = Self::number(at);
        let other = Self::number(self.someone());
        let body = self.body(at, author, other);
        let own = self.written.entry(id(author)).or_default();
        let honest = self.replicas[at].place(&id(author)).after;
        // Now and then somebody with a copy of the key goes on from an older record, with a clock that was set back.
        let cloned = !own.is_empty() && self.dice.below(12) == 0;
        let after = if cloned { Some(own[self.dice.below(own.len())]) } else { honest };
        let time = if cloned { self.now - self.now.min(500) % 300 } else { self.now };
        let place = Place { circle: self.replicas[at].id(), after };
        let first = matches!(body, Body::Join(_));
        if first && after.is_some() {
            return;
        }
        let record = Record::sign(&key(author), place, time, body);
        self.written.entry(id(author)).or_default().push(record.link());
        self.said.push(record.clone());
        self.take(at, vec![record]);
    }

    /// With an unchanged standing, nothing of the roster is another but grants and who waits.
    fn take(&mut self, at: usize, records: Vec<Record>) {
        let replica = &mut self.replicas[at];
        let (standing, before) = (replica.standing(), without_grants(replica));
        replica.ingest(records);
        assert!(
            replica.standing() != standing || without_grants(replica) == before,
            "device {at} at {}",
            self.now
        );
    }

    fn body(&mut self, at: usize, author: u16, other: u16) -> Body {
        let roles = [Role::Guest, Role::Member, Role::Admin];
        let role = roles[self.dice.below(3)];
        let place = self.replicas[at].place(&id(author));
        let seen = self.replicas[at].place(&id(other)).after;
        match self.dice.below(12) {
            0..=2 => Body::Admit(Admit { device: id(other), role }),
            3 => {
                let scopes = [Scope::Membership, Scope::Admin, Scope::Branches];
                let older = self.written.get(&id(other)).and_then(|links| links.first().copied());
                let last = [seen, seen, older][self.dice.below(3)];
                let scope = scopes[self.dice.below(3)];
                let scope = if last.is_none() { Scope::Membership } else { scope };
                revocation(other, scope, last)
            }
            4 | 5 => {
                let name = self.replicas[at].roster().name.clone();
                let guest = self.dice.below(2) == 0;
                let uses = 1 + self.dice.below(2) as u16;
                let expires = self.now + 300;
                let wanted = crate::invite::Wanted { guest, uses, expires, beacons: vec![] };
                let secret = [self.codes.len() as u8; 16];
                let code = Code::new(secret, place.circle, name, id(author), self.now, wanted);
                self.codes.push(code.expect("a sound wish"));
                Body::Invite(self.codes[self.codes.len() - 1].record())
            }
            6 | 7 if place.after.is_none() && !self.codes.is_empty() => {
                let code = &self.codes[self.dice.below(self.codes.len())];
                code.join(&key(author), self.now).body().clone()
            }
            8 | 9 => {
                let waiting: Vec<_> = self.replicas[at].roster().waiting.iter().collect();
                match waiting.get(self.dice.below(waiting.len().max(1))) {
                    Some((device, waiting)) => {
                        Body::Witness(Witness { device: **device, record: waiting.record, receipt: None })
                    }
                    None => Body::Grant(Grant { to: id(other), what: What::Ssh, effect: Effect::Deny }),
                }
            }
            10 => {
                let effect = [Effect::Deny, Effect::Allow { until: Some(self.now + 50) }][self.dice.below(2)];
                Body::Grant(Grant { to: id(other), what: What::Reach, effect })
            }
            _ => {
                let name = ["nas", "tower", "phone"][self.dice.below(3)].parse().expect("a name");
                Body::Profile(Profile { name, wireguard: wireguard_public(author) })
            }
        }
    }

    /// Two devices in one network tell each other everything, in disorder.
    fn meet(&mut self, a: usize, b: usize) {
        let apart = (self.now / 200).is_multiple_of(2) && a % 2 != b % 2;
        if a == b || apart {
            return;
        }
        for (from, to) in [(a, b), (b, a)] {
            let mut records: Vec<Record> = self.replicas[from].records().cloned().collect();
            self.dice.shuffle(&mut records);
            self.take(to, records);
        }
    }

    /// A beacon that keeps back half of what it has, and says some of it twice.
    fn beacon(&mut self, to: usize) {
        let from = self.someone();
        let mut records: Vec<Record> = self.replicas[from].records().cloned().collect();
        self.dice.shuffle(&mut records);
        records.truncate(records.len() / 2);
        records.extend_from_within(..records.len() / 2);
        self.take(to, records);
    }

    /// Everybody hears everything in the end, each in an order of its own.
    fn finish(mut self, seed: u64) {
        let mut all = std::mem::take(&mut self.said);
        all.push(founding());
        for replica in &mut self.replicas {
            self.dice.shuffle(&mut all);
            for record in &all {
                replica.ingest([record.clone()]);
            }
        }
        let wanted = roster(self.replicas[0].id(), &all).expect("it was founded");
        for (at, replica) in self.replicas.iter().enumerate() {
            let is = replica.roster();
            let how = format!("seed {seed}: device {at} sees another circle");
            is.members
                .iter()
                .for_each(|(device, member)| assert_eq!(Some(member), wanted.members.get(device), "{how}"));
            assert_eq!(
                (&is.waiting, &is.invites, &is.former),
                (&wanted.waiting, &wanted.invites, &wanted.former),
                "{how}"
            );
            assert_eq!(*is, wanted, "{how}");
        }
        let linked: Vec<Record> = self.replicas[0].records().cloned().collect();
        let roles: BTreeMap<_, _> =
            wanted.members.iter().map(|(device, member)| (*device, member.role)).collect();
        assert_eq!(roles, naive::roles(&linked), "seed {seed}: the plain rules say otherwise");
    }
}

#[test]
fn circles_converge_to_one_roster_and_it_is_the_one_of_the_plain_rules() {
    let long = std::env::var_os("RINGMESH_TEST_LONG").is_some();
    for seed in 0..if long { 1000 } else { 40 } {
        let mut sim = Sim::new(seed);
        (0..80).for_each(|_| sim.step());
        sim.finish(seed);
    }
}
