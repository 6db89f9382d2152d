use super::*;
use crate::layout::Capacities;
use crate::samples;
use proptest::prelude::*;

fn rows() -> Rows {
    let layout = Layout::of(Capacities { workers: 2, peers: 3, ring_slots: [2; 5] });
    Rows::new(Arc::new(Region::heap(layout.total)), layout)
}

fn state() -> impl Strategy<Value = PeerState> {
    let handshake = (any::<u64>(), 0..1_000_000_000_u32);
    (any::<[u8; 32]>(), samples::endpoint(), handshake, any::<[u8; 12]>(), any::<bool>()).prop_map(
        |(public_key, endpoint, (secs, nanos), greatest_timestamp, has_session)| PeerState {
            public_key,
            endpoint,
            last_handshake_secs: secs,
            last_handshake_nanos: nanos,
            greatest_timestamp,
            has_session,
        },
    )
}

proptest! {
    #[test]
    fn what_is_published_is_observed(state in state(), rx: u64, tx: u64) {
        let rows = rows();
        rows.publish_peer(2, &state);
        let row = rows.peer(2).expect("three rows");
        row.rx_bytes.set(rx);
        row.tx_bytes.set(tx);
        let expected = PeerStats { state, rx_bytes: rx, tx_bytes: tx, ..PeerStats::default() };
        prop_assert_eq!(rows.observe_peer(2), Some(expected));
        prop_assert_eq!(rows.observe_peer(1), Some(PeerStats::default()), "the neighbour is untouched");
    }

    #[test]
    fn a_scribbled_row_is_an_honest_none_or_canonical(state in state(), at in 0..STATE_WORDS, word: u64) {
        let mut words = state.encode();
        words[at] = word;
        if let Ok(taken) = PeerState::decode(&words) {
            prop_assert_eq!(taken.encode(), words);
        }
    }
}

/// Counters that a worker stored do not show before the slow thread has published the peer; every row has a bit of its own.
#[test]
fn a_row_shows_once_it_was_published() {
    let rows = rows();
    for slot in 0..3 {
        rows.peer(slot).expect("three rows").rx_bytes.set(9);
        assert_eq!(rows.observe_peer(slot), Some(PeerStats::default()));
        rows.publish_peer(slot, &PeerState::default());
        assert_eq!(rows.observe_peer(slot).map(|row| row.rx_bytes), Some(9));
    }
    rows.publish_peer(3, &PeerState::default());
    assert_eq!(rows.observe_peer(3), None);
}

#[test]
fn rows_end_where_the_capacities_say() {
    let rows = rows();
    rows.publish_peer(3, &PeerState::default());
    assert!(rows.peer(3).is_none() && rows.observe_peer(u32::MAX).is_none());
    assert!(rows.worker(1).is_some() && rows.worker(2).is_none());
}

/// Each field is published with a value of its own, so a swapped pair shows.
#[test]
fn workers_and_plane_are_observed_field_by_field() {
    let rows = rows();
    let row = rows.worker(1).expect("two workers");
    let fields = [
        &row.rx_packets,
        &row.rx_bytes,
        &row.tx_packets,
        &row.tx_bytes,
        &row.turns,
        &row.reads,
        &row.writes,
        &row.receives,
        &row.sends,
        &row.fallbacks,
        &row.features,
        &row.handed_over,
    ];
    fields.iter().zip(1..).for_each(|(field, value)| field.set(value));
    row.drops.iter().zip(100..).for_each(|(field, value)| field.set(value));
    let expected = WorkerStats {
        rx_packets: 1,
        rx_bytes: 2,
        tx_packets: 3,
        tx_bytes: 4,
        turns: 5,
        reads: 6,
        writes: 7,
        receives: 8,
        sends: 9,
        fallbacks: 10,
        features: 11,
        handed_over: 12,
        drops: core::array::from_fn(|at| 100 + at as u64),
    };
    assert_eq!(rows.observe_worker(1), Some(expected));
    assert_eq!(rows.observe_worker(0), Some(WorkerStats::default()));

    let plane = rows.plane();
    plane.pid.set(1);
    plane.start_nanos.set(2);
    plane.hardening.set(u64::MAX);
    plane.uid.set(4);
    plane.turns.set(5);
    let all = Hardening::ALL.iter().fold(Hardening::default(), |all, (bit, _)| all.with(*bit));
    let expected =
        PlaneStats { pid: 1, start_nanos: 2, hardening: all, uid: 4, turns: 5, ..PlaneStats::default() };
    assert_eq!(rows.observe_plane(), expected, "unknown hardening bits are dropped");
}
