use std::time::Duration;

use ringmesh_crypto::{Seal, TAG_LEN};

use super::{Incoming, Keys, Session, Stage};
use crate::Drop;
use crate::limits::{
    OPEN_BATCH, REJECT_AFTER_MESSAGES, REJECT_AFTER_TIME, REKEY_AFTER_MESSAGES, REKEY_AFTER_TIME,
    REKEY_ON_RECEIVE_AFTER,
};

const BORN: Duration = Duration::from_secs(1_000);
const TICK: Duration = Duration::from_nanos(1);

/// Initiator and responder of one session.
fn pair() -> (Session, Session) {
    let (ours, theirs) = (Keys { send: [1; 32], recv: [2; 32] }, Keys { send: [2; 32], recv: [1; 32] });
    (Session::new(&ours, 10, 20, true, BORN), Session::new(&theirs, 20, 10, false, BORN))
}

fn seal(session: &Session, counter: u64, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0; body.len() + TAG_LEN];
    ringmesh_crypto::seal(&mut [Seal { key: session.send_key(), counter, head: &[], body, out: &mut out }]);
    out
}

fn receive(session: &mut Session, counter: u64, mut text: Vec<u8>) -> Result<Vec<u8>, Drop> {
    let opened = session.open(counter, &mut text, BORN)?;
    let len = session.admit(opened)?;
    text.truncate(len);
    Ok(text)
}

#[test]
fn what_one_side_seals_the_other_opens_once() {
    let (mut us, mut them) = pair();
    for (body, expected) in [(&b""[..], 0), (b"sixteen bytes ok", 1), (b"x", 2)] {
        let counter = us.stage(1, BORN).expect("a young session");
        assert_eq!(counter, expected);
        let text = seal(&us, counter, body);
        assert_eq!(receive(&mut them, counter, text.clone()), Ok(body.to_vec()));
        assert_eq!(receive(&mut them, counter, text.clone()), Err(Drop::Replay));
        assert_eq!(receive(&mut us, counter, text), Err(Drop::Forged), "our own packet, mirrored");
    }
}

#[test]
fn ranges_of_counters_never_overlap() {
    let (mut us, _) = pair();
    assert_eq!(us.stage(64, BORN), Ok(0));
    assert_eq!(us.stage(0, BORN), Ok(64));
    assert_eq!(us.stage(1, BORN), Ok(64));
    assert_eq!(us.stage(u32::MAX, BORN), Ok(65));
    assert_eq!(us.stage(1, BORN), Ok(65 + u64::from(u32::MAX)));
}

#[test]
fn the_last_counter_is_used_and_none_after_it() {
    let (mut us, mut them) = pair();
    us.next = REJECT_AFTER_MESSAGES - 3;
    assert_eq!(us.stage(4, BORN), Err(Stage::Expired), "a batch goes whole or not at all");
    assert_eq!(us.stage(2, BORN), Ok(REJECT_AFTER_MESSAGES - 3));
    assert_eq!(us.stage(1, BORN), Ok(REJECT_AFTER_MESSAGES - 1));
    assert_eq!(us.stage(1, BORN), Err(Stage::Expired));
    assert_eq!(us.stage(1, BORN), Err(Stage::Expired), "for good");

    for (counter, expected) in [
        (REJECT_AFTER_MESSAGES - 1, Ok(b"last".to_vec())),
        (REJECT_AFTER_MESSAGES, Err(Drop::Expired)),
        (u64::MAX, Err(Drop::Expired)),
    ] {
        let text = seal(&us, counter, b"last");
        assert_eq!(receive(&mut them, counter, text), expected, "{counter}");
    }
}

#[test]
fn age_ends_a_session_in_both_directions() {
    let (mut us, mut them) = pair();
    let text = seal(&us, 0, b"late");
    for (now, alive) in [
        (Duration::ZERO, true), // a clock that was set back makes no session old
        (BORN, true),
        (BORN + REJECT_AFTER_TIME - TICK, true),
        (BORN + REJECT_AFTER_TIME, false),
        (Duration::MAX, false),
    ] {
        assert_eq!(us.is_expired(now), !alive, "{now:?}");
        assert_eq!(us.stage(1, now).is_ok(), alive, "{now:?}");
        let outcome = them.open(0, &mut text.clone(), now).map(|_| ());
        assert_eq!(outcome, if alive { Ok(()) } else { Err(Drop::Expired) }, "{now:?}");
    }
}

#[test]
fn only_the_initiator_replaces_a_session_for_its_age() {
    let (us, them) = pair();
    for (age, on_send, on_receive) in [
        (Duration::ZERO, false, false),
        (REKEY_AFTER_TIME - TICK, false, false),
        (REKEY_AFTER_TIME, true, false),
        (REKEY_ON_RECEIVE_AFTER - TICK, true, false),
        (REKEY_ON_RECEIVE_AFTER, true, true),
    ] {
        assert_eq!(us.wants_rekey_on_send(BORN + age), on_send, "{age:?}");
        assert_eq!(us.wants_rekey_on_receive(BORN + age), on_receive, "{age:?}");
        assert!(!them.wants_rekey_on_send(BORN + age), "{age:?}");
        assert!(!them.wants_rekey_on_receive(BORN + age), "{age:?}");
    }
    assert_eq!(REKEY_ON_RECEIVE_AFTER, Duration::from_secs(165));
}

#[test]
fn many_messages_make_either_side_replace_it() {
    let (_, mut them) = pair();
    them.next = REKEY_AFTER_MESSAGES - 1;
    assert!(!them.wants_rekey_on_send(BORN));
    them.stage(1, BORN).expect("still far from the end");
    assert!(them.wants_rekey_on_send(BORN));
}

/// A forged counter must neither be remembered nor move the window.
#[test]
fn a_forgery_leaves_no_trace() {
    let (us, mut them) = pair();
    for (counter, claimed) in [(0, 1_u64 << 40), (1, 0), (2, REJECT_AFTER_MESSAGES - 1)] {
        let text = seal(&us, counter, b"honest");
        assert_eq!(receive(&mut them, claimed, text.clone()), Err(Drop::Forged), "{claimed}");
        assert_eq!(receive(&mut them, counter, text), Ok(b"honest".to_vec()), "{counter}");
    }
}

#[test]
fn text_shorter_than_a_tag_is_malformed() {
    let (_, mut them) = pair();
    for len in 0..TAG_LEN {
        assert_eq!(receive(&mut them, 0, vec![0; len]), Err(Drop::Malformed), "{len}");
    }
    assert_eq!(receive(&mut them, 0, vec![0; TAG_LEN]), Err(Drop::Forged));
}

/// Every position of a run longer than one chunk has its own outcome.
#[test]
fn one_bad_packet_does_not_stop_its_run() {
    let (us, mut them) = pair();
    let count = 2 * OPEN_BATCH + 5;
    let mut texts: Vec<Vec<u8>> =
        (0..count).map(|at| seal(&us, at as u64, format!("packet {at}").as_bytes())).collect();
    let expected = |at: usize| match at % 7 {
        3 => Err(Drop::Forged),
        4 => Err(Drop::Malformed),
        5 => Err(Drop::Expired),
        _ => Ok(format!("packet {at}").len()),
    };
    for (at, text) in texts.iter_mut().enumerate() {
        match at % 7 {
            3 => text[0] ^= 1,
            4 => text.truncate(TAG_LEN - 1),
            _ => {}
        }
    }
    let counter = |at: usize| if at % 7 == 5 { REJECT_AFTER_MESSAGES } else { at as u64 };
    let mut run: Vec<Incoming<'_>> =
        texts.iter_mut().enumerate().map(|(at, text)| Incoming::new(counter(at), text)).collect();
    them.open_batch(&mut run, BORN);
    for (at, incoming) in run.into_iter().enumerate() {
        let outcome = incoming.outcome.and_then(|opened| them.admit(opened));
        assert_eq!(outcome, expected(at), "{at}");
        if let Ok(len) = outcome {
            assert_eq!(&incoming.text[..len], format!("packet {at}").as_bytes());
        }
    }
}

/// A run that holds the same packet twice: both open, one is admitted.
#[test]
fn a_duplicate_in_one_run_is_admitted_once() {
    let (us, mut them) = pair();
    let (mut one, mut two) = (seal(&us, 7, b"twice"), seal(&us, 7, b"twice"));
    let mut run = [Incoming::new(7, &mut one), Incoming::new(7, &mut two)];
    them.open_batch(&mut run, BORN);
    let [first, second] = run.map(|incoming| incoming.outcome.expect("authentic"));
    assert_eq!(them.admit(first), Ok(5));
    assert_eq!(them.admit(second), Err(Drop::Replay));
}

#[test]
fn nothing_prints_a_key() {
    let keys = Keys { send: [0xAB; 32], recv: [0xCD; 32] };
    let session = Session::new(&keys, 1, 2, true, BORN);
    for text in [format!("{keys:?}"), format!("{session:?}")] {
        assert!(
            !text.contains("171") && !text.contains("205") && !text.to_lowercase().contains("ab, "),
            "{text}"
        );
    }
}
