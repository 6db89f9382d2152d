//! Two real processes: a memfd, a socketpair, many fds, and a death.
#![cfg(not(loom))]

use ringmesh_abi::message::StartFds;
use ringmesh_abi::{
    Bell, Command, Completion, ControlSide, Endpoint, FromPlane, Link, LinkError, PeerState, PlaneEvent,
    PlaneSide, Refused, Status, ToPlane,
};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command as Process, Stdio};

const WORKERS: u16 = 16;
const COMMANDS: u32 = 5_000;

/// Starts this same test binary as the data plane; its stdin is the link.
fn spawn(role: &str) -> (Child, Link) {
    let (ours, theirs) = Link::pair().expect("a pair");
    let child = Process::new(std::env::current_exe().expect("this binary"))
        .args(["--ignored", "--exact", role])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .spawn()
        .expect("a second process");
    (child, ours)
}

fn link_on_stdin() -> Link {
    Link::from(std::io::stdin().as_fd().try_clone_to_owned().expect("an open stdin"))
}

fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").expect("the null device").into()
}

fn start(link: &Link, control: &ControlSide, generation: u64, memory: &OwnedFd, bells: [&Bell; 2]) {
    let files: Vec<_> = (0..3 * WORKERS + 1).map(|_| null()).collect();
    let (queues, listener) = files.split_at(3 * usize::from(WORKERS));
    let mut fds: Vec<_> = queues.iter().map(AsFd::as_fd).collect();
    fds.extend([memory.as_fd(), bells[0].as_fd(), bells[1].as_fd(), listener[0].as_fd()]);
    assert_eq!(control.worker_count(), u32::from(WORKERS));
    let ifname = "rm0".to_owned();
    let message =
        ToPlane::Start { generation, ifname, workers: WORKERS, sockets: WORKERS, offloads: 0, uid: 0 };
    link.send(&message, &fds).expect("sent");
}

/// Waits for the bell, or panics after ten seconds.
fn wait(bell: &Bell) {
    let mut fds = [rustix::event::PollFd::new(bell, rustix::event::PollFlags::IN)];
    let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut fds, Some(&limit)), Ok(1), "the other process rings");
    assert!(bell.hush().expect("an eventfd"));
}

#[test]
fn commands_answers_and_rows_cross_between_processes() {
    let (mut child, link) = spawn("as_the_data_plane");
    let (mut control, memory) = ControlSide::create(WORKERS.into()).expect("a memory");
    let (plane_bell, bell) = (Bell::new().expect("an eventfd"), Bell::new().expect("an eventfd"));
    start(&link, &control, control.generation(), &memory, [&plane_bell, &bell]);
    assert!(matches!(link.recv::<FromPlane>(), Ok((FromPlane::Ready, _))));

    let (mut submitted, mut completed) = (0, 0);
    while completed < COMMANDS {
        while submitted < COMMANDS && control.submit(&Command::Mtu { mtu: submitted }).is_ok() {
            submitted += 1;
        }
        if control.plane_sleeps() {
            plane_bell.strike().expect("an eventfd");
        }
        let completed_before = completed;
        while let Some(answer) = control.poll_completion() {
            completed += 1;
            let status = Status::Ok;
            assert_eq!(answer, Ok(Completion { id: completed.into(), status }));
        }
        // After an answer there may be room for another command.
        if completed == completed_before && control.may_sleep() {
            wait(&bell);
            control.woke();
        }
    }

    assert_eq!(control.poll_event(), Some(Ok(PlaneEvent::HandshakeDone { slot: 9 })));
    let punted = control.poll_punt().and_then(Result::ok).expect("one datagram");
    assert_eq!((punted.endpoint, punted.payload()), (Endpoint::Control { token: 9 }, &b"stun"[..]));
    let row = control.peer(9).expect("a whole row");
    assert_eq!((row.state.public_key, row.rx_bytes), ([9; 32], u64::from(COMMANDS)));
    assert_eq!(control.plane().pid, u64::from(child.id()));
    assert_eq!(control.refused(), 0);

    drop(link);
    assert!(child.wait().expect("it ends").success());
}

#[test]
fn a_memory_of_another_generation_is_refused_and_the_right_one_is_taken() {
    let (mut child, link) = spawn("as_the_data_plane");
    let (old, old_memory) = ControlSide::create(WORKERS.into()).expect("a memory");
    let (mut control, memory) = ControlSide::create(WORKERS.into()).expect("a memory");
    let bells = [Bell::new().expect("an eventfd"), Bell::new().expect("an eventfd")];

    start(&link, &old, control.generation(), &old_memory, [&bells[0], &bells[1]]);
    let (failed, _) = link.recv::<FromPlane>().expect("an answer");
    let refusal = Refused::Generation { wanted: control.generation(), found: old.generation() };
    assert_eq!(failed, FromPlane::Failed { text: refusal.to_string() });

    start(&link, &control, control.generation(), &memory, [&bells[0], &bells[1]]);
    assert!(matches!(link.recv::<FromPlane>(), Ok((FromPlane::Ready, _))));
    let id = control.submit(&Command::Mtu { mtu: COMMANDS - 1 }).expect("an empty ring");
    assert!(control.may_sleep());
    bells[0].strike().expect("an eventfd");
    wait(&bells[1]);
    assert_eq!(control.poll_completion(), Some(Ok(Completion { id, status: Status::Ok })));

    // Killed in the middle of its life: control sees the end, and the memory serves nobody else.
    child.kill().expect("it lives");
    child.wait().expect("it ends");
    assert!(matches!(link.recv::<FromPlane>(), Err(LinkError::Closed)));
    assert_eq!(PlaneSide::attach(&memory, control.generation()).err(), Some(Refused::AlreadyAttached));
}

/// The other process. It serves until its link closes.
#[test]
#[ignore = "started by the tests beside it, as their second process"]
fn as_the_data_plane() {
    let link = link_on_stdin();
    let (mut plane, [plane_bell, control_bell]) = loop {
        let (message, fds) = link.recv::<ToPlane>().expect("a start");
        let ToPlane::Start { generation, workers, sockets, .. } = message else { panic!("{message:?}") };
        let fds = StartFds::sort(workers, sockets, fds).expect("as many as named");
        assert_eq!((fds.tun.len(), fds.sockets.len()), (WORKERS.into(), WORKERS.into()));
        match PlaneSide::attach(&fds.memory, generation) {
            Ok(plane) => {
                let bells = [fds.plane_bell, fds.control_bell];
                break (plane, bells.map(|fd| Bell::adopt(fd).expect("an eventfd")));
            }
            Err(refused) => link.send(&FromPlane::Failed { text: refused.to_string() }, &[]).expect("sent"),
        }
    };
    plane.rows().plane().pid.set(std::process::id().into());
    link.send(&FromPlane::Ready, &[]).expect("sent");
    let mut expected = 0;
    loop {
        while let Some(taken) = plane.poll_command() {
            let (id, command) = taken.expect("control does not lie");
            assert!(matches!(command, Command::Mtu { mtu } if mtu == expected || mtu == COMMANDS - 1));
            expected += 1;
            if expected == COMMANDS {
                finish(&mut plane);
            }
            plane.complete(id, Status::Ok);
        }
        if plane.control_sleeps() {
            control_bell.strike().expect("an eventfd");
        }
        if plane.may_sleep() {
            if is_over(&link, &plane_bell) {
                return;
            }
            plane.woke();
        }
    }
}

/// What must be there when the last command is answered.
fn finish(plane: &mut PlaneSide) {
    assert!(plane.event(PlaneEvent::HandshakeDone { slot: 9 }));
    assert!(plane.punt(&Endpoint::Control { token: 9 }, b"stun"));
    plane.rows().publish_peer(9, &PeerState { public_key: [9; 32], ..PeerState::default() });
    plane.rows().peer(9).expect("a row").rx_bytes.set(COMMANDS.into());
}

/// Sleeps until the bell is struck (false) or the link is closed (true).
fn is_over(link: &Link, bell: &Bell) -> bool {
    use rustix::event::{PollFd, PollFlags};
    let mut fds = [PollFd::new(bell, PollFlags::IN), PollFd::new(link, PollFlags::IN)];
    rustix::event::poll(&mut fds, None).expect("two open fds");
    let over = !fds[1].revents().is_empty();
    bell.hush().expect("an eventfd");
    over
}
