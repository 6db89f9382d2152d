use ringmesh_api::doctor::Verdict;

use super::*;

#[test]
fn each_leftover_has_its_sentence() {
    let dead = ["rm-home".to_owned()];
    let circles = ["home".to_owned()];
    let file = |whose, kept, daemon| resolv_conf(whose, "/etc/resolv.conf", kept, daemon);
    let table = [
        (file(Whose::Other, None, false), Verdict::Ok, "not ours"),
        (file(Whose::Ours, Some("/x"), true), Verdict::Ok, "is ours"),
        (file(Whose::Ours, Some("/x"), false), Verdict::Problem, "no names at all"),
        (file(Whose::Ours, None, false), Verdict::Problem, "no names at all"),
        (file(Whose::Edited, Some("/x"), true), Verdict::Warning, "edited"),
        (interfaces(&[], None), Verdict::Ok, "no interface"),
        (interfaces(&dead, Some("rm-home")), Verdict::Ok, "no interface"),
        (interfaces(&dead, None), Verdict::Warning, "rm-home is left"),
        (tables(&[], None, true), Verdict::Ok, "no table"),
        (tables(&circles, Some("home"), true), Verdict::Ok, "no table"),
        (tables(&circles, None, false), Verdict::Ok, "no table"),
        (tables(&circles, None, true), Verdict::Warning, "inet ringmesh-home is left"),
    ];
    for (check, verdict, sentence) in table {
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.sentence.contains(sentence), "{check:?}");
        assert_eq!(check.fix.is_none(), verdict == Verdict::Ok, "{check:?}");
    }
    let back = |kept| file(Whose::Ours, kept, false).fix.expect("a fix");
    assert!(back(Some("/x")).contains("cp -P /x /etc/resolv.conf") && back(None).contains("nameservers"));
}

#[test]
fn tables_are_ours_by_their_name() {
    let text = "table inet filter\ntable inet ringmesh-home\ntable inet ringmesh-work\ntable ip ringmesh-x\n";
    assert_eq!(circles_of_tables(text), ["home", "work"]);
    assert!(circles_of_tables("garbage").is_empty());
}
