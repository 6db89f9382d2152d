use ringmesh_io::{Gso, Limits};
use ringmesh_tunnel::{
    device::Place,
    limits::{REJECT_AFTER_TIME, REKEY_AFTER_TIME},
};
use ringmesh_wire::UdpPath;

use super::*;
use crate::mail::Order;
use crate::pair::{PEER, RIGHT, Solo, born_before, moved, packets, sessions};

/// From us to the peer.
const OUT4: [&str; 2] = ["10.1.0.1", "10.2.0.1"];
const OUT6: [&str; 2] = ["fd01::1", "fd02::1"];

fn inner(len: usize, seed: u64) -> Vec<u8> {
    packets::plain(OUT4[0], OUT4[1], len, seed)
}

/// What the peer got, opened and with padding.
fn opened(solo: &mut Solo) -> Vec<Vec<u8>> {
    solo.far.receive().iter().map(|datagram| solo.far.open(&datagram.bytes)).collect()
}

/// What the peer got, opened and without padding.
fn trimmed(solo: &mut Solo) -> Vec<Vec<u8>> {
    let texts = opened(solo).into_iter();
    texts.map(|text| text[..ip::peek(&text).expect("a packet").len].to_vec()).collect()
}

#[test]
fn every_length_leaves_padded_and_never_above_the_mtu() {
    for ([src, dst], least, mtu) in [(OUT4, 20, 1420), (OUT6, 40, 1420), (OUT4, 20, 1281)] {
        let mut solo = Solo::joined(Limits::default());
        solo.node.snapshot.mtu = mtu;
        solo.node.publish();
        for len in 1..=mtu {
            let packet = packets::plain(src, dst, len, len as u64);
            let before = solo.node.counters();
            solo.send(&packet);
            let moved = moved(&before, &solo.node.counters());
            let case = format!("{len} bytes to {dst}, MTU {mtu}");
            if len < least {
                assert_eq!(moved, [("reads", 1), ("malformed", 1)], "{case}");
                continue;
            }
            assert_eq!(moved, [("tx_packets", 1), ("reads", 1), ("sends", 1)], "{case}");
            let mut padded = packet;
            padded.resize(len.next_multiple_of(16), 0);
            padded.truncate(mtu.max(len));
            assert_eq!(opened(&mut solo), [padded], "{case}");
        }
    }
}

#[test]
fn what_is_longer_than_the_mtu_leaves_as_it_is() {
    let mut solo = Solo::joined(Limits::default());
    for len in [1421, 1500, 9_001, 65_000] {
        let packet = inner(len, 1);
        solo.send(&packet);
        assert_eq!(opened(&mut solo), [packet], "{len} bytes");
    }
}

#[test]
fn equal_sizes_share_a_send_and_order_is_kept() {
    let table: &[(&[usize], u64)] = &[
        (&[100], 1),
        (&[100; 8], 1),
        // Padding makes them equal.
        (&[65, 70, 80], 1),
        (&[200, 200, 100], 1),
        // A shorter one ends the run, a longer one begins another.
        (&[200, 100, 200], 2),
        (&[100, 200], 2),
        (&[300, 200, 100], 2),
        (&[300, 100, 300, 100], 2),
        // The kernel takes 64 segments, and one IP packet's worth of bytes.
        (&[40; 64], 1),
        (&[40; 65], 2),
        (&[1420; 45], 1),
        (&[1420; 46], 2),
    ];
    for (sizes, sends) in table {
        let limits = Limits { bulk_buffers: 128, ..Limits::default() };
        let mut solo = Solo::joined(limits);
        let sent: Vec<_> = (0..).zip(*sizes).map(|(seed, len)| inner(*len, seed)).collect();
        sent.iter().for_each(|packet| solo.node.feed(0, VnetHdr::NONE, packet));
        let before = solo.node.counters();
        solo.node.turn();
        let count = sizes.len() as u64;
        let expected = [("tx_packets", count), ("reads", count), ("sends", *sends)];
        assert_eq!(moved(&before, &solo.node.counters()), expected, "{sizes:?}");
        packets::assert_same(&trimmed(&mut solo), &sent, format!("{sizes:?}"));
    }
}

#[test]
fn another_destination_or_class_begins_another_send() {
    let mut solo = Solo::joined(Limits::default());
    let mut marked = inner(100, 2);
    ip::set_tos(&mut marked, 0b10);
    let sent = [inner(100, 0), inner(100, 1), marked.clone(), marked.clone(), inner(100, 3)];
    sent.iter().for_each(|packet| solo.node.feed(0, VnetHdr::NONE, packet));
    let before = solo.node.counters();
    solo.node.turn();
    assert_eq!(moved(&before, &solo.node.counters()), [("tx_packets", 5), ("reads", 5), ("sends", 3)]);
    packets::assert_same(&trimmed(&mut solo), &sent, "three sends");
}

#[test]
fn ecn_goes_outside_and_dscp_only_when_wanted() {
    for [src, dst] in [OUT4, OUT6] {
        let mut solo = Solo::joined(Limits::default());
        for dscp_copy in [false, true] {
            solo.node.snapshot.dscp_copy = dscp_copy;
            solo.node.publish();
            for tos in [0, 0b01, 0b10, 0b11, 0xb8, 0xba, 0xff] {
                let mut packet = packets::plain(src, dst, 64, 1);
                ip::set_tos(&mut packet, tos);
                solo.send(&packet);
                let [datagram] = solo.far.receive().try_into().expect("one datagram");
                let expected = if dscp_copy { tos } else { tos & 0b11 };
                assert_eq!(datagram.tos, expected, "inner {tos:08b}, copy {dscp_copy}");
            }
        }
    }
}

#[test]
fn a_super_packet_leaves_as_the_segments_that_it_is() {
    let tcp =
        |[src, dst]: [&str; 2], len, size| packets::tcp_super(src, dst, 1_000, &packets::noise(len, 1), size);
    let udp =
        |[src, dst]: [&str; 2], len, size| packets::udp_super(src, dst, 7, &packets::noise(len, 1), size);
    let cases = [
        tcp(OUT4, 1_380 * 3, 1_380),
        tcp(OUT4, 1_380 * 3 + 1, 1_380),
        tcp(OUT6, 60_000, 1_360),
        tcp(OUT4, 65_000, 1_380),
        tcp(OUT4, 10_000, 100),
        udp(OUT4, 12_345, 1_200),
        udp(OUT6, 6_400, 100),
        udp(OUT6, 640, 10),
    ];
    for (vnet, packet) in cases {
        let mut solo = Solo::joined(Limits::default());
        let segments = packets::cut(vnet, &packet);
        solo.node.feed(0, vnet, &packet);
        let before = solo.node.counters();
        solo.node.turn();
        let moved = moved(&before, &solo.node.counters());
        assert_eq!(moved[..2], [("tx_packets", segments.len() as u64), ("reads", 1)]);
        packets::assert_same(&trimmed(&mut solo), &segments, "one super-packet");
    }
}

#[test]
fn a_super_packet_of_more_segments_than_all_sends_hold_leaves_whole() {
    // What a receiver with a tiny maximum segment size makes of a bulk transfer.
    let (vnet, packet) = packets::tcp_super(OUT4[0], OUT4[1], 1, &packets::noise(65_000, 1), 36);
    let segments = packets::cut(vnet, &packet);
    let after = inner(64, 1);
    for slots in [1, 3, 16] {
        let mut solo = Solo::joined(Limits { slots, ..Limits::default() });
        solo.node.feed(0, vnet, &packet);
        solo.node.feed(0, VnetHdr::NONE, &after);
        let mut arrived = Vec::new();
        for _ in 0..segments.len() {
            solo.node.turn();
            arrived.extend(trimmed(&mut solo));
        }
        // Another flow's packet need not wait for all of it.
        let place = arrived.iter().position(|packet| *packet == after);
        arrived.remove(place.unwrap_or_else(|| panic!("{slots} slots: it is lost")));
        packets::assert_same(&arrived, &segments, format!("{slots} slots"));
    }
}

#[test]
fn each_end_is_counted_once_and_nothing_else_moves() {
    /// Name, the packet, and what it moves.
    type Case = (&'static str, fn(&mut Solo) -> (VnetHdr, Vec<u8>), &'static [(&'static str, u64)]);
    let cases: &[Case] = &[
        ("an empty packet", |_| (VnetHdr::NONE, vec![]), &[("malformed", 1)]),
        ("no version of IP", |_| (VnetHdr::NONE, vec![0x50; 64]), &[("malformed", 1)]),
        ("cut short", |_| (VnetHdr::NONE, inner(64, 1)[..63].to_vec()), &[("malformed", 1)]),
        (
            "a super-packet without an open checksum",
            |_| {
                let (vnet, packet) = packets::tcp_super(OUT4[0], OUT4[1], 1, &[7; 3_000], 1_000);
                (VnetHdr { flags: 0, ..vnet }, packet)
            },
            &[("malformed", 1)],
        ),
        (
            "segments of no size",
            |_| {
                let (vnet, packet) = packets::tcp_super(OUT4[0], OUT4[1], 1, &[7; 3_000], 1_000);
                (VnetHdr { gso_size: 0, ..vnet }, packet)
            },
            &[("malformed", 1)],
        ),
        (
            "UDP segments of a TCP packet",
            |_| {
                let (vnet, packet) = packets::tcp_super(OUT4[0], OUT4[1], 1, &[7; 3_000], 1_000);
                (VnetHdr { gso: Gso::UdpL4, ..vnet }, packet)
            },
            &[("malformed", 1)],
        ),
        (
            "a destination that is nobody's",
            |_| (VnetHdr::NONE, packets::plain(OUT4[0], "10.3.0.1", 64, 1)),
            &[("no_route", 1)],
        ),
        (
            "a peer that was just removed, still in the routes, and a full lobby",
            |solo| {
                solo.node.order(0, Order::ForgetPeer { id: PEER });
                while let Some(parcel) = solo.node.office.pool.take() {
                    drop(parcel);
                }
                (VnetHdr::NONE, inner(64, 1))
            },
            &[("queue_full", 1)],
        ),
        ("an unknown endpoint", |solo| at(solo, None), &[("no_endpoint", 1)]),
        (
            "an endpoint that only control can reach",
            |solo| at(solo, Some(Endpoint::Control { token: 1 })),
            &[("no_endpoint", 1)],
        ),
        (
            "the kernel refuses",
            |solo| {
                solo.worker().port.refuse_sends(1, libc::EPERM);
                (VnetHdr::NONE, inner(64, 1))
            },
            &[("send_failed", 1)],
        ),
        (
            "no parcel to wait in",
            |solo| {
                solo.node.order(0, Order::ForgetSession { id: PEER, local_index: None });
                while solo.node.office.pool.take().is_some() {}
                (VnetHdr::NONE, inner(64, 1))
            },
            &[("queue_full", 1)],
        ),
    ];
    for (name, feed, expected) in cases {
        let mut solo = Solo::joined(Limits::default());
        let (vnet, packet) = feed(&mut solo);
        solo.node.feed(0, vnet, &packet);
        let before = solo.node.counters();
        solo.node.turn();
        solo.node.turn();
        let moved = moved(&before, &solo.node.counters());
        let ends: Vec<_> =
            moved.into_iter().filter(|(name, _)| !["tx_packets", "sends"].contains(name)).collect();
        assert_eq!(ends, [&[("reads", 1)], *expected].concat(), "{name}");
        assert!(solo.far.receive().is_empty(), "{name}");
    }
}

fn at(solo: &mut Solo, endpoint: Option<Endpoint>) -> (VnetHdr, Vec<u8>) {
    solo.node.order(0, Order::Endpoint { id: PEER, endpoint });
    (VnetHdr::NONE, inner(64, 1))
}

#[test]
fn packets_wait_for_a_session_and_leave_before_what_comes_later() {
    let mut solo = Solo::new(Limits::default());
    let sent: Vec<_> = (0..20).map(|seed| inner(64 + seed as usize * 30, seed)).collect();
    sent[..15].iter().for_each(|packet| solo.send(packet));
    assert!(solo.far.receive().is_empty());
    // The session comes in the same turn as more packets.
    sent[15..].iter().for_each(|packet| solo.node.feed(0, VnetHdr::NONE, packet));
    solo.install(Place::Current);
    solo.settle();
    packets::assert_same(&trimmed(&mut solo), &sent, "before and after the session");
    assert_eq!(solo.node.office.pool.len(), 512, "every parcel went home");
}

#[test]
fn waiting_packets_keep_their_place_while_send_buffers_are_short() {
    for slots in 1..4 {
        let mut solo = Solo::new(Limits { slots, ..Limits::default() });
        // Different sizes, so that they cannot share sends.
        let sent: Vec<_> = (0..100).map(|seed| inner(64 + (seed % 7) as usize * 64, seed)).collect();
        sent[..50].iter().for_each(|packet| solo.send(packet));
        solo.install(Place::Current);
        for packet in &sent[50..] {
            solo.send(packet);
        }
        solo.settle();
        packets::assert_same(&trimmed(&mut solo), &sent, format!("{slots} slots"));
        assert_eq!(solo.node.counters().drops, [0; Drop::COUNT]);
    }
}

#[test]
fn the_oldest_makes_room_when_too_many_wait() {
    let mut solo = Solo::new(Limits::default());
    let sent: Vec<_> = (0..STAGED_MAX + 5).map(|seed| inner(64, seed as u64)).collect();
    let before = solo.node.counters();
    sent.iter().for_each(|packet| solo.send(packet));
    let count = sent.len() as u64;
    assert_eq!(moved(&before, &solo.node.counters()), [("reads", count), ("queue_full", 5)]);
    assert_eq!(solo.node.office.pool.len(), 512 - STAGED_MAX);
    solo.install(Place::Current);
    solo.settle();
    packets::assert_same(&trimmed(&mut solo), &sent[5..], "the newest");
    assert_eq!(solo.node.office.pool.len(), 512);
}

#[test]
fn what_waits_for_nothing_is_dropped_and_counted() {
    type Ending = fn() -> Order;
    let endings: [(&str, Ending); 2] = [
        ("no session came about", || Order::GiveUp { id: PEER }),
        ("the peer was removed", || Order::ForgetPeer { id: PEER }),
    ];
    for (name, ending) in endings {
        let mut solo = Solo::new(Limits::default());
        (0..7).for_each(|seed| solo.send(&inner(64, seed)));
        let before = solo.node.counters();
        solo.node.order(0, ending());
        solo.settle();
        assert_eq!(moved(&before, &solo.node.counters()), [("given_up", 7)], "{name}");
        assert_eq!(solo.node.office.pool.len(), 512, "{name}: every parcel went home");
        solo.install(Place::Current);
        solo.settle();
        assert!(solo.far.receive().is_empty(), "{name}: nothing is left to leave");
    }
}

#[test]
fn a_session_is_asked_for_when_it_is_missing_or_due() {
    let asked = |solo: &Solo| {
        solo.node.take_notes().iter().filter(|note| matches!(note, Note::WantSession { id: PEER })).count()
    };
    let mut solo = Solo::new(Limits::default());
    (0..3).for_each(|seed| solo.node.feed(0, VnetHdr::NONE, &inner(64, seed)));
    solo.node.turn();
    assert_eq!(asked(&solo), 1, "once for all of a moment");
    let second = std::time::Duration::from_secs(1);
    let table = [
        (REKEY_AFTER_TIME - 10 * second, 0, 1),
        (REKEY_AFTER_TIME, 1, 1),
        (REJECT_AFTER_TIME - 10 * second, 1, 1),
        (REJECT_AFTER_TIME, 1, 0),
    ];
    for (age, asks, leaves) in table {
        let mut solo = Solo::new(Limits::default());
        solo.install_born(Place::Current, born_before(age));
        solo.send(&inner(64, 1));
        assert_eq!((asked(&solo), solo.far.receive().len()), (asks, leaves), "a session of {age:?}");
    }
    let mut solo = Solo::new(Limits::default());
    while solo.node.office.pool.take().is_some() {}
    solo.send(&inner(64, 1));
    assert_eq!(asked(&solo), 1, "also when the packet itself found no place to wait");
}

#[test]
fn a_question_that_found_no_room_is_asked_again_by_the_next_packet() {
    let mut solo = Solo::new(Limits::default());
    while solo.node.office.slow.notes.push(Note::LinkGone).is_ok() {}
    solo.send(&inner(64, 1));
    solo.node.take_notes();
    solo.send(&inner(64, 1));
    let notes = solo.node.take_notes();
    assert!(notes.iter().any(|note| matches!(note, Note::WantSession { id: PEER })));
}

#[test]
fn a_keepalive_is_an_empty_packet_and_needs_a_session() {
    let mut solo = Solo::new(Limits::default());
    let ask = |solo: &mut Solo| {
        solo.node.order(0, Order::Keepalive { id: PEER });
        solo.settle();
        solo.far.receive()
    };
    assert!(ask(&mut solo).is_empty());
    solo.install(Place::Next);
    assert!(ask(&mut solo).is_empty());
    solo.install(Place::Current);
    let before = solo.node.counters();
    let [datagram] = ask(&mut solo).try_into().expect("one datagram");
    assert_eq!((datagram.bytes.len(), datagram.tos), (DATA_OVERHEAD, 0));
    assert!(solo.far.open(&datagram.bytes).is_empty());
    assert_eq!(moved(&before, &solo.node.counters()), [("sends", 1)]);
    solo.node.order(0, Order::Endpoint { id: PEER, endpoint: None });
    assert!(ask(&mut solo).is_empty());
}

#[test]
fn bytes_are_counted_at_the_peer_as_they_are_on_the_wire() {
    let mut solo = Solo::joined(Limits::default());
    let (vnet, packet) = packets::tcp_super(OUT4[0], OUT4[1], 1, &packets::noise(10_000, 1), 1_380);
    solo.node.feed(0, vnet, &packet);
    solo.node.feed(0, VnetHdr::NONE, &inner(77, 1));
    solo.node.order(0, Order::Keepalive { id: PEER });
    solo.node.turn();
    let datagrams = solo.far.receive();
    let bytes = datagrams.iter().map(|datagram| datagram.bytes.len() as u64).sum::<u64>();
    let row = solo.node.control.peer(PEER.0).expect("a row");
    assert_eq!((row.tx_bytes, row.tx_packets, row.rx_bytes), (bytes, datagrams.len() as u64 - 1, 0));
}

#[test]
fn the_way_out_is_the_way_that_the_endpoint_names() {
    let mut solo = Solo::joined(Limits::default());
    let elsewhere = "[2001:db8::7]:9".parse().expect("an address");
    for remote in [RIGHT, elsewhere] {
        let endpoint = Some(Endpoint::Udp(UdpPath::new(remote, None, 0)));
        solo.node.order(0, Order::Endpoint { id: PEER, endpoint });
        solo.send(&inner(64, 1));
    }
    assert_eq!(solo.far.receive().len(), 1);
    let strays: Vec<_> = solo.world.take_strays().iter().map(|stray| stray.to).collect();
    assert_eq!(strays, [elsewhere]);
}

#[test]
fn a_super_packet_that_waited_leaves_in_portions_as_well() {
    let (vnet, packet) = packets::tcp_super(OUT4[0], OUT4[1], 1, &packets::noise(30_000, 1), 36);
    let mut solo = Solo::new(Limits { slots: 2, ..Limits::default() });
    let segments = packets::cut(vnet, &packet);
    // The second round waits in parcels that have carried one of the first.
    while solo.node.office.pool.len() > 2 {
        drop(solo.node.office.pool.take());
    }
    for round in 0..2 {
        (0..2).for_each(|_| solo.node.feed(0, vnet, &packet));
        solo.node.turn();
        solo.install(Place::Current);
        let mut arrived = trimmed(&mut solo);
        for _ in 0..segments.len() {
            solo.node.turn();
            arrived.extend(trimmed(&mut solo));
        }
        packets::assert_same(
            &arrived,
            &[segments.clone(), segments.clone()].concat(),
            format!("round {round}"),
        );
        solo.node.order(0, Order::ForgetSession { id: PEER, local_index: None });
        solo.node.turn();
        // A new session counts from zero again, on both sides.
        (_, solo.far.session) = sessions(1, [0, 0], ringmesh_io::clock::boottime());
    }
}

#[test]
fn the_rest_of_a_packet_whose_session_ended_is_counted_and_does_not_wait() {
    let (vnet, packet) = packets::tcp_super(OUT4[0], OUT4[1], 1, &packets::noise(30_000, 1), 36);
    let count = packets::cut(vnet, &packet).len();
    let mut solo = Solo::joined(Limits { slots: 1, ..Limits::default() });
    solo.node.feed(0, vnet, &packet);
    solo.node.turn();
    let left = solo.far.receive().len();
    assert!((1..count).contains(&left), "{left} of {count}");
    solo.node.order(0, Order::ForgetSession { id: PEER, local_index: None });
    let before = solo.node.counters();
    solo.settle();
    assert_eq!(moved(&before, &solo.node.counters()), [("expired", (count - left) as u64)]);
    assert_eq!(solo.node.office.pool.len(), 512, "nothing waits");
}
