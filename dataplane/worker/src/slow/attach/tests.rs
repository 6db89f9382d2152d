use std::os::fd::BorrowedFd;

use ringmesh_abi::{Command, ControlSide, Status, message::HelloFds};

use super::*;
use crate::slow::tests::{KEY, Side, name, remote, set_device, set_peer, some_file};

/// Another control process, with memory of its own.
struct Newcomer {
    link: Link,
    control: ControlSide,
    memory: OwnedFd,
    bells: [Bell; 2],
}

impl Newcomer {
    fn connect(side: &Side) -> Self {
        let (control, memory) = ControlSide::create(side.sockets.len() as u32).expect("shared memory");
        let bells = [0, 1].map(|_| Bell::new().expect("an eventfd"));
        Self { link: Link::connect(&side.path.0).expect("a listener"), control, memory, bells }
    }

    fn attach(&self, generation: u64) {
        let fds: [BorrowedFd<'_>; 3] = [self.memory.as_fd(), self.bells[0].as_fd(), self.bells[1].as_fd()];
        self.link.send(&ToPlane::Attach { generation }, &fds).expect("sent");
    }

    /// All that the data plane has said so far.
    fn heard(&self) -> Vec<(FromPlane, Vec<OwnedFd>)> {
        std::iter::from_fn(|| self.link.try_recv::<FromPlane>().ok().flatten()).collect()
    }
}

/// Lets the slow thread see its connections.
fn look(side: &mut Side) {
    side.slow.take_link_messages(ringmesh_io::clock::boottime());
}

#[test]
fn a_new_control_process_is_told_all_and_takes_over() {
    let mut side = Side::new(2);
    for command in [set_device(1), set_peer(0, KEY, Some(remote(1)))] {
        side.command_ok(&command);
    }
    // A peer that was never heard of has nothing to publish; this one is asked for.
    side.slow.introduce(ringmesh_tunnel::PeerId(0));
    (0..2).for_each(|worker| drop(side.orders(worker)));
    let mut newcomer = Newcomer::connect(&side);
    newcomer.link.send(&ToPlane::Dump, &[]).expect("sent");
    newcomer.attach(newcomer.control.generation());
    look(&mut side);

    let mut heard = newcomer.heard().into_iter();
    let (hello, fds) = heard.next().expect("hello");
    let FromPlane::Hello { ifname, workers, sockets, offloads } = hello else { panic!("{hello:?}") };
    assert_eq!((ifname.as_str(), workers, sockets, offloads), ("ring0", 2, 3, 5));
    let fds = HelloFds::sort(workers, sockets, fds).expect("as many as it said");
    for (fd, socket) in fds.sockets.into_iter().zip(&side.sockets) {
        let copy = std::net::UdpSocket::from(fd);
        assert_eq!(copy.local_addr().expect("bound"), socket.local_addr().expect("bound"));
    }
    let state: Vec<_> = side.state().into_iter().map(FromPlane::State).chain([FromPlane::End]).collect();
    assert_eq!(heard.map(|(message, _)| message).collect::<Vec<_>>(), state);

    // Every worker publishes in the new memory, and the slow thread did.
    for worker in 0..2 {
        assert_eq!(side.orders(worker).iter().map(name).collect::<Vec<_>>(), ["rows"]);
    }
    assert_eq!(newcomer.control.peer(0).expect("a row").state.public_key, KEY);
    assert_eq!((newcomer.control.plane().pid, newcomer.control.plane().uid), (7, 8));
    std::mem::swap(&mut side.control, &mut newcomer.control);
    assert_eq!(side.command(&Command::Mtu { mtu: 1_300 }), Status::Ok);
    newcomer.control.submit(&Command::Mtu { mtu: 9_000 }).expect("room");
    side.slow.take_commands(ringmesh_io::clock::boottime());
    assert_eq!(side.slow.snapshot.mtu, 1_300, "the former control process is not heard any more");
}

#[test]
fn who_brings_bad_memory_is_told_so_and_the_old_one_stays() {
    let mut side = Side::new(1);
    let newcomer = Newcomer::connect(&side);
    newcomer.link.send(&ToPlane::Dump, &[]).expect("sent");
    newcomer.attach(newcomer.control.generation() ^ 2);
    look(&mut side);
    let heard: Vec<_> = newcomer.heard().into_iter().map(|(message, _)| message).collect();
    assert!(matches!(heard[..], [FromPlane::Hello { .. }, FromPlane::Failed { .. }]), "{heard:?}");
    side.command_ok(&set_device(1));
}

#[test]
fn a_connection_that_says_nothing_useful_changes_nothing() {
    type Say = fn(&Newcomer);
    let all: [(&str, Say); 4] = [
        ("nothing", |newcomer| drop(newcomer.link.send(&FromPlane::Ready, &[]))),
        ("attach without asking first", |newcomer| newcomer.attach(newcomer.control.generation())),
        ("the beginning of another data plane", |newcomer| {
            newcomer.link.send(&ToPlane::Dump, &[]).expect("sent");
            newcomer.link.send(&ToPlane::Dump, &[]).expect("sent");
        }),
        ("sockets", |newcomer| {
            let socket = some_file();
            newcomer.link.send(&ToPlane::Sockets { set: 1, count: 1 }, &[socket.as_fd()]).expect("sent");
        }),
    ];
    for (what, say) in all {
        let mut side = Side::new(1);
        let newcomer = Newcomer::connect(&side);
        say(&newcomer);
        look(&mut side);
        assert!(side.slow.link.is_none() && side.slow.ending.is_none(), "{what}");
        assert!(side.orders(0).is_empty(), "{what}");
        side.command_ok(&set_device(1));
    }
}

#[test]
fn a_newcomer_can_end_the_data_plane_after_asking() {
    let mut side = Side::new(1);
    let newcomer = Newcomer::connect(&side);
    newcomer.link.send(&ToPlane::Dump, &[]).expect("sent");
    newcomer.link.send(&ToPlane::Stop, &[]).expect("sent");
    look(&mut side);
    assert_eq!(side.slow.ending, Some(Ending::Orderly));
}

#[test]
fn new_sockets_reach_every_worker_and_the_next_control_process() {
    let mut side = Side::new(2);
    let (ours, theirs) = Link::pair().expect("a pair");
    side.slow.link = Some(theirs);
    let files = [some_file(), some_file(), some_file()];
    let [one, two, letters] = files.each_ref().map(|file| file.as_fd());
    ours.send(&ToPlane::Sockets { set: 2, count: 2 }, &[one, two]).expect("sent");
    look(&mut side);
    assert!(side.orders(0).is_empty(), "without one for letters they are too few");
    ours.send(&ToPlane::Sockets { set: 2, count: 3 }, &[one, two, letters]).expect("sent");
    look(&mut side);
    for worker in 0..2 {
        assert_eq!(side.orders(worker).iter().map(name).collect::<Vec<_>>(), ["socket 2"]);
    }
    let told = |side: &mut Side| {
        side.slow.tell_moved();
        ours.try_recv::<FromPlane>().expect("open").map(|(message, _)| message)
    };
    assert_eq!(told(&mut side), None, "no worker has changed over");
    side.slow.office.workers[1].moves.fetch_add(1, Ordering::Release);
    assert_eq!(told(&mut side), None, "one has not");
    side.slow.office.workers[0].moves.fetch_add(1, Ordering::Release);
    assert_eq!(told(&mut side), Some(FromPlane::Moved));
    assert_eq!(told(&mut side), None, "told once");
    let newcomer = Newcomer::connect(&side);
    newcomer.link.send(&ToPlane::Dump, &[]).expect("sent");
    newcomer.attach(newcomer.control.generation());
    look(&mut side);
    let heard = newcomer.heard();
    assert!(
        matches!(heard[1], (FromPlane::Sockets { set: 2, count: 3 }, ref fds) if fds.len() == 3),
        "{heard:?}"
    );
}

#[test]
fn a_control_process_that_dies_leaves_the_data_plane_alone() {
    let mut side = Side::new(1);
    let (ours, theirs) = Link::pair().expect("a pair");
    side.slow.link = Some(theirs);
    drop(ours);
    look(&mut side);
    assert!(side.slow.link.is_none() && side.slow.ending.is_none());
    side.command_ok(&set_device(1));
}

/// Only the control process knows what a data plane that took another one's place has not been told yet.
#[test]
fn a_data_plane_that_was_told_half_ends_with_its_control_process() {
    for told in [false, true] {
        let mut side = Side::new(1);
        side.slow.whole = false;
        let (ours, theirs) = Link::pair().expect("a pair");
        side.slow.link = Some(theirs);
        side.command_ok(&set_device(1));
        if told {
            ours.send(&ToPlane::Rebuilt, &[]).expect("sent");
        }
        drop(ours);
        let newcomer = Newcomer::connect(&side);
        newcomer.link.send(&ToPlane::Dump, &[]).expect("sent");
        newcomer.attach(newcomer.control.generation());
        look(&mut side);
        assert_eq!(side.slow.ending, (!told).then_some(Ending::Orderly), "told: {told}");
        assert_eq!(newcomer.heard().is_empty(), !told, "told: {told}");
    }
}
