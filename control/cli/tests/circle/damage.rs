//! Disks that fail: a database that is damaged, a disk that is full, a process that is killed in the middle of anything.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::common::{must, run, wait_for};
use super::internet::Internet;
use super::stage::{Device, Lan, circle_of_three};

/// Writes nonsense over the middle and the head of the database, and takes away what SQLite keeps beside it.
fn damage(device: &Device) {
    let path = device.paths.state.join("home/circle.db");
    let mut bytes = std::fs::read(&path).expect("a database");
    bytes[..64].fill(0xa5);
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0x5a);
    std::fs::write(&path, bytes).expect("writes");
    for beside in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(device.paths.state.join(format!("home/circle.db{beside}")));
    }
}

fn notes(device: &Device) -> String {
    device.ask("status", json!({}))["circle"]["notes"].to_string()
}

/// Waits until it says that the circle was restored, and checks that nothing is missing.
fn is_restored(device: &Device, names: &[&str]) {
    wait_for("it is restored", || notes(device).contains("was restored from other members").then_some(()));
    assert!(notes(device).contains("circle.db.damaged-1"), "{}", notes(device));
    assert!(device.paths.state.join("home/circle.db.damaged-1").exists());
    assert_eq!(device.names(), names);
    let log = device.ask("log", json!({"verify": true}));
    assert_eq!(log["verified"]["findings"], json!([]));
}

#[test]
fn a_damaged_database_is_moved_aside_and_the_circle_restored_from_members() {
    let lan = Lan::new();
    let (mut a, mut b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    b.ask("nickname", json!({"peer": "alpha", "nickname": "desk"}));
    let addresses = b.addresses_of("beta");
    for damaged in [&mut b, &mut a] {
        damaged.kill();
        damage(damaged);
        damaged.start();
    }
    is_restored(&b, &["beta", "alpha"]);
    is_restored(&a, &["alpha", "beta"]);
    assert_eq!(b.addresses_of("beta"), addresses, "it is still itself");
    assert_eq!(b.addresses_of("desk"), b.addresses_of("alpha"), "what only it knew is there too");
    // Nobody has signed two records with one number: both still speak for themselves.
    b.ask("rename", json!({"name": "nas"}));
    wait_for("news arrive", || a.names().contains(&"nas".to_owned()).then_some(()));
    a.ask("rename", json!({"name": "tower"}));
    wait_for("news arrive", || b.names().contains(&"tower".to_owned()).then_some(()));
    // And again after a restart that finds everything whole.
    b.kill();
    b.start();
    assert_eq!(b.names(), ["nas", "tower"]);
}

#[test]
fn a_damaged_database_is_restored_from_a_beacon() {
    let net = Internet::new();
    let beacon = net.beacon();
    let (mut a, mut b) = (net.device(), net.device());
    a.up_with("alpha", &[&beacon]);
    b.join(&a.invite(""), "beta");
    b.ask("wait", json!({"peer": "alpha", "wait_secs": 30}));
    a.settled(1);
    b.settled(1);
    a.ask("down", json!({}));
    a.kill();
    b.ask("down", json!({}));
    b.kill();
    damage(&b);
    b.start();
    b.ask("up", json!({}));
    is_restored(&b, &["beta", "alpha"]);
}

#[test]
fn without_anything_to_restore_from_the_sentence_says_so() {
    let lan = Lan::new();
    let mut a = lan.device();
    a.up("--name alpha");
    a.kill();
    damage(&a);
    std::fs::write(a.paths.state.join("home/circle.spare"), [7; 9000]).expect("writes");
    for beside in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(a.paths.state.join(format!("home/circle.spare{beside}")));
    }
    a.start();
    let refusal = a.refused("up", json!({}));
    assert!(refusal.message.contains("damaged and there is nothing to restore it from"), "{refusal:?}");
    assert!(a.has_link("rm-home"), "the tunnel goes on");
    run(&format!("ip -n {} link delete rm-home", a.net));
}

/// A small file system in the place of a device's state.
struct Disk(PathBuf);

impl Disk {
    fn under(device: &mut Device) -> Self {
        device.kill();
        let path = device.paths.state.clone();
        must(&format!("mount -t tmpfs -o size=2m,mode=700 none {}", path.display()));
        device.start();
        Self(path)
    }

    fn fill(&self) {
        let file = std::fs::File::create(self.0.join("ballast")).expect("a file");
        let mut file = std::io::BufWriter::with_capacity(4096, file);
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
        let (_, _) = file.into_parts();
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("ballast")).expect("removes");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(&format!("umount -l {}", self.0.display()));
    }
}

#[test]
fn a_full_disk_is_told_and_nothing_is_half_done() {
    let lan = Lan::new();
    let (mut a, b) = (lan.device(), lan.device());
    let disk = Disk::under(&mut a);
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    let before = a.ask("log", json!({}))["lines"].as_array().expect("lines").len();
    disk.fill();
    let mut refused = 0;
    for step in 0..40 {
        let question = json!({"name": format!("alpha-{step}")});
        if let Ok(ringmesh_api::circle::Reply::Error(refusal)) = a.try_ask("rename", question) {
            assert!(refusal.message.contains("the disk is full"), "{refusal:?}");
            refused += 1;
        }
    }
    assert!(refused > 0, "SQLite found room where there is none");
    let stored = a.ask("log", json!({"verify": true}));
    assert_eq!(stored["verified"]["findings"], json!([]));
    a.kill();
    disk.free();
    a.start();
    let log = a.ask("log", json!({"verify": true}));
    assert_eq!(log["verified"]["findings"], json!([]));
    let after = log["lines"].as_array().expect("lines").len();
    assert_eq!(after, before + 40 - refused, "what was granted is there, what was refused is not");
    a.ask("rename", json!({"name": "tower"}));
    wait_for("others hear of it", || b.names().contains(&"tower".to_owned()).then_some(()));
    a.kill();
    drop(disk);
}

/// One verb, what it is asked, and how one sees afterwards that it was done.
type Step = (&'static str, Value, fn(&Device) -> bool);

#[test]
fn killed_in_the_middle_of_any_verb_the_state_is_consistent() {
    let lan = Lan::new();
    let [mut a, b, _c] = circle_of_three(&lan);
    let steps: [Step; 8] = [
        ("rename", json!({"name": "desk"}), |a| a.names()[0] == "desk"),
        ("nickname", json!({"peer": "beta", "nickname": "box"}), |a| {
            a.ask("whois", json!({"who": "beta"}))["nickname"] == "box"
        }),
        ("invite", json!({"for_secs": 600}), |a| log_of(a).matches("invite").count() > 1),
        ("key-rotate", json!({}), |a| log_of(a).matches("key").count() > 0),
        ("admin", json!({"peer": "beta", "admin": true}), |a| {
            a.ask("whois", json!({"who": "beta"}))["role"] == "admin"
        }),
        ("remove", json!({"peer": "gamma"}), |a| !a.names().contains(&"gamma".to_owned())),
        ("down", json!({}), |a| a.ask("status", json!({}))["circle"].is_null()),
        ("up", json!({}), |a| !a.ask("status", json!({}))["circle"].is_null()),
    ];
    for (verb, question, done) in steps {
        for round in 0..4_u64 {
            let paths = a.paths.clone();
            let asked = question.clone();
            let granted = std::thread::scope(|scope| {
                let asking = scope.spawn(move || {
                    let patience = Duration::from_secs(5);
                    let reply = ringmesh_daemon::circle::ask::<_, Value>(&paths, verb, &asked, patience);
                    matches!(reply, Ok(ringmesh_api::circle::Reply::Ok(_)))
                });
                std::thread::park_timeout(Duration::from_millis(1 + 3 * round * round));
                a.kill();
                asking.join().expect("ends")
            });
            a.start();
            if granted {
                assert!(done(&a), "{verb}: it was granted and is gone\n{}", a.log());
            }
            if !a.ask("status", json!({}))["circle"].is_null() {
                let log = a.ask("log", json!({"verify": true}));
                assert_eq!(log["verified"]["findings"], json!([]), "{verb}, round {round}");
            }
        }
        // What was cut off can be asked for again.
        let _ = a.try_ask(verb, question);
        assert!(done(&a), "{verb}");
    }
    wait_for("the others know the same", || {
        let (ours, theirs) = (a.ask("log", json!({})), b.ask("log", json!({"verify": true})));
        assert_eq!(theirs["verified"]["findings"], json!([]), "nobody saw two records with one number");
        (ours["lines"].as_array().map(Vec::len) == theirs["lines"].as_array().map(Vec::len)).then_some(())
    });
}

fn log_of(device: &Device) -> String {
    device.ask("log", json!({}))["lines"].to_string()
}

#[test]
fn killed_while_it_joins_or_leaves_a_device_is_in_or_out() {
    let lan = Lan::new();
    let (a, mut b) = (lan.device(), lan.device());
    a.up("--name alpha");
    let code = a.invite("--uses 20");
    for round in 0..8_u64 {
        std::thread::scope(|scope| {
            let (paths, code) = (b.paths.clone(), code.clone());
            scope.spawn(move || {
                let question = json!({"code": code, "name": "beta", "wait_secs": 1});
                let patience = Duration::from_secs(5);
                let _ = ringmesh_daemon::circle::ask::<_, Value>(&paths, "join", &question, patience);
            });
            std::thread::park_timeout(Duration::from_millis(5 + 40 * round));
            b.kill();
        });
        b.start();
        // Begun or not: asked again, it comes in.
        let joined = b.try_ask("join", json!({"code": code, "name": "beta", "wait_secs": 30}));
        wait_for("it is in", || (b.ask("status", json!({}))["circle"]["standing"] == "member").then_some(()));
        drop(joined);
        std::thread::scope(|scope| {
            let paths = b.paths.clone();
            scope.spawn(move || {
                let patience = Duration::from_secs(5);
                let _ = ringmesh_daemon::circle::ask::<_, Value>(&paths, "leave", &json!({}), patience);
            });
            std::thread::park_timeout(Duration::from_millis(1 + 60 * round));
            b.kill();
        });
        b.start();
        if !b.ask("status", json!({}))["circle"].is_null() || b.paths.state.join("home").exists() {
            let _ = b.try_ask("leave", json!({}));
            wait_for("it is out", || {
                let _ = b.try_ask("leave", json!({}));
                b.ask("status", json!({}))["circle"].is_null().then_some(())
            });
        }
        assert!(!b.paths.state.join("home").exists(), "nothing of it stays");
    }
}
