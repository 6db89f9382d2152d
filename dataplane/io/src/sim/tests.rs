use super::*;
use crate::Span;
use crate::{Destination, Event, Port, Queue, VnetHdr};

const LEFT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 51_820);
const RIGHT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), 51_820);

fn to(remote: SocketAddr) -> Destination {
    Destination { remote, local: None, socket: 0, tos: 2 }
}

/// Sends `numbers` as datagrams of eight bytes each, in one slot.
fn send(port: &mut SimPort, remote: SocketAddr, numbers: std::ops::Range<u64>) {
    let slot = port.slot().expect("a free slot");
    let bytes: Vec<u8> = numbers.flat_map(u64::to_be_bytes).collect();
    port.parts(slot).1[..bytes.len()].copy_from_slice(&bytes);
    port.send(slot, bytes.len(), 8, &to(remote));
}

fn turn(port: &mut SimPort) -> Vec<Event> {
    let mut events = vec![];
    port.turn(false, &mut events).expect("memory does not fail");
    events
}

/// The numbers that arrived, and in how many runs.
fn receive(port: &mut SimPort) -> (Vec<u64>, usize) {
    let (mut numbers, mut runs) = (vec![], 0);
    for event in turn(port) {
        let Event::Datagrams { buf, span, segment, .. } = event else { continue };
        assert_eq!(segment, 8);
        let bytes = &port.region()[span.range()];
        numbers.extend(bytes.chunks(8).map(|chunk| u64::from_be_bytes(chunk.try_into().expect("whole"))));
        runs += 1;
        port.release(buf);
    }
    (numbers, runs)
}

/// Ten sends of ten datagrams over bad conditions; what arrived when, step by step.
fn run(seed: u64, conditions: Conditions) -> Vec<(Duration, Vec<u64>)> {
    let (world, mut left, mut right) = pair(seed, conditions, Limits::default()).expect("memory");
    let mut arrivals = vec![];
    for round in 0..10 {
        send(&mut left, RIGHT, round * 10..round * 10 + 10);
        turn(&mut left);
        world.advance(Duration::from_millis(1));
        arrivals.push((world.now(), receive(&mut right).0));
    }
    while let Some(at) = world.next_arrival() {
        world.advance(at - world.now());
        arrivals.push((at, receive(&mut right).0));
    }
    arrivals
}

#[test]
fn a_perfect_world_delivers_runs_at_once() {
    let (_, mut left, mut right) = pair(1, Conditions::PERFECT, Limits::default()).expect("memory");
    send(&mut left, RIGHT, 0..40);
    send(&mut left, RIGHT, 40..64);
    send(&mut left, RIGHT, 64..70);
    let (numbers, runs) = receive(&mut right);
    assert_eq!(numbers, (0..70).collect::<Vec<u64>>());
    assert_eq!(runs, 2, "a run holds 64 datagrams");
    assert!(receive(&mut right).0.is_empty());
}

#[test]
fn one_seed_is_one_history() {
    let bad = Conditions {
        delay: Duration::from_millis(7),
        jitter: Duration::from_millis(3),
        loss_ppm: 200_000,
        duplicate_ppm: 100_000,
        reorder_ppm: 100_000,
        reorder_by: Duration::from_millis(5),
        gro: true,
    };
    assert_eq!(run(42, bad), run(42, bad));
    assert_ne!(run(42, bad), run(43, bad));
    let all: Vec<u64> = run(42, bad).into_iter().flat_map(|(_, numbers)| numbers).collect();
    let mut unique = all.clone();
    unique.sort_unstable();
    unique.dedup();
    assert!(unique.len() < 95 && unique.len() > 60, "about a fifth is lost");
    assert!(all.len() > unique.len(), "some came twice");
    assert!(!all.is_sorted(), "some came late");
}

#[test]
fn jitter_alone_keeps_order_and_delay() {
    let jitter = Conditions {
        delay: Duration::from_millis(5),
        jitter: Duration::from_millis(20),
        loss_ppm: 0,
        gro: false,
        ..Conditions::PERFECT
    };
    let arrivals = run(3, jitter);
    assert!(arrivals.iter().filter(|(_, numbers)| !numbers.is_empty()).all(|(at, _)| *at >= jitter.delay));
    let all: Vec<u64> = arrivals.into_iter().flat_map(|(_, numbers)| numbers).collect();
    assert_eq!(all, (0..100).collect::<Vec<u64>>());
}

#[test]
fn slots_and_buffers_are_as_scarce_as_the_limits_say() {
    let limits = Limits { slots: 2, bulk_buffers: 2, spare_buffers: 1, ..Limits::default() };
    let (_, mut left, _right) = pair(1, Conditions::PERFECT, limits).expect("memory");
    send(&mut left, RIGHT, 0..1);
    send(&mut left, RIGHT, 1..2);
    assert_eq!(left.slot(), None);
    turn(&mut left);
    let slot = left.slot().expect("free again");
    left.cancel(slot);
    (0..3).for_each(|_| left.feed(VnetHdr::NONE, &[7; 20]));
    let events = turn(&mut left);
    assert_eq!((events.len(), left.unread()), (2, 1));
    let Event::Packet { buf, .. } = events[0] else { panic!("not a packet: {events:?}") };
    left.release(buf);
    assert_eq!(turn(&mut left).len(), 1);
    let (spare, _) = left.borrow().expect("one");
    assert_eq!(left.borrow(), None);
    left.release(spare);
    assert!(left.borrow().is_some());
}

#[test]
fn the_rest_of_the_machine_is_played_by_the_test() {
    let (world, mut left, _right) = pair(1, Conditions::PERFECT, Limits::default()).expect("memory");
    left.waker().wake();
    assert_eq!(turn(&mut left), [Event::Woken]);
    left.refuse_sends(1, libc::EPERM);
    send(&mut left, RIGHT, 0..3);
    assert_eq!(turn(&mut left), [Event::SendFailed { datagrams: 3, errno: libc::EPERM }]);

    let nobody: SocketAddr = "203.0.113.9:1".parse().expect("a literal address");
    send(&mut left, nobody, 5..6);
    assert_eq!(world.take_strays(), [Stray { from: LEFT, to: nobody, bytes: 5u64.to_be_bytes().to_vec() }]);
    world.deliver(nobody, LEFT, b"", 1);
    let events = turn(&mut left);
    let [Event::Datagrams { buf, span, segment: 1, from, tos: 1, .. }] = events[..] else {
        panic!("not one empty datagram: {events:?}")
    };
    assert_eq!((span.len, from), (0, nobody));
    left.release(buf);

    let (spare, span) = left.borrow().expect("a spare buffer");
    left.region()[span.range()][..3].copy_from_slice(b"abc");
    let (a, c) = (Span { len: 1, ..span }, Span { start: span.start + 2, len: 1 });
    left.write(Queue::Quick, VnetHdr::NONE, &[c, a], 1);
    left.release(spare);
    assert_eq!(
        left.take_written(),
        [Written { queue: Queue::Quick, vnet: VnetHdr::NONE, bytes: b"ca".to_vec(), packets: 1 }]
    );
    left.delete_tun();
    left.write(Queue::Quick, VnetHdr::NONE, &[], 1);
    assert_eq!(turn(&mut left), [Event::Gone, Event::WriteFailed { packets: 1, errno: libc::EBADFD }]);
}

#[test]
fn a_port_that_moves_is_found_at_its_new_address_only() {
    let (world, mut left, mut right) = pair(1, Conditions::PERFECT, Limits::default()).expect("memory");
    let moved: SocketAddr = "198.51.100.1:4".parse().expect("a literal address");
    right.set_address(0, moved);
    send(&mut left, RIGHT, 0..1);
    send(&mut left, moved, 1..2);
    assert_eq!(receive(&mut right).0, [1]);
    assert_eq!(world.take_strays().len(), 1);
}
