//! Circles whose devices find each other by beacons, and lose them.

use serde_json::json;

use super::internet::Internet;
use super::stage::wait_for;

#[test]
fn a_device_joins_while_everybody_is_offline() {
    let net = Internet::new();
    let beacon = net.beacon();
    let (mut a, b) = (net.device(), net.device());
    a.up_with("alpha", &[&beacon]);
    let code = a.invite(json!({}));
    a.settled(1);
    a.ask("down", json!({}));
    a.kill();
    b.join(&code, "beta");
    assert_eq!(b.names(), ["beta", "alpha"], "it has read the circle at the beacon");
    a.start();
    a.ask("up", json!({}));
    a.ask("wait", json!({"peer": "beta", "wait_secs": 30}));
    b.ask("wait", json!({"peer": "alpha", "wait_secs": 30}));
    assert!(b.pings(&b.addresses_of("alpha")[0]));
}

#[test]
fn a_beacon_that_was_killed_or_has_forgotten_everything_is_told_again() {
    let net = Internet::new();
    let mut beacon = net.beacon();
    let (mut a, b, c) = (net.device(), net.device(), net.device());
    a.up_with("alpha", &[&beacon]);
    b.join(&a.invite(json!({})), "beta");
    b.ask("wait", json!({"peer": "alpha", "wait_secs": 30}));
    beacon.kill();
    // Tunnels and news go on without it.
    b.ask("rename", json!({"name": "nas"}));
    wait_for("news arrive through the mesh", || a.names().contains(&"nas".to_owned()).then_some(()));
    let early = a.invite(json!({}));
    beacon.start();
    a.settled(1);
    beacon.kill();
    beacon.forget();
    // What was offered before is offered again, also by a daemon that has died meanwhile.
    a.kill();
    a.start();
    beacon.start();
    a.settled(1);
    a.ask("down", json!({}));
    c.join(&early, "gamma");
    assert_eq!(c.names(), ["gamma", "alpha", "nas"]);
}

#[test]
fn who_was_away_catches_up_at_the_beacon_though_the_circle_key_has_changed() {
    let net = Internet::new();
    let beacon = net.beacon();
    let (mut a, mut b, c) = (net.device(), net.device(), net.device());
    a.up_with("alpha", &[&beacon]);
    let code = a.invite(json!({"uses": 2}));
    b.join(&code, "beta");
    c.join(&code, "gamma");
    wait_for("everybody knows everybody", || (b.names().len() == 3).then_some(()));
    b.settled(1);
    b.ask("down", json!({}));
    b.kill();
    a.ask("remove", json!({"peer": "gamma"}));
    // Whatever it still had to say is said after the death.
    a.kill();
    a.start();
    a.ask("rename", json!({"name": "desk"}));
    wait_for("the new circle key is drawn", || {
        let log = a.ask("status", json!({}));
        (log["circle"]["devices"] == 2).then_some(())
    });
    a.settled(1);
    wait_for("the key for who is away is at the beacon", || {
        let log = a.log();
        assert!(!log.contains("panicked"), "{log}");
        std::thread::park_timeout(std::time::Duration::from_secs(6));
        Some(())
    });
    a.settled(1);
    a.ask("down", json!({}));
    a.kill();
    b.start();
    b.ask("up", json!({}));
    wait_for("it has read what happened", || (b.names() == ["beta", "desk"]).then_some(()));
}

#[test]
fn of_two_beacons_one_is_enough() {
    let net = Internet::new();
    let (mut one, other) = (net.beacon(), net.beacon());
    let (a, b) = (net.device(), net.device());
    a.up_with("alpha", &[&one, &other]);
    let code = a.invite(json!({}));
    a.settled(2);
    one.kill();
    a.ask("down", json!({}));
    b.join(&code, "beta");
    let status = b.ask("status", json!({}));
    assert_eq!(status["circle"]["beacons"].as_array().map(Vec::len), Some(2), "both go on being used");
    one.start();
    b.settled(2);
}
