//! A table for each rule of the kernel's GRO.

use super::{Lab, build, check, stream};
use crate::packets::{ACK, CWR, DESTINATION_OPTIONS, DF, FIN, PSH, Packet, TIMESTAMPS, naive, noise};
use crate::{Gso, VnetHdr};

fn all_kinds() -> [Packet; 4] {
    [Packet::tcp(false), Packet::tcp(true), Packet::udp(false), Packet::udp(true)]
}

/// Three packets of 100 bytes, of which `change` alters the second.
fn second(start: &Packet, change: impl FnOnce(&mut Packet)) -> Vec<Vec<u8>> {
    let mut packets = stream(start, &[100, 100, 100]);
    change(&mut packets[1]);
    build(&packets)
}

#[test]
fn a_run_leaves_as_one_write() {
    for kind in all_kinds() {
        let lab = check(&build(&stream(&kind, &[1_000; 20])), &[20]);
        let gso = match (kind.udp, kind.v6) {
            (true, _) => Gso::UdpL4,
            (false, false) => Gso::Tcp4,
            (false, true) => Gso::Tcp6,
        };
        let expected = VnetHdr {
            flags: VnetHdr::NEEDS_CSUM,
            gso,
            ecn: false,
            hdr_len: kind.head_len() as u16,
            gso_size: 1_000,
            csum_start: kind.transport() as u16,
            csum_offset: if kind.udp { 6 } else { 16 },
        };
        assert_eq!(lab.out[0].0, expected);
        assert_eq!(lab.out[0].1.len(), kind.head_len() + 20_000);
    }
}

#[test]
fn a_super_packet_is_a_sound_packet_but_for_its_open_checksum() {
    for kind in all_kinds() {
        let packets = stream(&kind, &[700, 700, 700, 33]);
        let whole = Packet { payload: packets.iter().flat_map(|p| p.payload.clone()).collect(), ..kind };
        let lab = check(&build(&packets), &[4]);
        assert_eq!(lab.out[0].1, whole.build_open());
    }
}

#[test]
fn a_single_packet_is_left_as_it_came() {
    for kind in all_kinds() {
        let lab = check(&build(&stream(&kind, &[500])), &[1]);
        assert_eq!(lab.out[0].0, VnetHdr::NONE);
    }
}

#[test]
fn sizes() {
    let cases: [(&[usize], &[u32]); 6] = [
        (&[100, 100, 60, 100], &[3, 1]),
        (&[100, 101, 101], &[1, 2]),
        (&[60, 100, 100, 100], &[1, 3]),
        (&[1, 1, 1], &[3]),
        (&[100, 99, 99], &[2, 1]),
        (&[100, 0, 100], &[1, 1, 1]),
    ];
    for kind in all_kinds() {
        for (lens, counts) in cases {
            check(&build(&stream(&kind, lens)), counts);
        }
    }
}

#[test]
fn no_longer_than_an_ip_packet() {
    for kind in all_kinds() {
        let fit = (65_535 - kind.head_len()) / 1_400;
        check(&build(&stream(&kind, &[1_400; 50])), &[fit as u32, 50 - fit as u32]);
        let exact = 65_535 - kind.head_len() - 1_400 * fit;
        let mut lens = vec![1_400; fit];
        lens.extend([exact, 1]);
        check(&build(&stream(&kind, &lens)), &[fit as u32 + 1, 1]);
        lens[fit] += 1;
        check(&build(&stream(&kind, &lens)), &[fit as u32, 2]);
    }
}

#[test]
fn no_more_packets_than_a_write_may_have() {
    check(&build(&stream(&Packet::tcp(false), &[10; 300])), &[128, 128, 44]);
    check(&build(&stream(&Packet::udp(false), &[10; 150])), &[64, 64, 22]);
}

#[test]
fn flags() {
    let tcp = Packet::tcp(false);
    let of_the_second: [(u8, &[u32]); 9] = [
        (ACK, &[3]),
        (ACK | PSH, &[2, 1]),
        (ACK | FIN, &[2, 1]),
        (ACK | CWR, &[1, 2]),
        (ACK | 0x40, &[1, 1, 1]),
        (ACK | 0x02, &[1, 1, 1]),
        (ACK | 0x04, &[1, 1, 1]),
        (ACK | 0x20, &[1, 1, 1]),
        (0, &[1, 1, 1]),
    ];
    for (flags, counts) in of_the_second {
        check(&second(&tcp, |packet| packet.flags = flags), counts);
    }
    let of_all: [(u8, &[u32]); 7] = [
        (ACK | PSH, &[1, 1, 1]),
        (ACK | FIN, &[1, 1, 1]),
        (ACK | CWR, &[1, 1, 1]),
        (ACK | 0x02, &[1, 1, 1]),
        (ACK | 0x04, &[1, 1, 1]),
        (ACK | 0x20, &[1, 1, 1]),
        (ACK | 0x40, &[3]),
    ];
    for (flags, counts) in of_all {
        check(&build(&stream(&Packet { flags, ..tcp.clone() }, &[100; 3])), counts);
    }
}

#[test]
fn cwr_begins_a_run_and_is_announced() {
    let mut packets = stream(&Packet::tcp(true), &[100; 3]);
    packets[0].flags |= CWR;
    let lab = check(&build(&packets), &[3]);
    assert!(lab.out[0].0.ecn);
}

#[test]
fn pure_acknowledgements_leave_alone_and_in_order() {
    for v6 in [false, true] {
        let mut packets = stream(&Packet::tcp(v6), &[100, 100, 0, 100, 0, 0]);
        packets[3].ack += 1;
        check(&build(&packets), &[2, 1, 1, 1, 1]);
    }
}

#[test]
fn tcp_headers_must_agree() {
    let breaks: [fn(&mut Packet); 8] = [
        |packet| packet.ack += 1,
        |packet| packet.window += 1,
        |packet| packet.urgent = 1,
        |packet| packet.reserved = 1,
        |packet| packet.options[7] += 1,
        |packet| packet.options.truncate(8),
        |packet| packet.options.extend(TIMESTAMPS),
        |packet| packet.seq += 1,
    ];
    for v6 in [false, true] {
        for change in breaks {
            let mut packets = stream(&Packet::tcp(v6), &[100; 4]);
            change(&mut packets[2]);
            check(&build(&packets), &[2, 1, 1]);
        }
    }
}

#[test]
fn sequence() {
    let start = Packet { seq: u32::MAX - 150, ..Packet::tcp(true) };
    let mut packets = build(&stream(&start, &[100; 5]));
    check(&packets, &[5]);
    packets.swap(2, 3);
    check(&packets, &[2, 1, 1, 1]);
    packets.swap(2, 3);
    packets[3] = packets[2].clone();
    check(&packets, &[3, 1, 1]);
}

#[test]
fn network_headers_must_agree() {
    for kind in all_kinds() {
        check(&second(&kind, |packet| packet.tos = 3), &[1, 1, 1]);
        check(&second(&kind, |packet| packet.ttl -= 1), &[1, 1, 1]);
    }
    for udp in [false, true] {
        let v4 = Packet { udp, ..Packet::tcp(false) };
        for fragment in [0, DF | 0x8000, 0x2000, 0x0001] {
            check(&second(&v4, |packet| packet.fragment = fragment), &[1, 1, 1]);
        }
        check(&second(&v4, |packet| packet.extra = vec![1; 4]), &[1, 1, 1]);
        let v6 = Packet { udp, ..Packet::tcp(true) };
        check(&second(&v6, |packet| packet.label += 1), &[1, 1, 1]);
        check(&second(&v6, |packet| packet.extra = DESTINATION_OPTIONS.to_vec()), &[1, 1, 1]);
    }
}

#[test]
fn options_and_extension_headers_are_left_alone() {
    for udp in [false, true] {
        let v4 = Packet { udp, extra: vec![1; 4], ..Packet::tcp(false) };
        check(&build(&stream(&v4, &[100; 3])), &[1, 1, 1]);
        let v6 = Packet { udp, extra: DESTINATION_OPTIONS.to_vec(), ..Packet::tcp(true) };
        check(&build(&stream(&v6, &[100; 3])), &[1, 1, 1]);
    }
}

#[test]
fn identifications_count_or_mean_nothing() {
    let with_ids = |fragment, ids: &[u16]| {
        let mut packets = stream(&Packet { fragment, ..Packet::tcp(false) }, &vec![100; ids.len()]);
        packets.iter_mut().zip(ids).for_each(|(packet, id)| packet.id = *id);
        build(&packets)
    };
    for fragment in [0, DF] {
        check(&with_ids(fragment, &[9, 10, 11, 12]), &[4]);
        check(&with_ids(fragment, &[0xffff, 0, 1]), &[3]);
        check(&with_ids(fragment, &[9, 10, 10]), &[2, 1]);
        check(&with_ids(fragment, &[9, 11, 12]), &[1, 2]);
        check(&with_ids(fragment, &[9, 8]), &[1, 1]);
    }
    check(&with_ids(0, &[5, 5, 5]), &[1, 1, 1]);

    // These do not come back bit for bit: split again, they count.
    let fixed: [(&[u16], &[u32]); 3] = [(&[5, 5, 5], &[3]), (&[0, 0, 0, 1], &[3, 1]), (&[0, 0, 2], &[2, 1])];
    for (ids, counts) in fixed {
        let mut lab = Lab::new();
        lab.turn(&with_ids(DF, ids));
        assert_eq!(lab.counts(), counts);
    }
}

/// Damage must not be healed by a new checksum, whichever packet of a run has it.
#[test]
fn damage_leaves_as_it_came() {
    let cases: [(usize, &[u32]); 3] = [(0, &[1, 2]), (1, &[1, 1, 1]), (2, &[2, 1])];
    for kind in all_kinds() {
        let packets = build(&stream(&kind, &[100; 3]));
        let checksum = kind.transport() + if kind.udp { 6 } else { 17 };
        let mut places = vec![checksum, kind.head_len(), kind.head_len() + 99];
        if !kind.v6 {
            places.push(10);
        }
        for at in places {
            for (broken, counts) in cases {
                let mut packets = packets.clone();
                packets[broken][at] ^= 0x10;
                check(&packets, counts);
            }
        }
    }
}

/// The other form of zero is a right checksum, but not the one that splitting writes; of UDP it is the usual one.
#[test]
fn only_the_usual_zero_joins() {
    for kind in all_kinds() {
        let field = kind.transport() + if kind.udp { 6 } else { 16 };
        let usual = if kind.udp { [0xff, 0xff] } else { [0, 0] };
        let pair = |word: [u8; 2]| {
            let payload = [word.as_slice(), &[7; 98]].concat();
            let first = Packet { payload, ..kind.clone() };
            let second =
                Packet { seq: kind.seq + 100, id: kind.id + 1, payload: noise(100, 2), ..kind.clone() };
            build(&[first, second])
        };
        // A payload that begins with what the checksum was without it sums to zero.
        let without = pair([0, 0]);
        let mut packets = pair([without[0][field], without[0][field + 1]]);
        assert_eq!(packets[0][field..field + 2], usual);
        check(&packets, &[2]);
        packets[0][field..field + 2].fill(!usual[0]);
        check(&packets, &[1, 1]);
    }
}

/// Lengths that the checksum agrees with and the packet does not: splitting would put them right.
#[test]
fn false_lengths_leave_alone() {
    for (kind, field, value) in [(Packet::udp(true), 5, 60), (Packet::tcp(false), 12, 0x40)] {
        let mut packets = stream(&kind, &[100; 3]);
        // In sequence for whoever believes a TCP header of 16 bytes.
        packets.iter_mut().zip(0..).for_each(|(packet, i)| packet.seq = i * 116);
        let mut packets = build(&packets);
        for packet in &mut packets {
            let at = kind.transport() + field;
            let checksum = kind.transport() + if kind.udp { 6 } else { 16 };
            let word = |packet: &[u8], at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
            let before = word(packet, at & !1);
            packet[at] = value;
            let sum = naive(
                &[!word(packet, checksum), !before, word(packet, at & !1)].map(u16::to_be_bytes).concat(),
            );
            packet[checksum..checksum + 2].copy_from_slice(&(!sum).to_be_bytes());
        }
        check(&packets, &[1, 1, 1]);
    }
}

#[test]
fn datagrams_without_checksum_leave_alone() {
    for v6 in [false, true] {
        let kind = Packet::udp(v6);
        let mut packets = build(&stream(&kind, &[100; 3]));
        packets[1][kind.transport() + 6..kind.head_len()].fill(0);
        check(&packets, &[1, 1, 1]);
    }
}

#[test]
fn datagrams_are_joined_only_where_the_queue_takes_them() {
    let mut lab = Lab::new();
    lab.joiner.set_udp(false);
    let packets = build(&stream(&Packet::udp(false), &[100; 3]));
    lab.turn(&packets);
    lab.turn(&build(&stream(&Packet::tcp(false), &[100; 3])));
    assert_eq!(lab.counts(), [1, 1, 1, 3]);
    lab.joiner.set_udp(true);
    lab.turn(&packets);
    assert_eq!(lab.counts(), [1, 1, 1, 3, 3]);
}

#[test]
fn flows_do_not_disturb_each_other() {
    for kind in all_kinds() {
        let flows = [
            kind.clone(),
            Packet { port: 40_001, ..kind.clone() },
            Packet { host: 2, ..kind.clone() },
            Packet { udp: !kind.udp, ..kind.clone() },
        ];
        let flows = flows.map(|start| build(&stream(&start, &[100; 5])));
        let mixed: Vec<_> = (0..5).flat_map(|i| flows.iter().map(move |flow| flow[i].clone())).collect();
        let mut lab = Lab::new();
        lab.turn(&mixed);
        assert_eq!(lab.counts(), [5, 5, 5, 5]);
    }
}

#[test]
fn fragments_wait_for_what_is_held_between_their_hosts() {
    let ours = build(&stream(&Packet::udp(false), &[100; 4]));
    let others = build(&stream(&Packet { host: 2, ..Packet::udp(false) }, &[100; 2]));
    let fragment = Packet { fragment: 0x0010, payload: noise(3, 1), ..Packet::tcp(false) }.build();
    let turn = [&others[0], &ours[0], &ours[1], &others[1], &fragment, &ours[2], &ours[3]];
    let mut lab = Lab::new();
    lab.turn(&turn.map(Clone::clone));
    assert_eq!(lab.counts(), [2, 1, 2, 2]);
    assert_eq!(lab.out[1].1, fragment);
}

#[test]
fn other_protocols_hold_nobody_up() {
    let mut packets = build(&stream(&Packet::tcp(false), &[100; 3]));
    let mut ping = Packet::tcp(false).build();
    ping[9] = 1;
    packets.insert(1, ping);
    let mut lab = Lab::new();
    lab.turn(&packets);
    assert_eq!(lab.counts(), [1, 3]);
}

/// A hundred flows in one turn: some make room for others, none loses its order or a byte.
#[test]
fn more_flows_than_runs() {
    let start = |i: u16| Packet { port: 1_000 + i, host: i as u8, ..Packet::tcp(i.is_multiple_of(2)) };
    let flows: Vec<_> = (0..100).map(|i| build(&stream(&start(i), &[200; 6]))).collect();
    let mixed: Vec<_> = (0..6).flat_map(|i| flows.iter().map(move |flow| flow[i].clone())).collect();
    let mut lab = Lab::new();
    lab.turn(&mixed);
    let out = lab.split();
    assert_eq!(out.len(), mixed.len());
    for flow in &flows {
        let seen: Vec<_> = out.iter().filter(|packet| flow.contains(packet)).collect();
        assert!(seen.into_iter().eq(flow));
    }
}

#[test]
fn nothing_is_held_over_the_end_of_a_turn() {
    let packets = build(&stream(&Packet::tcp(false), &[100; 4]));
    let mut lab = Lab::new();
    lab.turn(&packets[..2]);
    assert_eq!(lab.counts(), [2]);
    lab.turn(&packets[2..]);
    assert_eq!(lab.counts(), [2, 2]);
    assert_eq!(lab.split(), packets);
}
