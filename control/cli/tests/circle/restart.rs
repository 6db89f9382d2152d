//! Daemons are killed and started again.

use std::process::{Command, Stdio};

use serde_json::json;

use super::common::wait_for;
use super::stage::{Device, Lan};

#[test]
fn killed_daemons_lose_no_packet() {
    let lan = Lan::new();
    let (mut a, mut b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
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
    a.says("wait beta");
    b.says("rename nas");
    wait_for("news arrive", || a.names().contains(&"nas".to_owned()).then_some(()));
}

#[test]
fn killed_while_it_does_something_the_state_is_consistent() {
    let lan = Lan::new();
    let (mut a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    for round in 0..6 {
        std::thread::scope(|scope| {
            let mut commands: Vec<_> =
                (0..20).map(|step| a.command(&format!("rename alpha-{}", round * 20 + step))).collect();
            // The answer may never come: its daemon is killed.
            scope.spawn(move || commands.iter_mut().for_each(|command| drop(command.output())));
            std::thread::park_timeout(std::time::Duration::from_millis(20 + 37 * round));
            a.kill();
        });
        a.start();
        let log = a.json("log --verify");
        assert_eq!(log["verified"]["findings"], json!([]), "round {round}");
        assert_eq!(
            log["verified"]["sound"].as_u64(),
            Some(log["lines"].as_array().expect("lines").len() as u64)
        );
    }
    // Nobody has seen two records with one number.
    let ours = a.json("log")["lines"].as_array().expect("lines").len();
    wait_for("both know the same", || {
        let theirs = b.json("log --verify");
        assert_eq!(theirs["verified"]["findings"], json!([]));
        (theirs["lines"].as_array().expect("lines").len() >= ours).then_some(())
    });
}

/// A daemon that is killed while its tunnel starts leaves a process that has the name and does not answer yet.
#[test]
fn a_tunnel_that_somebody_else_has_begun_is_waited_for() {
    let lan = Lan::new();
    let mut a = lan.device();
    a.up("--name alpha");
    a.kill();
    a.run("ip link delete rm-home");
    let path = a.paths.run.join("rm-home.lock");
    wait_for("the tunnel ends", || (!path.exists()).then_some(()));
    let lock = std::fs::File::create(&path).expect("a file");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("locks");
    let log = a.dir.join("log");
    std::thread::scope(|scope| {
        let starts = scope.spawn(|| a.start());
        wait_for("its tunnel finds the name taken", || {
            std::fs::read_to_string(&log).ok()?.contains("it is waited for").then_some(())
        });
        std::fs::remove_file(&path).expect("removes");
        drop(lock);
        starts.join().expect("it answers");
    });
    assert_eq!(a.json("status")["daemon"]["circle"]["tunnel"], true, "{}", a.log());
}

/// A device whose daemon has started while somebody else has the name of its circle's interface.
fn without_its_name(lan: &Lan) -> Device {
    let mut a = lan.device();
    a.up("--name alpha");
    a.kill();
    a.run("ip link delete rm-home");
    wait_for("somebody else has the name", || {
        a.run("ip link add rm-home type bridge").status.success().then_some(())
    });
    a.start();
    a
}

/// What keeps a circle from coming up may go.
#[test]
fn a_circle_that_cannot_be_taken_up_is_tried_again() {
    let lan = Lan::new();
    let a = without_its_name(&lan);
    assert!(a.json("status")["daemon"]["circle"].is_null());
    a.run("ip link delete rm-home");
    wait_for("it is up", || (a.json("status")["daemon"]["circle"]["tunnel"] == true).then_some(()));
    assert_eq!(a.names(), ["alpha"]);
    let notes = a.json("status")["daemon"]["circle"]["notes"].to_string();
    assert!(!notes.contains("not up"), "{notes}");
}

/// A circle that waits to be tried again is called off by `down`, and stays down.
#[test]
fn a_circle_that_waits_to_be_tried_again_is_called_off() {
    let lan = Lan::new();
    let mut a = without_its_name(&lan);
    a.says("down");
    assert!(a.has_link("rm-home"), "what is not ours stays");
    a.fails("down", 6);
    a.run("ip link delete rm-home");
    a.kill();
    a.start();
    assert_eq!(a.json("status")["daemon"]["circle"], json!(null), "it is down");
    assert_eq!(a.json("up --circle home")["founded"], false);
    assert_eq!(a.names(), ["alpha"]);
}

#[test]
fn told_to_end_it_leaves_the_tunnel_and_down_ends_that_too() {
    let lan = Lan::new();
    let mut a = lan.device();
    a.up("--name alpha");
    a.kill();
    assert!(a.has_link("rm-home"), "the tunnel goes on");
    a.start();
    assert_eq!(a.json("status")["daemon"]["circle"]["tunnel"], true);
    a.says("down");
    wait_for("the interface goes", || (!a.has_link("rm-home")).then_some(()));
    a.kill();
    a.start();
    assert_eq!(a.json("status")["daemon"]["circle"], json!(null), "what is down stays down over a restart");
}
