use super::*;
use crate::samples;
use crate::{LocalAddr, PeerState, Secret, UdpPath};
use proptest::prelude::*;

mod scribbler;

/// Small enough that every part of it is hit often.
const SMALL: Capacities = Capacities { workers: 2, peers: 4, ring_slots: [4, 4, 4, 4, 4] };

/// Both sides over one piece of the heap: the same code that runs over a memfd, and nothing that Miri cannot run.
fn pair() -> (ControlSide, PlaneSide, Arc<Region>) {
    let region = Arc::new(Region::heap(Layout::of(SMALL).total));
    let control = ControlSide::on(Arc::clone(&region), SMALL, 7);
    let capacities = region.view::<Header>(0).claim(7).expect("what control has written");
    let plane = PlaneSide::on(Arc::clone(&region), capacities).expect("the first to attach");
    (control, plane, region)
}

fn path() -> UdpPath {
    UdpPath {
        remote: "192.0.2.1:51820".parse().expect("an address"),
        local: Some(LocalAddr { ip: "198.51.100.1".parse().expect("an address"), ifindex: 2 }),
        socket: 0,
    }
}

fn with_key(byte: u8) -> Command {
    Command::SetDevice {
        private_key: Some(Secret::new(&[byte; 32])),
        mtu: 1_420,
        dscp_copy: true,
        stamped_until_secs: 9,
    }
}

proptest! {
    #[test]
    fn commands_arrive_in_order_with_their_ids(commands in proptest::collection::vec(samples::command(), 1..40)) {
        let (mut control, mut plane, _) = pair();
        for command in &commands {
            let id = control.submit(command).expect("an empty ring");
            prop_assert_eq!(plane.poll_command(), Some(Ok((id, command.clone()))));
            plane.complete(id, Status::Ok);
            prop_assert_eq!(control.poll_completion(), Some(Ok(Completion { id, status: Status::Ok })));
        }
        prop_assert_eq!(plane.poll_command(), None);
        prop_assert_eq!(control.refused() + plane.refused(), 0);
    }
}

#[test]
fn a_key_does_not_stay_in_the_memory() {
    let (mut control, mut plane, region) = pair();
    let words = |region: &Region| {
        let all = region.views::<AtomicU64>(0, Layout::of(SMALL).total / 8);
        all.iter()
            .filter(|word| word.load(crate::sync::Ordering::Relaxed) == u64::from_le_bytes([0xa7; 8]))
            .count()
    };
    control.submit(&with_key(0xa7)).expect("an empty ring");
    assert!(words(&region) >= 3, "the key is on its way");
    assert!(plane.poll_command().is_some_and(|taken| taken.is_ok()));
    assert_eq!(words(&region), 0);
}

#[test]
fn a_command_waits_until_its_completion_has_room() {
    let (mut control, mut plane, _) = pair();
    let slots = SMALL.ring_slots[RingName::Completion as usize];
    for _ in 0..slots {
        let id = control.submit(&Command::Mtu { mtu: 1 }).expect("room");
        assert!(plane.poll_command().is_some());
        plane.complete(id, Status::Refused(Reason::Failed));
    }
    control.submit(&Command::Mtu { mtu: 2 }).expect("room");
    assert_eq!(plane.poll_command(), None);
    assert!(plane.may_sleep(), "control's pop has to come first");
    assert!(control.poll_completion().is_some());
    assert!(control.plane_sleeps());
    assert!(matches!(plane.poll_command(), Some(Ok((_, Command::Mtu { mtu: 2 })))));
}

#[test]
fn a_full_ring_says_so() {
    let (mut control, mut plane, _) = pair();
    for _ in 0..4 {
        assert!(control.submit(&Command::Mtu { mtu: 1 }).is_ok());
        assert!(control.inject(&Endpoint::Udp(path()), b"stun").is_ok());
        assert!(plane.event(PlaneEvent::LinkGone) && plane.punt(&Endpoint::None, b"stun"));
    }
    assert_eq!(control.submit(&Command::Mtu { mtu: 1 }), Err(Full));
    assert_eq!(control.inject(&Endpoint::None, b"stun"), Err(Full));
    assert!(!plane.event(PlaneEvent::LinkGone) && !plane.punt(&Endpoint::None, b"stun"));
    let stats = control.plane();
    assert_eq!((stats.events_lost, stats.punts_lost), (1, 1));
}

#[test]
fn datagrams_cross_both_ways_and_too_long_ones_do_not() {
    let (mut control, mut plane, _) = pair();
    let longest = [9; crate::punt::DATAGRAM_MAX + 1];
    for payload in [&b""[..], b"binding", &longest[1..]] {
        assert!(plane.punt(&Endpoint::Udp(path()), payload));
        let punted = control.poll_punt().and_then(Result::ok).expect("it was punted");
        assert_eq!((punted.endpoint, punted.payload()), (Endpoint::Udp(path()), payload));
        assert!(control.inject(&punted.endpoint, punted.payload()).is_ok());
        let injected = plane.poll_inject().and_then(Result::ok).expect("it was injected");
        assert_eq!(injected.payload(), payload);
    }
    assert!(!plane.punt(&Endpoint::None, &longest) && control.inject(&Endpoint::None, &longest).is_err());
    assert_eq!(control.plane().punts_lost, 1);
}

#[test]
fn rubbish_in_a_command_slot_is_refused_counted_and_answered() {
    let (mut control, mut plane, region) = pair();
    let id = control.submit(&Command::Mtu { mtu: 1 }).expect("an empty ring");
    let place = Layout::of(SMALL).ring(RingName::Command);
    region.views::<AtomicU64>(place.slots, 2)[1].store(u64::MAX, crate::sync::Ordering::Relaxed);
    assert_eq!(plane.poll_command(), Some(Err(Refused::Field("command kind"))));
    let answer = Completion { id, status: Status::Refused(Reason::Malformed) };
    assert_eq!(control.poll_completion(), Some(Ok(answer)));
    assert_eq!((plane.refused(), control.plane().refused), (1, 1));
}

#[test]
fn an_answer_to_what_was_never_asked_is_refused() {
    let (mut control, mut plane, _) = pair();
    let id = control.submit(&Command::Mtu { mtu: 1 }).expect("an empty ring");
    for alleged in [0, id + 1, u64::MAX] {
        plane.complete(alleged, Status::Ok);
        assert_eq!(control.poll_completion(), Some(Err(Refused::Field("completion id"))), "{alleged}");
    }
    assert_eq!(control.refused(), 3);
}

#[test]
fn sleepers_are_woken_for_each_ring() {
    type Step = fn(&mut ControlSide, &mut PlaneSide);
    let to_plane: [Step; 2] = [
        |control, _| assert!(control.submit(&Command::Mtu { mtu: 1 }).is_ok()),
        |control, _| assert!(control.inject(&Endpoint::None, b"x").is_ok()),
    ];
    for give in to_plane {
        let (mut control, mut plane, _) = pair();
        assert!(plane.may_sleep());
        give(&mut control, &mut plane);
        assert!(control.plane_sleeps());
        assert!(!plane.may_sleep(), "something waits");
        assert!(!control.plane_sleeps(), "so it did not sleep");
    }
    let to_control: [Step; 3] = [
        |_, plane| plane.complete(1, Status::Ok),
        |_, plane| assert!(plane.event(PlaneEvent::LinkGone)),
        |_, plane| assert!(plane.punt(&Endpoint::None, b"x")),
    ];
    for give in to_control {
        let (mut control, mut plane, _) = pair();
        assert!(control.may_sleep());
        give(&mut control, &mut plane);
        assert!(plane.control_sleeps());
        assert!(!control.may_sleep(), "something waits");
        give(&mut control, &mut plane);
        assert!(!plane.control_sleeps(), "so it did not sleep");
    }
}

/// Two sides that answered every waking with a waking would keep each other from sleep for ever.
#[test]
fn who_has_nothing_to_say_wakes_nobody() {
    let (mut control, mut plane, _) = pair();
    assert!(control.may_sleep());
    assert!(!plane.control_sleeps());
    assert!(plane.event(PlaneEvent::LinkGone) && plane.control_sleeps() && !plane.control_sleeps());
}

#[test]
fn rows_are_written_by_threads_beside_the_rings() {
    let (control, plane, _) = pair();
    let state = PeerState { public_key: [3; 32], has_session: true, ..PeerState::default() };
    plane.rows().publish_peer(3, &state);
    let workers: Vec<_> = (0..2)
        .map(|worker| {
            let rows = Arc::clone(plane.rows());
            std::thread::spawn(move || {
                rows.worker(worker).expect("two workers").turns.set(u64::from(worker) + 1);
                rows.peer(worker + 2).expect("four peers").rx_bytes.set(10);
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().expect("it ran"));
    assert_eq!(control.worker(1).map(|row| row.turns), Some(2));
    assert_eq!(control.peer(3).map(|row| (row.state, row.rx_bytes)), Some((state, 10)));
    assert_eq!(control.peer(4), None);
    assert_eq!(control.worker(2), None);
}

#[test]
fn a_real_memory_is_attached_to_once_and_by_its_generation() {
    let (control, fd) = ControlSide::create(2).expect("a memfd");
    let (_, other) = ControlSide::create(2).expect("a memfd");
    let generation = control.generation();
    let wrong = PlaneSide::attach(&other, generation).err();
    assert!(matches!(wrong, Some(Refused::Generation { wanted, .. }) if wanted == generation));
    assert!(PlaneSide::attach(&fd, generation).is_ok());
    assert_eq!(PlaneSide::attach(&fd, generation).err(), Some(Refused::AlreadyAttached));
}

#[test]
fn a_memory_of_another_size_than_its_header_says_is_refused() {
    let fd = create_sealed(Layout::of(SMALL).total + 4_096).expect("a memfd");
    let region = Region::map(&fd, size_of::<Header>()).expect("a mapping");
    region.view::<Header>(0).fill(&SMALL, 7);
    let claimed = Layout::of(SMALL).total as u64;
    assert_eq!(PlaneSide::attach(&fd, 7).err(), Some(Refused::Size { claimed, actual: claimed + 4_096 }));

    let empty = create_sealed(0).expect("a memfd");
    assert!(matches!(PlaneSide::attach(&empty, 7).err(), Some(Refused::Size { actual: 0, .. })));
    let zeros = create_sealed(8_192).expect("a memfd");
    assert_eq!(PlaneSide::attach(&zeros, 7).err(), Some(Refused::Magic));
}

#[test]
fn workers_out_of_range_are_refused() {
    for workers in [0, WORKERS_MAX + 1] {
        let refusal = ControlSide::create(workers).err().map(|error| error.kind());
        assert_eq!(refusal, Some(io::ErrorKind::InvalidInput));
    }
}
