use std::collections::BTreeMap;

/// Every test that the page names is there, under the module that it names.
#[test]
fn the_tests_exist() {
    let device = concat!(
        include_str!("../device/tests/attacks.rs"),
        include_str!("../device/tests/changes.rs"),
        include_str!("../device/tests/handshakes.rs"),
        include_str!("../device/tests/timing.rs"),
    );
    let sources = BTreeMap::from([
        ("allowed_ips", include_str!("../allowed_ips/tests.rs")),
        ("cookie", include_str!("../cookie/tests.rs")),
        ("device", device),
        ("index", concat!(include_str!("../index/tests.rs"), include_str!("../index/table/tests.rs"))),
        ("keyring", include_str!("../keyring/tests.rs")),
        ("noise", include_str!("../noise/tests.rs")),
        ("peers", include_str!("../peers/tests.rs")),
        ("ratelimit", include_str!("../ratelimit/tests.rs")),
        ("replay", include_str!("../replay/tests.rs")),
        ("session", include_str!("../session/tests.rs")),
        ("tai64n", include_str!("../tai64n/tests.rs")),
        ("timers", include_str!("../timers/tests.rs")),
        ("wheel", include_str!("../wheel/tests.rs")),
    ]);
    let names = include_str!("../mistakes.rs").split('`').filter_map(|word| word.split_once("::"));
    let mut named = 0;
    for (module, test) in names {
        let source = sources.get(module).unwrap_or_else(|| panic!("no tests of {module}"));
        assert!(source.contains(&format!("fn {test}(")), "{module}::{test}");
        named += 1;
    }
    assert!(named > 50, "{named}");
}
