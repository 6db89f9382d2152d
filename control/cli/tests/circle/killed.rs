//! Daemons are killed in the middle of every command that changes something: what is on the disk is one whole state, and the command can be
//! said again.

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::common::text;
use super::stage::{Device, Lan};

/// From before the daemon has read the question to after it has answered, in milliseconds.
const MOMENTS: [u64; 6] = [3, 6, 9, 13, 20, 40];

/// Says a command, kills the daemon after `moment` milliseconds, and starts another one.
fn killed_during(device: &mut Device, line: &str, moment: u64) -> Output {
    let mut command = device.command(line);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    std::thread::park_timeout(Duration::from_millis(moment));
    device.kill();
    let output = child.wait_with_output().expect("ends");
    device.start();
    output
}

/// All records that are stored are in order.
fn must_be_sound(device: &Device, when: &str) {
    let log = device.json("log --verify");
    assert_eq!(log["verified"]["findings"], json!([]), "{when}");
    let lines = log["lines"].as_array().expect("lines").len();
    assert_eq!(log["verified"]["sound"].as_u64(), Some(lines as u64), "{when}");
}

#[test]
fn in_a_circle_that_goes_on() {
    let lan = Lan::new();
    let (mut a, b) = (lan.device(), lan.device());
    a.up("--name alpha");
    b.join(&a.invite(""), "beta");
    for moment in MOMENTS {
        for line in [
            "invite --json",
            &format!("rename alpha-{moment}"),
            &format!("nickname beta box-{moment}"),
            "key rotate --yes",
            "admin add beta",
        ] {
            killed_during(&mut a, line, moment);
            must_be_sound(&a, &format!("{line} after {moment} ms"));
        }
    }
    a.says("rename desk");
    a.says("ping beta --timeout 20s");
    b.says("ping desk --timeout 20s");
    must_be_sound(&b, "at the other end");
}

#[test]
fn while_a_circle_begins_and_ends() {
    let lan = Lan::new();
    let mut a = lan.device();
    for moment in MOMENTS {
        let when = format!("after {moment} ms");
        killed_during(&mut a, "up --name alpha --json", moment);
        // Said again, it founds the circle or takes up what was founded.
        assert_eq!(a.json("up --name alpha")["circle"], "home", "{when}");
        must_be_sound(&a, &when);
        killed_during(&mut a, "down", moment);
        a.json("up");
        must_be_sound(&a, &when);
        killed_during(&mut a, "leave --yes", moment);
        let status = a.json("status");
        if status["daemon"]["circle"] != Value::Null || status["daemon"]["down"] != json!([]) {
            a.json("up");
            a.says("leave --yes");
        }
        assert!(!a.paths.state.join("home").exists(), "{when}");
        assert!(!a.has_link("rm-home"), "{when}");
    }
}

#[test]
fn while_a_device_joins_and_is_removed() {
    let lan = Lan::new();
    let (mut a, mut b) = (lan.device(), lan.device());
    a.up("--name alpha");
    for moment in MOMENTS {
        let when = format!("after {moment} ms");
        let code = a.invite("");
        killed_during(&mut b, &format!("join {code} --name beta"), moment);
        // Said again: joining goes on, begins, or was done already.
        let output = b.output(&format!("join {code} --name beta --wait 30s"));
        let said = text(&output.stderr);
        assert!(output.status.success() || said.contains("already"), "{when}: {said}");
        b.says("ping alpha --timeout 20s");
        must_be_sound(&b, &when);
        killed_during(&mut a, "remove beta --yes", moment);
        let again = a.output("remove beta --yes");
        assert!(matches!(again.status.code(), Some(0 | 7)), "{when}: {}", text(&again.stderr));
        must_be_sound(&a, &when);
        assert_eq!(a.names(), ["alpha"], "{when}");
        b.says("leave --yes");
    }
}
