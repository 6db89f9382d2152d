use proptest::prelude::*;
use ringmesh_wire::ip::{TCP, UDP};

use super::*;

/// The beginning of an IPv4 packet of `len` bytes between these two ports of two hosts.
fn packet(protocol: u8, from: u16, to: u16, len: u16) -> Vec<u8> {
    let mut packet = vec![0; usize::from(len)];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    packet[9] = protocol;
    packet[12..16].copy_from_slice(&u32::from(from > 1_000).to_be_bytes());
    packet[16..20].copy_from_slice(&u32::from(to > 1_000).to_be_bytes());
    packet[20..22].copy_from_slice(&from.to_be_bytes());
    packet[22..24].copy_from_slice(&to.to_be_bytes());
    packet
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const ALL: fn(Queue) -> bool = |_| true;
const NONE: fn(Queue) -> bool = |_| false;

#[test]
fn flows_go_by_what_they_send() {
    for protocol in [TCP, UDP] {
        let mut lanes = Lanes::default();
        let answer = packet(protocol, 80, 2_000, 60);
        assert_eq!(lanes.choose(&answer, millis(0), ALL), Queue::Quick);
        lanes.on_read(Queue::Quick, &packet(protocol, 2_000, 80, 1_420), millis(1));
        assert_eq!(lanes.choose(&answer, millis(1), ALL), Queue::Quick, "one packet is not much");
        lanes.on_read(Queue::Quick, &packet(protocol, 2_000, 80, 60_000), millis(2));
        assert_eq!(lanes.choose(&answer, millis(3), ALL), Queue::Bulk);
        assert_eq!(lanes.choose(&answer, millis(1_001), ALL), Queue::Bulk);
        assert_eq!(lanes.choose(&answer, millis(1_002), ALL), Queue::Quick, "that was a second ago");
        let other = packet(protocol, 80, 2_001, 60);
        assert_eq!(lanes.choose(&other, millis(3), ALL), Queue::Quick, "another flow");
    }
}

#[test]
fn what_was_left_behind_is_told() {
    let mut lanes = Lanes::default();
    let (packet, answer) = (packet(UDP, 2_000, 80, 60), packet(UDP, 80, 2_000, 60));
    assert!(lanes.on_read(Queue::Bulk, &packet, millis(0)), "nobody knows what else of it was read");
    assert!(!lanes.on_read(Queue::Bulk, &packet, millis(1)));
    assert_eq!(lanes.choose(&answer, millis(2), ALL), Queue::Quick);
    assert!(lanes.on_read(Queue::Bulk, &packet, millis(3)));
    assert!(!lanes.on_read(Queue::Quick, &packet, millis(3)));
    assert!(!lanes.on_read(Queue::Quick, &packet, millis(4)));
}

#[test]
fn super_packets_are_known_by_their_beginning() {
    let mut lanes = Lanes::default();
    lanes.on_read(Queue::Quick, &packet(TCP, 2_000, 80, 60_000), millis(0));
    let answer = packet(TCP, 80, 2_000, 60_000);
    assert_eq!(lanes.choose(&answer[..40], millis(1), ALL), Queue::Bulk);
    assert_eq!(lanes.choose(b"", millis(1), ALL), Queue::Quick, "what is no packet matters little");
}

#[test]
fn a_flow_stays_where_something_of_it_may_wait() {
    let mut lanes = Lanes::default();
    let answer = packet(UDP, 80, 2_000, 60);
    lanes.on_read(Queue::Bulk, &packet(UDP, 2_000, 80, 60), millis(0));
    assert_eq!(lanes.choose(&answer, millis(0), NONE), Queue::Bulk, "where the hash has put it");
    assert_eq!(lanes.choose(&answer, millis(1), |queue| queue == Queue::Quick), Queue::Bulk);
    assert_eq!(lanes.choose(&answer, millis(2), |queue| queue == Queue::Bulk), Queue::Quick);
    assert_eq!(lanes.choose(&answer, millis(3), NONE), Queue::Quick);
    lanes.on_read(Queue::Quick, &packet(UDP, 2_000, 80, 60_000), millis(4));
    assert_eq!(lanes.choose(&answer, millis(5), NONE), Queue::Quick);
    assert_eq!(lanes.choose(&answer, millis(6), |queue| queue == Queue::Quick), Queue::Bulk);
}

/// Lanes in which each of the four flows of [`no_flow_overtakes_itself`] has a place.
fn roomy() -> Lanes {
    loop {
        let mut lanes = Lanes::default();
        let flows = [0, 1, 2, 3].map(|flow| packet(UDP, 2_000 + flow, 80, 60));
        for flow in &flows {
            lanes.on_read(Queue::Quick, flow, millis(0));
        }
        if lanes.places.iter().filter(|place| place.flow != 0).count() == flows.len() {
            return lanes;
        }
    }
}

proptest! {
    /// The kernel as a model: two queues, and for each flow the one that it was written to last. Whatever is sent, read and
    /// answered in whatever order, each flow's packets are read as they were sent.
    #[test]
    fn no_flow_overtakes_itself(steps in prop::collection::vec((0..4u16, 0..4u8, 0..6usize), 1..400)) {
        let mut lanes = roomy();
        let mut queues = [const { std::collections::VecDeque::<(u16, u32)>::new() }; 2];
        let mut steered = [Queue::Bulk, Queue::Quick, Queue::Quick, Queue::Bulk];
        let (mut sent, mut read) = ([0u32; 4], [0u32; 4]);
        for (at, (flow, what, count)) in (0..).zip(steps) {
            let (index, now) = (usize::from(flow), millis(at * 10));
            match what {
                // A program sends.
                0 | 1 => for _ in 0..count {
                    queues[steered[index] as usize].push_back((flow, sent[index]));
                    sent[index] += 1;
                },
                // The worker reads, no more than it has buffers.
                2 => for queue in [Queue::Quick, Queue::Bulk] {
                    for _ in 0..count {
                        let Some((flow, number)) = queues[queue as usize].pop_front() else { break };
                        prop_assert_eq!(number, read[usize::from(flow)]);
                        read[usize::from(flow)] += 1;
                        let len = if flow % 2 == 0 { 60_000 } else { 100 };
                        lanes.on_read(queue, &packet(UDP, 2_000 + flow, 80, len), now);
                    }
                },
                // What was read is answered.
                _ => if read[index] > 0 {
                    let answer = packet(UDP, 80, 2_000 + flow, 60);
                    steered[index] = lanes.choose(&answer, now, |queue| queues[queue as usize].is_empty());
                }
            }
        }
    }
}
