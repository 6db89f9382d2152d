use proptest::prelude::*;
use ringmesh_wire::ip::UDP;

use super::*;

/// An IPv4 UDP packet of a flow, of `len` bytes.
fn packet(flow: u16, len: usize) -> Vec<u8> {
    let mut packet = vec![0; len.max(28)];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&(len.max(28) as u16).to_be_bytes());
    packet[9] = UDP;
    packet[20..22].copy_from_slice(&flow.to_be_bytes());
    packet
}

fn push(fair: &mut Fair<u32>, number: u32, flow: u16, len: usize) {
    fair.push(number, &packet(flow, len), 0, Duration::ZERO);
}

/// Sends the next packet whole; its number.
fn send(fair: &mut Fair<u32>) -> Option<u32> {
    let place = fair.next()?;
    let one = fair.get(place)?;
    fair.advance(place, one.len, 0);
    fair.remove(place);
    Some(one.item)
}

#[test]
fn a_new_flow_goes_before_those_that_have_sent() {
    let mut fair = Fair::default();
    for number in 0..10 {
        push(&mut fair, number, 1, 1_400);
    }
    assert_eq!(send(&mut fair), Some(0));
    assert_eq!(send(&mut fair), Some(1));
    push(&mut fair, 99, 2, 100);
    assert_eq!(send(&mut fair), Some(99));
    assert_eq!(send(&mut fair), Some(2));
}

#[test]
fn a_part_counts_and_the_rest_keeps_its_place() {
    let mut fair = Fair::default();
    push(&mut fair, 0, 1, 60_000);
    push(&mut fair, 1, 1, 60_000);
    let place = fair.next().expect("one waits");
    fair.advance(place, 10_000, 7);
    push(&mut fair, 2, 2, 100);
    assert_eq!(send(&mut fair), Some(2));
    let place = fair.next().expect("two wait");
    assert_eq!(fair.get(place).map(|one| (one.item, one.done)), Some((0, 7)));
}

#[test]
fn flows_share_by_bytes() {
    let mut fair = Fair::default();
    let lens = [1_400, 350];
    let mut sent = [0_usize; 2];
    for flow in 0..2 {
        (0..8).for_each(|_| push(&mut fair, flow, flow as u16, lens[flow as usize]));
    }
    for _ in 0..1_000 {
        let flow = send(&mut fair).expect("some wait");
        push(&mut fair, flow, flow as u16, lens[flow as usize]);
        sent[flow as usize] += lens[flow as usize];
        assert!(sent[0].abs_diff(sent[1]) <= 1_400, "{sent:?}");
    }
}

#[test]
fn the_flow_with_most_bytes_is_the_fattest() {
    let mut fair = Fair::default();
    (0..8).for_each(|number| push(&mut fair, number, 1, 100));
    push(&mut fair, 8, 2, 20_000);
    push(&mut fair, 9, 2, 20_000);
    let place = fair.fattest().expect("some wait");
    assert_eq!(fair.get(place).map(|one| one.item), Some(8));
}

#[test]
fn a_standing_line_is_told_and_a_short_one_is_not() {
    let mut fair = Fair::default();
    let told = |fair: &mut Fair<u32>| {
        (0..1_000).filter(|&milli| fair.is_due(0, Duration::from_millis(milli))).count()
    };
    (0..FEW).for_each(|number| push(&mut fair, number, 1, 1_400));
    assert_eq!(told(&mut fair), 0);
    push(&mut fair, FEW, 1, 1_400);
    assert!((3..50).contains(&told(&mut fair)));
}

proptest! {
    /// Whatever comes and goes, each flow's packets leave in their order, and all of them leave.
    #[test]
    fn order_is_kept_within_a_flow(steps in prop::collection::vec((0_u16..5, 40_usize..60_000, 0_u8..3), 1..200)) {
        let (mut fair, mut left, mut flows) = (Fair::default(), Vec::new(), Vec::new());
        for (number, (flow, len, sends)) in (0..).zip(steps) {
            if fair.len() < 64 {
                push(&mut fair, number, flow, len);
                flows.push((number, flow));
            }
            left.extend((0..sends).filter_map(|_| send(&mut fair)));
        }
        left.extend(std::iter::from_fn(|| send(&mut fair)));
        prop_assert_eq!(left.len(), flows.len());
        for flow in 0..5 {
            let of_flow = |number: &u32| flows.contains(&(*number, flow));
            prop_assert!(left.iter().filter(|number| of_flow(number)).is_sorted());
        }
    }
}
