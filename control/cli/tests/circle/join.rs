//! Devices come in: on one LAN, without a beacon.

use serde_json::json;

use super::stage::Lan;

#[test]
fn two_devices_on_a_lan_need_no_beacon() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("alpha");
    b.join(&a.invite(json!({})), "beta");
    assert_eq!(
        (a.names(), b.names()),
        (vec!["alpha".into(), "beta".into()], vec!["beta".into(), "alpha".into()])
    );
    let pong = b.ask("ping", json!({"peer": "alpha"}));
    assert!(pong["round_trip_ms"].as_f64().is_some_and(|ms| ms > 0.0), "{pong}");
    for address in b.addresses_of("alpha") {
        assert!(b.pings(&address), "{address}");
    }
    for address in a.addresses_of("beta") {
        assert!(a.pings(&address), "{address}");
    }
    let log = b.ask("log", json!({"verify": true}));
    assert_eq!(log["verified"]["findings"], json!([]));
    assert!(b.has_link("rm-home"));
    b.ask("down", json!({}));
    assert!(!b.has_link("rm-home"), "the interface goes with the circle");
    b.ask("up", json!({}));
    b.ask("wait", json!({"peer": "alpha"}));
}

#[test]
fn two_devices_that_join_in_the_same_instant_both_come_in() {
    let lan = Lan::new();
    let (a, b, c) = (lan.device(), lan.device(), lan.device());
    a.up("alpha");
    let code = a.invite(json!({"uses": 2}));
    std::thread::scope(|scope| {
        scope.spawn(|| b.join(&code, "beta"));
        scope.spawn(|| c.join(&code, "gamma"));
    });
    b.ask("wait", json!({"peer": "gamma"}));
    c.ask("wait", json!({"peer": "beta"}));
    assert!(c.pings(&c.addresses_of("beta")[0]));
}

#[test]
fn a_code_that_lets_nobody_in_is_refused_in_one_sentence() {
    let lan = Lan::new();
    let (a, b, c) = (lan.device(), lan.device(), lan.device());
    a.up("alpha");
    let code = a.invite(json!({}));
    // Another digit of the alphabet in the place of the first.
    let mistyped = code.replacen('0', "7", 1);
    for (question, expect) in [
        (json!({"code": "what is this?"}), "not an invite code"),
        (json!({"code": mistyped}), "mistyped"),
        (json!({"code": code[..code.len() - 9]}), "mistyped"),
    ] {
        let refusal = b.refused("join", question);
        assert!(refusal.message.contains(expect), "{refusal:?}");
    }
    assert!(!b.has_link("rm-home"), "nothing was begun");
    b.join(&code, "beta");
    let second = c.ask("join", json!({"code": code, "name": "gamma", "wait_secs": 3}));
    assert_eq!(second["member"], false, "the invite was for one device: {second}");
}
