//! A script per rule of the paper's section 6: what happened, and when what is due then.

use std::time::Duration;

use super::{Due, SETTLE, Stamps, Timers};
use crate::limits::FORGET_AFTER;

#[derive(Clone, Copy)]
enum Did {
    /// The owner sent or received, data or only keepalives.
    Sent,
    SentEmpty,
    Received,
    ReceivedEmpty,
    /// The slow half sent or received a handshake message, or asked for a keepalive.
    SlowSent,
    SlowReceived,
    /// It acted on silence.
    Settled,
    /// A session began.
    Session,
    /// A handshake is in flight until this second.
    Retry(u64),
    Persistent(u64),
    Look,
}

use Did::{
    Look, Persistent, Received, ReceivedEmpty, Retry, Sent, SentEmpty, Session, Settled, SlowReceived,
    SlowSent,
};

/// What happened, each at its second.
type Script = &'static [(u64, Did)];

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Plays `script` of (second, what) and returns what is due when.
fn play(script: &[(u64, Did)]) -> (Timers, Stamps) {
    let (mut timers, stamps) = (Timers::default(), Stamps::new());
    for &(at, did) in script {
        let now = secs(at);
        match did {
            Sent => stamps.on_sent(now, true),
            SentEmpty => stamps.on_sent(now, false),
            Received => stamps.on_received(now, true),
            ReceivedEmpty => stamps.on_received(now, false),
            SlowSent => timers.on_sent(now),
            SlowReceived => timers.on_received(now),
            Settled => timers.settle_silence(now),
            Session => timers.session_born = Some(now),
            Retry(until) => timers.retry_at = Some(secs(until)),
            Persistent(interval) => timers.persistent = Some(secs(interval)),
            Look => timers.look(&stamps, now),
        }
    }
    (timers, stamps)
}

fn check(due: Due, script: &[(u64, Did)], expected: Option<u64>) {
    let (timers, stamps) = play(script);
    let text: Vec<u64> = script.iter().map(|line| line.0).collect();
    assert_eq!(timers.deadline(due, &stamps), expected.map(secs), "{due:?} after events at {text:?}");
}

#[test]
fn data_without_answer_begins_a_handshake_after_fifteen_seconds() {
    let table: &[(Script, Option<u64>)] = &[
        (&[], None),
        (&[(1, Sent)], Some(16)),
        (&[(1, Sent), (9, Sent)], Some(16)),
        (&[(1, SentEmpty)], None),
        (&[(1, Sent), (2, ReceivedEmpty)], None),
        (&[(1, Sent), (2, Received)], None),
        (&[(1, Sent), (2, Received), (3, Sent)], Some(18)),
        (&[(1, Sent), (2, SlowReceived)], None),
        (&[(1, Sent), (2, SlowReceived), (7, Sent)], Some(17)),
        (&[(1, Sent), (16, Settled)], None),
        (&[(1, Sent), (16, Settled), (20, Sent)], Some(31)),
        (&[(1, Sent), (2, Retry(7))], None),
    ];
    table.iter().for_each(|(script, expected)| check(Due::Silence, script, *expected));
}

#[test]
fn data_that_came_is_acknowledged_after_ten_seconds() {
    let table: &[(Script, Option<u64>)] = &[
        (&[(0, Session)], None),
        (&[(0, Session), (1, Received)], Some(11)),
        (&[(0, Session), (1, Received), (6, Received)], Some(11)),
        (&[(0, Session), (1, ReceivedEmpty)], None),
        (&[(0, Session), (1, Received), (2, SentEmpty)], None),
        (&[(0, Session), (1, Received), (2, Sent), (3, Received)], Some(13)),
        (&[(0, Session), (1, Received), (11, SlowSent)], None),
        (&[(0, Session), (1, Received), (11, SlowSent), (12, Received)], Some(21)),
        (&[(1, Received)], None),
        (&[(0, Session), (180, Received)], None),
    ];
    table.iter().for_each(|(script, expected)| check(Due::Acknowledge, script, *expected));
}

#[test]
fn a_persistent_keepalive_waits_for_silence_in_both_directions() {
    let table: &[(Script, Option<u64>)] = &[
        (&[(5, Sent)], None),
        (&[(5, Persistent(25))], Some(0)),
        (&[(5, Persistent(25)), (6, Sent)], Some(31)),
        (&[(5, Persistent(25)), (6, ReceivedEmpty)], Some(31)),
        (&[(5, Persistent(25)), (6, Sent), (9, SlowSent)], Some(34)),
        (&[(5, Persistent(25)), (6, SlowReceived), (9, SentEmpty)], Some(34)),
    ];
    table.iter().for_each(|(script, expected)| check(Due::Persistent, script, *expected));
}

#[test]
fn a_new_interval_does_not_wait_for_the_old_one() {
    let (mut timers, stamps) = play(&[(100, Sent), (100, Persistent(25))]);
    timers.persistent_now = true;
    assert_eq!(timers.deadline(Due::Persistent, &stamps), Some(Duration::ZERO));
    timers.skip_persistent(secs(101));
    assert_eq!(timers.deadline(Due::Persistent, &stamps), Some(secs(126)));
    timers.persistent_now = true;
    timers.on_sent(secs(102));
    assert_eq!(timers.deadline(Due::Persistent, &stamps), Some(secs(127)));
    timers.persistent = None;
    timers.persistent_now = true;
    assert_eq!(timers.deadline(Due::Persistent, &stamps), None);
}

#[test]
fn keys_go_three_lifetimes_after_the_last_session_began() {
    check(Due::Forget, &[(1, Session), (50, Sent)], Some(1 + FORGET_AFTER.as_secs()));
    check(Due::Forget, &[(1, Session), (50, Session)], Some(50 + FORGET_AFTER.as_secs()));
    check(Due::Forget, &[(1, Sent)], None);
    assert_eq!(FORGET_AFTER, secs(540));
}

#[test]
fn the_first_deadline_is_the_next() {
    let (timers, stamps) = play(&[(1, Session), (2, Sent), (3, Look)]);
    assert_eq!(timers.next(&stamps), Some((secs(13), Due::Look)));
    let (timers, stamps) = play(&[(1, Session), (2, Sent), (3, Retry(8)), (3, Look)]);
    assert_eq!(timers.next(&stamps), Some((secs(8), Due::Retry)));
    let (timers, stamps) = play(&[]);
    assert_eq!(timers.next(&stamps), None);
}

#[test]
fn a_peer_is_watched_while_something_is_open_and_then_left_alone() {
    let (mut timers, stamps) = play(&[(0, Session), (1, Received)]);
    assert!(stamps.take_watch(), "the first packet tells the slow half");
    assert!(!stamps.take_watch(), "the second does not");
    timers.look(&stamps, secs(2));
    assert_eq!(timers.deadline(Due::Look, &stamps), Some(secs(12)));
    stamps.on_sent(secs(3), false);
    assert!(!stamps.take_watch());
    timers.look(&stamps, secs(12));
    assert_eq!(timers.deadline(Due::Look, &stamps), Some(secs(12) + SETTLE), "once more for late stores");
    timers.look(&stamps, secs(13));
    assert_eq!(timers.deadline(Due::Look, &stamps), None);
    stamps.on_received(secs(20), true);
    assert!(stamps.take_watch(), "activity is told again");
    timers.look(&stamps, secs(20));
    assert_eq!(timers.deadline(Due::Look, &stamps), Some(secs(30)));
}

/// The store of a worker that still saw itself watched arrives after the look that ended the watch.
#[test]
fn a_stamp_that_races_with_the_end_of_the_watch_is_found() {
    let (mut timers, stamps) = play(&[(0, Session)]);
    assert!(stamps.take_watch());
    timers.look(&stamps, secs(1));
    stamps.on_received(secs(1), true);
    assert_eq!(timers.next(&stamps), Some((secs(1) + SETTLE, Due::Look)));
    timers.look(&stamps, secs(2));
    assert_eq!(timers.deadline(Due::Look, &stamps), Some(secs(12)));
    assert_eq!(timers.deadline(Due::Acknowledge, &stamps), Some(secs(11)));
}

#[test]
fn the_moment_of_boot_is_not_never() {
    let (timers, stamps) = play(&[(0, Sent)]);
    assert_eq!(timers.deadline(Due::Silence, &stamps), Some(secs(15) + Duration::from_nanos(1)));
    stamps.on_sent(Duration::MAX, true);
}
