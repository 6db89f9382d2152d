use ringmesh_api::doctor::Verdict;

use super::*;
use crate::doctor::tests::circle;

#[test]
fn what_the_system_finds_is_judged() {
    let own = network::addresses(&circle());
    let other: [IpAddr; 1] = [[192, 0, 2, 1].into()];
    let table: [(Option<&[IpAddr]>, Verdict, &str); 4] = [
        (Some(&own[..1]), Verdict::Ok, "find nas.home.internal"),
        (Some(&[]), Verdict::Problem, "does not ask"),
        (Some(&other), Verdict::Problem, "something else"),
        (None, Verdict::Problem, "in time"),
    ];
    for (found, verdict, sentence) in table {
        let check = system(&circle(), &own, found);
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.sentence.contains(sentence), "{check:?}");
    }
}

#[test]
fn a_resolver_that_is_not_there_is_told() {
    // Nobody answers on this address of loopback's.
    let check = resolver("nas.home.internal", &[[127, 82, 77, 1].into()]);
    assert_eq!(check.verdict, Verdict::Problem);
    assert!(check.sentence.contains("127.82.77.1"), "{check:?}");
}
