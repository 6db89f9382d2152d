//! What devices may do to each other.

use super::stage::Lan;

/// Nothing holds a guest, or anybody, to a permission yet: none is given that would not be held.
#[test]
fn what_is_not_enforced_is_not_promised() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    for line in ["invite --guest --json", "allow beta tcp/445 --for 1h --json", "deny beta reach --json"] {
        let output = a.output(line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("cannot hold anybody to a permission yet"), "{line}: {said}");
    }
    assert!(a.says("allow beta tcp/445 --for 1h --preview").contains("tcp/445"));
    assert!(a.says("can beta :445").contains("beta"), "a device of one's own");
    assert!(a.says("permissions").contains("beta"));
}
