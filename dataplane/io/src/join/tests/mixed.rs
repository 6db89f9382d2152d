//! Random traffic of many flows, whole and damaged, must come back in order and bit for bit.

use super::{Lab, build, stream};
use crate::packets::{ACK, FIN, PSH, Packet, noise};
use std::collections::BTreeMap;

/// Numbers from one seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % limit
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// A flow's packets: mostly bulk, with everything in between that ends a run.
fn flow(dice: &mut Dice, number: usize) -> Vec<Vec<u8>> {
    let start = Packet {
        v6: dice.one_in(2),
        udp: dice.one_in(3),
        host: (number / 2) as u8,
        port: 5_000 + number as u16,
        seq: (dice.0 >> 7) as u32,
        id: (dice.0 >> 3) as u16,
        fragment: if dice.one_in(3) { 0 } else { 0x4000 },
        ..Packet::tcp(false)
    };
    let size = [1, 64, 536, 1_000, 1_400][dice.below(5)];
    let len = |dice: &mut Dice| match dice.below(20) {
        0 => 0,
        1 => 1 + dice.below(size),
        2 => size + 1,
        _ => size,
    };
    let lens: Vec<_> = (0..dice.below(60)).map(|_| len(dice)).collect();
    let mut packets = stream(&start, &lens);
    packets.iter_mut().for_each(|packet| disturb(dice, packet));
    let mut packets = build(&packets);
    packets.iter_mut().for_each(|packet| damage(dice, packet));
    packets
}

fn disturb(dice: &mut Dice, packet: &mut Packet) {
    match dice.below(60) {
        0 => packet.flags = ACK | PSH,
        1 => packet.flags = ACK | FIN,
        2 => packet.ack += 1,
        3 => packet.tos = 3,
        4 => packet.seq = packet.seq.wrapping_add(1),
        5 => packet.id = packet.id.wrapping_add(2),
        6 => packet.fragment |= 0x2000,
        7 => packet.flags = (dice.0 >> 9) as u8,
        8 => packet.options.truncate(dice.below(3) * 4),
        9 => packet.extra = noise(8, dice.0),
        _ => {}
    }
}

/// Behind addresses and ports: without them nobody can say whose order is to be kept.
fn damage(dice: &mut Dice, packet: &mut Vec<u8>) {
    const SEEN: usize = 44;
    if packet.len() > SEEN && dice.one_in(50) {
        let at = SEEN + dice.below(packet.len() - SEEN);
        packet[at] ^= 1 << dice.below(8);
    }
    if packet.len() > SEEN && dice.one_in(200) {
        packet.truncate(SEEN + dice.below(packet.len() - SEEN));
    }
}

/// Takes from the flows' fronts, in bursts.
fn interleave(dice: &mut Dice, mut flows: Vec<std::vec::IntoIter<Vec<u8>>>) -> Vec<(usize, Vec<u8>)> {
    let mut mixed = Vec::new();
    while flows.iter().any(|flow| flow.len() > 0) {
        let i = dice.below(flows.len());
        let burst = 1 + dice.below(12);
        mixed.extend(flows[i].by_ref().take(burst).map(|packet| (i, packet)));
    }
    mixed
}

#[test]
fn every_packet_comes_back_in_its_flows_order() {
    let mut joined = 0;
    for seed in 1..=60 {
        let mut dice = Dice(seed * 0x9e37_79b9);
        let flows: Vec<_> = (0..=dice.below(12)).map(|i| flow(&mut dice, i).into_iter()).collect();
        let mixed = interleave(&mut dice, flows);
        let packets: Vec<_> = mixed.iter().map(|(_, packet)| packet.clone()).collect();
        let mut lab = Lab::new();
        let turn_len = 1 + dice.below(80);
        packets.chunks(turn_len).for_each(|turn| lab.turn(turn));
        joined += lab.counts().iter().filter(|count| **count > 1).count();

        let out = lab.split();
        assert_eq!(out.len(), packets.len(), "seed {seed}");
        let mut by_flow: BTreeMap<usize, Vec<&Vec<u8>>> = BTreeMap::new();
        mixed.iter().for_each(|(i, packet)| by_flow.entry(*i).or_default().push(packet));
        for (i, expected) in by_flow {
            let seen: Vec<_> = out.iter().filter(|packet| expected.contains(packet)).collect();
            assert!(seen == expected, "seed {seed}, flow {i}");
        }
    }
    assert!(joined > 300, "only {joined} runs had anything to join");
}

#[test]
fn garbage_leaves_as_it_came() {
    let mut dice = Dice(77);
    for round in 0..3_000 {
        let packet = |i: usize, dice: &mut Dice| {
            let len = [0, 1, 19, 20, 21, 28, 40, 41, 48, 60, 100, 200][dice.below(12)];
            let mut packet = noise(len, round * 32 + i as u64);
            if let Some(first) = packet.first_mut() {
                *first = [0x45, 0x60, 0x46, 0x4f, 0x40, *first][dice.below(6)];
            }
            packet
        };
        let mut packets: Vec<_> = (0..dice.below(20)).map(|i| packet(i, &mut dice)).collect();
        let mut lab = Lab::new();
        lab.turn(&packets);
        let mut out = lab.split();
        out.sort();
        packets.sort();
        assert_eq!(out, packets, "round {round}");
    }
}

/// A span that lies outside of the region is the caller's mistake; it is handed on, not followed.
#[test]
fn spans_outside_are_not_followed() {
    let mut lab = Lab::new();
    lab.region = vec![0x45; 10];
    for (start, len) in [(5, 6), (10, 1), (u32::MAX, u32::MAX), (0, 11)] {
        let mut seen = Vec::new();
        let span = crate::Span { start, len };
        lab.joiner.push(&mut lab.region, span, &mut |_, pieces, _| seen.extend(pieces.to_vec()));
        assert_eq!(seen, [span]);
    }
}
