//! Devices are renamed, made admins, given new keys, removed; they leave, and a circle is recovered.

use std::time::Duration;

use super::common::{now, text, wait_for};
use super::stage::{Lan, circle_of_three, mistyped};

#[test]
fn a_removed_device_is_cut_off_everywhere_within_two_seconds() {
    let lan = Lan::new();
    let [a, b, c] = circle_of_three(&lan);
    let (alpha, beta) = (c.addresses_of("alpha")[0].clone(), c.addresses_of("beta")[0].clone());
    assert!(c.pings(&alpha) && c.pings(&beta));
    let begun = now();
    a.says("remove gamma --yes");
    wait_for("the other one has cut it too", || (b.names() == ["beta", "alpha"]).then_some(()));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(!c.pings(&alpha), "the remover still answers");
    assert!(!c.pings(&beta), "another one still answers");
    assert!(b.pings(&b.addresses_of("alpha")[0]), "who is left still talks");
    // It cannot come back with what it has.
    assert!(b.fails("ping gamma", 7).contains("nobody"));
    let output = c.output("invite --json");
    let said = text(&output.stderr);
    assert!(!output.status.success() && (said.contains("removed") || said.contains("admin")), "{said}");
}

#[test]
fn names_and_keys_change_without_moving_anything() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    let before = a.addresses_of("beta");
    assert!(b.says("rename nas").contains("called nas now"));
    wait_for("the new name arrives", || a.names().contains(&"nas".to_owned()).then_some(()));
    a.says("nickname nas box");
    assert!(a.says("peers").contains("nas (box)"));
    b.says("key rotate --yes");
    wait_for("the new key is in use", || {
        a.json("log")["lines"].as_array().is_some_and(|lines| lines.len() >= 9).then_some(())
    });
    a.says("ping box --timeout 20s");
    b.says("ping alpha --timeout 20s");
    assert_eq!(a.addresses_of("box"), before);
    assert!(b.fails("rename no_name", 2).contains("is no name"));
    assert!(a.fails("nickname nas alpha", 4).contains("already"));
    a.says("nickname nas --clear");
    assert!(a.fails("whois box", 7).contains("nobody"));
}

/// On a LAN without a beacon the record about a new key would come through the tunnel that needs it.
#[test]
fn a_key_that_changed_while_the_other_was_away_is_learned_from_its_own_device() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    b.run("ip link set lan down");
    let before = a.json("status rm-home")["tunnels"][0]["public_key"].clone();
    a.says("key rotate --yes");
    wait_for("the new key is in use", || {
        (a.json("status rm-home")["tunnels"][0]["public_key"] != before).then_some(())
    });
    b.run("ip link set lan up");
    b.says("ping alpha --timeout 30s");
    wait_for("the record has come too", || {
        let (ours, theirs) = (a.json("log"), b.json("log"));
        (ours["lines"].as_array().map(Vec::len) == theirs["lines"].as_array().map(Vec::len)).then_some(())
    });
    a.says("ping beta");
}

#[test]
fn the_last_admin_is_lost_and_the_circle_recovered() {
    let lan = Lan::new();
    let (mut a, b) = (lan.device(), lan.device());
    let recovery = a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    assert!(a.fails("leave --yes", 3).contains("only admin"));
    a.kill();
    assert!(b.fails("remove alpha --yes", 8).contains("admin"));
    let wrong = b.fed("recover", &mistyped(&recovery));
    assert!(text(&wrong.stderr).contains("not the recovery key"), "{wrong:?}");
    let file = b.dir.join("key.txt");
    assert!(b.fails(&format!("recover --key-file {}", file.display()), 2).contains("key.txt"));
    std::fs::write(&file, format!("{recovery}\n")).expect("is written");
    assert!(b.says(&format!("recover --key-file {}", file.display())).contains("beta is an admin"));
    b.says("remove alpha --yes");
    assert_eq!(b.names(), ["beta"]);
    assert!(b.invite("").len() > 100, "it is an admin");
}

#[test]
fn admins_come_and_go() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    assert!(b.fails("admin add beta", 8).contains("do it on one of: alpha"));
    a.says("admin add beta");
    wait_for("it hears of it", || b.output("invite --json").status.success().then_some(()));
    b.says("admin remove alpha --yes");
    wait_for("the other hears of it", || (a.output("invite --json").status.code() == Some(8)).then_some(()));
    assert!(b.fails("admin add alpha", 3).contains("for good"));
    assert!(b.fails("admin remove beta --yes", 3).contains("only admin"));
}

#[test]
fn a_device_leaves_and_nothing_of_it_stays() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    b.says("leave --yes");
    assert!(!b.has_link("rm-home"));
    assert!(!b.paths.state.join("home").exists());
    wait_for("the others hear of it", || (a.names() == ["alpha"]).then_some(()));
    b.join(&a.invite(""), "beta");
    assert_eq!(a.names(), ["alpha", "beta"], "it comes back as somebody new, under the same name");
}
