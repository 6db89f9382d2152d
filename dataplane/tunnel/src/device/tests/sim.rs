//! Devices and a network between them, in virtual time, all from one seed. Each node has a [`Device`] and,
//! for each peer, what its owner worker would hold; the network loses, delays, reorders and duplicates.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringmesh_wire::Endpoint;
use ringmesh_wire::keys::{PresharedKey, PrivateKey, PublicKey};
use ringmesh_wire::message::{self, DATA_HEADER_LEN, DataHeader, Kind, TAG_LEN};

use crate::device::{Device, Output, PeerConfig, Place, Sent};
use crate::noise::Identity;
use crate::random::Random;
use crate::session::Session;
use crate::tai64n::Tai64N;
use crate::timers::Stamps;
use crate::{Drop, PeerId};

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What the network does to a datagram.
#[derive(Clone, Copy)]
pub(super) struct Weather {
    /// Of a thousand, how many are lost, and how many come twice.
    pub(super) lost: u64,
    pub(super) doubled: u64,
    /// The delay of each is drawn from here, so a wide range reorders.
    pub(super) delay: (Duration, Duration),
}

pub(super) const CALM: Weather =
    Weather { lost: 0, doubled: 0, delay: (Duration::from_millis(20), Duration::from_millis(20)) };
pub(super) const STORM: Weather =
    Weather { lost: 300, doubled: 100, delay: (Duration::from_millis(1), Duration::from_millis(400)) };
pub(super) const CUT: Weather = Weather { lost: 1_000, ..CALM };

/// What a node did.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Did {
    Initiate,
    Respond,
    SendCookie,
    SendData,
    SendKeepalive,
    GiveUp,
}

/// The owner's side of one peer.
pub(super) struct Owned {
    pub(super) sessions: Vec<(Session, Place)>,
    pub(super) current: Option<u32>,
    /// Numbers of the packets that wait for a session.
    staged: Vec<u64>,
    pub(super) endpoint: Option<Endpoint>,
    stamps: Arc<Stamps>,
}

pub(super) struct Node {
    pub(super) device: Device,
    pub(super) owned: BTreeMap<PeerId, Owned>,
    pub(super) address: Endpoint,
    /// Seconds that the wall clock says at boot.
    pub(super) wall: u64,
    /// Numbers of the packets that came out here, and whatever came more than once.
    pub(super) delivered: BTreeSet<u64>,
    pub(super) repeated: Vec<u64>,
    pub(super) drops: BTreeMap<Drop, u64>,
}

struct Flying {
    from: Endpoint,
    to: Endpoint,
    bytes: Vec<u8>,
}

pub(super) struct World {
    pub(super) now: Duration,
    pub(super) nodes: Vec<Node>,
    pub(super) weather: Weather,
    pub(super) log: Vec<(Duration, usize, Did)>,
    random: Random,
    wire: BTreeMap<(Duration, u64), Flying>,
    launched: u64,
    /// Packets that an application has sent.
    pub(super) numbered: u64,
}

pub(super) fn private(node: usize) -> PrivateKey {
    PrivateKey::new([node as u8 + 1; 32])
}

pub(super) fn public(node: usize) -> PublicKey {
    Identity::new(private(node)).public()
}

pub(super) fn address(node: usize) -> Endpoint {
    Endpoint::udp(SocketAddr::from(([192, 0, 2, node as u8 + 1], 51_820)))
}

pub(super) fn id(node: usize) -> PeerId {
    PeerId(node as u32)
}

/// How `node` is configured at the others.
pub(super) fn config(node: usize) -> PeerConfig {
    PeerConfig {
        id: id(node),
        public_key: public(node),
        preshared_key: PresharedKey::new([0; 32]),
        keepalive_secs: 0,
        endpoint: Some(address(node)),
        owner: node as u8 + 1,
    }
}

impl Node {
    fn new(node: usize, seed: [u8; 32], start: Tai64N) -> Self {
        let mut device = Device::new(seed, start);
        device.set_private_key(Some(private(node)));
        Self {
            device,
            owned: BTreeMap::new(),
            address: address(node),
            wall: 1_700_000_000,
            delivered: BTreeSet::new(),
            repeated: Vec::new(),
            drops: BTreeMap::new(),
        }
    }

    pub(super) fn set_peer(&mut self, config: PeerConfig) {
        let (id, endpoint) = (config.id, config.endpoint);
        self.device.set_peer(config);
        let stamps = self.device.stamps(id).expect("just set");
        let owned = self.owned.entry(id).or_insert_with(|| Owned {
            sessions: Vec::new(),
            current: None,
            staged: Vec::new(),
            endpoint,
            stamps: Arc::clone(&stamps),
        });
        owned.stamps = stamps;
    }

    pub(super) fn wall(&self, now: Duration) -> Tai64N {
        Tai64N::from_unix(self.wall + now.as_secs(), now.subsec_nanos())
    }

    pub(super) fn drops(&self, why: Drop) -> u64 {
        self.drops.get(&why).copied().unwrap_or_default()
    }
}

impl World {
    /// `nodes` devices, each a peer of each other one.
    pub(super) fn new(seed: u64, nodes: usize) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut world = Self {
            now: secs(1_000),
            nodes: Vec::new(),
            weather: CALM,
            log: Vec::new(),
            random: Random::new(bytes),
            wire: BTreeMap::new(),
            launched: 0,
            numbered: 0,
        };
        for node in 0..nodes {
            let seed = world.random.array();
            world.nodes.push(Node::new(node, seed, Tai64N::default()));
            (0..nodes).filter(|peer| *peer != node).for_each(|peer| world.nodes[node].set_peer(config(peer)));
        }
        world.run(Duration::ZERO);
        world
    }

    /// The node's process starts anew: no session, and of its state what `keep` says.
    pub(super) fn restart(&mut self, node: usize, start: Tai64N) {
        let (wall, address) = (self.nodes[node].wall, self.nodes[node].address);
        let seed = self.random.array();
        self.nodes[node] = Node { wall, address, ..Node::new(node, seed, start) };
        let peers: Vec<usize> = (0..self.nodes.len()).filter(|peer| *peer != node).collect();
        peers.into_iter().for_each(|peer| self.nodes[node].set_peer(config(peer)));
    }

    // What tests ask.

    pub(super) fn count(&self, node: usize, what: Did) -> usize {
        self.times(node, what).len()
    }

    /// When `node` did this.
    pub(super) fn times(&self, node: usize, what: Did) -> Vec<Duration> {
        let lines = self.log.iter().filter(|line| (line.1, line.2) == (node, what));
        lines.map(|line| line.0).collect()
    }

    /// Whether an application packet from `from` reaches `to` within `span`.
    pub(super) fn ping(&mut self, from: usize, to: usize, span: Duration) -> bool {
        let number = self.send(from, to);
        self.run(span);
        self.nodes[to].delivered.contains(&number)
    }

    // What applications do.

    /// Sends one numbered packet.
    pub(super) fn send(&mut self, from: usize, to: usize) -> u64 {
        self.numbered += 1;
        let number = self.numbered;
        self.send_number(from, id(to), number);
        self.drain(from);
        number
    }

    /// Sends a packet on each of `flows` after every `pause`, for `span`.
    pub(super) fn traffic(&mut self, flows: &[(usize, usize)], pause: Duration, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            flows.iter().for_each(|&(from, to)| _ = self.send(from, to));
            self.run(pause);
        }
    }

    // The network and time.

    /// Lets `span` pass.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        let mut turns = 0;
        loop {
            let timers = self.nodes.iter().filter_map(|node| node.device.poll_timeout());
            let wire = self.wire.first_key_value().map(|(key, _)| key.0);
            let next = timers.map(|(at, _)| at).chain(wire).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            turns = if next > self.now { 0 } else { turns + 1 };
            assert!(turns < 10_000, "somebody never has enough at {:?}", self.now);
            self.now = self.now.max(next);
            self.turn();
        }
        self.now = end;
    }

    fn turn(&mut self) {
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let flying = entry.remove();
            if let Some(to) = self.nodes.iter().position(|node| node.address == flying.to) {
                self.receive(to, flying.from, flying.bytes);
            }
        }
        for node in 0..self.nodes.len() {
            let (now, wall) = (self.now, self.nodes[node].wall(self.now));
            let device = &mut self.nodes[node].device;
            if device.poll_timeout().is_some_and(|(at, _)| at <= now) {
                device.handle_timeout(now, wall);
                self.drain(node);
            }
        }
    }

    pub(super) fn launch(&mut self, from: Endpoint, to: Endpoint, bytes: &[u8]) {
        let (lost, doubled) = (self.random.below(1_000), self.random.below(1_000));
        let copies = match () {
            () if lost < self.weather.lost => 0,
            () if doubled < self.weather.doubled => 2,
            () => 1,
        };
        for _ in 0..copies {
            let (least, most) = self.weather.delay;
            let spread = u64::try_from((most - least).as_nanos()).expect("less than 500 years");
            let delay = least + Duration::from_nanos(self.random.below(spread));
            self.launched += 1;
            let flying = Flying { from, to, bytes: bytes.to_vec() };
            self.wire.insert((self.now + delay, self.launched), flying);
        }
    }

    /// Takes the newest datagram of `node` off the wire.
    pub(super) fn capture(&mut self, node: usize) -> Vec<u8> {
        let from = self.nodes[node].address;
        let newest = self.wire.iter().rev().find(|(_, flying)| flying.from == from).map(|(key, _)| *key);
        self.wire.remove(&newest.expect("something flies")).expect("just found").bytes
    }

    // The owner worker.

    pub(super) fn receive(&mut self, node: usize, from: Endpoint, mut bytes: Vec<u8>) {
        let (now, wall) = (self.now, self.nodes[node].wall(self.now));
        let result = match message::classify(&bytes) {
            Kind::Data => self.receive_data(node, from, &mut bytes),
            Kind::Initiation | Kind::Response | Kind::CookieReply | Kind::Other => {
                self.nodes[node].device.handle_handshake(&mut bytes, from, now, wall)
            }
        };
        if let Err(why) = result {
            *self.nodes[node].drops.entry(why).or_default() += 1;
        }
        self.drain(node);
    }

    fn receive_data(&mut self, node: usize, from: Endpoint, bytes: &mut [u8]) -> Result<(), Drop> {
        let header = DataHeader::parse(bytes).ok_or(Drop::Malformed)?;
        let now = self.now;
        let Node { device, owned, delivered, repeated, .. } = &mut self.nodes[node];
        let held = owned.iter_mut().find_map(|(&peer, owned)| {
            let at = owned.sessions.iter().position(|held| held.0.local_index() == header.receiver)?;
            Some((peer, owned, at))
        });
        let (peer, owned, at) = held.ok_or(Drop::UnknownIndex)?;
        let (session, place) = &mut owned.sessions[at];
        let text = &mut bytes[DATA_HEADER_LEN..];
        let opened = session.open(header.counter, text, now)?;
        let len = session.admit(opened)?;
        owned.stamps.on_received(now, len > 0);
        if owned.stamps.take_watch() {
            device.on_active(peer, now);
        }
        if session.wants_rekey_on_receive(now) {
            device.on_want_session(peer, now);
        }
        if owned.endpoint != Some(from) {
            owned.endpoint = Some(from);
            device.on_roamed(peer, from);
        }
        let confirmed = *place == Place::Next;
        if confirmed {
            *place = Place::Current;
            owned.current = Some(header.receiver);
            device.on_confirmed(peer, header.receiver, now);
        }
        if let Some(number) = text.first_chunk().filter(|_| len > 0) {
            let number = u64::from_le_bytes(*number);
            if !delivered.insert(number) {
                repeated.push(number);
            }
        }
        if confirmed {
            self.flush(node, peer);
        }
        Ok(())
    }

    fn flush(&mut self, node: usize, peer: PeerId) {
        let staged = self.nodes[node].owned.get_mut(&peer).map(|owned| std::mem::take(&mut owned.staged));
        staged.into_iter().flatten().for_each(|number| self.send_number(node, peer, number));
    }

    fn send_number(&mut self, node: usize, peer: PeerId, number: u64) {
        let mut body = [0; 16];
        body[..8].copy_from_slice(&number.to_le_bytes());
        if !self.seal(node, peer, &body, Did::SendData) {
            let now = self.now;
            let Node { device, owned, .. } = &mut self.nodes[node];
            owned.get_mut(&peer).expect("a peer").staged.push(number);
            device.on_want_session(peer, now);
        }
    }

    /// Whether there was a session for it.
    fn seal(&mut self, node: usize, peer: PeerId, body: &[u8], what: Did) -> bool {
        let now = self.now;
        let Node { device, owned, address, .. } = &mut self.nodes[node];
        let owned = owned.get_mut(&peer).expect("a peer");
        let current = owned.sessions.iter_mut().find(|held| Some(held.0.local_index()) == owned.current);
        let Some((session, _)) = current else { return false };
        let Ok(counter) = session.stage(1, now) else { return false };
        let mut out = vec![0; DATA_HEADER_LEN + body.len() + TAG_LEN];
        let (head, text) = out.split_first_chunk_mut().expect("longer than a header");
        DataHeader { receiver: session.remote_index(), counter }.emit(head);
        let key = session.send_key();
        ringmesh_crypto::seal(&mut [ringmesh_crypto::Seal { key, counter, head: &[], body, out: text }]);
        owned.stamps.on_sent(now, !body.is_empty());
        if owned.stamps.take_watch() {
            device.on_active(peer, now);
        }
        if session.wants_rekey_on_send(now) {
            device.on_want_session(peer, now);
        }
        let (from, to) = (*address, owned.endpoint.expect("a session has an endpoint"));
        self.log.push((now, node, what));
        self.launch(from, to, &out);
        true
    }

    /// Does what the device asks for.
    pub(super) fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].device.poll_output() {
            self.obey(node, output);
        }
    }

    pub(super) fn obey(&mut self, node: usize, output: Output) {
        let now = self.now;
        match output {
            Output::Send { to, bytes, what, .. } => {
                let did = match what {
                    Sent::Initiation => Did::Initiate,
                    Sent::Response => Did::Respond,
                    Sent::CookieReply => Did::SendCookie,
                };
                self.log.push((now, node, did));
                self.launch(self.nodes[node].address, to, &bytes);
            }
            Output::Install { peer, session, place, endpoint } => {
                let Node { device, owned, .. } = &mut self.nodes[node];
                let owned = owned.get_mut(&peer).expect("a peer");
                let index = session.local_index();
                owned.endpoint = endpoint.or(owned.endpoint);
                owned.sessions.push((*session, place));
                device.on_installed(peer, index);
                if place == Place::Current {
                    // What the peer began meanwhile only receives from now on.
                    owned.sessions.iter_mut().for_each(|held| held.1 = Place::Current);
                    owned.current = Some(index);
                    self.flush(node, peer);
                }
            }
            Output::Forget { peer, local_index } => {
                let owned = self.nodes[node].owned.get_mut(&peer).expect("a peer");
                let before = owned.sessions.len();
                owned.sessions.retain(|held| local_index.is_some_and(|index| held.0.local_index() != index));
                let gone = before - owned.sessions.len();
                assert!(local_index.is_none() || gone == 1, "forgets a session that is not there");
            }
            Output::Keepalive { peer } => _ = self.seal(node, peer, &[], Did::SendKeepalive),
            Output::GiveUp { peer } => {
                self.log.push((now, node, Did::GiveUp));
                self.nodes[node].owned.get_mut(&peer).expect("a peer").staged.clear();
            }
        }
    }
}
