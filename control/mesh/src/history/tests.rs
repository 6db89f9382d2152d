//! The log reads as a story, and the check finds what does not belong.

use super::{log, verify};
use crate::record::{Effect, Role, Scope, What};
use crate::testing::{FOUNDER, World, id};

#[test]
fn a_circle_reads_as_a_story() {
    let mut world = World::new();
    world.profile(FOUNDER, "nas");
    world.admit(FOUNDER, 1, Role::Admin);
    let code = world.invite(FOUNDER, 1, true, 2, &[]);
    let join = world.join(&code, 2);
    world.witness(1, &join);
    world.grant(FOUNDER, 2, What::Ssh, Effect::Allow { until: Some(1_800_000_000) });
    world.grant(2, 1, What::Reach, Effect::Deny);
    let last = world.head(2);
    world.revoke(2, 1, Scope::Membership, None);
    world.revoke(1, 2, Scope::Membership, last);
    let friend = id(2).short();
    let told: Vec<_> = log(&world.circle).into_iter().map(|line| line.sentence).collect();
    let wanted = [
        "nas founded the circle home.".to_owned(),
        told[1].clone(),
        "nas made d1 an admin.".to_owned(),
        told[3].clone(),
        format!("nas invited guests: 2 use(s) until {}.", crate::time::Utc(code.expires())),
        format!("{friend} joined with an invite of nas."),
        format!("d1 saw {friend} join."),
        format!("nas allowed {friend} to reach it by ssh until 2027-01-15 08:00 UTC."),
        format!("{friend} denied d1 to reach it."),
        format!("{friend} removed d1; of its records none count; this has no effect."),
        format!("d1 removed {friend}; of its records up to 1 count."),
    ];
    assert_eq!(told, wanted);
    assert!(told[1].starts_with("nas goes by nas with the WireGuard key "));
}

#[test]
fn the_check_names_what_does_not_belong() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let stored: Vec<Vec<u8>> = world.circle.records().map(crate::record::Record::to_bytes).collect();
    let check = |stored: &[Vec<u8>]| verify(world.circle.id(), stored.iter().map(Vec::as_slice));
    let report = check(&stored);
    assert!(report.is_clean() && report.sound == stored.len());
    let mut changed = stored.clone();
    let len = changed[1].len();
    changed[1][len - 1] ^= 1;
    changed[2].push(0);
    let findings = check(&changed).findings;
    assert!(findings.iter().any(|finding| finding.contains("forged signature")), "{findings:?}");
    assert!(
        findings.iter().any(|finding| finding.contains("entry 2 of the store is no record")),
        "{findings:?}"
    );
    assert!(check(&stored[1..]).findings[0].contains("not the record that founded"));
    let fork = world.head(1);
    world.profile(1, "here");
    world.write_after(
        1,
        fork,
        world.circle.record(&fork.expect("it wrote").hash).expect("it is there").body().clone(),
    );
    let stored: Vec<Vec<u8>> = world.circle.records().map(crate::record::Record::to_bytes).collect();
    let findings = verify(world.circle.id(), stored.iter().map(Vec::as_slice)).findings;
    assert!(
        findings[0].starts_with("here wrote two records with the number 1")
            || findings[0].contains("wrote two records")
    );
}
