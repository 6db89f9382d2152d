//! Scripts: what happens, and who is what afterwards. Each is also told in other orders and must end the same.

use super::{Admitted, Pending, Roster};
use crate::circle::{Circle, roster};
use crate::record::{Admit, Body, Effect, Link, Place, Receipt, Record, Role, Scope, What, Witness};
use crate::testing::{FOUNDER, RECOVERY, START, World, id, key, revocation};

const ADMIN: Option<Role> = Some(Role::Admin);
const MEMBER: Option<Role> = Some(Role::Member);
const GUEST: Option<Role> = Some(Role::Guest);

/// The roster is the same told backwards, in halves, twice, and worked out at once.
fn settle(world: &World) -> Roster {
    let records: Vec<Record> = world.circle.records().cloned().collect();
    let wanted = roster(world.circle.id(), &records).expect("it was founded");
    same(world.circle.roster(), &wanted, "record by record");
    let mut backwards = Circle::new(records[0].clone()).expect("it was founded");
    records.iter().rev().for_each(|record| drop(backwards.ingest([record.clone()])));
    // What found the waiting room full is offered again.
    records.iter().for_each(|record| drop(backwards.ingest([record.clone()])));
    same(backwards.roster(), &wanted, "backwards");
    let mut halves = Circle::new(records[0].clone()).expect("it was founded");
    halves.ingest(records.iter().skip(1).step_by(2).cloned());
    halves.ingest(records.iter().cloned());
    halves.ingest(records.iter().cloned());
    same(halves.roster(), &wanted, "in halves");
    wanted
}

/// Says which entry differs rather than printing two rosters.
fn same(is: &Roster, wanted: &Roster, how: &str) {
    for device in is.members.keys().chain(wanted.members.keys()) {
        assert_eq!(is.members.get(device), wanted.members.get(device), "{how}");
    }
    assert_eq!(is, wanted, "{how}");
}

fn roles(world: &World, devices: &[u16]) -> Vec<Option<Role>> {
    settle(world);
    devices.iter().map(|device| world.role(*device)).collect()
}

#[test]
fn admins_admit_and_others_do_not() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Admin);
    world.admit(1, 2, Role::Member);
    world.admit(1, 3, Role::Guest);
    world.admit(2, 4, Role::Member);
    world.admit(3, 5, Role::Admin);
    assert_eq!(roles(&world, &[FOUNDER, 1, 2, 3, 4, 5]), [ADMIN, ADMIN, MEMBER, GUEST, None, None]);
    let roster = settle(&world);
    assert_eq!(roster.members[&id(2)].admitted, Admitted::By(id(1)));
    assert_eq!(roster.admins().iter().map(|admin| admin.device).collect::<Vec<_>>(), [id(FOUNDER), id(1)]);
    assert_eq!(roster.by_name("d2.home.internal.").map(|member| member.device), Some(id(2)));
    assert_eq!(roster.by_name("d2").map(|member| member.device), Some(id(2)));
    let member = &roster.members[&id(2)];
    assert_eq!(roster.by_address(member.ipv6.into()), Some(member));
    assert_eq!(roster.by_address(member.ipv4.expect("a large block").into()), Some(member));
}

#[test]
fn whoever_is_more_already_stays_so() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Guest);
    world.admit(FOUNDER, 1, Role::Member);
    assert_eq!(roles(&world, &[1]), [MEMBER]);
    world.admit(FOUNDER, 1, Role::Guest);
    assert_eq!(roles(&world, &[1]), [MEMBER]);
    world.admit(FOUNDER, 1, Role::Admin);
    assert_eq!(roles(&world, &[1]), [ADMIN]);
}

#[test]
fn removal_is_for_good_and_frees_the_name() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let address = world.circle.roster().members[&id(1)].ipv4;
    world.remove(FOUNDER, 1);
    world.admit(FOUNDER, 1, Role::Admin);
    assert_eq!(roles(&world, &[1]), [None]);
    let roster = settle(&world);
    assert_eq!(roster.former[&id(1)].by, id(FOUNDER));
    assert!(roster.former[&id(1)].wireguard.is_some(), "so that the peer can be taken away");
    world.admit(FOUNDER, 2, Role::Member);
    world.profile(2, "d1");
    assert_eq!(settle(&world).members[&id(2)].name.as_str(), "d1");
    assert_ne!(settle(&world).members[&id(2)].ipv4, address, "an address is never given again");
}

#[test]
fn guests_leave_and_cannot_remove_others() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Guest);
    world.admit(FOUNDER, 2, Role::Member);
    world.remove(1, 2);
    world.remove(2, FOUNDER);
    assert_eq!(roles(&world, &[FOUNDER, 1, 2]), [ADMIN, GUEST, MEMBER]);
    world.revoke(1, 1, Scope::Membership, None);
    assert_eq!(roles(&world, &[FOUNDER, 1, 2]), [ADMIN, None, MEMBER]);
    assert_eq!(settle(&world).former[&id(1)].by, id(1));
}

#[test]
fn an_admin_that_leaves_or_steps_down_did_what_it_did() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Admin);
    world.admit(1, 2, Role::Member);
    world.revoke(1, 1, Scope::Admin, None);
    world.admit(1, 3, Role::Member);
    assert_eq!(roles(&world, &[1, 2, 3]), [MEMBER, MEMBER, None]);
    world.revoke(1, 1, Scope::Membership, None);
    assert_eq!(roles(&world, &[1, 2, 3]), [None, MEMBER, None]);
}

#[test]
fn a_stolen_key_that_dates_back_changes_nothing() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Admin);
    world.admit(1, 2, Role::Member);
    let last = world.head(1);
    world.revoke(FOUNDER, 1, Scope::Membership, last);
    // The thief goes on where the honest owner stopped, and dates it back.
    world.now = START + 2;
    let admitted = world.write_after(1, last, Body::Admit(Admit { device: id(3), role: Role::Admin }));
    world.now = START + 2;
    world.write_after(1, Some(admitted.link()), revocation(FOUNDER, Scope::Membership, None));
    assert_eq!(roles(&world, &[FOUNDER, 1, 2, 3]), [ADMIN, None, MEMBER, None]);
    assert_eq!(world.circle.counts(&admitted.hash()), Some(false));
}

#[test]
fn a_revocation_that_names_an_earlier_record_voids_what_came_after() {
    let mut world = World::new();
    let named = world.admit(FOUNDER, 1, Role::Admin);
    let honest = world.admit(1, 2, Role::Member);
    world.admit(1, 3, Role::Admin);
    world.admit(3, 4, Role::Member);
    assert_eq!(roles(&world, &[1, 2, 3, 4]), [ADMIN, MEMBER, ADMIN, MEMBER]);
    world.revoke(FOUNDER, 1, Scope::Membership, Some(honest.link()));
    assert_eq!(roles(&world, &[1, 2, 3, 4]), [None, MEMBER, None, None]);
    assert_ne!(named.hash(), honest.hash());
}

#[test]
fn of_two_that_revoke_each_other_the_senior_wins() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut world = World::new();
        world.admit(FOUNDER, 1, Role::Admin);
        world.admit(FOUNDER, 2, Role::Admin);
        let heads = [world.head(1), world.head(2)];
        let last = |device: u16| heads[usize::from(device) - 1];
        world.revoke(first, second, Scope::Membership, last(second));
        world.revoke(second, first, Scope::Membership, last(first));
        assert_eq!(roles(&world, &[1, 2]), [ADMIN, None], "{first} was first");
    }
}

#[test]
fn a_junior_may_remove_a_senior_but_not_what_made_it_an_admin() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Admin);
    world.admit(FOUNDER, 2, Role::Member);
    world.revoke(1, FOUNDER, Scope::Membership, None);
    // The member that was admitted after the junior is gone with the founder's later records; the junior is not.
    assert_eq!(roles(&world, &[FOUNDER, 1, 2]), [None, ADMIN, None]);
}

#[test]
fn the_recovery_key_comes_before_all_and_can_only_revoke_and_name_admins() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let honest = world.head(FOUNDER);
    // A thief has the founder's key and throws everybody out, the recovery key too.
    world.remove(FOUNDER, 1);
    world.revoke(FOUNDER, RECOVERY, Scope::Membership, None);
    assert_eq!(roles(&world, &[FOUNDER, 1]), [ADMIN, None]);
    world.revoke(RECOVERY, FOUNDER, Scope::Membership, honest);
    world.write(RECOVERY, Body::Admit(Admit { device: id(1), role: Role::Admin }));
    world.write(RECOVERY, Body::Admit(Admit { device: id(2), role: Role::Member }));
    assert_eq!(roles(&world, &[FOUNDER, 1, 2, RECOVERY]), [None, ADMIN, None, None]);
}

#[test]
fn revocations_in_a_circle_end_and_take_power_away() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Admin);
    world.admit(FOUNDER, 2, Role::Admin);
    let heads = [world.head(FOUNDER), world.head(1), world.head(2)];
    world.revoke(FOUNDER, 1, Scope::Membership, heads[1]);
    world.revoke(1, 2, Scope::Membership, heads[2]);
    world.revoke(2, FOUNDER, Scope::Membership, heads[0]);
    assert_eq!(roles(&world, &[FOUNDER, 1, 2]), [None, ADMIN, None]);
}

#[test]
fn an_admin_key_on_two_machines_is_frozen_until_somebody_decides() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Admin);
    world.admit(FOUNDER, 2, Role::Member);
    let fork = world.head(1);
    let admits = |device| Body::Admit(Admit { device: id(device), role: Role::Member });
    let here = world.write_after(1, fork, admits(3));
    assert_eq!(roles(&world, &[3]), [MEMBER]);
    let there = world.write_after(1, fork, admits(4));
    world.write_after(1, Some(there.link()), revocation(2, Scope::Membership, world.head(2)));
    // Permissions after the fork do not count, restrictions on any branch do.
    assert_eq!(roles(&world, &[1, 2, 3, 4]), [ADMIN, None, None, None]);
    assert_eq!(settle(&world).members[&id(1)].frozen, Some(here.number()));
    let evidence = world.circle.equivocations();
    assert_eq!(evidence.len(), 1);
    assert_eq!(
        (evidence[0].author, evidence[0].number, evidence[0].records.len()),
        (id(1), here.number(), 2)
    );
    // Nobody decides about itself, nor does a member.
    world.revoke(1, 1, Scope::Branches, Some(here.link()));
    assert_eq!(settle(&world).members[&id(1)].frozen, Some(here.number()));
    world.revoke(FOUNDER, 1, Scope::Branches, Some(here.link()));
    assert_eq!(roles(&world, &[1, 2, 3, 4]), [ADMIN, MEMBER, MEMBER, None]);
    assert_eq!(settle(&world).members[&id(1)].frozen, None);
    world.write(1, admits(5));
    assert_eq!(roles(&world, &[5]), [MEMBER], "it goes on on the branch that counts");
}

#[test]
fn a_frozen_device_denies_on_any_branch_and_allows_on_none() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    world.admit(FOUNDER, 2, Role::Member);
    world.grant(1, 2, What::Exit, Effect::Allow { until: None });
    let fork = world.head(1);
    let grant = |what, effect| Body::Grant(crate::record::Grant { to: id(2), what, effect });
    world.write_after(1, fork, grant(What::Exit, Effect::Deny));
    world.write_after(1, fork, grant(What::Lan, Effect::Allow { until: None }));
    let grants = &settle(&world).members[&id(1)].grants;
    assert_eq!(grants.get(&id(2), What::Exit).map(|granted| granted.effect), Some(Effect::Deny));
    assert!(grants.get(&id(2), What::Lan).is_none());
}

#[test]
fn an_invite_admits_from_its_first_witness_on() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    world.admit(FOUNDER, 2, Role::Guest);
    let code = world.invite(FOUNDER, 1, false, 2, &[]);
    let join = world.join(&code, 3);
    world.profile(3, "newcomer");
    assert_eq!(roles(&world, &[3]), [None]);
    let waiting = settle(&world).waiting[&id(3)].clone();
    assert_eq!((waiting.reason, waiting.name.expect("a name").as_str()), (Pending::Unwitnessed, "newcomer"));
    assert_eq!(world.circle.to_witness(&id(2)), [], "guests witness nobody");
    assert_eq!(world.circle.to_witness(&id(1)), [(id(3), join.hash())]);
    world.witness(2, &join);
    world.witness(3, &join);
    assert_eq!(roles(&world, &[3]), [None], "neither a guest nor the joiner itself");
    let seen = world.witness(1, &join);
    assert_eq!(roles(&world, &[3]), [MEMBER]);
    assert_eq!(settle(&world).members[&id(3)].seniority.since, seen.time());
    assert_eq!(settle(&world).members[&id(3)].admitted, Admitted::Invite(code.id()));
    // Whoever came in by an invite may witness the next.
    let join = world.join(&code, 4);
    world.witness(3, &join);
    assert_eq!(roles(&world, &[4]), [MEMBER]);
    assert_eq!(world.used(&code.id()), 2);
}

#[test]
fn a_guest_invite_never_admits_an_own_device() {
    let mut world = World::new();
    let code = world.invite(FOUNDER, 1, true, 1, &[]);
    let join = world.join(&code, 3);
    world.witness(FOUNDER, &join);
    assert_eq!(roles(&world, &[3]), [GUEST]);
    let next = world.invite(FOUNDER, 2, false, 1, &[]);
    let join = world.join(&next, 4);
    world.witness(3, &join);
    assert_eq!(roles(&world, &[4]), [None]);
}

#[test]
fn a_beacon_that_the_invite_names_is_witness_enough() {
    let mut world = World::new();
    let code = world.invite(FOUNDER, 1, false, 1, &[70]);
    let join = world.join(&code, 3);
    let receipt = |beacon: u16, time: u64| Receipt::sign(&key(beacon), &join.circle(), &join.hash(), time);
    let show =
        |receipt| Body::Witness(Witness { device: id(3), record: join.hash(), receipt: Some(receipt) });
    world.write(3, show(receipt(71, START + 5)));
    assert_eq!(roles(&world, &[3]), [None], "another beacon");
    world.write(3, show(receipt(70, code.expires() + 1)));
    assert_eq!(roles(&world, &[3]), [None], "too late");
    world.write(3, show(receipt(70, code.expires())));
    assert_eq!(roles(&world, &[3]), [MEMBER], "in the last second");
}

#[test]
fn an_expired_invite_is_not_revived_by_the_joiners_clock() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let code = world.invite(FOUNDER, 1, false, 1, &[]);
    world.now = code.expires() + 10;
    let mut join = code.join(&key(3), START);
    world.circle.ingest([join.clone()]);
    world.witness(1, &join);
    assert_eq!(roles(&world, &[3]), [None]);
    // A witness whose clock goes back is held to its own last record.
    world.now = START;
    world.witness(1, &join);
    assert_eq!(roles(&world, &[3]), [None]);
    join = code.join(&key(4), START);
    assert!(code.check(&join.author(), Some(world.circle.roster()), code.expires() + 1).is_err());
}

#[test]
fn a_race_for_the_last_use_lets_in_whom_the_admin_confirms() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let code = world.invite(FOUNDER, 1, false, 1, &[]);
    let first = world.join(&code, 3);
    world.witness(1, &first);
    assert_eq!(roles(&world, &[3]), [MEMBER]);
    assert_eq!(world.circle.to_confirm(&id(FOUNDER)), [id(3)]);
    let second = world.join(&code, 4);
    world.witness(FOUNDER, &second);
    assert_eq!(roles(&world, &[3, 4]), [None, None], "nobody knows which one was meant");
    assert_eq!(settle(&world).waiting[&id(3)].reason, Pending::Overused);
    world.write(FOUNDER, Body::Admit(Admit { device: id(4), role: Role::Member }));
    assert_eq!(roles(&world, &[3, 4]), [None, MEMBER]);
    assert_eq!(world.circle.to_confirm(&id(FOUNDER)), []);
}

#[test]
fn a_device_is_no_witness_of_its_own_rival() {
    let mut world = World::new();
    let code = world.invite(FOUNDER, 1, false, 1, &[]);
    let first = world.join(&code, 3);
    world.witness(FOUNDER, &first);
    let second = world.join(&code, 4);
    world.witness(3, &second);
    let third = world.join(&code, 5);
    world.witness(4, &third);
    assert_eq!(roles(&world, &[3, 4, 5]), [None, None, None]);
    assert_eq!(world.used(&code.id()), 3);
}

#[test]
fn a_cancelled_invite_admits_only_whom_an_admin_confirms() {
    let mut world = World::new();
    let code = world.invite(FOUNDER, 1, false, 5, &[]);
    let join = world.join(&code, 3);
    world.witness(FOUNDER, &join);
    world.write(FOUNDER, Body::Revoke(crate::record::Revoke::Invite(code.id())));
    assert_eq!(roles(&world, &[3]), [None]);
    assert_eq!(settle(&world).waiting[&id(3)].reason, Pending::Cancelled);
    world.write(FOUNDER, Body::Admit(Admit { device: id(3), role: Role::Member }));
    assert_eq!(roles(&world, &[3]), [MEMBER]);
}

#[test]
fn an_invite_of_a_member_admits_nobody() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let code = world.invite(1, 1, false, 5, &[]);
    let join = world.join(&code, 3);
    world.witness(FOUNDER, &join);
    assert_eq!(roles(&world, &[3]), [None]);
}

#[test]
fn names_stay_with_whom_had_them_and_guests_come_last() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Guest);
    world.profile(1, "nas");
    world.admit(FOUNDER, 2, Role::Member);
    world.profile(2, "nas");
    world.admit(FOUNDER, 3, Role::Member);
    world.profile(3, "nas");
    let name = |world: &World, device: u16| settle(world).members[&id(device)].name.to_string();
    assert_eq!(name(&world, 2), "nas", "an own device before a guest");
    assert_eq!(name(&world, 1), format!("nas--{}", id(1).short()));
    assert_eq!(name(&world, 3), format!("nas--{}", id(3).short()), "who had it keeps it");
    world.profile(2, "tower");
    assert_eq!((name(&world, 2), name(&world, 3)), ("tower".into(), "nas".into()));
    world.profile(2, "nas");
    assert_eq!(name(&world, 3), "nas", "coming back does not take it away again");
}

#[test]
fn live_grants_are_bounded() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Guest);
    for port in 1..=80 {
        world.grant(1, FOUNDER, What::Port(crate::record::Proto::Tcp, port), Effect::Allow { until: None });
    }
    assert_eq!(settle(&world).members[&id(1)].grants.iter().count(), crate::limits::GUEST_GRANTS_MAX);
    world.grant(1, FOUNDER, What::Port(crate::record::Proto::Tcp, 1), Effect::Deny);
    world.grant(1, FOUNDER, What::Ssh, Effect::Allow { until: None });
    assert!(settle(&world).members[&id(1)].grants.get(&id(FOUNDER), What::Ssh).is_some());
}

#[test]
fn a_revocation_of_records_that_are_not_here_yet_waits_for_nothing() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Admin);
    let unseen = Record::sign(
        &key(1),
        Place { circle: world.circle.id(), after: world.head(1) },
        world.now,
        Body::Admit(Admit { device: id(2), role: Role::Member }),
    );
    world.revoke(FOUNDER, 1, Scope::Membership, Some(unseen.link()));
    assert_eq!(roles(&world, &[1, 2]), [None, None]);
    world.circle.ingest([unseen.clone()]);
    assert_eq!(roles(&world, &[1, 2]), [None, MEMBER], "it was named as counting");
    let beyond = Some(Link { number: unseen.number(), hash: unseen.hash() });
    world.write_after(1, beyond, Body::Admit(Admit { device: id(3), role: Role::Member }));
    assert_eq!(roles(&world, &[3]), [None]);
}

#[test]
fn what_the_recovery_key_does_is_followed_record_by_record() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    world.admit(FOUNDER, 2, Role::Member);
    world.admit(1, 3, Role::Member);
    let admit = |device: u16, role| Body::Admit(Admit { device: id(device), role });
    let last = world.head(FOUNDER);
    // Each step, who is another afterwards, and the roles of the founder and of devices 1 to 3.
    type Step = (u16, Body, &'static [u16], [Option<Role>; 4]);
    let steps: [Step; 6] = [
        // Its very first record lets nobody in, and makes nobody out of it either.
        (RECOVERY, admit(3, Role::Member), &[], [ADMIN, MEMBER, MEMBER, None]),
        // A member that had no word until now: what it said before counts from here on, since records have no order but their own.
        (RECOVERY, admit(1, Role::Admin), &[1, 3], [ADMIN, ADMIN, MEMBER, MEMBER]),
        (1, admit(3, Role::Guest), &[], [ADMIN, ADMIN, MEMBER, MEMBER]),
        (RECOVERY, revocation(FOUNDER, Scope::Membership, last), &[FOUNDER], [None, ADMIN, MEMBER, MEMBER]),
        (RECOVERY, admit(2, Role::Admin), &[2], [None, ADMIN, ADMIN, MEMBER]),
        (RECOVERY, revocation(1, Scope::Admin, world.head(1)), &[1], [None, MEMBER, ADMIN, MEMBER]),
    ];
    for (step, (author, body, touched, expect)) in steps.into_iter().enumerate() {
        world.now += 1;
        let place = world.circle.place(&id(author));
        let record = Record::sign(&key(author), place, world.now, body);
        let before = world.circle.roster().clone();
        let ingested = world.circle.ingest([record]);
        let now = world.circle.roster();
        let differs = |device: &&u16| before.members.get(&id(**device)) != now.members.get(&id(**device));
        let differing: Vec<u16> = [FOUNDER, 1, 2, 3, RECOVERY].iter().filter(differs).copied().collect();
        assert_eq!(differing, touched, "step {step}");
        assert!(touched.iter().all(|device| ingested.changed.contains(&id(*device))), "step {step}");
        assert_eq!(roles(&world, &[FOUNDER, 1, 2, 3]), expect, "step {step}");
    }
}

#[test]
fn a_record_from_the_future_makes_nobody_senior_and_no_clock_wait() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    world.admit(FOUNDER, 2, Role::Member);
    let honest = world.now;
    world.now = START + 50 * 365 * 86_400;
    world.profile(2, "d1");
    world.now = honest;
    let names =
        |world: &World| settle(world).members.values().map(|m| m.name.to_string()).collect::<Vec<_>>();
    assert!(names(&world).contains(&"d1".to_owned()), "who had the name before keeps it");
    assert_ne!(settle(&world).members[&id(2)].name.as_str(), "d1");
    // Whoever wrote it goes on, at its own expense: its later records count as if from then.
    world.profile(2, "tower");
    assert_eq!(settle(&world).members[&id(2)].name.as_str(), "tower");
    world.admit(FOUNDER, 3, Role::Member);
    assert!(settle(&world).members[&id(3)].seniority > settle(&world).members[&id(1)].seniority);
    world.profile(3, "tower");
    assert_eq!(
        settle(&world).members[&id(3)].name.as_str(),
        "tower",
        "it chose the name first, by all clocks"
    );
}

#[test]
fn two_that_join_in_the_same_second_both_come_in_and_stand_in_one_order() {
    let mut world = World::new();
    let code = world.invite(FOUNDER, 1, false, 2, &[]);
    let (one, other) = (world.join(&code, 1), world.join(&code, 2));
    world.profile(1, "nas");
    world.profile(2, "nas");
    let after = world.head(FOUNDER);
    let witness =
        |join: &Record| Body::Witness(Witness { device: join.author(), record: join.hash(), receipt: None });
    let first = world.write_after(FOUNDER, after, witness(&one));
    world.now -= 1;
    world.write_after(FOUNDER, Some(first.link()), witness(&other));
    assert_eq!(roles(&world, &[1, 2]), [MEMBER, MEMBER]);
    let roster = settle(&world);
    let (a, b) = (&roster.members[&id(1)], &roster.members[&id(2)]);
    assert_ne!(a.seniority, b.seniority);
    assert_ne!(a.name, b.name);
    assert_ne!(a.ipv4, b.ipv4);
}
