//! One worker that sends and one that receives, over a simulated network: what a packet costs, without a kernel.
//!
//! Both know the same peers, and each peer's session at one is the other half of its session at the other. Every
//! peer has an address of its own outside, as on a server, so that packets to different peers never share a send.
//! What the slow thread would do was done beforehand; whoever measures calls [`Pipeline::send`], [`Pipeline::carry`]
//! and [`Pipeline::receive`] in turn, and only the two turns are the workers' work.
//!
//! **Invariant:** sessions are real ones and age, so a pipeline is made anew before they are two minutes old and ask
//! for others.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use ringmesh_abi::{ControlSide, PlaneSide};
use ringmesh_io::{
    Event, Limits, VnetHdr, clock,
    sim::{Conditions, SimPort, World},
};
use ringmesh_tunnel::{
    PeerId,
    allowed_ips::AllowedIps,
    device::Place,
    session::{Keys, Session},
    timers::Stamps,
};
use ringmesh_wire::{Endpoint, LocalAddr, UdpPath};

use crate::{
    mail::{Order, SlowMail, WorkerMail},
    parcel::Pool,
    peers::Peer,
    snapshot::Snapshot,
    turn::{Office, Worker},
};

/// Two workers and the network between them.
pub struct Pipeline {
    world: World,
    sender: Side,
    receiver: Side,
}

impl Pipeline {
    /// A pipeline with `peers` peers, up to 65,536, each with a session in use. Keys are made for the kernel that
    /// `ringmesh_crypto::kernel` names now.
    ///
    /// # Errors
    /// When the system has no memory to share or no eventfd.
    pub fn new(peers: u32) -> io::Result<Self> {
        let world = World::new(1, Conditions::PERFECT);
        let mut sender = Side::new(&world, SENDER, peers, Self::destination)?;
        let mut receiver = Side::new(&world, RECEIVER, peers, Self::source)?;
        receiver.worker.port.count_only();
        for number in 0..peers {
            let (ours, theirs) = sessions(number);
            sender.introduce(number, ours)?;
            receiver.introduce(number, theirs)?;
        }
        Ok(Self { world, sender, receiver })
    }

    /// Where packets for a peer go inside the tunnel.
    #[must_use]
    pub const fn destination(peer: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a01_0000 | peer)
    }

    /// Where packets of that peer come from, as the receiver sees it.
    #[must_use]
    pub const fn source(peer: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(0x0a02_0000 | peer)
    }

    /// Lets a packet or super-packet wait in the sender's TUN queue.
    pub fn feed(&mut self, vnet: VnetHdr, packet: &[u8]) {
        self.sender.worker.port.feed(vnet, packet);
    }

    /// One turn of the sender: read, route, stage, seal, send.
    ///
    /// # Errors
    /// Never: a simulated ring does not fail.
    pub fn send(&mut self) -> io::Result<()> {
        self.sender.turn()
    }

    /// Brings what was sent to the receiver's socket, as datagrams of `segment` bytes.
    pub fn carry(&mut self, segment: usize) {
        for stray in self.world.take_strays() {
            for datagram in stray.bytes.chunks(segment) {
                self.world.deliver(stray.to, RECEIVER, datagram, 0);
            }
        }
    }

    /// Loses what was sent.
    pub fn discard(&mut self) {
        self.world.take_strays();
    }

    /// One turn of the receiver: recv, classify, open, admit, write.
    ///
    /// # Errors
    /// As [`Pipeline::send`].
    pub fn receive(&mut self) -> io::Result<()> {
        self.receiver.turn()
    }

    /// Inner packets that the sender has sealed and those that the receiver has written, so far.
    #[must_use]
    pub const fn packets(&self) -> (u64, u64) {
        (self.sender.worker.counters.tx_packets, self.receiver.worker.counters.rx_packets)
    }
}

/// One worker with all that belongs to it.
struct Side {
    worker: Worker<SimPort>,
    events: Vec<Event>,
    /// Keeps the memory in which the worker publishes its counters.
    _control: ControlSide,
}

impl Side {
    /// A worker whose peers have the addresses that `inner` names, and no sessions yet.
    fn new(
        world: &World,
        address: SocketAddr,
        peers: u32,
        inner: impl Fn(u32) -> Ipv4Addr,
    ) -> io::Result<Self> {
        let (control, memory) = ControlSide::create(1)?;
        let plane = PlaneSide::attach(&memory, control.generation()).map_err(io::Error::other)?;
        let office = Office {
            slow: Arc::new(SlowMail::new()?),
            workers: [WorkerMail::new()?].into(),
            pool: Arc::new(Pool::new(PARCELS)),
        };
        let mut routes = AllowedIps::new();
        for number in 0..peers {
            let range = format!("{}/32", inner(number)).parse().map_err(io::Error::other)?;
            routes.insert(range, PeerId(number));
        }
        let snapshot = Arc::new(Snapshot::new(1).with(routes.routes()));
        let port = world.port(&[address], Limits::default())?;
        let worker = Worker::new(0, port, office, snapshot, Arc::clone(plane.rows()));
        Ok(Self { worker, events: Vec::new(), _control: control })
    }

    /// What the slow thread says of a new peer and its first session.
    fn introduce(&mut self, number: u32, session: Session) -> io::Result<()> {
        let (id, local) = (PeerId(number), self.worker.port.address(0));
        let local = local.map(|address| LocalAddr { ip: address.ip(), ifindex: 1 });
        let endpoint = Endpoint::Udp(UdpPath::new(outside(number), local, 0));
        let peer = Box::new(Peer::new(Arc::new(Stamps::new()), Some(endpoint)));
        self.order(Order::Peer { id, peer })?;
        self.order(Order::Install { id, session: Box::new(session), place: Place::Current })?;
        self.turn()
    }

    fn order(&self, order: Order) -> io::Result<()> {
        let mail = self.worker.office.workers.first().ok_or(io::ErrorKind::NotFound)?;
        mail.orders.push(order).map_err(|_| io::ErrorKind::QuotaExceeded.into())
    }

    /// One turn; then the slow thread's mail is emptied, as it would be.
    fn turn(&mut self) -> io::Result<()> {
        self.worker.turn(&mut self.events)?;
        while self.worker.office.slow.notes.pop().is_some() {}
        Ok(())
    }
}

/// Both halves of a peer's session, the sender's first.
fn sessions(number: u32) -> (Session, Session) {
    let key = |side: u8| {
        let mut key = [side; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        key
    };
    // Spread like random ones and still all different; the low byte names the owner, worker 0.
    let index = number.wrapping_mul(0x9e37_79b1) << 8;
    let born = clock::boottime();
    let half = |send, recv, initiator| Session::new(&Keys { send, recv }, index, index, initiator, born);
    (half(key(1), key(2), true), half(key(2), key(1), false))
}

/// Where a peer is outside the tunnel; nobody listens there, so that what is sent to it can be carried on.
fn outside(number: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(0xc612_0000 | number), 51_820))
}

const SENDER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 51_820);
const RECEIVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 51_820);
/// One worker hands nothing over.
const PARCELS: usize = 1;
