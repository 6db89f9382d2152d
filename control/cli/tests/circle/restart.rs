//! Daemons are killed and started again.

use std::process::{Command, Stdio};

use serde_json::json;

use super::stage::{Lan, wait_for};

#[test]
fn killed_daemons_lose_no_packet() {
    let lan = Lan::new();
    let (mut a, mut b) = (lan.device(), lan.device());
    a.up("alpha");
    b.join(&a.invite(json!({})), "beta");
    let address = b.addresses_of("alpha")[0].clone();
    assert!(b.pings(&address));
    let ping = Command::new("ip")
        .args(["netns", "exec", &b.net, "ping", "-q", "-c", "150", "-i", "0.02", &address])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    for _ in 0..2 {
        a.kill();
        a.start();
        b.kill();
        b.start();
    }
    let output = ping.wait_with_output().expect("ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("150 received"), "{text}");
    // Both are what they were, and still one circle.
    a.ask("wait", json!({"peer": "beta"}));
    b.ask("rename", json!({"name": "nas"}));
    wait_for("news arrive", || a.names().contains(&"nas".to_owned()).then_some(()));
}

#[test]
fn killed_while_it_does_something_the_state_is_consistent() {
    let lan = Lan::new();
    let (mut a, b) = (lan.device(), lan.device());
    a.up("alpha");
    b.join(&a.invite(json!({})), "beta");
    for round in 0..6 {
        std::thread::scope(|scope| {
            let paths = a.paths.clone();
            scope.spawn(move || {
                for step in 0..20 {
                    let question = json!({"name": format!("alpha-{}", round * 20 + step)});
                    let patience = std::time::Duration::from_secs(5);
                    // The answer may never come: its daemon is killed.
                    let _ = ringmesh_daemon::circle::ask::<_, serde_json::Value>(
                        &paths, "rename", &question, patience,
                    );
                }
            });
            std::thread::park_timeout(std::time::Duration::from_millis(20 + 37 * round));
            a.kill();
        });
        a.start();
        let log = a.ask("log", json!({"verify": true}));
        assert_eq!(log["verified"]["findings"], json!([]), "round {round}");
        assert_eq!(
            log["verified"]["sound"].as_u64(),
            Some(log["lines"].as_array().expect("lines").len() as u64)
        );
    }
    // Nobody has seen two records with one number.
    let ours = a.ask("log", json!({}))["lines"].as_array().expect("lines").len();
    wait_for("both know the same", || {
        let theirs = b.ask("log", json!({"verify": true}));
        assert_eq!(theirs["verified"]["findings"], json!([]));
        (theirs["lines"].as_array().expect("lines").len() >= ours).then_some(())
    });
}

#[test]
fn told_to_end_it_leaves_the_tunnel_and_down_ends_that_too() {
    let lan = Lan::new();
    let mut a = lan.device();
    a.up("alpha");
    a.kill();
    assert!(a.has_link("rm-home"), "the tunnel goes on");
    a.start();
    assert_eq!(a.ask("status", json!({}))["circle"]["tunnel"], true);
    a.ask("down", json!({}));
    wait_for("the interface goes", || (!a.has_link("rm-home")).then_some(()));
    a.kill();
    a.start();
    assert_eq!(a.ask("status", json!({}))["circle"], json!(null), "what is down stays down over a restart");
}
