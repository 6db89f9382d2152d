use super::*;

#[test]
fn what_root_alone_may_ask_is_refused_to_the_group() {
    for (verb, body, group_may) in [
        ("status", "", true),
        ("up", "{}", true),
        ("invite", r#"{"guest": true}"#, true),
        ("allow", r#"{"peer": "nas", "what": "ssh"}"#, true),
        ("allow", r#"{"peer": "nas", "what": "exit"}"#, false),
        ("deny", r#"{"peer": "nas", "what": "lan"}"#, false),
        ("deny", r#"{"peer": "nas", "what": "LAN"}"#, false),
        ("up", r#"{"beacons": ["nas.example.org"]}"#, false),
        ("recover", r#"{"key": "00"}"#, false),
        ("key-rotate", "{}", false),
        ("down", "{}", true),
        ("down", r#"{"daemon": true}"#, false),
    ] {
        let ask =
            Ask::read(verb, body.as_bytes()).unwrap_or_else(|refusal| panic!("{verb} {body}: {refusal:?}"));
        assert!(ask.check(Caller::Root).is_ok(), "{verb} {body}");
        assert_eq!(ask.check(Caller::Group).is_ok(), group_may, "{verb} {body}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (verb, body) in [
        ("", "{}"),
        ("stauts", "{}"),
        ("../up", "{}"),
        ("status", "{\"x\": 1}"),
        ("join", "{}"),
        ("join", "{\"code\": 7}"),
        ("down", "{\"deamon\": true}"),
        ("ping", "{\"peer\": \"a\", \"wait_ms\": -1}"),
        ("up", "\u{0}"),
        ("log", "{\"last\": 1e99}"),
    ] {
        let refused = Ask::read(verb, body.as_bytes());
        assert!(refused.is_err_and(|refusal| refusal.code == Code::Usage), "{verb} {body}");
    }
}
