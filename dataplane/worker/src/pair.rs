//! Workers in a simulated world, for tests.
//!
//! Whatever the slow thread would do, the test does: it puts peers, routes and sessions before the workers as
//! orders, and reads their notes. [`Node`] is one device; [`Pair`] joins two of them; [`Solo`] is a device whose
//! peer is played by the test itself ([`Far`]), with a session of its own, so that each datagram can be looked at,
//! kept, damaged and sent again.

pub(crate) mod packets;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ringmesh_abi::{ControlSide, PeerState, PlaneSide, Rows};
use ringmesh_crypto::{Seal, seal};
use ringmesh_io::{
    Event, Limits, Port, VnetHdr, clock,
    sim::{Conditions, SimPort, World, Written},
};
use ringmesh_tunnel::{
    Drop, PeerId,
    allowed_ips::AllowedIps,
    device::Place,
    session::{Keys, Session},
    timers::Stamps,
};
use ringmesh_wire::{
    Endpoint, LocalAddr, UdpPath,
    message::{DATA_HEADER_LEN, DATA_OVERHEAD, DataHeader},
};

use crate::{
    counters::Counters,
    mail::{Note, Order, SlowMail, WorkerMail},
    parcel::Pool,
    peers::Peer,
    snapshot::{Snapshot, owner},
    turn::{Office, Worker},
};

/// What the slow thread says of a peer that something has happened to; without it nobody looks at the peer's row.
pub(crate) fn publish(rows: &Rows) {
    let state = PeerState {
        public_key: [1; 32],
        endpoint: ringmesh_abi::Endpoint::None,
        last_handshake_secs: 0,
        last_handshake_nanos: 0,
        greatest_timestamp: [0; 12],
        has_session: true,
    };
    (0..4).for_each(|slot| rows.publish_peer(slot, &state));
}

/// One device: its workers, their mail, and the shared memory that they publish in.
pub(crate) struct Node {
    pub(crate) workers: Vec<Worker<SimPort>>,
    pub(crate) office: Office,
    pub(crate) control: ControlSide,
    pub(crate) routes: AllowedIps,
    pub(crate) snapshot: Snapshot,
    addresses: Vec<SocketAddr>,
}

impl Node {
    /// A device with one worker per address.
    pub(crate) fn new(world: &World, addresses: &[SocketAddr], limits: Limits) -> Self {
        let count = u8::try_from(addresses.len()).expect("few workers");
        let (control, memory) = ControlSide::create(count.into()).expect("shared memory");
        let plane = PlaneSide::attach(&memory, control.generation()).expect("fresh memory");
        publish(plane.rows());
        let mails: Vec<_> = addresses.iter().map(|_| WorkerMail::new().expect("an eventfd")).collect();
        let office = Office {
            slow: Arc::new(SlowMail::new().expect("an eventfd")),
            workers: mails.into(),
            pool: Arc::new(Pool::new(PARCELS)),
        };
        let snapshot = Snapshot::new(count);
        let routes = AllowedIps::new();
        let known = Arc::new(snapshot.with(routes.routes()));
        let workers = (0..).zip(addresses).map(|(number, address)| {
            let port = world.port(&[*address], limits).expect("a simulated port");
            Worker::new(number, port, office.clone(), Arc::clone(&known), Arc::clone(plane.rows()))
        });
        Self { workers: workers.collect(), office, control, routes, snapshot, addresses: addresses.to_vec() }
    }

    pub(crate) fn order(&self, worker: u8, order: Order) {
        assert!(self.office.workers[usize::from(worker)].orders.push(order).is_ok(), "the mail has room");
    }

    /// Gives an order to the owner of a peer.
    pub(crate) fn order_owner(&self, id: PeerId, order: Order) {
        self.order(owner(id, self.snapshot.workers), order);
    }

    pub(crate) fn add_peer(&self, id: PeerId, endpoint: Option<Endpoint>) {
        self.order_owner(
            id,
            Order::Peer { id, peer: Box::new(Peer::new(Arc::new(Stamps::new()), endpoint)) },
        );
    }

    /// Lets these ranges belong to a peer, and tells every worker.
    pub(crate) fn route(&mut self, id: PeerId, ranges: &[&str]) {
        for range in ranges {
            self.routes.insert(range.parse().expect("a range"), id);
        }
        self.publish();
    }

    /// Tells every worker the snapshot as it is now.
    pub(crate) fn publish(&self) {
        let known = Arc::new(self.snapshot.with(self.routes.routes()));
        (0..self.snapshot.workers).for_each(|worker| self.order(worker, Order::Snapshot(Arc::clone(&known))));
    }

    pub(crate) fn install(&self, id: PeerId, session: Session, place: Place) {
        self.order_owner(id, Order::Install { id, session: Box::new(session), place });
    }

    /// How a datagram that arrives at worker `number` from `remote` names its way.
    pub(crate) fn way(&self, number: usize, remote: SocketAddr) -> Endpoint {
        let local = LocalAddr { ip: self.addresses[number].ip(), ifindex: 1 };
        Endpoint::Udp(UdpPath::new(remote, Some(local), 0))
    }

    /// One turn of every worker.
    pub(crate) fn turn(&mut self) {
        let mut events = Vec::new();
        for worker in &mut self.workers {
            worker.turn(&mut events).expect("a simulated ring does not fail");
            assert!(events.is_empty(), "every event was handled");
        }
    }

    pub(crate) fn feed(&mut self, worker: usize, vnet: VnetHdr, packet: &[u8]) {
        self.workers[worker].port.feed(vnet, packet);
    }

    /// All that was written to the TUN device.
    pub(crate) fn take_written(&mut self) -> Vec<Written> {
        self.workers.iter_mut().flat_map(|worker| worker.port.take_written()).collect()
    }

    /// The packets that were written to the TUN device, super-packets cut again.
    pub(crate) fn take_packets(&mut self) -> Vec<Vec<u8>> {
        self.take_written().iter().flat_map(|written| packets::cut(written.vnet, &written.bytes)).collect()
    }

    pub(crate) fn take_notes(&self) -> Vec<Note> {
        std::iter::from_fn(|| self.office.slow.notes.pop()).collect()
    }

    /// The sums of all workers.
    pub(crate) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for worker in &self.workers {
            let one = &worker.counters;
            sum.rx_packets += one.rx_packets;
            sum.rx_bytes += one.rx_bytes;
            sum.tx_packets += one.tx_packets;
            sum.tx_bytes += one.tx_bytes;
            sum.turns += one.turns;
            sum.reads += one.reads;
            sum.writes += one.writes;
            sum.receives += one.receives;
            sum.sends += one.sends;
            sum.fallbacks += one.fallbacks;
            sum.handed_over += one.handed_over;
            sum.drops.iter_mut().zip(one.drops).for_each(|(sum, count)| *sum += count);
        }
        sum
    }

    /// Whether something waits inside: for a buffer, a session's turn, or another worker.
    fn is_busy(&self) -> bool {
        let mails = self.office.workers.iter().any(|mail| !mail.is_empty());
        let workers = self.workers.iter();
        mails
            || workers
                .into_iter()
                .any(|worker| !worker.fair.is_empty() || !worker.ready.is_empty() || worker.port.unread() > 0)
    }
}

/// What changed between two counts, by name and in a fixed order. Turns and bytes are left out.
pub(crate) fn moved(before: &Counters, after: &Counters) -> Vec<(&'static str, u64)> {
    let counts = [
        ("rx_packets", before.rx_packets, after.rx_packets),
        ("tx_packets", before.tx_packets, after.tx_packets),
        ("reads", before.reads, after.reads),
        ("writes", before.writes, after.writes),
        ("receives", before.receives, after.receives),
        ("sends", before.sends, after.sends),
        ("fallbacks", before.fallbacks, after.fallbacks),
        ("handed_over", before.handed_over, after.handed_over),
    ];
    let drops =
        Drop::ALL.into_iter().map(|how| (how.name(), before.drops[how as usize], after.drops[how as usize]));
    let changed = counts.into_iter().chain(drops).filter(|(_, before, after)| before != after);
    changed.map(|(name, before, after)| (name, after - before)).collect()
}

/// Two devices at [`LEFT`] and [`RIGHT`], each the other's only peer.
pub(crate) struct Pair {
    pub(crate) world: World,
    pub(crate) left: Node,
    pub(crate) right: Node,
    serial: u8,
}

impl Pair {
    /// One worker each, and no session yet.
    pub(crate) fn new(seed: u64, conditions: Conditions, limits: Limits) -> Self {
        let world = World::new(seed, conditions);
        let mut left = Node::new(&world, &[LEFT], limits);
        let mut right = Node::new(&world, &[RIGHT], limits);
        for (node, remote, ranges) in [(&mut left, RIGHT, RIGHT_RANGES), (&mut right, LEFT, LEFT_RANGES)] {
            node.add_peer(PEER, Some(node.way(0, remote)));
            node.route(PEER, &ranges);
        }
        Self { world, left, right, serial: 0 }
    }

    /// With a session that both use.
    pub(crate) fn joined(seed: u64, conditions: Conditions, limits: Limits) -> Self {
        let mut pair = Self::new(seed, conditions, limits);
        pair.join([Place::Current; 2]);
        pair.settle();
        pair.take_notes();
        pair
    }

    /// Orders a fresh session for both, in these places, left first; the left side began it.
    pub(crate) fn join(&mut self, [left, right]: [Place; 2]) {
        let (ours, theirs) = self.sessions();
        self.left.install(PEER, ours, left);
        self.right.install(PEER, theirs, right);
    }

    /// Both halves of a fresh session, left first; the left side began it.
    pub(crate) fn sessions(&mut self) -> (Session, Session) {
        self.serial += 1;
        sessions(self.serial, [0, 0], clock::boottime())
    }

    pub(crate) fn turn(&mut self) {
        self.left.turn();
        self.right.turn();
    }

    /// Turns, and lets time pass, until nothing is on its way any more.
    pub(crate) fn settle(&mut self) {
        settle(&self.world, &mut [&mut self.left, &mut self.right]);
    }

    /// The names of both sides' notes, left first.
    pub(crate) fn take_notes(&self) -> [Vec<Note>; 2] {
        [self.left.take_notes(), self.right.take_notes()]
    }
}

/// Turns all nodes, and lets time pass, until nothing is on its way any more.
pub(crate) fn settle(world: &World, nodes: &mut [&mut Node]) {
    let mut quiet = 0;
    for _ in 0..SETTLED_AFTER_MAX {
        let before: Vec<Counters> = nodes.iter().map(|node| node.counters()).collect();
        nodes.iter_mut().for_each(|node| node.turn());
        let still =
            nodes.iter().zip(&before).all(|(node, before)| moved(before, &node.counters()).is_empty());
        let busy = nodes.iter().any(|node| node.is_busy());
        match world.next_arrival() {
            Some(at) => world.advance(at - world.now()),
            None if still && !busy => quiet += 1,
            None => quiet = 0,
        }
        if quiet == 2 {
            return;
        }
    }
    panic!("something goes round for ever");
}

/// Both halves of session `serial`: the initiator's and the responder's. Their owners are `owners`.
pub(crate) fn sessions(serial: u8, owners: [u8; 2], born: Duration) -> (Session, Session) {
    let [forth, back] = [[serial; 32], [!serial; 32]];
    let index = |side: u32, owner: u8| u32::from(serial) << 16 | side << 8 | u32::from(owner);
    let [ours, theirs] = [index(1, owners[0]), index(2, owners[1])];
    let session = |send, recv, local, remote, initiator| {
        Session::new(&Keys { send, recv }, local, remote, initiator, born)
    };
    (session(forth, back, ours, theirs, true), session(back, forth, theirs, ours, false))
}

/// The other end of a session, played by the test.
pub(crate) struct Far {
    pub(crate) session: Session,
    port: SimPort,
}

/// A datagram that reached the other end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Datagram {
    pub(crate) bytes: Vec<u8>,
    pub(crate) tos: u8,
}

impl Far {
    /// A packet under the next counter.
    pub(crate) fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let counter = self.session.stage(1, clock::boottime()).expect("a counter");
        self.seal_as(counter, plaintext)
    }

    pub(crate) fn seal_as(&self, counter: u64, plaintext: &[u8]) -> Vec<u8> {
        seal_with(&self.session, counter, plaintext)
    }

    /// The plaintext of a datagram that the node sent, with its padding.
    pub(crate) fn open(&mut self, datagram: &[u8]) -> Vec<u8> {
        let header = DataHeader::parse(datagram).expect("a data message");
        assert_eq!(header.receiver, self.session.local_index());
        let mut text = datagram[DATA_HEADER_LEN..].to_vec();
        let opened = self.session.open(header.counter, &mut text, clock::boottime()).expect("authentic");
        let len = self.session.admit(opened).expect("never seen before");
        text.truncate(len);
        text
    }

    /// All that the node sent here.
    pub(crate) fn receive(&mut self) -> Vec<Datagram> {
        let mut events = Vec::new();
        self.port.turn(false, &mut events).expect("a simulated ring does not fail");
        let mut received = Vec::new();
        for event in events {
            let Event::Datagrams { buf, span, segment, tos, .. } = event else { panic!("{event:?}") };
            let bytes = &self.port.region()[span.range()];
            received.extend(bytes.chunks(segment as usize).map(|one| Datagram { bytes: one.to_vec(), tos }));
            self.port.release(buf);
        }
        received
    }
}

/// A data message of `session`.
pub(crate) fn seal_with(session: &Session, counter: u64, plaintext: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0; plaintext.len() + DATA_OVERHEAD];
    let (header, out) = datagram.split_first_chunk_mut().expect("longer than a header");
    DataHeader { receiver: session.remote_index(), counter }.emit(header);
    seal(&mut [Seal { key: session.send_key(), counter, head: &[], body: plaintext, out }]);
    datagram
}

/// A device with one worker at [`LEFT`]; the test is its peer, at [`RIGHT`].
pub(crate) struct Solo {
    pub(crate) world: World,
    pub(crate) node: Node,
    pub(crate) far: Far,
}

impl Solo {
    /// Without a session at the node; the test has its half already. See [`Solo::install`].
    pub(crate) fn new(limits: Limits) -> Self {
        Self::of_workers(&[LEFT], limits)
    }

    /// With as many workers as addresses; worker 0 owns the peer.
    pub(crate) fn of_workers(addresses: &[SocketAddr], limits: Limits) -> Self {
        let world = World::new(1, Conditions::PERFECT);
        let mut node = Node::new(&world, addresses, limits);
        node.add_peer(PEER, Some(node.way(0, RIGHT)));
        node.route(PEER, &RIGHT_RANGES);
        let port =
            world.port(&[RIGHT], Limits { datagram_buffers: 1_024, ..Limits::default() }).expect("a port");
        let (_, session) = sessions(1, [0, 0], clock::boottime());
        let mut solo = Self { world, node, far: Far { session, port } };
        solo.node.turn();
        solo
    }

    /// With a session in use.
    pub(crate) fn joined(limits: Limits) -> Self {
        let mut solo = Self::new(limits);
        solo.install(Place::Current);
        solo
    }

    /// Gives the node its half of the session, and forgets what it notes about that.
    pub(crate) fn install(&mut self, place: Place) {
        self.install_born(place, clock::boottime());
    }

    pub(crate) fn install_born(&mut self, place: Place, born: Duration) {
        let (session, _) = sessions(1, [0, 0], born);
        self.node.install(PEER, session, place);
        self.node.turn();
        self.node.take_notes();
    }

    /// Lets datagrams arrive from `from` with an outer TOS, and turns.
    pub(crate) fn arrive(&mut self, from: SocketAddr, tos: u8, datagrams: &[Vec<u8>]) {
        datagrams.iter().for_each(|bytes| self.world.deliver(from, LEFT, bytes, tos));
        self.node.turn();
    }

    /// Gives the node a packet to send, and turns.
    pub(crate) fn send(&mut self, packet: &[u8]) {
        self.node.feed(0, VnetHdr::NONE, packet);
        self.node.turn();
    }

    pub(crate) fn worker(&mut self) -> &mut Worker<SimPort> {
        &mut self.node.workers[0]
    }

    /// Turns until nothing is on its way any more.
    pub(crate) fn settle(&mut self) {
        settle(&self.world, &mut [&mut self.node]);
    }
}

/// An age that a session may have, as the time of its birth.
pub(crate) fn born_before(age: Duration) -> Duration {
    clock::boottime().checked_sub(age).expect("a machine that has run for some minutes")
}

/// The one peer of each side.
pub(crate) const PEER: PeerId = PeerId(0);
pub(crate) const LEFT: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 51_820);
pub(crate) const RIGHT: SocketAddr =
    SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), 51_820);
/// Inner addresses of the two sides.
pub(crate) const LEFT_RANGES: [&str; 2] = ["10.1.0.0/16", "fd01::/16"];
pub(crate) const RIGHT_RANGES: [&str; 2] = ["10.2.0.0/16", "fd02::/16"];
/// Enough for all that tests let wait.
const PARCELS: usize = 512;
const SETTLED_AFTER_MAX: usize = 100_000;
