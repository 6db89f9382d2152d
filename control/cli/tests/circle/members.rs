//! Devices are renamed, made admins, given new keys, removed; they leave, and a circle is recovered.

use std::time::Duration;

use serde_json::json;

use super::stage::{Lan, now, wait_for};

#[test]
fn a_removed_device_is_cut_off_everywhere_within_two_seconds() {
    let lan = Lan::new();
    let (a, b, c) = (lan.device(), lan.device(), lan.device());
    a.up("alpha");
    let code = a.invite(json!({"uses": 2}));
    b.join(&code, "beta");
    c.join(&code, "gamma");
    c.ask("wait", json!({"peer": "beta"}));
    b.ask("wait", json!({"peer": "gamma"}));
    let (alpha, beta) = (c.addresses_of("alpha")[0].clone(), c.addresses_of("beta")[0].clone());
    assert!(c.pings(&alpha) && c.pings(&beta));
    let begun = now();
    a.ask("remove", json!({"peer": "gamma"}));
    wait_for("the other one has cut it too", || (b.names() == ["beta", "alpha"]).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(!c.pings(&alpha), "the remover still answers");
    assert!(!c.pings(&beta), "another one still answers");
    assert!(b.pings(&b.addresses_of("alpha")[0]), "who is left still talks");
    // It cannot come back with what it has.
    assert!(b.refused("ping", json!({"peer": "gamma"})).message.contains("nobody"));
    let refusal = c.refused("invite", json!({}));
    assert!(refusal.message.contains("removed") || refusal.message.contains("admin"), "{refusal:?}");
}

#[test]
fn names_and_keys_change_without_moving_anything() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("alpha");
    b.join(&a.invite(json!({})), "beta");
    let before = a.addresses_of("beta");
    b.ask("rename", json!({"name": "nas"}));
    wait_for("the new name arrives", || a.names().contains(&"nas".to_owned()).then_some(()));
    a.ask("nickname", json!({"peer": "nas", "nickname": "box"}));
    b.ask("key-rotate", json!({}));
    wait_for("the new key is in use", || {
        a.ask("log", json!({}))["lines"].as_array().is_some_and(|lines| lines.len() >= 9).then_some(())
    });
    a.ask("ping", json!({"peer": "box", "wait_ms": 20_000}));
    b.ask("ping", json!({"peer": "alpha", "wait_ms": 20_000}));
    assert_eq!(a.addresses_of("box"), before);
    assert!(b.refused("rename", json!({"name": "no name"})).message.contains("is no name"));
    assert!(a.refused("nickname", json!({"peer": "nas", "nickname": "alpha"})).message.contains("already"));
}

#[test]
fn the_last_admin_is_lost_and_the_circle_recovered() {
    let lan = Lan::new();
    let (mut a, b) = (lan.device(), lan.device());
    let recovery = a.up("alpha");
    b.join(&a.invite(json!({})), "beta");
    assert!(a.refused("leave", json!({})).message.contains("only admin"));
    a.kill();
    assert!(b.refused("remove", json!({"peer": "alpha"})).message.contains("admin"));
    assert!(
        b.refused("recover", json!({"key": recovery.replace('0', "1")}))
            .message
            .contains("not the recovery key")
    );
    b.ask("recover", json!({"key": recovery}));
    b.ask("remove", json!({"peer": "alpha"}));
    assert_eq!(b.names(), ["beta"]);
    assert!(b.invite(json!({})).len() > 100, "it is an admin");
}

#[test]
fn a_device_leaves_and_nothing_of_it_stays() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("alpha");
    b.join(&a.invite(json!({})), "beta");
    b.ask("leave", json!({}));
    assert!(!b.has_link("rm-home"));
    assert!(!b.paths.state.join("home").exists());
    wait_for("the others hear of it", || (a.names() == ["alpha"]).then_some(()));
    b.join(&a.invite(json!({})), "beta");
    assert_eq!(a.names(), ["alpha", "beta"], "it comes back as somebody new, under the same name");
}
