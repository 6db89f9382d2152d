//! Devices come in: on one LAN, without a beacon.

use std::time::Duration;

use serde_json::json;

use super::common::{now, text, wait_for};
use super::stage::{Lan, mistyped};

#[test]
fn two_devices_on_a_lan_need_no_beacon() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    assert_eq!(
        (a.names(), b.names()),
        (vec!["alpha".into(), "beta".into()], vec!["beta".into(), "alpha".into()])
    );
    assert!(b.says("ping alpha").contains("answered after"));
    for address in b.addresses_of("alpha") {
        assert!(b.pings(&address), "{address}");
    }
    for address in a.addresses_of("beta") {
        assert!(a.pings(&address), "{address}");
    }
    assert_eq!(b.json("log --verify")["verified"]["findings"], json!([]));
    assert!(b.has_link("rm-home"));
    assert!(b.says("down").contains("is down on this device"));
    assert!(!b.has_link("rm-home"), "the interface goes with the circle");
    assert!(b.says("up").contains("home is up; this device is called beta"));
    b.says("wait alpha");
}

#[test]
fn two_devices_that_join_in_the_same_instant_both_come_in() {
    let lan = Lan::new();
    let (a, b, c) = (lan.device(), lan.device(), lan.device());
    a.up("--name alpha");
    let code = a.invite("--uses 2");
    std::thread::scope(|scope| {
        scope.spawn(|| b.join(&code, "beta"));
        scope.spawn(|| c.join(&code, "gamma"));
    });
    b.says("wait gamma");
    c.says("wait beta");
    assert!(c.pings(&c.addresses_of("beta")[0]));
}

#[test]
fn a_code_comes_as_text_as_link_and_from_standard_input() {
    let lan = Lan::new();
    let (a, b, c) = (lan.device(), lan.device(), lan.device());
    a.up("--name alpha");
    let invited = a.json("invite --uses 2");
    let (code, link) = (invited["code"].as_str().expect("a code"), invited["link"].as_str().expect("a link"));
    assert!(link.starts_with("ringmesh://join/"));
    assert!(b.says(&format!("join {link} --name beta")).contains("belongs to the circle home now, as beta"));
    // As a person pastes it: in capitals, with spaces and an end of line.
    let spelled = format!(" {}\n", code.to_uppercase().replace('-', " "));
    assert!(c.fed("join --name gamma", &spelled).status.success());
    assert_eq!(c.names().len(), 3);
}

#[test]
fn a_code_that_lets_nobody_in_is_refused_in_one_sentence() {
    let lan = Lan::new();
    let (a, b, c) = (lan.device(), lan.device(), lan.device());
    a.up("--name alpha");
    let code = a.invite("");
    for (code, expect) in [
        ("what-is-this?", "not an invite code"),
        (&*mistyped(&code), "mistyped"),
        (&code[..code.len() - 9], "mistyped"),
    ] {
        let said = b.fails(&format!("join {code}"), 8);
        assert!(said.contains(expect), "{said}");
    }
    assert!(!b.has_link("rm-home"), "nothing was begun");
    let (short, begun) = (a.invite("--for 1s"), now());
    wait_for("its time is over", || (begun.elapsed() > Duration::from_secs(3)).then_some(()));
    assert!(text(&b.fed("join", &short).stderr).contains("expired"));
    b.join(&code, "beta");
    // It was for one device.
    let output = c.fed("join - --name gamma --wait 3s", &code);
    assert_eq!(output.status.code(), Some(9), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("does not belong to the circle home yet"), "{output:?}");
    c.says("leave --yes");
    // A cancelled one.
    let cancelled = a.json("invite");
    a.says(&format!("cancel {}", cancelled["id"].as_str().expect("an id")));
    let output = c.fed("join - --wait 3s", cancelled["code"].as_str().expect("a code"));
    assert_eq!(output.status.code(), Some(9), "{}", text(&output.stderr));
}

#[test]
fn a_code_of_another_circle_is_refused() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.up("--name beta");
    let said = b.fails(&format!("join {}", a.invite("")), 8);
    assert!(said.contains("the code is for the circle home, not for home"), "{said}");
}
