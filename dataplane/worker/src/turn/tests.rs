use std::net::SocketAddr;

use ringmesh_io::{
    Limits,
    sim::{Conditions, World, Written},
};
use ringmesh_tunnel::{device::Place, limits::STAGED_MAX};

use super::*;
use crate::pair::{
    LEFT, LEFT_RANGES, Node, PEER, Pair, RIGHT, RIGHT_RANGES, Solo, moved,
    packets::{self, Random, assert_same},
    seal_with, sessions, settle,
};

const LEFT4: &str = "10.1.0.1";
const RIGHT4: &str = "10.2.0.1";
const LEFT6: &str = "fd01::1";
const RIGHT6: &str = "fd02::1";

mod waiting;

/// Packet `number` of a flow that nothing joins, of a size that changes.
fn numbered(src: &str, dst: &str, number: usize) -> Vec<u8> {
    packets::plain(src, dst, 60 + number * 37 % 1_300, number as u64)
}

#[test]
fn packets_cross_both_ways_as_they_were() {
    let mut pair = Pair::joined(1, Conditions::PERFECT, Limits::default());
    for len in 40..=1420 {
        let forth = [packets::plain(LEFT4, RIGHT4, len, 1), packets::plain(LEFT6, RIGHT6, len, 2)];
        let back = [packets::plain(RIGHT4, LEFT4, len, 3), packets::plain(RIGHT6, LEFT6, len, 4)];
        forth.iter().for_each(|packet| pair.left.feed(0, VnetHdr::NONE, packet));
        back.iter().for_each(|packet| pair.right.feed(0, VnetHdr::NONE, packet));
        pair.turn();
        pair.turn();
        assert_same(&pair.right.take_packets(), &forth, format!("{len} bytes forth"));
        assert_same(&pair.left.take_packets(), &back, format!("{len} bytes back"));
    }
    for (node, other) in [(&pair.left, &pair.right), (&pair.right, &pair.left)] {
        let (ours, theirs) = (node.counters(), other.counters());
        assert_eq!((ours.rx_packets, ours.rx_bytes > 0), (theirs.tx_packets, true));
        assert_eq!(ours.drops, [0; Drop::COUNT]);
    }
}

#[test]
fn what_is_quick_goes_before_bulk_but_never_before_its_own_flow() {
    let mut pair = Pair::joined(1, Conditions::PERFECT, Limits::default());
    let bulk = [1, 2].map(|number| packets::plain(LEFT4, RIGHT4, 1_400, number));
    let quick = [1, 2, 3].map(|number| packets::plain(LEFT6, RIGHT6, 100, number));
    let mut cross = |fed: &[(Queue, &Vec<u8>)]| {
        for (queue, packet) in fed {
            pair.left.workers[0].port.feed_to(*queue, VnetHdr::NONE, packet);
        }
        pair.turn();
        pair.turn();
        pair.right.take_packets()
    };
    assert_same(&cross(&[(Queue::Bulk, &bulk[0])]), &bulk[..1], "the first");
    let arrived = cross(&[(Queue::Bulk, &bulk[1]), (Queue::Quick, &quick[0])]);
    assert_same(&arrived, &[quick[0].clone(), bulk[1].clone()], "another flow");
    let arrived = cross(&[(Queue::Bulk, &quick[1]), (Queue::Quick, &quick[2])]);
    assert_same(&arrived, &quick[1..], "the flow had just moved");
}

#[test]
fn answers_to_bulk_are_written_where_bulk_waits() {
    let mut pair = Pair::joined(1, Conditions::PERFECT, Limits::default());
    let (vnet, bulk) = packets::udp_super(LEFT4, RIGHT4, 9, &packets::noise(12_345, 1), 1_200);
    pair.left.feed(0, vnet, &bulk);
    pair.left.feed(0, VnetHdr::NONE, &packets::udp(LEFT4, RIGHT4, 10, b"a move"));
    for port in [9, 10] {
        let mut answer = packets::udp(RIGHT4, LEFT4, port, b"an answer");
        // From and to the other's ports; the checksum stays what it was.
        answer[20..24].rotate_left(2);
        pair.right.feed(0, VnetHdr::NONE, &answer);
    }
    pair.turn();
    pair.turn();
    for Written { queue, bytes, .. } in pair.left.take_written() {
        let port = u16::from_be_bytes([bytes[22], bytes[23]]);
        assert_eq!(queue, if port == 9 { Queue::Bulk } else { Queue::Quick }, "port {port}");
    }
    assert_eq!(pair.left.counters().rx_packets, 2);
}

#[test]
fn super_packets_cross_and_cut_again_are_what_was_sent() {
    let payload = |len| packets::noise(len, 7);
    let supers = [
        packets::tcp_super(LEFT4, RIGHT4, 1, &payload(64_000), 1_380),
        packets::tcp_super(LEFT6, RIGHT6, 1, &payload(60_000), 1_360),
        packets::tcp_super(LEFT4, RIGHT4, 64_001, &payload(1_380 * 5), 1_380),
        packets::tcp_super(LEFT4, RIGHT4, 5, &payload(999), 500),
        packets::tcp_super(LEFT4, RIGHT4, 5, &payload(3_000), 36),
        packets::udp_super(LEFT6, RIGHT6, 9, &payload(12_345), 1_200),
        packets::udp_super(LEFT6, RIGHT6, 9, &payload(6_400), 100),
    ];
    for (number, (vnet, packet)) in supers.iter().enumerate() {
        let mut pair = Pair::joined(1, Conditions::PERFECT, Limits::default());
        let segments = packets::cut(*vnet, packet);
        pair.left.feed(0, *vnet, packet);
        pair.settle();
        let written = pair.right.take_written();
        assert!(written.len() <= segments.len().div_ceil(40), "{number}: {} writes", written.len());
        let arrived: Vec<_> = written.iter().flat_map(|one| packets::cut(one.vnet, &one.bytes)).collect();
        assert_same(&arrived, &segments, format!("super-packet {number}"));
        assert_eq!(pair.right.counters().rx_packets, segments.len() as u64);
    }
}

#[test]
fn every_packet_of_several_flows_keeps_its_place_in_its_flow() {
    let mut pair = Pair::joined(1, Conditions::PERFECT, Limits::default());
    let mut random = Random(3);
    let mut flows = vec![Vec::new(); 5];
    for number in 0..600_u64 {
        let flow = random.below(5) as usize;
        let (src, dst) = if flow < 3 { (LEFT6, RIGHT6) } else { ("fd01::9", "fd02::9") };
        let payload = [number.to_be_bytes().to_vec(), vec![0; random.below(3) as usize * 400]].concat();
        let packet = packets::udp(src, dst, flow as u16, &payload);
        pair.left.feed(0, VnetHdr::NONE, &packet);
        flows[flow].push(packet);
    }
    pair.settle();
    let arrived = pair.right.take_packets();
    for (flow, sent) in flows.iter().enumerate() {
        let port = (flow as u16).to_be_bytes();
        let of_flow: Vec<_> = arrived.iter().filter(|packet| packet[40..42] == port).cloned().collect();
        assert_same(&of_flow, sent, format!("flow {flow}"));
    }
}

#[test]
fn packets_that_waited_on_both_sides_cross_once_the_session_is_confirmed() {
    let mut pair = Pair::new(1, Conditions::PERFECT, Limits::default());
    let forth: Vec<_> = (0..10).map(|number| numbered(LEFT4, RIGHT4, number)).collect();
    let back: Vec<_> = (0..10).map(|number| numbered(RIGHT4, LEFT4, number)).collect();
    forth.iter().for_each(|packet| pair.left.feed(0, VnetHdr::NONE, packet));
    back.iter().for_each(|packet| pair.right.feed(0, VnetHdr::NONE, packet));
    pair.turn();
    let wants = |notes: &[Note]| notes.iter().any(|note| matches!(note, Note::WantSession { id: PEER }));
    assert!(pair.take_notes().iter().all(|notes| wants(notes)));
    pair.join([Place::Current, Place::Next]);
    pair.settle();
    assert_same(&pair.right.take_packets(), &forth, "forth");
    assert_same(&pair.left.take_packets(), &back, "back");
    let [left, right] = pair.take_notes();
    let installed = |notes: &[Note], index| {
        notes
            .iter()
            .any(|note| matches!(note, Note::Installed { id: PEER, local_index } if *local_index == index))
    };
    assert!(installed(&left, 0x0001_0100) && installed(&right, 0x0001_0200));
    let confirmed =
        |notes: &[Note]| notes.iter().filter(|note| matches!(note, Note::Confirmed { .. })).count();
    assert_eq!((confirmed(&left), confirmed(&right)), (0, 1));
}

#[test]
fn a_session_for_an_unknown_peer_is_not_acknowledged() {
    let mut pair = Pair::new(1, Conditions::PERFECT, Limits::default());
    let (session, _) = pair.sessions();
    pair.left.install(PeerId(9), session, Place::Current);
    pair.settle();
    assert!(pair.left.take_notes().is_empty());
}

#[test]
fn sessions_that_cross_lose_nothing_whichever_side_is_first() {
    // Each side began one: to each its own is current at once, and the other's is what the peer answers.
    for order in 0..4 {
        let mut pair = Pair::joined(1, Conditions::PERFECT, Limits::default());
        let mut forth = Vec::new();
        let mut back = Vec::new();
        let mut exchange = |pair: &mut Pair| {
            for _ in 0..5 {
                forth.push(numbered(LEFT4, RIGHT4, forth.len()));
                back.push(numbered(RIGHT4, LEFT4, back.len()));
                pair.left.feed(0, VnetHdr::NONE, &forth[forth.len() - 1]);
                pair.right.feed(0, VnetHdr::NONE, &back[back.len() - 1]);
            }
        };
        let (left_own, right_of_left) = pair.sessions();
        let (left_of_right, right_own) = pair.sessions();
        exchange(&mut pair);
        // The responder's half is there before the initiator's, as the device sees to it.
        pair.right.install(PEER, right_of_left, Place::Next);
        pair.left.install(PEER, left_of_right, Place::Next);
        let mut installs = [(true, Some(left_own)), (false, Some(right_own))];
        if order % 2 == 1 {
            installs.reverse();
        }
        for (left, session) in installs {
            pair.turn();
            exchange(&mut pair);
            let node = if left { &mut pair.left } else { &mut pair.right };
            node.install(PEER, session.expect("a session"), Place::Current);
            if order >= 2 {
                exchange(&mut pair);
            }
        }
        for _ in 0..3 {
            pair.turn();
            exchange(&mut pair);
        }
        pair.settle();
        assert_same(&pair.right.take_packets(), &forth, format!("order {order}, forth"));
        assert_same(&pair.left.take_packets(), &back, format!("order {order}, back"));
    }
}

#[test]
fn a_rekey_under_traffic_loses_nothing() {
    let mut pair = Pair::joined(1, Conditions::PERFECT, Limits::default());
    let mut forth = Vec::new();
    let mut back = Vec::new();
    for round in 0..30 {
        for _ in 0..7 {
            forth.push(numbered(LEFT4, RIGHT4, forth.len()));
            back.push(numbered(RIGHT4, LEFT4, back.len()));
            pair.left.feed(0, VnetHdr::NONE, &forth[forth.len() - 1]);
            pair.right.feed(0, VnetHdr::NONE, &back[back.len() - 1]);
        }
        match round % 4 {
            0 => pair.join([Place::Current, Place::Next]),
            2 => pair.join([Place::Next, Place::Current]),
            _ => {}
        }
        // Right is at home first: what a responder installs is there before its initiator knows the session.
        pair.right.turn();
        pair.left.turn();
    }
    pair.settle();
    assert_same(&pair.right.take_packets(), &forth, "forth");
    assert_same(&pair.left.take_packets(), &back, "back");
}

#[test]
fn back_pressure_loses_nothing_and_keeps_order() {
    for slots in [1, 2, 3] {
        for (bulk_buffers, datagram_buffers, spare_buffers) in [(1, 1, 1), (4, 2, 2), (32, 32, 8)] {
            let limits = Limits { slots, bulk_buffers, datagram_buffers, spare_buffers, ..Limits::default() };
            let mut pair = Pair::joined(1, Conditions::PERFECT, limits);
            let case = format!("{limits:?}");
            let mut forth = Vec::new();
            let mut back = Vec::new();
            for number in 0..150 {
                let (vnet, packet) = if number % 10 == 9 {
                    packets::tcp_super(
                        LEFT6,
                        RIGHT6,
                        number as u32,
                        &packets::noise(64_500, number as u64),
                        1_360,
                    )
                } else {
                    (VnetHdr::NONE, numbered(LEFT4, RIGHT4, number))
                };
                pair.left.feed(0, vnet, &packet);
                forth.extend(packets::cut(vnet, &packet));
                back.push(numbered(RIGHT4, LEFT4, number));
                pair.right.feed(0, VnetHdr::NONE, &back[number]);
            }
            pair.settle();
            let (tcp, plain) =
                pair.right.take_packets().into_iter().partition::<Vec<_>, _>(|packet| packet[0] >> 4 == 6);
            let (tcp_sent, plain_sent) =
                forth.into_iter().partition::<Vec<_>, _>(|packet| packet[0] >> 4 == 6);
            assert_same(&tcp, &tcp_sent, &case);
            assert_same(&plain, &plain_sent, &case);
            assert_same(&pair.left.take_packets(), &back, &case);
            assert_eq!(
                (pair.left.counters().drops, pair.right.counters().drops),
                ([0; Drop::COUNT], [0; Drop::COUNT])
            );
        }
    }
}

/// A device of two workers at [`RIGHT`] and [`OTHER`], and one of one worker at [`LEFT`] that knows it as two peers.
fn two_workers(limits: Limits) -> (World, Node, Node) {
    let world = World::new(1, Conditions::PERFECT);
    let mut left = Node::new(&world, &[LEFT], limits);
    let mut right = Node::new(&world, &[RIGHT, OTHER], limits);
    left.add_peer(PEER, Some(left.way(0, RIGHT)));
    left.route(PEER, &RIGHT_RANGES);
    // Slot 1 belongs to worker 1.
    right.add_peer(PeerId(1), Some(right.way(0, LEFT)));
    right.route(PeerId(1), &LEFT_RANGES);
    let (ours, theirs) = sessions(1, [0, 1], clock::boottime());
    left.install(PEER, ours, Place::Current);
    right.install(PeerId(1), theirs, Place::Current);
    settle(&world, &mut [&mut left, &mut right]);
    (world, left, right)
}

const OTHER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 3)), 51_820);

#[test]
fn what_arrives_at_another_worker_reaches_the_owner_in_order() {
    let (world, mut left, mut right) = two_workers(Limits::default());
    let (before, mut sent) = (right.counters(), Vec::new());
    for round in 0..20 {
        for _ in 0..3 {
            sent.push(numbered(LEFT4, RIGHT4, sent.len()));
            left.feed(0, VnetHdr::NONE, &sent[sent.len() - 1]);
        }
        left.turn();
        if round % 3 == 0 {
            right.turn();
        }
    }
    settle(&world, &mut [&mut left, &mut right]);
    assert_same(&right.take_packets(), &sent, "handed over");
    let moved = moved(&before, &right.counters());
    assert!(moved.contains(&("handed_over", 60)) && moved.contains(&("rx_packets", 60)), "{moved:?}");
    let [arrival, owner] = [&right.workers[0].counters, &right.workers[1].counters];
    assert_eq!((arrival.rx_packets, owner.rx_packets), (0, 60), "the owner opens and writes them");
    assert_eq!(right.control.peer(1).expect("a row").rx_packets, 60);
    assert_eq!(right.office.pool.len(), 512, "every parcel went home");
}

#[test]
fn what_is_read_by_another_worker_leaves_through_the_owner_in_order() {
    let (world, mut left, mut right) = two_workers(Limits::default());
    let sent: Vec<_> = (0..60).map(|number| numbered(RIGHT4, LEFT4, number)).collect();
    let (vnet, packet) = packets::tcp_super(RIGHT6, LEFT6, 1, &packets::noise(40_000, 1), 1_360);
    right.feed(0, vnet, &packet);
    let segments = packets::cut(vnet, &packet);
    sent.iter().for_each(|packet| right.feed(0, VnetHdr::NONE, packet));
    settle(&world, &mut [&mut left, &mut right]);
    let (tcp, plain) = left.take_packets().into_iter().partition::<Vec<_>, _>(|packet| packet[0] >> 4 == 6);
    assert_same(&plain, &sent, "handed over");
    assert_same(&tcp, &segments, "a super-packet is handed over whole");
    assert_eq!((right.workers[0].counters.tx_packets, right.workers[0].counters.handed_over), (0, 61));
    assert_eq!(right.workers[1].counters.reads, 0, "what was handed over is not read twice");
    assert_eq!(right.office.pool.len(), 512, "every parcel went home");
}

#[test]
fn a_run_of_two_owners_is_taken_apart() {
    let (world, mut left, mut right) = two_workers(Limits::default());
    left.turn();
    right.add_peer(PEER, Some(right.way(0, LEFT)));
    right.route(PEER, &["10.9.0.0/16"]);
    let (mine, of_first) = sessions(5, [0, 0], clock::boottime());
    right.install(PEER, of_first, Place::Current);
    settle(&world, &mut [&mut left, &mut right]);
    let (to_other, _) = sessions(1, [0, 1], clock::boottime());
    let of = |first: bool, number: u64| {
        let (session, src) = if first { (&mine, "10.9.0.1") } else { (&to_other, LEFT4) };
        seal_with(session, number, &packets::plain(src, RIGHT4, 96, number))
    };
    let before = right.counters();
    for number in 0..12 {
        world.deliver(LEFT, RIGHT, &of(number % 3 == 0, number), 0);
    }
    settle(&world, &mut [&mut right]);
    let expected = [("rx_packets", 12), ("writes", 12), ("receives", 1), ("handed_over", 8)];
    assert_eq!(moved(&before, &right.counters()), expected);
    let counts: Vec<_> = right.workers.iter().map(|worker| worker.counters.rx_packets).collect();
    assert_eq!(counts, [4, 8]);
}

#[test]
fn a_full_queue_between_workers_drops_and_counts() {
    let (world, mut left, mut right) = two_workers(Limits::default());
    let room = right.office.workers[1].parcels.capacity();
    let fed = room + 10;
    (0..fed).for_each(|number| right.feed(0, VnetHdr::NONE, &numbered(RIGHT4, LEFT4, number)));
    let before = right.counters();
    let mut events = Vec::new();
    while right.workers[0].port.unread() > 0 {
        right.workers[0].turn(&mut events).expect("a turn");
    }
    let expected = [("reads", fed as u64), ("handed_over", room as u64), ("handoff_full", 10)];
    assert_eq!(moved(&before, &right.counters()), expected);
    settle(&world, &mut [&mut left, &mut right]);
    let sent: Vec<_> = (0..room).map(|number| numbered(RIGHT4, LEFT4, number)).collect();
    assert_same(&left.take_packets(), &sent, "the first ones");

    while right.office.pool.take().is_some() {}
    right.feed(0, VnetHdr::NONE, &numbered(RIGHT4, LEFT4, 0));
    let before = right.counters();
    settle(&world, &mut [&mut left, &mut right]);
    assert_eq!(
        moved(&before, &right.counters()),
        [("reads", 1), ("handoff_full", 1)],
        "no parcel to travel in"
    );
}

#[test]
fn packets_wait_and_are_handed_over_under_back_pressure_in_order() {
    let limits = Limits { slots: 1, spare_buffers: 2, bulk_buffers: 2, ..Limits::default() };
    let world = World::new(1, Conditions::PERFECT);
    let mut left = Node::new(&world, &[LEFT], Limits::default());
    let mut right = Node::new(&world, &[RIGHT, OTHER], limits);
    left.add_peer(PEER, Some(left.way(0, OTHER)));
    left.route(PEER, &RIGHT_RANGES);
    right.add_peer(PeerId(1), Some(right.way(1, LEFT)));
    right.route(PeerId(1), &LEFT_RANGES);
    let sent: Vec<_> = (0..STAGED_MAX + 100).map(|number| numbered(RIGHT4, LEFT4, number)).collect();
    let (first, rest) = sent.split_at(STAGED_MAX);
    first.iter().for_each(|packet| right.feed(0, VnetHdr::NONE, packet));
    settle(&world, &mut [&mut left, &mut right]);
    rest.iter().for_each(|packet| right.feed(0, VnetHdr::NONE, packet));
    let (ours, theirs) = sessions(1, [0, 1], clock::boottime());
    left.install(PEER, ours, Place::Current);
    right.install(PeerId(1), theirs, Place::Current);
    settle(&world, &mut [&mut left, &mut right]);
    assert_same(&left.take_packets(), &sent, "staged and handed over");
    assert_eq!(right.counters().drops, [0; Drop::COUNT]);
}

#[test]
fn a_turn_publishes_what_it_counted() {
    let mut pair = Pair::joined(1, Conditions::PERFECT, Limits::default());
    pair.left.feed(0, VnetHdr::NONE, &numbered(LEFT4, RIGHT4, 1));
    pair.left.feed(0, VnetHdr::NONE, &packets::plain(LEFT4, "10.9.0.1", 64, 1));
    pair.settle();
    let row = pair.left.control.worker(0).expect("a row");
    assert_eq!((row.tx_packets, row.reads, row.drops[Drop::NoRoute as usize]), (1, 2, 1));
    assert_eq!(row.turns, pair.left.workers[0].counters.turns);
    assert_eq!(row.features, u64::from(pair.left.workers[0].port.features().bits()));
    let row = pair.right.control.worker(0).expect("a row");
    assert_eq!((row.rx_packets, row.receives, row.writes), (1, 1, 1));
}

#[test]
fn new_memory_gets_all_that_was_counted() {
    let mut pair = Pair::joined(1, Conditions::PERFECT, Limits::default());
    pair.left.feed(0, VnetHdr::NONE, &numbered(LEFT4, RIGHT4, 1));
    pair.settle();
    let (control, memory) = ringmesh_abi::ControlSide::create(1).expect("shared memory");
    let plane = ringmesh_abi::PlaneSide::attach(&memory, control.generation()).expect("fresh memory");
    crate::pair::publish(plane.rows());
    pair.left.order(0, Order::Rows(Arc::clone(plane.rows())));
    pair.left.turn();
    let [old, new] = [&pair.left.control, &control].map(|control| control.peer(PEER.0).expect("a row"));
    assert_eq!((new.tx_packets, new.tx_bytes), (old.tx_packets, old.tx_bytes));
    assert_eq!(new.tx_packets, 1);
    assert_eq!(control.worker(0).expect("a row").tx_packets, 1);
}

#[test]
fn a_deleted_link_and_a_failing_socket_end_or_are_told() {
    let mut pair = Pair::joined(1, Conditions::PERFECT, Limits::default());
    let fd = rustix::event::eventfd(0, rustix::event::EventfdFlags::empty()).expect("an eventfd");
    pair.left.order(0, Order::Socket { index: 1, fd });
    pair.left.turn();
    assert!(
        matches!(pair.left.take_notes()[..], [Note::Failed { worker: 0, .. }]),
        "a simulated port has no files"
    );
    let mut worker = pair.left.workers.remove(0);
    worker.port.delete_tun();
    // Returns: were it to go on, this test would.
    worker.run(Precedence::default());
    assert!(matches!(pair.left.take_notes()[..], [Note::LinkGone]));
}

#[test]
fn only_the_first_packets_of_a_quiet_peer_are_noted() {
    let mut solo = Solo::joined(Limits::default());
    let active = |solo: &Solo| {
        solo.node.take_notes().iter().filter(|note| matches!(note, Note::Active { id: PEER })).count()
    };
    solo.send(&numbered(LEFT4, RIGHT4, 1));
    assert_eq!(active(&solo), 1);
    solo.send(&numbered(LEFT4, RIGHT4, 2));
    let datagram = solo.far.seal(&numbered(RIGHT4, LEFT4, 1));
    solo.arrive(RIGHT, 0, &[datagram]);
    assert_eq!(active(&solo), 0, "watched already");
}

/// What a mix does to one side's packets; each ends in one of these ways, or crosses.
fn feed_mix(random: &mut Random, node: &mut Node, [src, dst]: [&str; 2], number: &mut u64) {
    *number += 1;
    let size = 40 + random.below(1_380) as usize;
    let packet = match random.below(20) {
        0 => packets::plain(src, "10.77.0.1", size, *number),
        1 => packets::noise(size, *number).iter().map(|byte| byte & 0x3f).collect(),
        2 => packets::plain("10.66.0.1", dst, size, *number),
        3..8 => packets::udp(src, dst, random.below(3) as u16, &packets::noise(64, *number)),
        _ => packets::plain(src, dst, size, *number),
    };
    node.feed(0, VnetHdr::NONE, &packet);
}

/// What did not cross, and was counted: everything but the two names.
fn ended(node: &Node) -> u64 {
    node.counters().drops.iter().sum()
}

#[test]
fn in_a_random_mix_over_a_bad_network_every_packet_ends_in_one_counted_way() {
    for seed in 0..12 {
        let conditions = Conditions {
            delay: Duration::from_millis(5),
            jitter: Duration::from_millis(3),
            loss_ppm: 50_000,
            duplicate_ppm: 50_000,
            reorder_ppm: 100_000,
            reorder_by: Duration::from_millis(7),
            // Each datagram is one receive, so that those that arrived can be counted.
            gro: false,
        };
        let slots = 1 + (seed % 4) as u16;
        let mut pair = Pair::joined(seed, conditions, Limits { slots, ..Limits::default() });
        let mut random = Random(seed);
        let (mut forth, mut back, mut made) = (0, 0, 0);
        for round in 0..120 {
            for _ in 0..random.below(8) {
                feed_mix(&mut random, &mut pair.left, [LEFT4, RIGHT4], &mut forth);
            }
            for _ in 0..random.below(8) {
                feed_mix(&mut random, &mut pair.right, [RIGHT4, LEFT4], &mut back);
            }
            for _ in 0..random.below(3) {
                made += 1;
                let junk = packets::noise(random.below(200) as usize, made);
                let data = [vec![4, 0, 0, 0], junk.clone()].concat();
                let datagram = if made % 2 == 0 { junk } else { data };
                pair.world.deliver(LEFT, RIGHT, &datagram, 0);
            }
            if round % 10 == 5 {
                pair.join([Place::Current, Place::Next]);
            }
            pair.turn();
            pair.world.advance(Duration::from_millis(random.below(4)));
        }
        pair.settle();
        for (node, fed) in [(&pair.left, forth), (&pair.right, back)] {
            let sum = node.counters();
            assert_eq!(sum.reads, fed, "seed {seed}");
            assert_eq!(
                sum.reads + sum.receives,
                sum.tx_packets + sum.rx_packets + ended(node),
                "seed {seed}: {:?}",
                moved(&Counters::default(), &sum)
            );
            assert_eq!(node.office.pool.len(), 512, "seed {seed}: a parcel is missing");
        }
        let [left, right] = [pair.left.counters(), pair.right.counters()];
        assert!(
            right.drops[Drop::Replay as usize] > 0 && left.drops[Drop::Replay as usize] > 0,
            "seed {seed}"
        );
        let arrived = pair.right.take_packets();
        let distinct: std::collections::BTreeSet<_> = arrived.iter().collect();
        assert_eq!(
            (arrived.len() as u64, distinct.len()),
            (right.rx_packets, arrived.len()),
            "seed {seed}: none twice"
        );
    }
}

#[test]
fn the_other_end_sees_each_counter_once() {
    let mut solo = Solo::joined(Limits { slots: 2, ..Limits::default() });
    let (vnet, packet) = packets::tcp_super(LEFT4, RIGHT4, 1, &packets::noise(30_000, 1), 500);
    solo.node.feed(0, vnet, &packet);
    (0..20).for_each(|number| solo.node.feed(0, VnetHdr::NONE, &numbered(LEFT4, RIGHT4, number)));
    solo.settle();
    let counter = |bytes: &[u8]| ringmesh_wire::message::DataHeader::parse(bytes).expect("data").counter;
    let counters: Vec<_> = solo.far.receive().iter().map(|datagram| counter(&datagram.bytes)).collect();
    assert_eq!(counters, (0..80).collect::<Vec<_>>());
}
