//! What becomes of the table when something goes wrong: daemons that are killed, rules that others delete, an `nft` that fails.

use std::time::Duration;

use serde_json::json;

use super::super::common::wait_for;
use super::super::stage::{Device, Lan};
use super::{echo, own_device_and_guest, reaches};

/// The table as nft lists it, without the order of its elements; none if there is none.
fn table(device: &Device, name: &str) -> Option<Vec<String>> {
    let output = device.run(&format!("nft list table inet {name}"));
    let text = String::from_utf8(output.stdout).expect("text");
    let mut parts: Vec<String> = text.split([',', '\n']).map(|part| part.trim().to_owned()).collect();
    parts.sort();
    output.status.success().then_some(parts)
}

#[test]
fn the_table_goes_with_the_circle_and_leaves_others_as_they_are() {
    let lan = Lan::new();
    let mut a = lan.device();
    let foreign = "nft add table inet theirs; add chain inet theirs in { type filter hook input priority 5 ; }; \
                   add rule inet theirs in counter packets 0 bytes 0 tcp dport 9 drop";
    assert!(a.run(foreign).status.success());
    let before = a.run("nft list table inet theirs").stdout;
    a.up("--name alpha");
    assert!(table(&a, "ringmesh-home").is_some());
    a.kill();
    assert!(table(&a, "ringmesh-home").is_some(), "it holds without a daemon");
    a.start();
    a.ask("down", json!({}));
    assert_eq!(table(&a, "ringmesh-home"), None);
    // What a daemon left that was killed in the middle of `down` or `leave`: without its interface it guards nothing.
    assert!(a.run("nft add table inet ringmesh-home; add table inet ringmesh-gone").status.success());
    a.kill();
    a.start();
    wait_for("leftovers go", || {
        (table(&a, "ringmesh-home").is_none() && table(&a, "ringmesh-gone").is_none()).then_some(())
    });
    a.ask("up", json!({}));
    a.ask("leave", json!({}));
    assert_eq!(table(&a, "ringmesh-home"), None);
    assert_eq!(a.run("nft list table inet theirs").stdout, before, "a table of somebody else");
}

#[test]
fn a_table_that_somebody_deletes_or_changes_is_back_at_once() {
    let lan = Lan::new();
    let (a, b) = own_device_and_guest(&lan);
    let alpha = b.addresses_of("alpha")[0].clone();
    let whole = table(&a, "ringmesh-home").expect("a table");
    for harm in [
        "nft flush ruleset",
        "nft delete table inet ringmesh-home",
        "nft flush chain inet ringmesh-home from-circle",
        "nft insert rule inet ringmesh-home from-circle accept",
    ] {
        assert!(a.run(harm).status.success(), "{harm}");
        wait_for(harm, || (table(&a, "ringmesh-home").as_ref() == Some(&whole)).then_some(()));
        assert!(!reaches(&b, &alpha, 445), "{harm}");
    }
}

#[test]
fn killed_while_it_changes_the_table_the_old_one_or_the_new_one_is_there() {
    let lan = Lan::new();
    let (mut a, _b) = own_device_and_guest(&lan);
    let allow = json!({"peer": "guest", "what": "tcp/445"});
    let without = table(&a, "ringmesh-home").expect("a table");
    a.ask("allow", allow.clone());
    let with = table(&a, "ringmesh-home").expect("a table");
    assert_ne!(with, without);
    for round in 0..8_u64 {
        std::thread::scope(|scope| {
            let paths = a.paths.clone();
            scope.spawn(move || {
                for step in 0..20 {
                    let patience = Duration::from_secs(5);
                    let (verb, question) = match step % 2 {
                        0 => ("deny", json!({"peer": "guest", "what": "tcp/445"})),
                        _ => ("allow", json!({"peer": "guest", "what": "tcp/445"})),
                    };
                    // The answer may never come: its daemon is killed.
                    let _ = ringmesh_daemon::circle::ask::<_, serde_json::Value>(
                        &paths, verb, &question, patience,
                    );
                }
            });
            std::thread::park_timeout(Duration::from_millis(30 + 23 * round));
            a.kill();
        });
        let found = table(&a, "ringmesh-home").expect("never none");
        let denied = || found.iter().any(|line| line == "tcp dport 445 drop");
        assert!(found == with || found == without || denied(), "round {round}: {found:#?}");
        assert!(found.iter().any(|line| line == "drop"), "round {round}: {found:#?}");
        a.start();
        let can = a.ask("can", json!({"from": "guest", "target": ":445"}))["allowed"] == true;
        let held =
            table(&a, "ringmesh-home").expect("a table").iter().any(|line| line == "tcp dport 445 accept");
        assert_eq!(held, can, "round {round}: after a start the table is what the records say");
    }
}

/// A program in nft's place that fails, as the daemon sees it.
fn break_nft(device: &Device) {
    let line = format!("nsenter -t {} -m mount --bind /bin/false /usr/sbin/nft", device.pid());
    assert!(super::super::common::run(&line).status.success());
}

fn mend_nft(device: &Device) {
    let line = format!("nsenter -t {} -m umount /usr/sbin/nft", device.pid());
    assert!(super::super::common::run(&line).status.success());
}

#[test]
fn without_a_filter_there_is_no_circle_and_no_peer() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    break_nft(&a);
    let refusal = a.refused("up", json!({"name": "alpha", "circle": "home"}));
    assert!(refusal.message.contains("nft"), "{refusal:?}");
    assert!(!a.has_link("rm-home"));
    mend_nft(&a);
    a.ask("up", json!({"name": "alpha", "circle": "home"}));
    b.join(&a.invite(""), "beta");
    echo(&a, &[445]);
    let alpha = b.addresses_of("alpha")[0].clone();
    assert!(reaches(&b, &alpha, 445));
    // A change that cannot be made: rather nothing than what was taken away.
    break_nft(&a);
    let refusal = a.refused("deny", json!({"peer": "beta", "what": "tcp/445"}));
    assert!(refusal.message.contains("nft"), "{refusal:?}");
    assert!(!b.pings(&alpha) && !reaches(&b, &alpha, 445), "the tunnel is closed");
    let notes = a.ask("status", json!({}))["circle"]["notes"].to_string();
    assert!(notes.contains("the tunnel is closed"), "{notes}");
    mend_nft(&a);
    wait_for("it goes on", || b.pings(&alpha).then_some(()));
    assert!(!reaches(&b, &alpha, 445), "what was denied is denied");
}
