use ringmesh_api::circle::life::{Invited, Joined, Upped};
use ringmesh_api::circle::look::{
    BeaconState, CircleState, CircleStatus, Device, Log, LogLine, PathState, Peers, Verified, Waiting,
};

use super::{clean, invited, joined, log, peers, sentence, status, upped};

fn device(name: &str, path: Option<PathState>) -> Device {
    Device {
        name: name.into(),
        full_name: format!("{name}.home.internal"),
        nickname: None,
        key: "ab".repeat(32),
        role: "own device".into(),
        addresses: vec!["100.64.0.1".into(), "fd00::1".into()],
        own: path.is_none(),
        frozen: false,
        path,
    }
}

fn path(online: bool, handshake_secs: Option<u64>) -> PathState {
    PathState {
        online,
        endpoint: online.then(|| "192.0.2.1:5".into()),
        handshake_secs,
        rx_bytes: 0,
        tx_bytes: 0,
        candidates: vec![],
    }
}

#[test]
fn what_a_terminal_would_obey_is_taken_out() {
    assert_eq!(clean("a\u{1b}[2Jb\r\u{7}\u{9b}c\nd\u{85}"), "a[2Jbc\nd");
}

#[test]
fn a_sentence_ends_once() {
    for text in ["It is so", "It is so.", "It is so. ", "It is so.."] {
        assert_eq!(sentence(text), "It is so.");
    }
}

#[test]
fn the_recovery_key_is_shown_when_there_is_one() {
    let mut answer = Upped {
        circle: "home".into(),
        name: "desk".into(),
        founded: true,
        recovery_key: Some("00ff-00ff".into()),
        addresses: vec!["fd00::1".into()],
        notes: vec!["something is odd".into()],
    };
    let text = upped(&answer);
    for part in ["home was founded", "desk", "\n  00ff-00ff\n", "stored nowhere", "Note: something is odd.\n"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    answer.founded = false;
    answer.recovery_key = None;
    let text = upped(&answer);
    assert!(text.contains("home is up") && !text.contains("recovery"), "{text}");
}

#[test]
fn an_invite_tells_for_whom_and_how_long() {
    let table = [
        (1, false, "for one device of yours, good for 1 d (until 1970-01-02 00:01 UTC)"),
        (1, true, "for one guest,"),
        (3, false, "for 3 devices of yours,"),
        (3, true, "for 3 guests,"),
    ];
    for (uses, guest, part) in table {
        let answer = Invited {
            code: "CODE".into(),
            link: "LINK".into(),
            guest,
            uses,
            expires_secs: 86_460,
            id: "0123456789abcdef".into(),
        };
        let text = invited(&answer, 86_400);
        assert!(text.contains(part) && text.contains("\n  CODE\n\n  LINK\n"), "{text}");
        assert!(text.contains("ringmesh cancel 0123456789ab`"), "{text}");
    }
}

#[test]
fn who_is_not_in_yet_is_told_what_for() {
    let mut answer = Joined {
        circle: "home".into(),
        name: "nas".into(),
        member: false,
        role: None,
        addresses: vec!["fd00::2".into()],
        waits_for: Some("an admin's word".into()),
    };
    assert!(joined(&answer).contains("It waits for: an admin's word."));
    answer.member = true;
    answer.role = Some("own device".into());
    assert!(joined(&answer).contains("belongs to the circle home now, as nas (own device)"));
}

#[test]
fn peers_stand_in_columns() {
    let mut anna = device("annas-laptop", Some(path(true, Some(3))));
    anna.nickname = Some("anna".into());
    let mut nas = device("nas", Some(path(false, Some(7200))));
    nas.frozen = true;
    let all = Peers { devices: vec![device("desk", None), anna, nas, device("tv", Some(path(false, None)))] };
    let text = peers(&all);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5);
    for (line, part) in [
        (lines[1], "this device"),
        (lines[2], "annas-laptop (anna)  own device  online at 192.0.2.1:5"),
        (lines[3], "offline for 2 h, frozen"),
        (lines[4], "not heard of yet"),
    ] {
        assert!(line.contains(part), "{text}");
        assert_eq!(line.find("own device"), lines[0].find("ROLE"), "{text}");
        assert_eq!(line.find("100.64.0.1"), lines[0].find("ADDRESSES"), "{text}");
    }
}

#[test]
fn a_log_has_a_line_per_record_and_what_was_found() {
    let answer = Log {
        circle: "home".into(),
        lines: vec![LogLine {
            time_secs: 1_700_000_000,
            author: "ab".repeat(32),
            number: 1,
            record: "cd".repeat(32),
            counts: true,
            sentence: "desk founded the circle home.".into(),
        }],
        verified: Some(Verified { sound: 1, findings: vec!["record 7 is forged".into()] }),
    };
    let text = log(&answer);
    assert_eq!(text.lines().next(), Some("2023-11-14 22:13 UTC  desk founded the circle home."));
    assert!(text.contains("1 stored record is in order") && text.ends_with("But: record 7 is forged.\n"));
}

#[test]
fn the_status_tells_what_is_up_and_what_is_down() {
    let circle = CircleState {
        name: "home".into(),
        id: "ef".repeat(32),
        standing: "member".into(),
        interface: "rm-home".into(),
        tunnel: false,
        listen_port: 40_000,
        endpoints: vec!["192.0.2.7:40000".into()],
        device: device("desk", None),
        devices: 2,
        records: 5,
        beacons: vec![BeaconState { address: "b:3478".into(), online: false, detail: "refused".into() }],
        waiting: vec![Waiting { key: "cd".repeat(32), name: None, reason: "an admin's word".into() }],
        notes: vec!["the clock was set back".into()],
    };
    let mut answer = CircleStatus {
        version: "0.1.0".into(),
        pid: 7,
        uptime_secs: 61,
        circle: Some(circle),
        down: vec!["work".into()],
    };
    let text = status(&answer);
    for part in [
        "circle: home\n  this device: desk (desk.home.internal), own device\n",
        "  interface: rm-home, udp port 40000, its tunnel does not run\n",
        "  beacon: b:3478 does not answer: refused\n",
        "  waiting: a device without a name (key cdcdcdcdcdcd): an admin's word\n",
        "  note: the clock was set back.\n",
        "circle: work\n  state: down",
        "daemon: process 7, version 0.1.0, for 1 min 1 s\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    answer.circle = None;
    assert!(!status(&answer).contains("belongs to no circle"), "one is down");
    answer.down.clear();
    assert!(status(&answer).contains("belongs to no circle"));
}
