use super::life::{Invite, Join, Up};
use super::permit::Allow;
use super::{Code, Refusal, Reply};

#[test]
fn a_question_says_only_what_differs_from_the_default() {
    assert_eq!(serde_json::from_str::<Up>("{}").expect("reads"), Up::default());
    let invite: Invite = serde_json::from_str(r#"{"guest": true}"#).expect("reads");
    assert_eq!((invite.guest, invite.uses, invite.for_secs), (true, 1, 86_400));
    let join: Join = serde_json::from_str(r#"{"code": "x"}"#).expect("reads");
    assert_eq!((join.name, join.wait_secs), (None, 20));
}

#[test]
fn a_word_that_nobody_knows_is_refused() {
    for text in [r#"{"gest": true}"#, r#"{"uses": 70000}"#, r#"{"uses": -1}"#] {
        assert!(serde_json::from_str::<Invite>(text).is_err(), "{text}");
    }
    assert!(serde_json::from_str::<Allow>(r#"{"peer": "nas"}"#).is_err());
}

#[test]
fn replies_read_as_documented() {
    let refusal = Refusal::new(Code::NotUp, "no circle is up").fix("run `ringmesh up`");
    let text = serde_json::to_string(&Reply::<u8>::Error(refusal)).expect("prints");
    assert_eq!(text, r#"{"error":{"code":"not-up","message":"no circle is up","fix":"run `ringmesh up`"}}"#);
    assert_eq!(serde_json::to_string(&Reply::Ok(7)).expect("prints"), r#"{"ok":7}"#);
}
