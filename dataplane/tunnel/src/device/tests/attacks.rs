//! What somebody without a key, or with a captured message, can make a device do: next to nothing.

use std::time::Duration;

use proptest::prelude::*;
use ringmesh_wire::Endpoint;
use ringmesh_wire::keys::{PresharedKey, PublicKey};
use ringmesh_wire::message::{INITIATION_LEN, Initiation, Response};
use zeroize::Zeroizing;

use super::sim::{CALM, CUT, Did, World, address, config, id, millis, private, public, secs};
use crate::cookie::Jar;
use crate::device::{Device, Output, PeerConfig, Sent};
use crate::limits::{HANDSHAKES_BURST, INITIATION_INTERVAL_MIN};
use crate::noise::{self, Identity};
use crate::tai64n::Tai64N;
use crate::{Drop, PeerId};

const NOW: Duration = Duration::from_secs(1_000);

fn wall() -> Tai64N {
    Tai64N::from_unix(1_700_000_000, 0)
}

/// An initiation from whoever `from` is to node 1, its MACs as `jar` knows how.
fn initiation(from: &Identity, stamp: u64, jar: &mut Jar, now: Duration) -> [u8; INITIATION_LEN] {
    let shared = from.shared_with(&public(1)).expect("honest keys");
    let stamp = Tai64N::from_unix(stamp, 0);
    let ephemeral = Zeroizing::new([9; 32]);
    let made = noise::initiate(from, &public(1), &shared, ephemeral, stamp, 0xabcd);
    let (_, mut message) = made.expect("honest keys");
    jar.sign(&mut message, &public(1), now);
    message
}

/// Node 1, which knows node 0.
fn responder() -> Device {
    let mut device = Device::new([8; 32], Tai64N::default());
    device.set_private_key(Some(private(1)));
    device.set_peer(config(0));
    device
}

fn handle(device: &mut Device, message: &[u8], from: Endpoint, now: Duration) -> Result<(), Drop> {
    device.handle_handshake(&mut message.to_vec(), from, now, wall())
}

/// A message whose ephemeral key is zero would end at the first curve operation; it ends earlier.
#[test]
fn mac1_and_cookie_come_before_any_curve_operation() {
    let mut device = responder();
    let mut message = Initiation::emit(1, &[0; 32], &[0; 48], &[0; 28]);
    assert_eq!(handle(&mut device, &message, address(0), NOW), Err(Drop::BadMac));
    Jar::default().sign(&mut message, &public(1), NOW);
    assert_eq!(handle(&mut device, &message, address(0), NOW), Err(Drop::BadHandshake), "a zero result");
    device.set_cookie_pressure(true);
    assert_eq!(handle(&mut device, &message, address(0), NOW), Err(Drop::Overloaded));
    let mut answer = Response::emit(1, 2, &[0; 32], &[0; 16]);
    assert_eq!(handle(&mut device, &answer, address(0), NOW), Err(Drop::BadMac));
    Jar::default().sign(&mut answer, &public(1), NOW);
    assert_eq!(handle(&mut device, &answer, address(0), NOW), Err(Drop::Overloaded));
}

#[test]
fn a_device_without_a_key_knows_nobody() {
    let mut device = Device::new([8; 32], Tai64N::default());
    device.set_peer(config(0));
    let message = initiation(&Identity::new(private(0)), 1, &mut Jar::default(), NOW);
    assert_eq!(handle(&mut device, &message, address(0), NOW), Err(Drop::BadMac));
    device.on_want_session(id(0), NOW);
    assert!(matches!(device.poll_output(), Some(Output::GiveUp { .. })));
}

#[test]
fn strangers_and_old_messages_leave_nothing_behind() {
    let mut device = responder();
    let (peer, stranger) = (Identity::new(private(0)), Identity::new(private(5)));
    let mut jar = Jar::default();
    let mut now = NOW;
    // (who, timestamp, how long after the one before, what comes of it)
    let table = [
        (&stranger, 10, INITIATION_INTERVAL_MIN, Err(Drop::UnknownPeer)),
        (&peer, 10, INITIATION_INTERVAL_MIN, Ok(())),
        (&peer, 10, secs(100), Err(Drop::OldHandshake)),
        (&peer, 9, secs(100), Err(Drop::OldHandshake)),
        (&peer, 11, secs(100), Ok(())),
        (&peer, 12, INITIATION_INTERVAL_MIN - Duration::from_nanos(1), Err(Drop::RateLimited)),
        (&peer, 12, Duration::from_nanos(1), Ok(())),
    ];
    for (line, (from, stamp, pause, expected)) in table.into_iter().enumerate() {
        now += pause;
        let message = initiation(from, stamp, &mut jar, now);
        assert_eq!(handle(&mut device, &message, address(40), now), expected, "line {line}");
        let outputs: Vec<_> = std::iter::from_fn(|| device.poll_output()).collect();
        assert_eq!(!outputs.is_empty(), expected.is_ok(), "line {line}");
    }
    assert_eq!(device.indices.len(), 1, "one session, which the peer has not used");
    assert_eq!(device.greatest_timestamp(id(0)), Tai64N::from_unix(12, 0).to_bytes());
}

/// A captured initiation must not move an endpoint after a restart, so the greatest timestamp is handed back.
#[test]
fn a_captured_initiation_is_refused_after_a_restart() {
    let mut jar = Jar::default();
    let captured = initiation(&Identity::new(private(0)), 10, &mut jar, NOW);
    let mut before = responder();
    assert_eq!(handle(&mut before, &captured, address(0), NOW), Ok(()));
    let greatest = before.greatest_timestamp(id(0));
    let mut after = responder();
    after.set_greatest_timestamp(id(0), greatest);
    after.set_greatest_timestamp(id(0), [0; 12]);
    assert_eq!(handle(&mut after, &captured, address(66), NOW), Err(Drop::OldHandshake));
    assert_eq!(after.peer(id(0)).and_then(|view| view.endpoint), Some(address(0)));
}

#[test]
fn our_own_key_is_nobody_elses() {
    let mut device = responder();
    device.set_peer(PeerConfig { id: PeerId(9), public_key: public(1), ..config(0) });
    let message = initiation(&Identity::new(private(1)), 10, &mut Jar::default(), NOW);
    assert_eq!(handle(&mut device, &message, address(0), NOW), Err(Drop::BadHandshake));
    device.on_want_session(PeerId(9), NOW);
    assert!(matches!(device.poll_output(), Some(Output::GiveUp { peer: PeerId(9) })));
    assert!(device.poll_output().is_none() && device.poll_timeout().is_none());
}

#[test]
fn a_peer_whose_key_is_of_low_order_is_given_up() {
    let mut device = responder();
    device.set_peer(PeerConfig { id: PeerId(9), public_key: PublicKey([0; 32]), ..config(0) });
    device.on_want_session(PeerId(9), NOW);
    assert!(matches!(device.poll_output(), Some(Output::GiveUp { peer: PeerId(9) })));
    assert_eq!(device.indices.len(), 0);
}

/// Spoofed sources at full speed: each message costs hashes and a small answer. Who is honest gets a cookie
/// and comes through with the next try; established traffic does not notice.
#[test]
fn a_flood_is_answered_with_cookies_and_honest_peers_come_through() {
    let mut world = World::new(1, 3);
    assert!(world.ping(0, 1, secs(1)));
    world.nodes[1].device.set_cookie_pressure(true);
    world.send(2, 1);
    let stranger = Identity::new(private(90));
    let junk = initiation(&stranger, 5, &mut Jar::default(), NOW);
    for spoofed in 0..2_000_u32 {
        let ip = std::net::Ipv4Addr::from(0x0a00_0000 + spoofed);
        let from = Endpoint::udp((ip, 1_000).into());
        world.receive(1, from, junk.to_vec());
        if spoofed % 100 == 0 {
            assert!(world.ping(0, 1, millis(300)), "established traffic keeps flowing");
        }
    }
    assert_eq!(world.nodes[1].drops(Drop::Overloaded), 2_000 + 1);
    assert_eq!(world.count(1, Did::SendCookie), 2_000 + 1);
    assert_eq!(world.nodes[1].device.indices.len(), 2, "two sessions; the flood has left nothing");
    assert_eq!(world.nodes[1].drops(Drop::UnknownPeer), 0, "and caused no curve operation");
    assert!(world.nodes[1].device.peer(id(2)).is_some_and(|view| view.has_session));
    assert_eq!(world.count(2, Did::Initiate), 2, "one for the cookie, one with it");
    assert!(world.ping(2, 1, millis(100)) && world.ping(1, 2, millis(100)));
}

/// Both under load: initiation and response each need a cookie of the other side.
#[test]
fn two_devices_under_load_still_find_each_other() {
    let mut world = World::new(2, 2);
    world.nodes.iter_mut().for_each(|node| node.device.set_cookie_pressure(true));
    world.send(0, 1);
    world.run(secs(30));
    assert!(world.ping(0, 1, millis(100)) && world.ping(1, 0, millis(100)));
}

/// A cookie is a proof of address, not of honesty: its owner gets a burst and a rate, and everybody else
/// theirs.
#[test]
fn a_source_with_a_cookie_is_limited_alone() {
    let mut device = responder();
    device.set_cookie_pressure(true);
    let stranger = Identity::new(private(5));
    let mut admitted = |from: Endpoint| {
        let mut jar = Jar::default();
        let first = initiation(&stranger, 5, &mut jar, NOW);
        assert_eq!(handle(&mut device, &first, from, NOW), Err(Drop::Overloaded));
        let Some(Output::Send { peer: None, to, bytes, what: Sent::CookieReply }) = device.poll_output()
        else {
            panic!("a cookie reply")
        };
        assert_eq!(to, from);
        let reply = ringmesh_wire::message::CookieReply::parse(&bytes).expect("well-formed");
        assert_eq!(reply.receiver(), 0xabcd);
        assert!(jar.accept(reply, &public(1), NOW));
        let message = initiation(&stranger, 5, &mut jar, NOW);
        (0..50).filter(|_| handle(&mut device, &message, from, NOW) != Err(Drop::RateLimited)).count()
    };
    assert_eq!(admitted(address(40)), HANDSHAKES_BURST as usize);
    assert_eq!(admitted(address(41)), HANDSHAKES_BURST as usize);
}

#[test]
fn a_cookie_reply_never_moves_the_endpoint() {
    let mut world = World::new(3, 2);
    world.nodes[1].device.set_cookie_pressure(true);
    world.send(0, 1);
    let initiation = world.capture(0);
    world.receive(1, address(0), initiation);
    let reply = world.capture(1);
    world.receive(0, address(66), reply.clone());
    assert!(world.nodes[0].drops.is_empty(), "the reply is genuine");
    assert_eq!(world.nodes[0].device.peer(id(1)).and_then(|view| view.endpoint), Some(address(1)));
    world.receive(0, address(66), reply);
    assert_eq!(world.nodes[0].drops(Drop::BadHandshake), 1, "and good once");
}

/// What was tampered with changes nothing, wherever it comes from; the honest one still gets through
/// afterwards.
#[test]
fn tampered_messages_move_nothing_and_spoil_nothing() {
    let mut world = World::new(4, 2);
    world.send(0, 1);
    let initiation = world.capture(0);
    for at in 0..initiation.len() {
        let mut bad = initiation.clone();
        bad[at] ^= 4;
        world.receive(1, address(66), bad);
    }
    let mac2 = 16;
    assert_eq!(world.nodes[1].device.peer(id(0)).map(|view| (view.has_session, view.endpoint)), {
        // Without load nobody looks at MAC2, so the last sixteen changes are no forgeries.
        Some((true, Some(address(66))))
    });
    assert_eq!(world.nodes[1].drops.values().sum::<u64>(), (initiation.len() - 1) as u64);
    assert_eq!(world.nodes[1].drops(Drop::OldHandshake), mac2 - 1);
    let response = world.capture(1);
    for at in 0..response.len() - 16 {
        let mut bad = response.clone();
        bad[at] ^= 4;
        world.receive(0, address(66), bad);
    }
    assert_eq!(world.nodes[0].device.peer(id(1)).and_then(|view| view.endpoint), Some(address(1)));
    world.receive(0, address(1), response);
    assert!(world.nodes[0].device.peer(id(1)).is_some_and(|view| view.has_session));
}

/// Whoever has the responder's private key but not the initiator's cannot pretend to be a peer: it takes both
/// static keys to seal the timestamp, and a key that sealed another name opens nothing.
#[test]
fn an_initiation_under_another_name_is_refused() {
    let mut device = responder();
    let thief = Identity::new(private(5));
    let shared = thief.shared_with(&public(1)).expect("honest keys");
    let ephemeral = Zeroizing::new([9; 32]);
    let posing = Identity::posing_as(private(5), public(0));
    let made = noise::initiate(&posing, &public(1), &shared, ephemeral, Tai64N::from_unix(9, 0), 1);
    let (_, mut message) = made.expect("honest keys");
    Jar::default().sign(&mut message, &public(1), NOW);
    assert_eq!(handle(&mut device, &message, address(0), NOW), Err(Drop::BadHandshake));
    assert_eq!(device.greatest_timestamp(id(0)), [0; 12]);
}

/// The peer that went away for ever costs its attempts and then nothing; the psk of a live one may be
/// anything.
#[test]
fn a_peer_that_never_finishes_leaves_nothing() {
    let mut world = World::new(5, 2);
    world.nodes[1].set_peer(PeerConfig { preshared_key: PresharedKey::new([1; 32]), ..config(0) });
    world.drain(1);
    world.send(0, 1);
    world.run(secs(120));
    assert_eq!(world.nodes[0].device.indices.len(), 0);
    world.weather = CUT;
    world.run(secs(600));
    assert_eq!(world.nodes[1].device.indices.len(), 0);
    assert!(world.nodes.iter().all(|node| node.device.poll_timeout().is_none()));
    world.weather = CALM;
    world.nodes[1].set_peer(config(0));
    world.drain(1);
    assert!(world.ping(0, 1, secs(1)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_datagram_is_refused_without_a_trace(mut bytes in prop::collection::vec(any::<u8>(), 0..2_000), kind in 0..5_u8) {
        let mut device = responder();
        if let Some(head) = bytes.first_chunk_mut() {
            *head = [kind, 0, 0, 0];
        }
        let len = bytes.len().min([0, 148, 92, 64, 2_000][usize::from(kind)]);
        for len in [len, bytes.len()] {
            prop_assert!(device.handle_handshake(&mut bytes[..len], address(0), NOW, wall()).is_err());
        }
        prop_assert!(device.poll_output().is_none());
        prop_assert_eq!(device.indices.len(), 0);
    }
}
