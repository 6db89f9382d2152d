//! Handshakes that a responder completes on one core, from the initiation's bytes to the session in use.
//!
//! *first* is a peer's first handshake, which computes the secret of the two static keys; *again* is each one after it. An
//! initiation whose MAC1 is wrong costs what *junk* says, and so does one that has no cookie while there is load
//! (*cookie*: the reply is made and sent). Handshakes per second and core: 1 / *again*.

use std::cell::RefCell;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ringmesh_tunnel::PeerId;
use ringmesh_tunnel::device::{Device, Output, PeerConfig};
use ringmesh_tunnel::tai64n::Tai64N;
use ringmesh_wire::Endpoint;
use ringmesh_wire::keys::{PresharedKey, PrivateKey, PublicKey};

/// Peers of the responder; one initiation of each is a batch.
const PEERS: u32 = 64;

fn address(peer: u32) -> Endpoint {
    Endpoint::udp(([10, 9, 0, 1], 1_000 + peer as u16).into())
}

fn wall(now: Duration) -> Tai64N {
    Tai64N::from_unix(1_700_000_000 + now.as_secs(), 0)
}

fn device(key: u32) -> Device {
    let mut secret = [7; 32];
    // The lowest bits of a private key count for nothing (RFC 7748, section 5).
    secret[8..12].copy_from_slice(&key.to_le_bytes());
    let mut device = Device::new(secret, Tai64N::default());
    device.set_private_key(Some(PrivateKey::new(secret)));
    device
}

fn know(device: &mut Device, id: u32, key: PublicKey, endpoint: Endpoint) {
    device.set_peer(PeerConfig {
        id: PeerId(id),
        public_key: key,
        preshared_key: PresharedKey::new([9; 32]),
        keepalive_secs: 0,
        endpoint: Some(endpoint),
        owner: 0,
    });
}

/// A responder, its peers, and a clock that moves on from batch to batch.
struct World {
    responder: Device,
    initiators: Vec<Device>,
    now: Duration,
}

impl World {
    fn new() -> Self {
        let mut responder = device(u32::MAX);
        let key = responder.public_key().expect("it has a key");
        let mut initiators: Vec<_> = (0..PEERS).map(device).collect();
        for (id, initiator) in (0..).zip(&mut initiators) {
            know(initiator, 0, key, address(u32::from(u16::MAX)));
            know(&mut responder, id, initiator.public_key().expect("it has a key"), address(id));
        }
        Self { responder, initiators, now: Duration::from_secs(100) }
    }

    /// One initiation of every peer.
    fn initiations(&mut self) -> Vec<Vec<u8>> {
        self.now += Duration::from_secs(30);
        let now = self.now;
        let initiation = |initiator: &mut Device| {
            initiator.handle_timeout(now, wall(now));
            initiator.on_want_session(PeerId(0), now);
            let outputs = std::iter::from_fn(|| initiator.poll_output());
            let sent = outputs.filter_map(|output| match output {
                Output::Send { bytes, .. } => Some(bytes.to_vec()),
                Output::Install { .. }
                | Output::Forget { .. }
                | Output::Keepalive { .. }
                | Output::GiveUp { .. } => None,
            });
            sent.last().expect("an initiation leaves")
        };
        self.initiators.iter_mut().map(initiation).collect()
    }
}

/// Takes the messages; `completes` as if each peer had then used its session. Says how many responses left.
fn respond(responder: &mut Device, messages: &mut [Vec<u8>], now: Duration, completes: bool) -> usize {
    let mut responses = 0;
    for (id, message) in (0..).zip(messages) {
        let _ = black_box(responder.handle_handshake(message, address(id), now, wall(now)));
        while let Some(output) = responder.poll_output() {
            match output {
                Output::Install { peer, session, .. } if completes => {
                    responder.on_installed(peer, session.local_index());
                    responder.on_confirmed(peer, session.local_index(), now);
                }
                Output::Send { .. } => responses += 1,
                Output::Install { .. }
                | Output::Forget { .. }
                | Output::Keepalive { .. }
                | Output::GiveUp { .. } => {}
            }
        }
    }
    responses
}

fn handshakes(c: &mut Criterion) {
    let mut group = c.benchmark_group("responder");
    group.throughput(Throughput::Elements(PEERS.into()));
    group.bench_function("first", |b| {
        let fresh = || {
            let mut world = World::new();
            let messages = world.initiations();
            (world, messages)
        };
        b.iter_batched_ref(
            fresh,
            |(world, messages)| {
                assert_eq!(respond(&mut world.responder, messages, world.now, true), PEERS as usize)
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("again", |b| {
        let mut world = World::new();
        let mut messages = world.initiations();
        respond(&mut world.responder, &mut messages, world.now, true);
        // Making initiations and answering them take turns, and only the answers are measured.
        let world = RefCell::new(world);
        b.iter_batched_ref(
            || world.borrow_mut().initiations(),
            |messages| {
                let World { responder, now, .. } = &mut *world.borrow_mut();
                assert_eq!(respond(responder, messages, *now, true), PEERS as usize);
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("junk", |b| {
        let mut world = World::new();
        let mut messages = world.initiations();
        messages.iter_mut().for_each(|message| message[20] ^= 1);
        b.iter(|| assert_eq!(respond(&mut world.responder, &mut messages, world.now, false), 0));
    });
    group.bench_function("cookie", |b| {
        let mut world = World::new();
        let mut messages = world.initiations();
        world.responder.set_cookie_pressure(true);
        b.iter(|| assert_eq!(respond(&mut world.responder, &mut messages, world.now, false), PEERS as usize));
    });
    group.finish();
}

criterion_group!(benches, handshakes);
criterion_main!(benches);
