//! What `--json` prints is what `ringmesh-api` promises: one value, with these fields, on standard output.

use serde_json::{Value, json};

use super::stage::Lan;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn every_answer_has_its_documented_fields() {
    let lan = Lan::new();
    let (a, b) = (lan.device(), lan.device());
    let upped = a.json("up --name alpha");
    let fields = ["addresses", "circle", "founded", "name", "notes", "recovery_key"];
    assert_eq!(keys(&upped), fields);
    assert_eq!(a.json("up")["recovery_key"], Value::Null, "it is shown once");
    let invited = a.json("invite --uses 2 --for 1h");
    assert_eq!(keys(&invited), ["code", "expires_secs", "guest", "id", "link", "uses"]);
    let code = invited["code"].as_str().expect("a code");
    let joined = b.json(&format!("join {code} --name beta"));
    assert_eq!(keys(&joined), ["addresses", "circle", "member", "name", "role", "waits_for"]);
    let device = ["addresses", "frozen", "full_name", "key", "name", "nickname", "own", "path", "role"];
    assert_eq!(keys(&a.json("whois beta")), device);
    assert_eq!(keys(&a.json("peers")["devices"][1]), device);
    assert_eq!(keys(&a.json("ping beta")), ["address", "endpoint", "name", "round_trip_ms"]);
    assert_eq!(keys(&a.json("log --verify --last 2")), ["circle", "lines", "verified"]);
    assert_eq!(a.json("log --last 2")["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(keys(&a.json("can beta :22")), ["allowed", "blocked", "record", "sentence", "until_secs"]);
    assert_eq!(keys(&a.json("permissions")), ["lines"]);
    assert_eq!(keys(&a.json("allow beta ssh --preview")), ["blocked", "made", "preview"]);
    for line in ["wait", "wait beta", "rename desk", "nickname beta box", "nickname beta --clear", "down"] {
        assert_eq!(keys(&a.json(line)), ["sentence"], "{line}");
    }
}

#[test]
fn the_status_is_one_object_with_and_without_a_daemon() {
    let lan = Lan::new();
    let (a, idle) = (lan.device(), lan.idle());
    let status = idle.json("status");
    assert_eq!(keys(&status), ["daemon", "notes", "tunnels"]);
    assert_eq!((&status["daemon"], &status["tunnels"]), (&Value::Null, &json!([])));
    assert!(status["notes"][0].as_str().is_some_and(|note| note.contains("not running")));
    a.up("--name alpha");
    let status = a.json("status");
    assert_eq!(status["daemon"]["circle"]["device"]["name"], "alpha");
    assert_eq!(status["tunnels"][0]["interface"], "rm-home");
    assert_eq!(status["notes"], json!([]));
    let one = a.json("status rm-home");
    assert_eq!((&one["daemon"], &one["tunnels"][0]["interface"]), (&Value::Null, &json!("rm-home")));
    let text = a.says("status");
    assert!(text.starts_with("circle: home\n") && text.contains("\ninterface: rm-home\n"), "{text}");
}

#[test]
fn a_refusal_is_json_too() {
    let lan = Lan::new();
    let idle = lan.idle();
    for (line, code) in
        [("peers", "not-running"), ("join nonsense", "invite"), ("peers", "not-up"), ("up --name ☃", "usage")]
    {
        let output = idle.output(&format!("{line} --json"));
        let value: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(!output.status.success());
        assert_eq!(value["error"]["code"], code, "{line}: {value}");
        assert!(value["error"]["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
}
