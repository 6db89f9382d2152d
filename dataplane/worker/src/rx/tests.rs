use std::net::SocketAddr;

use ringmesh_io::Limits;
use ringmesh_tunnel::{
    device::Place,
    limits::{REJECT_AFTER_MESSAGES, REJECT_AFTER_TIME, REKEY_ON_RECEIVE_AFTER},
};
use ringmesh_wire::message::INITIATION_LEN;

use super::*;
use crate::mail::Note;
use crate::pair::{LEFT, PEER, RIGHT, Solo, born_before, moved, packets, seal_with, sessions};

/// From the peer to us.
const IN4: [&str; 2] = ["10.2.0.1", "10.1.0.1"];
const IN6: [&str; 2] = ["fd02::1", "fd01::1"];

fn inner(len: usize) -> Vec<u8> {
    packets::plain(IN4[0], IN4[1], len, 1)
}

fn letter(bytes: &[u8]) -> Letter {
    Letter { from: Endpoint::udp(RIGHT), bytes: bytes.iter().copied().collect() }
}

/// What a datagram, made by `make` and arriving from where the peer is, moves.
#[track_caller]
fn check(
    name: &str,
    tos: u8,
    make: impl FnOnce(&mut Solo) -> Vec<Vec<u8>>,
    expected: &[(&str, u64)],
) -> Solo {
    let mut solo = Solo::joined(Limits::default());
    let datagrams = make(&mut solo);
    let before = solo.node.counters();
    solo.arrive(RIGHT, tos, &datagrams);
    assert_eq!(moved(&before, &solo.node.counters()), expected, "{name}");
    let written = expected.iter().find(|(name, _)| *name == "rx_packets").map_or(0, |(_, count)| *count);
    assert_eq!(solo.node.take_packets().len() as u64, written, "{name}");
    solo
}

#[test]
fn every_length_arrives_as_it_was_without_its_padding() {
    for ([src, dst], least) in [(IN4, 20), (IN6, 40)] {
        let mut solo = Solo::joined(Limits::default());
        for len in 1..=1420 {
            let packet = packets::plain(src, dst, len, len as u64);
            let mut padded = packet.clone();
            if len >= least {
                padded.resize(len.next_multiple_of(16).min(1420), 0);
            }
            let datagram = solo.far.seal(&padded);
            let before = solo.node.counters();
            solo.arrive(RIGHT, 0, &[datagram]);
            let moved = moved(&before, &solo.node.counters());
            if len < least {
                assert_eq!(moved, [("receives", 1), ("malformed", 1)], "{len} bytes from {src}");
                assert!(solo.node.take_written().is_empty());
            } else {
                assert_eq!(
                    moved,
                    [("rx_packets", 1), ("writes", 1), ("receives", 1)],
                    "{len} bytes from {src}"
                );
                assert_eq!(solo.node.take_packets(), [packet], "{len} bytes from {src}");
            }
        }
    }
}

#[test]
fn each_end_is_counted_once_and_nothing_else_moves() {
    /// Name, outer TOS, the datagrams, and what they move.
    type Case = (&'static str, u8, fn(&mut Solo) -> Vec<Vec<u8>>, &'static [(&'static str, u64)]);
    let cases: &[Case] = &[
        ("an empty datagram", 0, |_| vec![vec![]], &[("malformed", 1)]),
        ("what is no WireGuard", 0, |_| vec![vec![0x55; 20]], &[("punted", 1)]),
        ("a data message without room for a tag", 0, |_| vec![vec![4, 0, 0, 0, 0]], &[("punted", 1)]),
        (
            "longer than anything that control wants",
            0,
            |_| vec![vec![0x55; LETTER_LEN + 1]],
            &[("malformed", 1)],
        ),
        ("an initiation is for the slow thread", 0, |_| vec![initiation()], &[]),
        (
            "the slow thread has enough to do",
            0,
            |solo| {
                while solo.node.office.slow.handshakes.push(letter(&initiation())).is_ok() {}
                vec![initiation()]
            },
            &[("overloaded", 1)],
        ),
        (
            "control has enough to do",
            0,
            |solo| {
                while solo.node.office.slow.punts.push(letter(&[0x55; 20])).is_ok() {}
                vec![vec![0x55; 20]]
            },
            &[("punt_full", 1)],
        ),
        ("an index that we never gave", 0, |solo| edited(solo, 5, 0x40), &[("unknown_index", 1)]),
        ("an index whose owner does not exist", 0, |solo| edited(solo, 4, 0xc8), &[("unknown_index", 1)]),
        ("another counter", 0, |solo| edited(solo, 8, 1), &[("forged", 1)]),
        ("another first byte", 0, |solo| edited(solo, 16, 1), &[("forged", 1)]),
        ("another tag", 0, |solo| edited(solo, 16 + 64 + 15, 0x80), &[("forged", 1)]),
        ("cut short", 0, |solo| vec![solo.far.seal(&inner(64))[..60].to_vec()], &[("forged", 1)]),
        (
            "a counter that is used up",
            0,
            |solo| vec![solo.far.seal_as(REJECT_AFTER_MESSAGES, &inner(64))],
            &[("expired", 1)],
        ),
        ("a keepalive", 0, |solo| vec![solo.far.seal(&[])], &[("keepalive", 1)]),
        ("nothing but padding", 0, |solo| vec![solo.far.seal(&[0; 16])], &[("malformed", 1)]),
        ("longer inside than outside", 0, |solo| vec![solo.far.seal(&inner(64)[..48])], &[("malformed", 1)]),
        (
            "a source that is nobody's",
            0,
            |solo| vec![solo.far.seal(&packets::plain("10.3.0.1", IN4[1], 64, 1))],
            &[("source_not_allowed", 1)],
        ),
        (
            "our own source",
            0,
            |solo| vec![solo.far.seal(&packets::plain(IN4[1], IN4[1], 64, 1))],
            &[("source_not_allowed", 1)],
        ),
        (
            "congestion that the sender cannot hear of",
            0b11,
            |solo| vec![solo.far.seal(&inner(64))],
            &[("congested", 1)],
        ),
    ];
    for (name, tos, make, expected) in cases {
        let expected = [&[("receives", 1)], *expected].concat();
        check(name, *tos, make, &expected);
    }
}

fn initiation() -> Vec<u8> {
    let mut bytes = vec![0; INITIATION_LEN];
    bytes[0] = 1;
    bytes
}

/// A good datagram in which one byte was changed.
fn edited(solo: &mut Solo, at: usize, by: u8) -> Vec<Vec<u8>> {
    let mut datagram = solo.far.seal(&inner(64));
    datagram[at] ^= by;
    vec![datagram]
}

#[test]
fn letters_reach_their_reader_as_they_came() {
    let solo = check("both", 0, |_| vec![initiation(), vec![0x55; 20]], &[("receives", 1), ("punted", 1)]);
    let slow = &solo.node.office.slow;
    let way = solo.node.way(0, RIGHT);
    for (queue, bytes) in [(&slow.handshakes, initiation()), (&slow.punts, vec![0x55; 20])] {
        let letter = queue.pop().expect("one letter");
        assert_eq!((letter.from, letter.bytes.to_vec()), (way, bytes));
        assert!(queue.pop().is_none());
    }
}

#[test]
fn a_counter_is_admitted_once_in_whatever_order() {
    let mut solo = Solo::joined(Limits::default());
    let datagrams: Vec<_> =
        (0..8).map(|seed| solo.far.seal(&packets::plain(IN4[0], IN4[1], 64, seed))).collect();
    let script = [(3, true), (3, false), (0, true), (1, true), (0, false), (7, true), (3, false), (2, true)];
    for (step, (number, fresh)) in script.into_iter().enumerate() {
        let before = solo.node.counters();
        solo.arrive(RIGHT, 0, &[datagrams[number].clone()]);
        let expected: &[_] = if fresh {
            &[("rx_packets", 1), ("writes", 1), ("receives", 1)]
        } else {
            &[("receives", 1), ("replay", 1)]
        };
        assert_eq!(moved(&before, &solo.node.counters()), expected, "step {step}");
    }
}

#[test]
fn a_session_that_is_too_old_opens_nothing() {
    let mut solo = Solo::new(Limits::default());
    solo.install_born(Place::Current, born_before(REJECT_AFTER_TIME));
    let datagram = solo.far.seal(&inner(64));
    let before = solo.node.counters();
    solo.arrive(RIGHT, 0, &[datagram]);
    assert_eq!(moved(&before, &solo.node.counters()), [("receives", 1), ("expired", 1)]);
}

#[test]
fn a_source_belongs_to_the_peer_with_the_most_specific_range() {
    let mut solo = Solo::joined(Limits::default());
    let other = PeerId(1);
    solo.node.add_peer(other, None);
    solo.node.route(other, &["10.2.7.0/24", "fd02:7::/32"]);
    let (ours, theirs) = sessions(9, [0, 0], ringmesh_io::clock::boottime());
    solo.node.install(other, ours, Place::Current);
    solo.node.turn();
    let table = [
        // source, whether the first peer may, whether the other may
        ("10.2.0.1", true, false),
        ("10.2.7.1", false, true),
        ("10.2.6.255", true, false),
        ("10.2.8.0", true, false),
        ("10.3.0.1", false, false),
        ("fd02::1", true, false),
        ("fd02:7::1", false, true),
        ("fd02:8::", true, false),
    ];
    for (counter, (src, first, second)) in table.into_iter().enumerate() {
        let dst = if src.contains(':') { IN6[1] } else { IN4[1] };
        let packet = packets::plain(src, dst, 64, 1);
        for (datagram, may) in
            [(solo.far.seal(&packet), first), (seal_with(&theirs, counter as u64, &packet), second)]
        {
            let before = solo.node.counters();
            solo.arrive(RIGHT, 0, &[datagram]);
            let refused = moved(&before, &solo.node.counters()).contains(&("source_not_allowed", 1));
            assert_eq!((solo.node.take_packets().len(), refused), (usize::from(may), !may), "from {src}");
        }
    }
}

#[test]
fn a_run_of_good_and_bad_datagrams_loses_only_the_bad_ones() {
    let mut solo = Solo::joined(Limits::default());
    let texts: Vec<_> = (0..6).map(|seed| packets::plain(IN4[0], IN4[1], 96, seed)).collect();
    let mut run: Vec<_> = texts.iter().map(|text| solo.far.seal(text)).collect();
    run[1][20] ^= 1;
    run[2][5] ^= 1;
    run.insert(4, run[0].clone());
    run.insert(5, vec![0x55; run[0].len()]);
    let keepalive = solo.far.seal(&[]);
    run.push(keepalive);
    let before = solo.node.counters();
    solo.arrive(RIGHT, 0, &run);
    let expected = [
        ("rx_packets", 4),
        ("writes", 4),
        ("receives", 1),
        ("unknown_index", 1),
        ("forged", 1),
        ("replay", 1),
        ("keepalive", 1),
        ("punted", 1),
    ];
    assert_eq!(moved(&before, &solo.node.counters()), expected);
    let good = [0, 3, 4, 5].map(|number: usize| texts[number].clone());
    packets::assert_same(&solo.node.take_packets(), &good, "the good ones");
}

#[test]
fn a_run_longer_than_one_batch_arrives_whole_and_in_order() {
    let mut solo = Solo::joined(Limits::default());
    let texts: Vec<_> = (0..200).map(|seed| packets::plain(IN4[0], IN4[1], 32, seed)).collect();
    let run: Vec<_> = texts.iter().map(|text| solo.far.seal(text)).collect();
    solo.arrive(RIGHT, 0, &run);
    solo.settle();
    packets::assert_same(&solo.node.take_packets(), &texts, "200 in a row");
}

#[test]
fn only_authentic_packets_move_the_endpoint_and_each_move_is_noted_once() {
    #[derive(Clone, Copy, Debug)]
    enum Sent {
        Good,
        Keepalive,
        WrongSource,
        /// Sealed before the last good one: authentic, new, and late.
        Late,
        Forged,
        /// The last good one once more.
        Replay,
        UnknownIndex,
        Initiation,
        Junk,
    }
    let elsewhere = |port| SocketAddr::new("198.51.100.9".parse().expect("an address"), port);
    let script = [
        // what is sent, the port that it comes from, whether the peer is there afterwards
        (Sent::Good, 1, true),
        (Sent::Good, 1, true),
        (Sent::Forged, 2, false),
        (Sent::Replay, 2, false),
        (Sent::UnknownIndex, 2, false),
        (Sent::Initiation, 2, false),
        (Sent::Junk, 2, false),
        (Sent::Keepalive, 3, true),
        (Sent::Replay, 4, false),
        (Sent::Late, 4, true),
        (Sent::WrongSource, 5, true),
        (Sent::Replay, 1, false),
        (Sent::Good, 5, true),
        (Sent::Good, 1, true),
    ];
    let mut solo = Solo::joined(Limits::default());
    let mut at = solo.node.way(0, RIGHT);
    let mut last = Vec::new();
    for (step, (sent, port, moves)) in script.into_iter().enumerate() {
        let late = solo.far.seal(&inner(64));
        let datagram = match sent {
            Sent::Good => solo.far.seal(&inner(64)),
            Sent::Keepalive => solo.far.seal(&[]),
            Sent::WrongSource => solo.far.seal(&packets::plain("10.9.9.9", IN4[1], 64, 1)),
            Sent::Late => late,
            Sent::Forged => edited(&mut solo, 30, 4).remove(0),
            Sent::Replay => Vec::clone(&last),
            Sent::UnknownIndex => edited(&mut solo, 6, 4).remove(0),
            Sent::Initiation => initiation(),
            Sent::Junk => vec![0x55; 99],
        };
        if moves {
            last.clone_from(&datagram);
        }
        solo.arrive(elsewhere(port), 0, &[datagram]);
        let new = solo.node.way(0, elsewhere(port));
        let notes: Vec<_> = solo
            .node
            .take_notes()
            .into_iter()
            .filter_map(
                |note| if let Note::Roamed { id, endpoint } = note { Some((id, endpoint)) } else { None },
            )
            .collect();
        let expected: &[_] = if moves && at != new { &[(PEER, new)] } else { &[] };
        assert_eq!(notes, expected, "step {step}: {sent:?}");
        if moves {
            at = new;
        }
        let peer = solo.worker().peers.peer_mut(PEER).expect("the peer");
        assert_eq!(peer.endpoint, Some(at), "step {step}: {sent:?}");
    }
}

#[test]
fn answers_go_where_the_peer_moved_to() {
    let mut solo = Solo::joined(Limits::default());
    let elsewhere = "198.51.100.9:7".parse().expect("an address");
    let datagram = solo.far.seal(&inner(64));
    solo.arrive(elsewhere, 0, &[datagram]);
    solo.send(&packets::plain(IN4[1], IN4[0], 64, 2));
    let strays = solo.world.take_strays();
    assert_eq!(strays.iter().map(|stray| (stray.from, stray.to)).collect::<Vec<_>>(), [(LEFT, elsewhere)]);
    assert!(solo.far.receive().is_empty());
}

#[test]
fn congestion_marks_come_in_as_rfc_6040_says() {
    // outer ECN, inner ECN, inner ECN afterwards (figure 4 of the RFC); `None` is dropped.
    let table = [
        (0b00, 0b00, Some(0b00)),
        (0b01, 0b00, Some(0b00)),
        (0b10, 0b00, Some(0b00)),
        (0b11, 0b00, None),
        (0b00, 0b10, Some(0b10)),
        (0b01, 0b10, Some(0b01)),
        (0b10, 0b10, Some(0b10)),
        (0b11, 0b10, Some(0b11)),
        (0b00, 0b01, Some(0b01)),
        (0b01, 0b01, Some(0b01)),
        (0b10, 0b01, Some(0b01)),
        (0b11, 0b01, Some(0b11)),
        (0b00, 0b11, Some(0b11)),
        (0b01, 0b11, Some(0b11)),
        (0b10, 0b11, Some(0b11)),
        (0b11, 0b11, Some(0b11)),
    ];
    for [src, dst] in [IN4, IN6] {
        let mut solo = Solo::joined(Limits::default());
        for (outer, ecn, expected) in table {
            // The DSCP outside is nobody's business inside.
            let inner = |ecn: u8| {
                let mut packet = packets::plain(src, dst, 80, 3);
                ip::set_tos(&mut packet, 0xb8 | ecn);
                packet
            };
            let datagram = solo.far.seal(&inner(ecn));
            solo.arrive(RIGHT, 0x20 | outer, &[datagram]);
            let expected: Vec<_> = expected.map(inner).into_iter().collect();
            assert_eq!(solo.node.take_packets(), expected, "outer {outer:02b}, inner {ecn:02b}, from {src}");
        }
    }
}

#[test]
fn the_first_packet_confirms_a_session_and_lets_the_waiting_leave() {
    let mut solo = Solo::new(Limits::default());
    let waiting: Vec<_> = (0..3).map(|seed| packets::plain(IN4[1], IN4[0], 64, seed)).collect();
    solo.install(Place::Next);
    waiting.iter().for_each(|packet| solo.send(packet));
    assert!(solo.far.receive().is_empty(), "a session that is not confirmed sends nothing");
    solo.node.take_notes();

    let forged = edited(&mut solo, 40, 1);
    solo.arrive(RIGHT, 0, &forged);
    let peer = solo.worker().peers.peer_mut(PEER).expect("the peer");
    assert!(peer.current.is_none() && peer.next.is_some(), "a forged packet confirms nothing");

    let good: Vec<_> = (0..2).map(|_| solo.far.seal(&inner(64))).collect();
    solo.arrive(RIGHT, 0, &good);
    let again = solo.far.seal(&inner(64));
    solo.arrive(RIGHT, 0, &[again]);
    let confirmed = |note: &Note| matches!(note, Note::Confirmed { id: PEER, local_index: 0x0001_0100 });
    assert_eq!(solo.node.take_notes().iter().filter(|note| confirmed(note)).count(), 1);
    let peer = solo.worker().peers.peer_mut(PEER).expect("the peer");
    assert!(peer.next.is_none() && peer.current.is_some());
    let left: Vec<_> = solo.far.receive().iter().map(|datagram| solo.far.open(&datagram.bytes)).collect();
    packets::assert_same(&left, &waiting, "in the order in which they came");
}

#[test]
fn what_is_received_late_in_a_session_asks_for_the_next_one() {
    for (age, asks) in
        [(REKEY_ON_RECEIVE_AFTER - std::time::Duration::from_secs(5), false), (REKEY_ON_RECEIVE_AFTER, true)]
    {
        let mut solo = Solo::new(Limits::default());
        solo.install_born(Place::Current, born_before(age));
        let datagrams: Vec<_> = (0..3).map(|_| solo.far.seal(&inner(64))).collect();
        solo.arrive(RIGHT, 0, &datagrams);
        let asked = solo
            .node
            .take_notes()
            .iter()
            .filter(|note| matches!(note, Note::WantSession { id: PEER }))
            .count();
        assert_eq!(asked, usize::from(asks), "at {age:?}");
    }
}

#[test]
fn bytes_are_counted_at_the_peer_as_they_were_on_the_wire() {
    let mut solo = Solo::joined(Limits::default());
    // The slow thread has published the peer, or control would not look into its row.
    solo.node.workers[0].rows.publish_peer(PEER.0, &ringmesh_abi::PeerState::default());
    let mut total = 0;
    for text in [inner(64), inner(100), Vec::new()] {
        let datagram = solo.far.seal(&text);
        total += datagram.len() as u64;
        solo.arrive(RIGHT, 0, &[datagram]);
    }
    let forged = edited(&mut solo, 20, 1);
    solo.arrive(RIGHT, 0, &forged);
    let row = solo.node.control.peer(PEER.0).expect("a row");
    assert_eq!((row.rx_bytes, row.rx_packets, row.tx_bytes), (total, 2, 0));
}

#[test]
fn a_packet_that_the_tun_device_refuses_is_counted() {
    let mut solo = Solo::joined(Limits::default());
    let datagram = solo.far.seal(&inner(64));
    solo.worker().port.delete_tun();
    let before = solo.node.counters();
    solo.arrive(RIGHT, 0, &[datagram]);
    solo.node.turn();
    let moved = moved(&before, &solo.node.counters());
    assert!(moved.contains(&("tun_full", 1)), "{moved:?}");
    assert!(solo.node.take_written().is_empty());
}

#[test]
fn joined_segments_are_written_once() {
    let mut solo = Solo::joined(Limits::default());
    // In IPv4 joining numbers the packets anew.
    let texts: Vec<_> =
        (0..10).map(|seed| packets::udp(IN6[0], IN6[1], 99, &packets::noise(800, seed))).collect();
    let run: Vec<_> = texts.iter().map(|text| solo.far.seal(text)).collect();
    solo.arrive(RIGHT, 0, &run);
    let written = solo.node.take_written();
    assert_eq!(written.iter().map(|one| one.packets).collect::<Vec<_>>(), [10]);
    assert_eq!(written[0].vnet.gso_size, 800);
    packets::assert_same(&packets::cut(written[0].vnet, &written[0].bytes), &texts, "cut again");
}
