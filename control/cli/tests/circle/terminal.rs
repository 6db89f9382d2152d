//! What only a person at a terminal is shown and asked.

use super::stage::Lan;

#[test]
fn a_person_is_shown_secrets_and_asked_before_something_is_lost() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    let shown = a.at_terminal("up --name alpha", "");
    let key = shown.lines().map(str::trim).find(|line| line.len() == 71 && line.matches('-').count() == 7);
    let key = key.unwrap_or_else(|| panic!("{shown}")).to_owned();
    let shown = a.at_terminal("invite", "");
    assert!(shown.contains("ringmesh://join/") && shown.contains('▀'), "{shown}");
    let shown = a.at_terminal("invite --no-qr", "");
    assert!(!shown.contains('▀'), "{shown}");
    let code = shown.lines().map(str::trim).find(|line| line.len() > 100 && !line.contains(':'));
    let shown = b.at_terminal("join --name beta", &format!("{}\n", code.expect("a code")));
    assert!(shown.contains("The invite's code or link:") && shown.contains("as beta"), "{shown}");
    for (answer, names) in
        [("n\n", vec!["alpha", "beta"]), ("\n", vec!["alpha", "beta"]), ("y\n", vec!["alpha"])]
    {
        let shown = a.at_terminal("remove beta", answer);
        assert!(
            shown.contains("is removed from the circle home for good") && shown.contains("[y/N]"),
            "{shown}"
        );
        assert_eq!(a.names(), names, "{answer:?}: {shown}");
    }
    let shown = a.at_terminal("recover", &format!("{key}\n"));
    assert!(shown.contains("The recovery key") && shown.contains("admin"), "{shown}");
}

#[test]
fn a_person_is_told_what_takes_so_long() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    b.run("ip link set lan down");
    let shown = a.at_terminal("ping beta --timeout 3s", "");
    assert!(shown.contains("waiting for beta to answer") && shown.contains("did not answer"), "{shown}");
    // Somebody who reads a file is not.
    let output = a.output("ping beta --timeout 2s");
    assert!(!super::common::text(&output.stderr).contains("waiting"), "{output:?}");
}
