use std::io;

use ringmesh_api::circle::{Code, Refusal};
use ringmesh_api::doctor::Verdict;

use super::*;

fn status(notes: &[&str]) -> CircleStatus {
    let circle = serde_json::json!({
        "name": "home", "id": "00", "standing": "member", "interface": "rm-home", "tunnel": true, "listen_port": 51820,
        "endpoints": [], "devices": 1, "records": 2, "beacons": [], "waiting": [], "notes": notes,
        "device": {
            "name": "nas", "full_name": "nas.home.internal", "nickname": null, "key": "00", "role": "admin",
            "addresses": ["100.71.3.4", "fd12::1"], "own": true, "frozen": false, "path": null,
        },
    });
    let circle = serde_json::from_value(circle).expect("a circle");
    CircleStatus { version: "1".to_owned(), pid: 7, uptime_secs: 1, circle: Some(circle), down: vec![] }
}

/// A state for the checks that look at the circle that is up.
pub(super) fn circle() -> ringmesh_api::circle::look::CircleState {
    status(&[]).circle.expect("set above")
}

#[test]
fn how_the_daemon_is_told() {
    let silent = || Unanswered::Io(io::ErrorKind::TimedOut.into());
    let refused = Refusal::new(Code::System, "it is ending");
    let table = [
        (Ok(Reply::Ok(status(&[]))), true, Verdict::Ok, "the circle home is up"),
        (Ok(Reply::Ok(CircleStatus { circle: None, ..status(&[]) })), false, Verdict::Ok, "no circle is up"),
        (Ok(Reply::Ok(status(&["the disk is full"]))), true, Verdict::Warning, "the disk is full"),
        (Ok(Reply::Error(refused)), true, Verdict::Problem, "it is ending"),
        (Err(Unanswered::NotRunning), true, Verdict::Problem, "though a circle is to be up"),
        (Err(Unanswered::NotRunning), false, Verdict::Warning, "the daemon does not run"),
        (Err(Unanswered::NotAllowed), true, Verdict::Warning, "by this user"),
        (Err(silent()), true, Verdict::Problem, "does not answer"),
    ];
    for (asked, wanted, verdict, sentence) in table {
        let check = daemon(&asked, wanted);
        assert_eq!(check.verdict, verdict, "{check:?}");
        assert!(check.sentence.contains(sentence), "{check:?}");
    }
}
