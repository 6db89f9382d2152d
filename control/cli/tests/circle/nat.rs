//! Devices behind routers that translate addresses.

use serde_json::json;

use super::internet::Internet;
use super::stage::wait_for;

/// The router of one changes the port, the router of the other lets nobody in whom its device has not spoken to: they meet only
/// if the one learns its port from outside, tells it, and the other speaks to exactly that.
#[test]
fn a_device_learns_from_its_beacon_how_its_port_looks_from_outside() {
    let net = Internet::new();
    let beacon = net.beacon();
    let (cone, strict) = (net.home(), net.home());
    let (a, b) = (&cone.device, &strict.device);
    a.ask("up", json!({"name": "alpha", "circle": "home"}));
    cone.open_as(45_000);
    a.up_with("alpha", &[&beacon]);
    let code = a.invite(json!({}));
    a.settled(1);
    wait_for("it knows how its port looks from outside", || {
        let endpoints = a.ask("status", json!({}))["circle"]["endpoints"].to_string();
        endpoints.contains(":45000\"").then_some(())
    });
    b.join(&code, "beta");
    b.ask("wait", json!({"peer": "alpha", "wait_secs": 35}));
    assert!(b.pings(&b.addresses_of("alpha")[0]));
    let endpoint = b.ask("whois", json!({"who": "alpha"}))["path"]["endpoint"].to_string();
    assert!(endpoint.contains(":45000"), "{endpoint}");
}
