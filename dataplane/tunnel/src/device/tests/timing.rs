//! What happens because time passes, seen from outside.

use std::collections::BTreeSet;
use std::time::Duration;

use super::sim::{CALM, CUT, Did, World, address, config, id, millis, private, public, secs};
use crate::device::{Device, PeerConfig};
use crate::limits::{
    KEEPALIVE_TIMEOUT, REKEY_AFTER_TIME, REKEY_ATTEMPT_TIME, REKEY_JITTER_MAX, REKEY_TIMEOUT, TICK,
};
use crate::tai64n::Tai64N;

fn gaps(times: &[Duration]) -> Vec<Duration> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn a_session_under_load_is_replaced_every_two_minutes_and_nothing_is_lost() {
    let mut world = World::new(1, 2);
    world.traffic(&[(0, 1)], millis(100), secs(400));
    world.run(secs(1));
    assert_eq!(world.nodes[1].delivered.len() as u64, world.numbered);
    let began = world.times(0, Did::Initiate);
    assert_eq!(began.len(), 4, "at 0, 120, 240 and 360 seconds");
    for gap in gaps(&began) {
        assert!(gap >= REKEY_AFTER_TIME && gap < REKEY_AFTER_TIME + millis(300), "{gap:?}");
    }
    assert_eq!(world.count(1, Did::Initiate), 0, "only the initiator replaces");
    assert!(world.nodes[0].owned[&id(1)].sessions.len() <= 3, "older sessions are forgotten");
}

/// Only the responder sends: the initiator begins anew when it receives on an old session, before it ends.
#[test]
fn a_session_that_only_receives_is_replaced_in_time() {
    let mut world = World::new(2, 2);
    assert!(world.ping(0, 1, secs(1)));
    world.traffic(&[(1, 0)], millis(100), secs(400));
    world.run(secs(1));
    assert_eq!(world.nodes[0].delivered.len() as u64 + 1, world.numbered);
    let began = world.times(0, Did::Initiate);
    assert!(began.len() >= 3 && gaps(&began).iter().all(|gap| *gap < secs(170)), "{began:?}");
}

#[test]
fn one_keepalive_answers_data_and_nothing_answers_a_keepalive() {
    let mut world = World::new(3, 2);
    assert!(world.ping(0, 1, secs(1)));
    let sent = world.now - secs(1);
    let before = world.count(0, Did::SendKeepalive);
    assert!(before <= 1, "the confirmation");
    world.run(secs(100));
    let answers = world.times(1, Did::SendKeepalive);
    assert_eq!(answers.len(), 1);
    let wait = answers[0] - sent;
    assert!(wait >= KEEPALIVE_TIMEOUT && wait < KEEPALIVE_TIMEOUT + millis(100), "{wait:?}");
    assert_eq!(world.count(0, Did::SendKeepalive), before, "no answer to the answer");
    let lines = world.log.len();
    world.run(secs(3_600));
    assert_eq!(world.log.len(), lines, "and then silence");
}

#[test]
fn traffic_in_both_directions_needs_no_keepalives() {
    let mut world = World::new(4, 2);
    world.traffic(&[(0, 1), (1, 0)], secs(3), secs(100));
    assert!(world.count(0, Did::SendKeepalive) + world.count(1, Did::SendKeepalive) <= 2);
    let mut world = World::new(4, 2);
    world.traffic(&[(0, 1)], secs(3), secs(100));
    let kept = gaps(&world.times(1, Did::SendKeepalive));
    assert!(kept.iter().all(|gap| *gap >= KEEPALIVE_TIMEOUT && *gap <= secs(14)), "{kept:?}");
    assert!(kept.len() >= 6);
}

#[test]
fn retries_have_jitter_and_stop_after_ninety_seconds() {
    let mut world = World::new(5, 2);
    world.weather = CUT;
    world.send(0, 1);
    let start = world.now;
    world.run(secs(600));
    let tries = world.times(0, Did::Initiate);
    assert_eq!((tries[0], tries.len()), (start, 18));
    for gap in gaps(&tries) {
        assert!(gap >= REKEY_TIMEOUT && gap < REKEY_TIMEOUT + REKEY_JITTER_MAX + TICK, "{gap:?}");
    }
    assert_eq!(gaps(&tries).iter().collect::<BTreeSet<_>>().len(), 17, "no two pauses are the same");
    let ends = world.times(0, Did::GiveUp);
    assert!(ends.len() == 1 && ends[0] - start >= REKEY_ATTEMPT_TIME && ends[0] - start < secs(96));
    assert_eq!(world.nodes[0].device.indices.len(), 0, "a handshake that never ended leaves nothing");
    assert!(world.nodes[0].device.poll_timeout().is_none());
    world.weather = CALM;
    assert!(world.ping(0, 1, secs(1)), "the next packet tries again");
}

#[test]
fn another_address_is_tried_at_once_and_the_same_no_sooner() {
    let mut world = World::new(6, 2);
    world.nodes[0].set_peer(PeerConfig { endpoint: Some(address(5)), ..config(1) });
    world.drain(0);
    world.send(0, 1);
    let start = world.now;
    for _ in 0..10 {
        world.run(millis(100));
        world.nodes[0].set_peer(PeerConfig { endpoint: Some(address(5)), ..config(1) });
        world.nodes[0].set_peer(PeerConfig { endpoint: None, ..config(1) });
        world.drain(0);
    }
    assert_eq!(world.times(0, Did::Initiate), [start], "nothing has moved");
    world.nodes[0].set_peer(config(1));
    world.run(millis(100));
    assert_eq!(world.count(0, Did::Initiate), 2);
    assert!(world.now < start + REKEY_TIMEOUT && world.ping(0, 1, millis(21)), "it is there");
    // A session follows the peer by itself: with one, another endpoint begins no handshake.
    world.nodes[0].set_peer(PeerConfig { endpoint: Some(address(5)), ..config(1) });
    world.run(secs(5));
    assert_eq!(world.count(0, Did::Initiate), 2);
}

#[test]
fn new_packets_lengthen_the_attempt_but_quicken_nothing() {
    let mut world = World::new(6, 2);
    world.weather = CUT;
    world.traffic(&[(0, 1)], millis(700), secs(200));
    assert_eq!(world.count(0, Did::GiveUp), 0);
    world.run(secs(100));
    assert_eq!(world.count(0, Did::GiveUp), 1);
    let tries = world.times(0, Did::Initiate);
    assert!(gaps(&tries).iter().all(|gap| *gap >= REKEY_TIMEOUT));
    assert!((53..=60).contains(&tries.len()), "{} in 295 seconds", tries.len());
}

#[test]
fn keys_are_wiped_when_a_peer_has_been_silent_for_nine_minutes() {
    let mut world = World::new(7, 2);
    assert!(world.ping(0, 1, secs(1)));
    world.run(secs(538));
    assert!(world.nodes.iter().all(|node| node.device.indices.len() == 1));
    world.run(secs(2));
    for (node, peer) in [(0, 1), (1, 0)] {
        let node = &world.nodes[node];
        assert!(node.owned[&id(peer)].sessions.is_empty());
        assert!(node.device.peer(id(peer)).is_some_and(|view| !view.has_session));
        assert_eq!(node.device.indices.len(), 0);
        assert!(node.device.poll_timeout().is_none(), "an idle peer costs nothing");
    }
}

#[test]
fn a_persistent_keepalive_makes_and_keeps_a_session() {
    let mut world = World::new(8, 2);
    world.nodes[0].set_peer(PeerConfig { keepalive_secs: 25, ..config(1) });
    world.run(secs(1));
    assert_eq!(world.count(0, Did::Initiate), 1, "at once, without any packet");
    world.run(secs(300));
    let passed: Vec<_> = world.log.iter().map(|line| line.0).collect();
    assert!(gaps(&passed).iter().all(|gap| *gap < secs(25) + TICK), "{passed:?}");
    assert!(world.count(0, Did::SendKeepalive) >= 8);
    assert!(world.ping(1, 0, millis(30)), "the path is open");
    world.nodes[0].set_peer(PeerConfig { keepalive_secs: 0, ..config(1) });
    world.run(secs(20));
    let lines = world.log.len();
    world.run(secs(3_600));
    assert_eq!(world.log.len(), lines);
}

#[test]
fn a_persistent_keepalive_never_gives_up_for_good() {
    let mut world = World::new(9, 2);
    world.weather = CUT;
    world.nodes[0].set_peer(PeerConfig { keepalive_secs: 25, ..config(1) });
    world.run(secs(3_600));
    assert!(world.count(0, Did::GiveUp) > 10);
    let tries = gaps(&world.times(0, Did::Initiate));
    assert!(tries.iter().all(|gap| *gap >= REKEY_TIMEOUT && *gap <= secs(31)));
    world.weather = CALM;
    world.run(secs(31));
    assert!(world.nodes[1].device.peer(id(0)).is_some_and(|view| view.has_session));
}

/// Where the peer is may become known later, for example when its name resolves.
#[test]
fn a_persistent_keepalive_begins_when_the_endpoint_comes() {
    let mut world = World::new(10, 2);
    world.nodes[0].device.remove_peer(id(1));
    world.drain(0);
    world.nodes[0].set_peer(PeerConfig { keepalive_secs: 25, endpoint: None, ..config(1) });
    world.run(secs(60));
    assert_eq!((world.count(0, Did::Initiate), world.count(0, Did::GiveUp)), (0, 0));
    world.nodes[0].set_peer(PeerConfig { keepalive_secs: 25, ..config(1) });
    world.run(millis(100));
    assert_eq!(world.count(0, Did::Initiate), 1);
}

/// Three thousand peers, one of them active: the slow half never walks over the others.
#[test]
fn idle_peers_cost_nothing_and_due_ones_come_in_portions() {
    let mut device = Device::new([1; 32], Tai64N::default());
    device.set_private_key(Some(private(0)));
    let peers: Vec<_> = (1..3_000_u32)
        .map(|number| {
            let mut key = public(1);
            key.0[..4].copy_from_slice(&number.to_le_bytes());
            PeerConfig { id: crate::PeerId(number), public_key: key, ..config(1) }
        })
        .collect();
    peers.iter().for_each(|peer| device.set_peer(peer.clone()));
    assert!(device.poll_timeout().is_none());
    for peer in &peers[..100] {
        device.set_peer(PeerConfig { keepalive_secs: 25, ..peer.clone() });
    }
    let (now, wall) = (secs(10), Tai64N::from_unix(1_700_000_000, 0));
    let mut begun = Vec::new();
    while device.poll_timeout().is_some_and(|(at, _)| at <= now) {
        device.handle_timeout(now, wall);
        begun.push(std::iter::from_fn(|| device.poll_output()).count());
    }
    assert_eq!(begun.iter().sum::<usize>(), 100);
    assert!(begun.iter().all(|count| *count <= 32), "{begun:?}");
}
