use ringmesh_io::{Limits, VnetHdr, sim::Conditions};
use ringmesh_tunnel::PeerId;

use crate::{
    mail::{Note, Order},
    pair::{PEER, Pair, packets},
};

/// A pair whose left device has not been told of its peer.
fn strangers() -> Pair {
    let mut pair = Pair::new(1, Conditions::PERFECT, Limits::default());
    pair.left.order(0, Order::ForgetPeer { id: PEER });
    pair.left.turn();
    pair.left.take_notes();
    pair
}

fn wishes(pair: &Pair) -> Vec<PeerId> {
    let notes = pair.left.take_notes().into_iter();
    notes.filter_map(|note| if let Note::WantSession { id } = note { Some(id) } else { None }).collect()
}

fn packet(number: u64) -> Vec<u8> {
    packets::plain("10.1.0.1", "10.2.0.1", 64, number)
}

fn feed(pair: &mut Pair, count: u64) {
    for number in 0..count {
        pair.left.feed(0, VnetHdr::NONE, &packet(number));
        pair.left.turn();
    }
}

#[test]
fn what_waited_for_a_peer_is_the_peers_when_it_comes_and_it_is_asked_for_once() {
    let mut pair = strangers();
    feed(&mut pair, 3);
    assert_eq!(wishes(&pair), [PEER]);
    pair.left.add_peer(PEER, None);
    pair.left.turn();
    let peer = pair.left.workers[0].peers.peer_mut(PEER).expect("introduced");
    let waited: Vec<_> =
        std::iter::from_fn(|| peer.staged.pop()).map(|parcel| parcel.bytes().to_vec()).collect();
    assert_eq!(waited, [0, 1, 2].map(packet));
    assert!(pair.left.counters().drops.iter().all(|count| *count == 0));
}

#[test]
fn what_waited_for_nobody_is_given_up() {
    let mut pair = strangers();
    let free = pair.left.office.pool.len();
    feed(&mut pair, 2);
    assert_eq!(pair.left.office.pool.len(), free - 2);
    pair.left.order(0, Order::ForgetPeer { id: PEER });
    pair.left.turn();
    assert_eq!(pair.left.counters().drops[ringmesh_tunnel::Drop::GivenUp as usize], 2);
    assert_eq!(pair.left.office.pool.len(), free, "every parcel went home");
    feed(&mut pair, 1);
    assert_eq!(wishes(&pair), [PEER, PEER], "the next packet asks again");
}

#[test]
fn the_lobby_is_bounded() {
    let mut pair = strangers();
    feed(&mut pair, super::WAITING_MAX as u64 + 5);
    assert_eq!(pair.left.counters().drops[ringmesh_tunnel::Drop::QueueFull as usize], 5);
}
