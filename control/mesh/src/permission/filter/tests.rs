//! The filter lets through what `can` allows, at every time, for any grants.

use proptest::prelude::*;

use super::{Filter, Services, Target};
use crate::permission::effective;
use crate::record::{Effect, Proto, Role, What};
use crate::testing::{FOUNDER, START, World, id};
use crate::time::HighWater;

const SERVICES: Services = Services { files: 51_999 };

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        Just(What::Reach),
        Just(What::Port(Proto::Tcp, 22)),
        Just(What::Port(Proto::Udp, 22)),
        Just(What::Port(Proto::Tcp, 80)),
        Just(What::Ssh),
        Just(What::Files),
        Just(What::Exit),
        Just(What::Lan),
    ]
}

fn effect() -> impl Strategy<Value = Effect> {
    prop_oneof![
        Just(Effect::Deny),
        Just(Effect::Allow { until: None }),
        (0_u64..200).prop_map(|more| Effect::Allow { until: Some(START + more) }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn the_filter_does_what_can_says(grants in prop::collection::vec((1_u16..4, what(), effect()), 0..12), made in 0_u64..200) {
        let mut world = World::new();
        world.admit(FOUNDER, 1, Role::Member);
        world.admit(FOUNDER, 2, Role::Guest);
        world.admit(FOUNDER, 3, Role::Admin);
        for (to, what, effect) in grants {
            world.grant(FOUNDER, to, what, effect);
        }
        let roster = world.circle.roster();
        let first = effective(roster, START + made, &mut HighWater::default());
        let filter = Filter::of(&first, &id(FOUNDER), SERVICES);
        let asked = [
            (What::Port(Proto::Tcp, 22), Target::Port(Proto::Tcp, 22)),
            (What::Ssh, Target::Port(Proto::Tcp, 22)),
            (What::Port(Proto::Udp, 22), Target::Port(Proto::Udp, 22)),
            (What::Port(Proto::Tcp, 80), Target::Port(Proto::Tcp, 80)),
            (What::Reach, Target::Port(Proto::Udp, 9)),
            (What::Files, Target::Port(Proto::Tcp, SERVICES.files)),
            (What::Exit, Target::Exit),
            (What::Lan, Target::Lan),
        ];
        for now in (START + made..START + 210).step_by(7) {
            let later = effective(roster, now, &mut HighWater::default());
            for (what, target) in asked {
                for from in 1..5 {
                    let can = later.can(&id(from), &id(FOUNDER), what).allowed;
                    prop_assert_eq!(filter.passes(&id(from), target, now), can, "{} {} at {}", from, what, now - START);
                }
            }
        }
    }
}

#[test]
fn a_stranger_has_no_filter_and_no_rule() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let now = effective(world.circle.roster(), world.now, &mut HighWater::default());
    assert_eq!(Filter::of(&now, &id(9), SERVICES), Filter::default());
    let filter = Filter::of(&now, &id(FOUNDER), SERVICES);
    assert!(filter.rules.iter().all(|rule| rule.from == id(1) && rule.ipv4.is_some()));
    assert!(!filter.passes(&id(9), Target::Port(Proto::Tcp, 80), world.now));
}
