use ringmesh_abi::{ControlSide, PlaneSide};

use super::*;

#[test]
fn every_sum_is_published_in_its_own_place() {
    let (control, memory) = ControlSide::create(2).expect("shared memory");
    let plane = PlaneSide::attach(&memory, control.generation()).expect("fresh memory");
    let mut counters = Counters {
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
        handed_over: 11,
        drops: [0; Drop::COUNT],
    };
    for (number, how) in (100..).zip(Drop::ALL) {
        counters.drop(how, number - 1);
        counters.drop(how, 1);
    }
    let features = Features { tun_csum: true, restricted: true, ..Features::default() };
    counters.publish(plane.rows().worker(1).expect("a row"), features);
    let row = control.worker(1).expect("a row");
    let sums = [
        row.rx_packets,
        row.rx_bytes,
        row.tx_packets,
        row.tx_bytes,
        row.turns,
        row.reads,
        row.writes,
        row.receives,
        row.sends,
        row.fallbacks,
        row.handed_over,
    ];
    assert_eq!(sums, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(row.features, u64::from(features.bits()));
    for (number, how) in (100..).zip(Drop::ALL) {
        assert_eq!(row.drops[how as usize], number, "{how}");
    }
    assert_eq!(row.drops[Drop::COUNT..], [0; DROPS_MAX - Drop::COUNT]);
    assert_eq!(control.worker(0).expect("a row").rx_packets, 0, "the neighbour's row is its own");
}
