//! Two and more devices find keys, whatever the network does and whoever begins.

use std::time::Duration;

use ringmesh_wire::keys::PresharedKey;
use ringmesh_wire::{Endpoint, LocalAddr, UdpPath};

use super::sim::{CALM, CUT, Did, STORM, Weather, World, address, config, id, millis, public, secs};
use crate::Drop;
use crate::device::{Output, PeerConfig, Place, Sent};
use crate::limits::REKEY_TIMEOUT;
use crate::tai64n::Tai64N;

#[test]
fn the_first_packet_waits_for_the_handshake_and_arrives() {
    let mut world = World::new(1, 2);
    assert!(world.ping(0, 1, millis(61)), "two messages and the packet itself");
    assert!(world.ping(1, 0, millis(21)), "the responder answers on the same session");
    assert_eq!((world.count(0, Did::Initiate), world.count(1, Did::Initiate)), (1, 0));
    let view = world.nodes[0].device.peer(id(1)).expect("a peer");
    assert!(view.has_session && !view.is_attempting && view.last_handshake.is_some());
    assert!(world.nodes[1].device.peer(id(0)).is_some_and(|view| view.last_handshake.is_some()));
}

/// Each seed is another storm: a third of all datagrams lost, others doubled, all out of order.
#[test]
fn handshakes_converge_through_loss_duplication_and_reordering() {
    for seed in 0..40 {
        let mut world = World::new(seed, 3);
        world.weather = STORM;
        let flows = [(0, 1), (1, 0), (1, 2), (2, 0)];
        world.traffic(&flows, millis(900), secs(60));
        world.weather = CALM;
        for (from, to) in flows {
            assert!(world.ping(from, to, secs(6)), "seed {seed}: {from} to {to}");
        }
        assert!(world.nodes.iter().all(|node| node.repeated.is_empty()), "seed {seed}: a packet came twice");
    }
}

/// Over many rekeyings, all of which cross on the way: nothing is lost, and nobody begins again and again.
#[test]
fn both_sides_may_begin_at_once() {
    let mut world = World::new(2, 2);
    let flows = [(0, 1), (1, 0)];
    world.traffic(&flows, millis(500), secs(1_000));
    world.run(secs(1));
    let delivered: usize = world.nodes.iter().map(|node| node.delivered.len()).sum();
    assert_eq!(delivered as u64, world.numbered);
    for node in 0..2 {
        let begun = world.count(node, Did::Initiate);
        assert!((1..=9).contains(&begun), "node {node} began {begun} times in 1000 s");
        assert_eq!(world.count(node, Did::GiveUp), 0);
    }
}

#[test]
fn everybody_may_begin_with_everybody_at_once() {
    let mut world = World::new(3, 6);
    let flows: Vec<_> = (0..6).flat_map(|a| (0..6).filter(move |b| *b != a).map(move |b| (a, b))).collect();
    world.traffic(&flows, millis(300), secs(10));
    world.run(secs(1));
    let delivered: usize = world.nodes.iter().map(|node| node.delivered.len()).sum();
    assert_eq!(delivered as u64, world.numbered);
}

/// A peer that answers our initiation and forgets its own, as other implementations do: the response that we
/// made for it goes nowhere, and the session that we began carries both directions.
#[test]
fn a_response_that_nobody_awaits_does_no_harm() {
    let mut world = World::new(4, 2);
    world.send(0, 1);
    world.send(1, 0);
    world.nodes[1].device.remove_peer(id(0));
    world.drain(1);
    world.nodes[1].owned.clear();
    world.nodes[1].set_peer(config(0));
    world.run(secs(1));
    assert_eq!(world.nodes[1].drops(Drop::UnknownIndex), 1, "the response to what it forgot");
    assert!(world.ping(0, 1, secs(1)) && world.ping(1, 0, secs(1)));
}

#[test]
fn a_response_to_an_initiation_that_was_replaced_is_refused() {
    let mut world = World::new(5, 2);
    world.weather = Weather { delay: (secs(4), secs(4)), ..CALM };
    world.send(0, 1);
    world.run(secs(9));
    assert_eq!((world.count(0, Did::Initiate), world.count(1, Did::Respond)), (2, 1));
    assert!(world.nodes[0].owned[&id(1)].sessions.is_empty(), "it answers the first, and the second is out");
    assert_eq!(world.nodes[0].drops(Drop::UnknownIndex), 1);
    world.weather = CALM;
    assert!(world.ping(0, 1, secs(10)));
}

/// The owner's receiving half comes first: a response that overtakes it would bring packets that nobody can
/// open.
#[test]
fn the_response_leaves_when_the_owner_can_receive() {
    let mut world = World::new(6, 2);
    world.send(0, 1);
    let wall = world.nodes[1].wall(world.now);
    let now = world.now;
    let initiation = world.capture(0);
    let device = &mut world.nodes[1].device;
    assert_eq!(device.handle_handshake(&mut initiation.clone(), address(0), now, wall), Ok(()));
    let Some(Output::Install { peer, session, place: Place::Next, endpoint }) = device.poll_output() else {
        panic!("the session comes first")
    };
    assert_eq!((peer, endpoint), (id(0), Some(address(0))));
    assert!(device.poll_output().is_none(), "and nothing else before it is installed");
    device.on_installed(id(0), session.local_index() ^ 0x100);
    assert!(device.poll_output().is_none(), "nor for another index");
    device.on_installed(id(0), session.local_index());
    let sent = device.poll_output();
    assert!(matches!(sent, Some(Output::Send { to, what: Sent::Response, .. }) if to == address(0)));
    device.on_installed(id(0), session.local_index());
    assert!(device.poll_output().is_none(), "it leaves once");
    assert_eq!(session.local_index() & 0xff, u32::from(config(0).owner), "the owner's number");
}

#[test]
fn a_peer_that_restarted_is_found_again() {
    let mut world = World::new(7, 2);
    assert!(world.ping(0, 1, secs(1)));
    let stamp = world.nodes[1].device.own_timestamp();
    world.restart(1, stamp);
    world.traffic(&[(0, 1)], secs(1), secs(20));
    assert!(world.ping(0, 1, secs(1)), "fifteen seconds without an answer begin a handshake");
    let began = world.times(0, Did::Initiate);
    let silence = began[1] - began[0];
    assert!(
        silence >= secs(15) && silence < millis(15_400),
        "since the packet that had no answer: {silence:?}"
    );
    assert!(world.nodes[1].drops(Drop::UnknownIndex) > 10);
}

/// A router without a battery for its clock boots in 1970, and must not be locked out for good.
#[test]
fn a_clock_that_was_set_back_locks_nobody_out() {
    let mut world = World::new(8, 2);
    assert!(world.ping(0, 1, secs(1)));
    let stamp = world.nodes[0].device.own_timestamp();
    // While it runs: the own stamps go on from the greatest.
    world.nodes[0].wall = 0;
    world.run(secs(600));
    assert!(world.ping(0, 1, secs(1)));
    // Restarted with the stored stamp.
    world.restart(0, world.nodes[0].device.own_timestamp());
    assert!(world.ping(0, 1, secs(1)));
    let stored = world.nodes[0].device.own_timestamp();
    world.restart(0, Tai64N::default());
    world.nodes[0].device.raise_own_timestamp(stored);
    world.nodes[0].device.raise_own_timestamp(Tai64N::default());
    assert!(world.ping(0, 1, secs(1)), "handed to it later, and never lowered");
    // Restarted without it: refused as initiator until the clock is right, but reachable.
    world.restart(0, Tai64N::default());
    assert!(!world.ping(0, 1, secs(1)));
    assert_eq!(world.nodes[1].drops(Drop::OldHandshake), 1);
    world.nodes[0].wall = 1_700_000_000;
    world.run(secs(10));
    assert!(world.ping(0, 1, secs(1)), "as soon as the wall clock is right again");
    assert!(world.nodes[0].device.own_timestamp() > stamp);
}

#[test]
fn a_new_psk_is_used_from_the_next_handshake_on() {
    let mut world = World::new(9, 2);
    assert!(world.ping(0, 1, secs(1)));
    let with_psk = |node| PeerConfig { preshared_key: PresharedKey::new([7; 32]), ..config(node) };
    world.nodes[0].set_peer(with_psk(1));
    world.drain(0);
    assert!(world.ping(0, 1, secs(1)) && world.ping(1, 0, secs(1)), "the live session goes on");
    world.run(secs(200));
    assert!(!world.ping(0, 1, secs(1)), "the peer does not have the key yet");
    assert!(world.nodes[0].drops(Drop::BadHandshake) > 0);
    world.nodes[1].set_peer(with_psk(0));
    world.drain(1);
    world.run(secs(10));
    assert!(world.ping(0, 1, secs(1)) && world.ping(1, 0, secs(1)));
}

#[test]
fn authenticated_handshakes_move_the_endpoint() {
    let mut world = World::new(10, 2);
    assert!(world.ping(0, 1, secs(1)));
    let elsewhere = address(77);
    world.nodes[0].address = elsewhere;
    world.run(secs(200));
    assert!(world.ping(0, 1, secs(1)));
    let view = world.nodes[1].device.peer(id(0)).expect("a peer");
    assert_eq!((view.endpoint, world.nodes[1].owned[&id(0)].endpoint), (Some(elsewhere), Some(elsewhere)));
    assert!(world.ping(1, 0, secs(1)));
}

/// The address that we sent from may have gone; then the kernel is to choose. A session that works keeps it.
#[test]
fn the_source_address_is_forgotten_in_silence_and_only_then() {
    let mut world = World::new(14, 2);
    let local = Some(LocalAddr { ip: [192, 0, 2, 1].into(), ifindex: 3 });
    let bound = Endpoint::Udp(UdpPath::new(([192, 0, 2, 2], 51_820).into(), local, 0));
    let send_one = |world: &mut World| {
        world.nodes[0].device.on_want_session(id(1), world.now);
        let sent = std::iter::from_fn(|| world.nodes[0].device.poll_output());
        let to = sent.filter_map(|output| if let Output::Send { to, .. } = output { Some(to) } else { None });
        to.last()
    };
    assert!(world.ping(0, 1, secs(1)));
    world.nodes[0].device.on_roamed(id(1), bound);
    world.now += secs(125);
    assert_eq!(send_one(&mut world), Some(bound), "a rekeying");
    world.now += secs(6);
    let (now, wall) = (world.now, world.nodes[0].wall(world.now));
    world.nodes[0].device.handle_timeout(now, wall);
    assert_eq!(send_one(&mut world), Some(address(1)), "a retry");
}

#[test]
fn a_wish_that_crosses_the_new_session_begins_nothing() {
    let mut world = World::new(11, 2);
    assert!(world.ping(0, 1, secs(1)));
    let now = world.now;
    world.nodes[0].device.on_want_session(id(1), now);
    world.nodes[1].device.on_want_session(id(0), now);
    (0..2).for_each(|node| world.drain(node));
    world.run(secs(1));
    assert_eq!((world.count(0, Did::Initiate), world.count(1, Did::Initiate)), (1, 0));
}

/// The responder has packets too, but the initiator will confirm in a moment: no second handshake.
#[test]
fn a_responder_waits_for_the_confirmation_before_it_begins_itself() {
    let mut world = World::new(12, 2);
    world.send(0, 1);
    world.run(millis(25));
    assert_eq!(world.count(1, Did::Respond), 1);
    let number = world.send(1, 0);
    world.run(millis(100));
    assert!(world.nodes[0].delivered.contains(&number));
    assert_eq!(world.count(1, Did::Initiate), 0);
    // When the response was lost, both try again.
    let mut world = World::new(13, 2);
    world.send(0, 1);
    world.run(millis(25));
    world.weather = CUT;
    world.restart(0, world.nodes[0].device.own_timestamp());
    world.send(1, 0);
    world.weather = CALM;
    world.run(REKEY_TIMEOUT + Duration::from_secs(1));
    assert_eq!(world.count(1, Did::Initiate), 1);
    assert_eq!(world.nodes[0].device.peer_by_key(&public(1)), Some(id(1)));
    assert!(world.ping(1, 0, secs(1)));
}

/// Traffic goes both ways all the time, so both sides' sessions come of age at the same moment. The handshakes of the
/// beginning cross; those after that must not do so for ever.
#[test]
fn handshakes_that_crossed_once_do_not_cross_for_ever() {
    for seed in 0..8 {
        let mut world = World::new(100 + seed, 2);
        world.traffic(&[(0, 1), (1, 0)], millis(100), secs(1_300));
        world.run(secs(1));
        let delivered = world.nodes.iter().map(|node| node.delivered.len() as u64).sum::<u64>();
        assert_eq!(delivered, world.numbered, "seed {seed}: nothing is lost");
        let [one, other] = [0, 1].map(|node| world.times(node, Did::Initiate));
        assert_eq!((one[0], other[0]), (other[0], one[0]), "seed {seed}: they begin at once");
        let crossed = one.iter().filter(|at| other.iter().any(|it| it.abs_diff(**at) < millis(40))).count();
        assert!(crossed <= 2, "seed {seed}: {crossed} of {} crossed", one.len());
        assert!(
            one.len() + other.len() <= 13,
            "seed {seed}: {} handshakes in 1,300 s",
            one.len() + other.len()
        );
    }
}
