//! A worker that cannot go on sleeps, and somebody wakes it.

use super::*;

/// A sleeping worker could not be told apart from one that turns at once, so this asks what it would do.
#[test]
fn a_worker_without_a_buffer_for_a_parcel_waits_for_one() {
    let limits = Limits { spare_buffers: 2, ..Limits::default() };
    let (_world, _left, mut right) = two_workers(limits);
    for number in 0..3 {
        right.feed(0, VnetHdr::NONE, &numbered(RIGHT4, LEFT4, number));
    }
    right.workers[0].turn(&mut Vec::new()).expect("a turn");
    let owner = &mut right.workers[1];
    assert!(!owner.fall_asleep(), "parcels wait, and there are buffers");
    let held: Vec<_> = std::iter::from_fn(|| owner.port.borrow()).collect();
    assert!(!held.is_empty());
    assert!(owner.fall_asleep(), "nothing can be done before a buffer comes back");
    for (buf, _) in held {
        owner.port.release(buf);
    }
    assert!(!owner.fall_asleep());
}

#[test]
fn what_the_slow_thread_must_know_is_told_when_there_is_room() {
    let mut solo = Solo::new(Limits::default());
    let office = solo.node.office.clone();
    let fill = || while office.slow.notes.push(Note::LinkGone).is_ok() {};
    let count = |notes: &[Note]| {
        let told = notes.iter().map(|note| match note {
            Note::Installed { local_index, .. } => format!("installed {local_index:x}"),
            Note::Confirmed { local_index, .. } => format!("confirmed {local_index:x}"),
            Note::Roamed { endpoint, .. } => format!("roamed {endpoint:?}"),
            Note::Active { .. } => "active".to_owned(),
            Note::WantSession { .. }
            | Note::Fallback { .. }
            | Note::Precedence { .. }
            | Note::LinkGone
            | Note::Failed { .. } => String::new(),
        });
        told.filter(|told| !told.is_empty()).collect::<Vec<_>>()
    };
    fill();
    let (session, _) = sessions(1, [0, 0], clock::boottime());
    let index = session.local_index();
    solo.node.install(PEER, session, Place::Next);
    solo.node.turn();
    for port in [40_000, 40_001] {
        let datagram = solo.far.seal(&numbered(RIGHT4, LEFT4, port));
        solo.arrive(SocketAddr::new(RIGHT.ip(), port as u16), 0, &[datagram]);
    }
    assert!(solo.worker().fall_asleep(), "there is no work, only something to tell");
    assert!(count(&solo.node.take_notes()).is_empty(), "there was no room");
    assert!(office.slow.take_wants_room() && !office.slow.take_wants_room(), "it is woken once");
    solo.node.turn();
    let moved = solo.node.way(0, SocketAddr::new(RIGHT.ip(), 40_001));
    let expected = [
        format!("installed {index:x}"),
        format!("confirmed {index:x}"),
        format!("roamed {moved:?}"),
        "active".to_owned(),
    ];
    assert_eq!(count(&solo.node.take_notes()), expected);
    solo.node.turn();
    assert!(count(&solo.node.take_notes()).is_empty(), "and not again");
}
