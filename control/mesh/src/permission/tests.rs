//! A table of grants and questions; sentences; and time.

use super::{Because, Fallback, effective, preview};
use crate::record::{Effect, Grant, Proto, Role, What};
use crate::testing::{FOUNDER, World, id};
use crate::time::HighWater;

const FOR_GOOD: Effect = Effect::Allow { until: None };
const DENY: Effect = Effect::Deny;
const WEB: What = What::Port(Proto::Tcp, 80);
const TCP_22: What = What::Port(Proto::Tcp, 22);
/// Own device.
const OWN: u16 = 1;
/// Guest.
const FRIEND: u16 = 2;

fn world() -> World {
    let mut world = World::new();
    world.admit(FOUNDER, OWN, Role::Member);
    world.admit(FOUNDER, FRIEND, Role::Guest);
    world
}

fn until(until: u64) -> Effect {
    Effect::Allow { until: Some(until) }
}

/// Who asks, what was said about it, what is asked for, and whether it may.
type Case<'a> = (u16, &'a [(What, Effect)], What, bool);

#[test]
fn what_decides_over_what() {
    let later = until(5_000_000_000);
    let over = until(1);
    let table: &[Case<'_>] = &[
        (OWN, &[], What::Reach, true),
        (OWN, &[], WEB, true),
        (OWN, &[], What::Files, true),
        (OWN, &[], What::Exit, false),
        (OWN, &[], What::Lan, false),
        (FRIEND, &[], What::Reach, false),
        (FRIEND, &[], What::Files, false),
        (FRIEND, &[(What::Reach, FOR_GOOD)], WEB, true),
        (FRIEND, &[(What::Reach, FOR_GOOD)], What::Files, false),
        (FRIEND, &[(WEB, FOR_GOOD)], WEB, true),
        (FRIEND, &[(WEB, FOR_GOOD)], What::Port(Proto::Udp, 80), false),
        (FRIEND, &[(What::Ssh, FOR_GOOD)], TCP_22, true),
        (FRIEND, &[(TCP_22, FOR_GOOD)], What::Ssh, true),
        (FRIEND, &[(TCP_22, FOR_GOOD), (What::Ssh, DENY)], What::Ssh, false),
        (FRIEND, &[(What::Reach, FOR_GOOD), (WEB, DENY)], WEB, false),
        (FRIEND, &[(What::Reach, later)], WEB, true),
        (FRIEND, &[(What::Reach, over)], WEB, false),
        (FRIEND, &[(What::Exit, FOR_GOOD)], What::Exit, true),
        (FRIEND, &[(What::Exit, FOR_GOOD)], What::Lan, false),
        (OWN, &[(What::Reach, DENY)], WEB, false),
        (OWN, &[(What::Reach, DENY), (What::Ssh, later)], What::Ssh, true),
        (OWN, &[(What::Reach, DENY), (What::Ssh, over)], What::Ssh, false),
        (OWN, &[(What::Reach, DENY)], What::Files, true),
        (OWN, &[(What::Files, DENY)], What::Files, false),
        (OWN, &[(WEB, over)], WEB, true),
    ];
    for (from, grants, what, wanted) in table {
        let mut world = world();
        for (thing, effect) in *grants {
            world.grant(FOUNDER, *from, *thing, *effect);
        }
        let now = effective(world.circle.roster(), world.now, &mut HighWater::default());
        let verdict = now.can(&id(*from), &id(FOUNDER), *what);
        assert_eq!(verdict.allowed, *wanted, "{from} {what} {grants:?}");
    }
}

#[test]
fn a_guest_decides_over_its_own_device() {
    let mut world = world();
    let can = |world: &World, what| {
        let now = effective(world.circle.roster(), world.now, &mut HighWater::default());
        now.can(&id(OWN), &id(FRIEND), what)
    };
    assert_eq!(can(&world, What::Reach).because, Because::Default(Fallback::ToGuest));
    world.grant(FRIEND, OWN, What::Reach, FOR_GOOD);
    assert!(can(&world, What::Reach).allowed);
}

#[test]
fn a_permission_ends_by_itself_and_no_clock_revives_it() {
    let mut world = world();
    let last = world.now + 100;
    world.grant(FOUNDER, FRIEND, What::Ssh, until(last));
    let mut mark = HighWater::default();
    let mut allowed = |now| {
        let effective = effective(world.circle.roster(), now, &mut mark);
        (effective.can(&id(FRIEND), &id(FOUNDER), What::Ssh).allowed, effective.next_end())
    };
    assert_eq!(allowed(last - 1), (true, Some(last)));
    assert_eq!(allowed(last), (true, Some(last)), "in its last second");
    assert_eq!(allowed(last + 1), (false, None));
    assert_eq!(allowed(last - 1), (false, None), "the clock was set back");
}

#[test]
fn strangers_and_former_members_may_nothing() {
    let mut world = world();
    world.grant(FOUNDER, FRIEND, What::Reach, FOR_GOOD);
    world.remove(FOUNDER, FRIEND);
    let now = effective(world.circle.roster(), world.now, &mut HighWater::default());
    for (from, to, stranger) in [(FRIEND, FOUNDER, FRIEND), (FOUNDER, FRIEND, FRIEND), (77, OWN, 77)] {
        let verdict = now.can(&id(from), &id(to), What::Reach);
        assert_eq!((verdict.allowed, verdict.because), (false, Because::NoMember(id(stranger))));
    }
    assert!(now.can(&id(OWN), &id(OWN), What::Lan).allowed);
}

#[test]
fn permissions_read_as_sentences() {
    let mut world = world();
    world.profile(FOUNDER, "nas");
    world.grant(FOUNDER, FRIEND, WEB, until(1_800_000_000));
    let roster = world.circle.roster();
    let now = effective(roster, world.now, &mut HighWater::default());
    let lines: Vec<_> = now.table(&id(FOUNDER)).into_iter().map(|line| line.sentence).collect();
    assert_eq!(
        lines,
        [
            "d1 may reach nas: own devices reach each other and send each other files.",
            "d1 may send files to nas: own devices reach each other and send each other files.",
            "nas may reach d1: own devices reach each other and send each other files.",
            "nas may send files to d1: own devices reach each other and send each other files.",
            "d2 may not reach nas: guests may do nothing until they are allowed.",
            "d2 may reach nas on tcp/80 until 2027-01-15 08:00 UTC: nas allows tcp/80.",
            "d2 may not send files to nas: guests may do nothing until they are allowed.",
            "nas may not reach d2: a guest's device must allow it first.",
            "nas may not send files to d2: a guest's device must allow it first.",
        ]
    );
    let change = |what, effect| preview(&now, &id(FOUNDER), &Grant { to: id(FRIEND), what, effect });
    assert_eq!(
        change(What::Ssh, FOR_GOOD),
        "d2 will be able to reach nas by ssh, which it cannot do now: guests may do nothing until they are allowed."
    );
    assert_eq!(
        change(What::Lan, DENY),
        "d2 will not be able to reach the LAN of nas, as it is now: exit and LAN are closed until they are allowed."
    );
}
