use super::*;

fn three_of_each() -> Buffers {
    let limits = Limits {
        bulk_buffers: 3,
        quick_buffers: 3,
        datagram_buffers: 3,
        spare_buffers: 3,
        ..Limits::default()
    };
    Buffers::new(&limits, 50).expect("a little memory")
}

fn span(buf: BufId, offset: u32, len: u32) -> Span {
    Span { start: u32::from(buf.0) * BUFFER_STRIDE as u32 + offset, len }
}

/// The numbers that the kernel would pick next.
fn stock(buffers: &Buffers, group: Group) -> Vec<u16> {
    let lent = &buffers.lent[group as usize];
    let entries = lent.ring.as_ptr().cast::<BufRingEntry>();
    (lent.tail.wrapping_sub(lent.stock)..lent.tail)
        // SAFETY: masked, so inside the ring; nothing writes to it meanwhile.
        .map(|place| unsafe { (*entries.add(usize::from(place & lent.mask))).bid() })
        .collect()
}

#[test]
fn each_group_gets_its_own_and_only_takes_its_own() {
    let mut buffers = three_of_each();
    assert_eq!(stock(&buffers, Group::Bulk), [0, 1, 2]);
    assert_eq!(stock(&buffers, Group::Quick), [3, 4, 5]);
    assert_eq!(stock(&buffers, Group::Datagrams), [6, 7, 8]);
    assert_eq!(buffers.take(Group::Bulk, 0, 1), Some((BufId(0), 50)));
    assert_eq!(buffers.take(Group::Bulk, 0, 1), None, "taken already");
    assert_eq!(buffers.take(Group::Bulk, 3, 1), None, "of the other group");
    assert_eq!(buffers.take(Group::Datagrams, 9, 1), None, "a spare one");
    assert_eq!(buffers.take(Group::Datagrams, 999, 1), None, "of no one");
    assert_eq!(buffers.take(Group::Quick, 3, 1), Some((BufId(3), 3 * BUFFER_STRIDE + 50)));
    assert_eq!(buffers.take(Group::Datagrams, 6, 1), Some((BufId(6), 6 * BUFFER_STRIDE)));
    buffers.release(BufId(0));
    buffers.refill();
    assert_eq!(stock(&buffers, Group::Bulk), [1, 2, 0]);
    assert!(buffers.is_stocked(Group::Datagrams));
}

#[test]
fn a_released_buffer_rests_until_its_last_write() {
    let mut buffers = three_of_each();
    let (buf, _) = buffers.take(Group::Bulk, 0, 1).expect("stocked");
    let pins: Vec<u16> = (0..3).map(|i| buffers.pin(span(buf, 100 * i, 100)).expect("held")).collect();
    buffers.release(buf);
    for pin in pins {
        buffers.refill();
        assert_eq!(stock(&buffers, Group::Bulk), [1, 2]);
        buffers.unpin(pin);
    }
    buffers.refill();
    assert_eq!(stock(&buffers, Group::Bulk), [1, 2, 0]);
}

#[test]
fn a_write_that_ends_first_gives_nothing_back() {
    let mut buffers = three_of_each();
    let (buf, whole) = buffers.borrow().expect("spare");
    assert_eq!(whole, span(buf, 0, BUFFER_STRIDE as u32));
    let pin = buffers.pin(whole).expect("held");
    buffers.unpin(pin);
    assert_eq!(buffers.spare.len(), 2);
    buffers.release(buf);
    assert_eq!(buffers.spare.len(), 3);
}

#[test]
fn only_spans_inside_one_buffer_in_use_are_pinned() {
    let mut buffers = three_of_each();
    let (buf, _) = buffers.take(Group::Bulk, 0, 1).expect("stocked");
    let stride = BUFFER_STRIDE as u32;
    for (bad, why) in [
        (span(buf, 1, stride), "over its end"),
        (span(BufId(1), 0, 10), "the kernel's"),
        (Span { start: 12 * stride, len: 1 }, "beyond the region"),
        (Span { start: u32::MAX, len: u32::MAX }, "beyond everything"),
    ] {
        assert_eq!(buffers.pin(bad), None, "{why}");
    }
    assert_eq!(buffers.pin(span(buf, 0, stride)), Some(buf.0));
}

#[test]
fn relief_is_told_once_after_there_was_nothing_to_borrow() {
    let mut buffers = three_of_each();
    let held: Vec<BufId> = (0..3).map(|_| buffers.borrow().expect("spare").0).collect();
    assert_eq!(buffers.borrow(), None);
    assert!(!buffers.take_relief());
    buffers.release(held[0]);
    assert!(buffers.take_relief() && !buffers.take_relief());
}

/// A thousand rounds through a ring of four places for three buffers: the places wrap, no number is lost.
#[test]
fn numbers_survive_many_rounds() {
    let mut buffers = three_of_each();
    for _ in 0..1_000 {
        let next = stock(&buffers, Group::Bulk)[0];
        let (buf, _) = buffers.take(Group::Bulk, next, 1).expect("stocked");
        buffers.release(buf);
        buffers.refill();
    }
    let mut left = stock(&buffers, Group::Bulk);
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2]);
}

/// Takes everything that is lent, each filled with `len` bytes, and gives it back; how many there were.
fn go_round(buffers: &mut Buffers, len: usize) -> usize {
    let numbers = stock(buffers, Group::Bulk);
    let taken: Vec<BufId> =
        numbers.iter().map(|index| buffers.take(Group::Bulk, *index, len).expect("stocked").0).collect();
    taken.into_iter().for_each(|buf| buffers.release(buf));
    buffers.refill();
    numbers.len()
}

#[test]
fn small_packets_open_the_window_and_large_ones_close_it() {
    let mut buffers = Buffers::new(&Limits::default(), 0).expect("a little memory");
    let small: Vec<usize> = (0..4).map(|_| go_round(&mut buffers, 1_420)).collect();
    assert_eq!(small, [4, 8, 16, 32]);
    let large: Vec<usize> = (0..4).map(|_| go_round(&mut buffers, 65_000)).collect();
    assert_eq!(large, [32, 16, 8, 4]);
    let spread: Vec<usize> = (0..3).map(|_| go_round(&mut buffers, 30_000)).collect();
    assert_eq!(spread, [4, 4, 4], "between the two nothing changes");
}

#[test]
fn large_packets_go_round_in_few_buffers() {
    let mut buffers = Buffers::new(&Limits::default(), 0).expect("a little memory");
    let mut used = std::collections::BTreeSet::new();
    for _ in 0..50 {
        used.extend(stock(&buffers, Group::Bulk));
        go_round(&mut buffers, 65_000);
    }
    assert_eq!(used.len(), 4);
}
