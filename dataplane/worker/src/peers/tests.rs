use std::time::Duration;

use ringmesh_tunnel::session::Keys;

use super::*;

const ID: PeerId = PeerId(3);

fn session(local_index: u32) -> Box<Session> {
    let keys = Keys { send: [1; 32], recv: [2; 32] };
    Box::new(Session::new(&keys, local_index, 9, true, Duration::from_secs(1)))
}

fn peers_with_one() -> (Peers, Pool) {
    let (mut peers, pool) = (Peers::default(), Pool::new(2));
    peers.insert(ID, Box::new(Peer::new(Arc::new(Stamps::default()), None)), &pool);
    (peers, pool)
}

/// The local indices of current, next and the older ones, 0 for none.
fn places(peers: &mut Peers) -> Vec<u32> {
    let peer = peers.peer_mut(ID).expect("the peer");
    let mut places: Vec<u32> =
        [&peer.current, &peer.next].map(|place| place.as_ref().map_or(0, |s| s.local_index())).into();
    places.extend(peer.older.iter().map(|session| session.local_index()));
    places
}

#[test]
fn sessions_take_turns_and_only_the_device_ends_them() {
    enum Step {
        Install(u32, Place),
        Confirm,
        Forget(Option<u32>),
    }
    use Step::{Confirm, Forget, Install};
    let script: [(Step, &[u32]); 13] = [
        (Install(1, Place::Current), &[1, 0]),
        (Install(2, Place::Next), &[1, 2]),
        (Confirm, &[2, 0, 1]),
        (Confirm, &[2, 0, 1]),
        (Install(3, Place::Next), &[2, 3, 1]),
        (Install(4, Place::Next), &[2, 4, 1, 3]),
        (Forget(Some(1)), &[2, 4, 3]),
        // Both sides began at once: what the peer began may already carry its packets.
        (Install(5, Place::Current), &[5, 0, 3, 4, 2]),
        (Forget(Some(77)), &[5, 0, 3, 4, 2]),
        (Install(6, Place::Next), &[5, 6, 3, 4, 2]),
        // More than the device ever keeps: the oldest makes room.
        (Install(7, Place::Next), &[5, 7, 4, 2, 6]),
        (Forget(Some(5)), &[0, 7, 4, 2, 6]),
        (Forget(None), &[0, 0]),
    ];
    let (mut peers, _pool) = peers_with_one();
    for (number, (step, expected)) in script.into_iter().enumerate() {
        match step {
            Install(index, place) => assert!(peers.install(ID, session(index), place)),
            Confirm => peers.confirm(ID),
            Forget(index) => peers.forget_session(ID, index),
        }
        assert_eq!(places(&mut peers), expected, "after step {number}");
        let live: Vec<u32> = expected.iter().copied().filter(|index| *index != 0).collect();
        assert_eq!(
            peers.indices(),
            live.len(),
            "after step {number}: an index for each session and no other"
        );
        assert!(live.iter().all(|index| peers.by_index(*index) == Some(ID)), "after step {number}");
    }
}

#[test]
fn a_session_for_a_stranger_is_refused() {
    let (mut peers, _pool) = peers_with_one();
    assert!(!peers.install(PeerId(4), session(1), Place::Current));
    assert!(!peers.install(PeerId(2), session(1), Place::Current));
    assert_eq!(peers.by_index(1), None);
}

#[test]
fn a_removed_peer_leaves_no_index_and_no_parcel() {
    let (mut peers, pool) = peers_with_one();
    assert!(peers.install(ID, session(1), Place::Current));
    let parcel = pool.take().expect("a parcel");
    assert!(peers.peer_mut(ID).expect("the peer").staged.push(parcel, 8).is_none());
    assert_eq!(peers.remove(ID, &pool), 1, "it waited");
    assert_eq!((peers.indices(), pool.len()), (0, 2));
    assert!(peers.peer_mut(ID).is_none());
}
