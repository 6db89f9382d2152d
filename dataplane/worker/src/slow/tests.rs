use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ringmesh_abi::{
    self as abi, Command, Completion, ControlSide, Secret, Status, ToPlane, command::ENDPOINTS_PER_PEER,
};
use ringmesh_tunnel::{PeerId, allowed_ips::AllowedIps, device::Place, session::Session};
use ringmesh_wire::{Endpoint, keys::PrivateKey};

use super::*;
use crate::{
    mail::{LETTER_LEN, Letter, SlowMail, WorkerMail},
    parcel::Pool,
};

/// A slow thread with the control process before it and the workers behind it played by the test.
pub(crate) struct Side {
    pub(crate) slow: Slow,
    pub(crate) control: ControlSide,
    /// The workers' sockets, to receive from.
    pub(crate) sockets: Vec<UdpSocket>,
    /// The socket for letters, to send to.
    pub(crate) letters: UdpSocket,
    pub(crate) path: Path,
}

/// Where a listener is; removed in the end.
pub(crate) struct Path(pub(crate) PathBuf);

impl std::ops::Drop for Path {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Side {
    pub(crate) fn new(workers: u8) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ringmesh-slow-{}-{number}", std::process::id()));
        let (control, memory) = ControlSide::create(workers.into()).expect("shared memory");
        let plane = PlaneSide::attach(&memory, control.generation()).expect("fresh memory");
        let sockets: Vec<_> = (0..workers).map(|_| loopback()).collect();
        let letters = loopback();
        let mails: Vec<_> = (0..workers).map(|_| WorkerMail::new().expect("an eventfd")).collect();
        let office = Office {
            slow: Arc::new(SlowMail::new().expect("an eventfd")),
            workers: mails.into(),
            pool: Arc::new(Pool::new(1)),
        };
        let bell = || Bell::new().expect("an eventfd");
        let all = sockets.iter().chain([&letters]);
        let copies = all.map(|socket| socket.try_clone().expect("a copy").into()).collect();
        let slow = Slow {
            device: Device::new([number as u8; 32], Tai64N::default()),
            backlog: (0..workers).map(|_| VecDeque::new()).collect(),
            office,
            routes: AllowedIps::new(),
            snapshot: Snapshot::new(workers),
            published: Vec::new(),
            introduced: Vec::new(),
            unpublished: false,
            plane,
            bells: Bells { plane: bell(), control: bell() },
            link: None,
            whole: true,
            listener: Listener::bind(&path).expect("a listener"),
            files: Files {
                ifname: "ring0".to_owned(),
                offloads: 5,
                tun: (0..workers).map(|_| [some_file(), some_file()]).collect(),
                sockets: vec![copies],
            },
            about: About { pid: 7, uid: 8, start: Duration::from_nanos(9), hardening: Hardening::default() },
            drops: [0; Drop::COUNT],
            ending: None,
            letters: Letters::default(),
            moves: 0,
            moves_told: 0,
            turns: 0,
            beat_at: Duration::ZERO,
        };
        Self { slow, control, sockets, letters, path: Path(path) }
    }

    /// Lets the slow thread carry out a command, and gives its answer.
    pub(crate) fn command(&mut self, command: &Command) -> Status {
        let id = self.control.submit(command).expect("room");
        self.slow.turn();
        let answer = self.control.poll_completion().expect("an answer").expect("a sound one");
        assert_eq!(answer.id, id);
        assert!(self.control.poll_completion().is_none(), "one answer each");
        answer.status
    }

    #[track_caller]
    pub(crate) fn command_ok(&mut self, command: &Command) {
        assert_eq!(self.command(command), Status::Ok, "{command:?}");
    }

    fn note(&mut self, note: Note) {
        assert!(self.slow.office.slow.notes.push(note).is_ok());
        self.slow.turn();
    }

    /// The orders that wait in a worker's mail.
    pub(crate) fn orders(&self, worker: usize) -> Vec<Order> {
        std::iter::from_fn(|| self.slow.office.workers[worker].orders.pop()).collect()
    }

    pub(crate) fn order_names(&self) -> Vec<String> {
        self.orders(0).iter().map(name).collect()
    }

    pub(crate) fn events(&mut self) -> Vec<PlaneEvent> {
        std::iter::from_fn(|| self.control.poll_event()).map(|event| event.expect("a sound one")).collect()
    }

    pub(crate) fn state(&self) -> Vec<Command> {
        self.slow.state().collect()
    }

    fn address(&self, worker: usize) -> SocketAddr {
        self.sockets[worker].local_addr().expect("bound")
    }

    /// The next datagram at a socket, as the worker's letter.
    fn letter(&self, worker: usize) -> Letter {
        let mut bytes = [0; LETTER_LEN];
        let (len, from) = self.sockets[worker].recv_from(&mut bytes).expect("a datagram within the limit");
        Letter { from: Endpoint::udp(from), bytes: bytes[..len].iter().copied().collect() }
    }

    /// Hands a handshake message to the slow thread.
    fn handshake(&mut self, letter: Letter) {
        assert!(self.slow.office.slow.handshakes.push(letter).is_ok());
        self.slow.turn();
    }

    fn dropped(&self, how: Drop) -> u64 {
        self.control.plane().drops[how as usize]
    }
}

pub(crate) fn loopback() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    // Only a broken test waits that long.
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    socket
}

/// Whether nothing has arrived. Loopback delivers before `sendmsg` returns.
fn is_silent(socket: &UdpSocket) -> bool {
    socket.set_nonblocking(true).expect("a mode");
    let got = socket.recv(&mut [0; 1]);
    socket.set_nonblocking(false).expect("a mode");
    got.is_err()
}

pub(crate) fn some_file() -> OwnedFd {
    rustix::event::eventfd(0, rustix::event::EventfdFlags::NONBLOCK).expect("an eventfd")
}

pub(crate) fn name(order: &Order) -> String {
    match order {
        Order::Peer { id, .. } => format!("peer {}", id.0),
        Order::ForgetPeer { id } => format!("forget peer {}", id.0),
        Order::Endpoint { id, endpoint } => {
            format!("endpoint {} {:?}", id.0, endpoint.and_then(|endpoint| endpoint.remote()))
        }
        Order::Install { id, place, .. } => format!("install {} {place:?}", id.0),
        Order::ForgetSession { id, local_index } => {
            format!("forget session {} {}", id.0, if local_index.is_some() { "one" } else { "all" })
        }
        Order::Keepalive { id } => format!("keepalive {}", id.0),
        Order::GiveUp { id } => format!("give up {}", id.0),
        Order::Snapshot(_) => "snapshot".to_owned(),
        Order::Rows(_) => "rows".to_owned(),
        Order::Socket { index, .. } => format!("socket {index}"),
    }
}

pub(crate) const KEY: [u8; 32] = [0x11; 32];

pub(crate) fn set_device(key: u8) -> Command {
    let key = PrivateKey::new([key; 32]);
    Command::SetDevice {
        private_key: Some(Secret::new(key.expose())),
        mtu: 1400,
        dscp_copy: true,
        stamped_until_secs: 0,
    }
}

pub(crate) fn set_peer(slot: u32, public_key: [u8; 32], remote: Option<SocketAddr>) -> Command {
    let mut endpoints = [abi::Endpoint::None; ENDPOINTS_PER_PEER];
    if let Some(remote) = remote {
        endpoints[0] = abi::Endpoint::Udp(abi::UdpPath { remote, local: None, socket: 0 });
    }
    Command::SetPeer {
        slot,
        public_key,
        preshared_key: Secret::new(&[9; 32]),
        keepalive_secs: 0,
        endpoints,
        greatest_timestamp: [0; 12],
        had_session: false,
    }
}

pub(crate) fn remote(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Two sides that know each other as the peers of slot `slot`, each of `workers` workers.
fn acquainted(workers: u8, slot: u32) -> [Side; 2] {
    let mut sides = [Side::new(workers), Side::new(workers)];
    for (key, side) in (1..).zip(&mut sides) {
        side.command_ok(&set_device(key));
    }
    let keys = [0, 1].map(|side| sides[side].slow.device.public_key().expect("a key").0);
    let owner = usize::from(owner_of(slot, workers));
    for (side, other) in [(0, 1), (1, 0)] {
        let remote = sides[other].address(owner);
        sides[side].command_ok(&set_peer(slot, keys[other], Some(remote)));
        (0..usize::from(workers)).for_each(|worker| drop(sides[side].orders(worker)));
    }
    sides
}

fn owner_of(slot: u32, workers: u8) -> u8 {
    crate::snapshot::owner(PeerId(slot), workers)
}

/// The session among some orders, and its place.
fn session(orders: Vec<Order>) -> (Box<Session>, Place) {
    let installs = orders.into_iter().filter_map(|order| match order {
        Order::Install { session, place, .. } => Some((session, place)),
        Order::Peer { .. }
        | Order::ForgetPeer { .. }
        | Order::Endpoint { .. }
        | Order::ForgetSession { .. }
        | Order::Keepalive { .. }
        | Order::GiveUp { .. }
        | Order::Snapshot(_)
        | Order::Rows(_)
        | Order::Socket { .. } => None,
    });
    let [one] =
        <[_; 1]>::try_from(installs.collect::<Vec<_>>()).map_err(|all| all.len()).expect("one session");
    one
}

#[test]
fn a_handshake_over_loopback_ends_with_sessions_that_fit() {
    for (workers, slot) in [(1, 0), (2, 1), (3, 5)] {
        let [mut left, mut right] = acquainted(workers, slot);
        let id = PeerId(slot);
        let worker = usize::from(owner_of(slot, workers));

        left.note(Note::WantSession { id });
        let initiation = right.letter(worker);
        assert_eq!(
            initiation.from,
            Endpoint::udp(left.address(worker)),
            "from the socket that gets the answer"
        );
        right.handshake(initiation);

        let (theirs, place) = session(right.orders(worker));
        assert_eq!((place, theirs.initiator()), (Place::Next, false));
        assert!(is_silent(&left.sockets[worker]), "no answer before the owner can open what follows it");
        right.note(Note::Installed { id, local_index: theirs.local_index() });
        left.handshake(left.letter(worker));

        let (ours, place) = session(left.orders(worker));
        assert_eq!((place, ours.initiator()), (Place::Current, true));
        for session in [&ours, &theirs] {
            assert_eq!(session.local_index() & 0xff, worker as u32, "the index names the owner");
        }
        assert_eq!((ours.local_index(), ours.remote_index()), (theirs.remote_index(), theirs.local_index()));
        crosses(&ours, theirs);
        assert_eq!(left.events(), [PlaneEvent::HandshakeDone { slot }]);
        assert_eq!(right.events(), []);
        assert!(left.control.peer(slot).expect("a row").state.has_session);
    }
}

/// That a packet sealed by one half is opened by the other.
fn crosses(from: &Session, mut to: Box<Session>) {
    let now = clock::boottime();
    let datagram = crate::pair::seal_with(from, 3, b"a packet");
    let mut text = datagram[16..].to_vec();
    let opened = to.open(3, &mut text, now).expect("authentic");
    assert_eq!(to.admit(opened).map(|len| text[..len].to_vec()), Ok(b"a packet".to_vec()));
}

#[test]
fn a_confirmed_session_is_told_and_published() {
    let [mut left, mut right] = acquainted(1, 0);
    let id = PeerId(0);
    left.note(Note::WantSession { id });
    right.handshake(right.letter(0));
    let (session, _) = session(right.orders(0));
    let local_index = session.local_index();
    right.note(Note::Installed { id, local_index });
    assert_eq!(right.control.peer(0).expect("a row").state.last_handshake_secs, 0);
    right.note(Note::Confirmed { id, local_index });
    assert_eq!(right.events(), [PlaneEvent::HandshakeDone { slot: 0 }]);
    let row = right.control.peer(0).expect("a row").state;
    let (now, _) = clock::wall();
    assert!(row.has_session && now - row.last_handshake_secs < 60, "{} at {now}", row.last_handshake_secs);
    assert_ne!(row.greatest_timestamp, [0; 12], "an initiation came");
}

#[test]
fn a_peer_that_had_a_session_gets_a_handshake_at_once() {
    let [mut left, right] = acquainted(1, 0);
    let state = left.state();
    let mut restarted = Side::new(1);
    for mut command in state {
        if let Command::SetPeer { had_session, .. } = &mut command {
            *had_session = true;
        }
        restarted.command_ok(&command);
    }
    assert_eq!(right.letter(0).from, Endpoint::udp(restarted.address(0)));
    left.slow.office.slow.notes.push(Note::Active { id: PeerId(0) }).ok();
    left.slow.turn();
    assert!(is_silent(&right.sockets[0]), "nobody else asked for one");
}

#[test]
fn roaming_reaches_the_device_and_control() {
    let [mut left, _] = acquainted(1, 0);
    let elsewhere = Endpoint::udp(remote(4_242));
    left.note(Note::Roamed { id: PeerId(0), endpoint: elsewhere });
    assert_eq!(left.events(), [PlaneEvent::Roamed { slot: 0 }]);
    let abi::Endpoint::Udp(path) = left.control.peer(0).expect("a row").state.endpoint else {
        panic!("not by UDP")
    };
    assert_eq!(path.remote, remote(4_242));
    let Some(Command::SetPeer { endpoints, .. }) = left.state().get(1).cloned() else { panic!("no peer") };
    assert_eq!(endpoints[0], abi::Endpoint::Udp(path), "the state is where the peer is");
}

#[test]
fn a_flood_of_handshakes_is_taken_in_portions_and_counted() {
    let mut side = Side::new(1);
    side.command_ok(&set_device(1));
    let junk = || {
        let mut bytes = [0; 148];
        bytes[0] = 1;
        Letter { from: Endpoint::udp(remote(9)), bytes: bytes.into_iter().collect() }
    };
    (0..100).for_each(|_| assert!(side.slow.office.slow.handshakes.push(junk()).is_ok()));
    let id = side.control.submit(&Command::Mtu { mtu: 1_300 }).expect("room");
    side.slow.turn();
    assert_eq!(side.slow.office.slow.handshakes.len(), 100 - HANDSHAKES_PER_TURN);
    let answer = side.control.poll_completion().expect("an answer").expect("sound");
    assert_eq!(answer, Completion { id, status: Status::Ok }, "a command does not wait behind them");
    while !side.slow.office.slow.handshakes.is_empty() {
        side.slow.turn();
    }
    assert_eq!(side.dropped(Drop::BadMac), 100);
    assert_eq!(side.control.plane().drops.iter().sum::<u64>(), 100);
}

#[test]
fn what_is_no_wireguard_goes_to_control_and_its_answers_leave() {
    let mut side = Side::new(1);
    let server = loopback();
    let from = Endpoint::udp(server.local_addr().expect("bound"));
    for len in [1, 20, LETTER_LEN] {
        let letter = Letter { from, bytes: std::iter::repeat_n(7, len).collect() };
        assert!(side.slow.office.slow.punts.push(letter).is_ok());
        side.slow.turn();
        let punted = side.control.poll_punt().expect("a datagram").expect("sound");
        assert_eq!((punted.endpoint, punted.payload()), (commands::to_shared(from), vec![7; len].as_slice()));
    }
    side.control.inject(&commands::to_shared(from), b"an answer").expect("room");
    side.slow.turn();
    let mut bytes = [0; 64];
    let (len, sender) = server.recv_from(&mut bytes).expect("a datagram within the limit");
    assert_eq!((&bytes[..len], sender), (b"an answer".as_slice(), side.address(0)));

    let nowhere = [
        abi::Endpoint::None,
        abi::Endpoint::Control { token: 1 },
        // A set of sockets that does not exist.
        abi::Endpoint::Udp(abi::UdpPath { remote: remote(9), local: None, socket: 3 }),
    ];
    for (count, endpoint) in (1..).zip(nowhere) {
        side.control.inject(&endpoint, b"lost").expect("room");
        side.slow.turn();
        assert_eq!(side.dropped(Drop::NoEndpoint), count, "{endpoint:?}");
    }
    // An IPv4 socket cannot reach an IPv6 address.
    let path =
        abi::UdpPath { remote: "[2001:db8::1]:9".parse().expect("an address"), local: None, socket: 0 };
    side.control.inject(&abi::Endpoint::Udp(path), b"lost").expect("room");
    side.slow.turn();
    assert_eq!(side.dropped(Drop::SendFailed), 1);
}

#[test]
fn orders_beyond_a_full_mail_wait_and_keep_their_order() {
    let mut side = Side::new(1);
    let room = side.slow.office.workers[0].orders.capacity();
    let count = room as u32 + 40;
    (0..count).for_each(|number| side.slow.order(0, Order::Keepalive { id: PeerId(number) }));
    assert_eq!(side.slow.backlog[0].len(), 40);
    assert!(side.slow.patience() <= BACKLOG_PAUSE, "it does not sleep over them");
    let mut seen: Vec<_> = side.orders(0).iter().map(name).collect();
    side.slow.order(0, Order::Keepalive { id: PeerId(count) });
    side.slow.turn();
    seen.extend(side.orders(0).iter().map(name));
    assert_eq!(seen, (0..=count).map(|number| format!("keepalive {number}")).collect::<Vec<_>>());
}

#[test]
fn the_reasons_to_end() {
    let failed = || Note::Failed { worker: 0, error: std::io::ErrorKind::Other.into() };
    type Case = (fn() -> Note, Ending, &'static [PlaneEvent]);
    let endings: [Case; 2] =
        [(|| Note::LinkGone, Ending::Orderly, &[PlaneEvent::LinkGone]), (failed, Ending::Broken, &[])];
    for (note, ending, events) in endings {
        let Side { slow, mut control, .. } = Side::new(1);
        assert!(slow.office.slow.notes.push(note()).is_ok());
        assert_eq!(slow.run(), ending);
        let told: Vec<_> =
            std::iter::from_fn(|| control.poll_event()).map(|event| event.expect("sound")).collect();
        assert_eq!(told, events);
    }
    let Side { mut slow, control: _control, .. } = Side::new(1);
    let (ours, theirs) = Link::pair().expect("a pair");
    slow.link = Some(theirs);
    ours.send(&ToPlane::Stop, &[]).expect("sent");
    assert_eq!(slow.run(), Ending::Orderly);
}
