use super::*;

fn three_of_each() -> Buffers {
    let limits = Limits { tun_buffers: 3, datagram_buffers: 3, spare_buffers: 3, ..Limits::default() };
    Buffers::new(&limits, [50, 0]).expect("a little memory")
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
    assert_eq!(stock(&buffers, Group::Tun), [2, 1, 0]);
    assert_eq!(stock(&buffers, Group::Datagrams), [5, 4, 3]);
    assert_eq!(buffers.take(Group::Tun, 2), Some((BufId(2), 2 * BUFFER_STRIDE + 50)));
    assert_eq!(buffers.take(Group::Tun, 2), None, "taken already");
    assert_eq!(buffers.take(Group::Tun, 3), None, "of the other group");
    assert_eq!(buffers.take(Group::Datagrams, 6), None, "a spare one");
    assert_eq!(buffers.take(Group::Datagrams, 999), None, "of no one");
    assert_eq!(buffers.take(Group::Datagrams, 5), Some((BufId(5), 5 * BUFFER_STRIDE)));
    buffers.release(BufId(2));
    assert_eq!(stock(&buffers, Group::Tun), [1, 0, 2]);
    assert!(buffers.is_stocked(Group::Datagrams));
}

#[test]
fn a_released_buffer_rests_until_its_last_write() {
    let mut buffers = three_of_each();
    let (buf, _) = buffers.take(Group::Tun, 2).expect("stocked");
    let pins: Vec<u16> = (0..3).map(|i| buffers.pin(span(buf, 100 * i, 100)).expect("held")).collect();
    buffers.release(buf);
    assert_eq!(stock(&buffers, Group::Tun), [1, 0]);
    buffers.unpin(pins[0]);
    buffers.unpin(pins[1]);
    assert_eq!(stock(&buffers, Group::Tun), [1, 0]);
    buffers.unpin(pins[2]);
    assert_eq!(stock(&buffers, Group::Tun), [1, 0, 2]);
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
    let (buf, _) = buffers.take(Group::Tun, 1).expect("stocked");
    let stride = BUFFER_STRIDE as u32;
    for (bad, why) in [
        (span(buf, 1, stride), "over its end"),
        (span(BufId(0), 0, 10), "the kernel's"),
        (Span { start: 9 * stride, len: 1 }, "beyond the region"),
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
        let next = stock(&buffers, Group::Tun)[0];
        let (buf, _) = buffers.take(Group::Tun, next).expect("stocked");
        buffers.release(buf);
    }
    let mut left = stock(&buffers, Group::Tun);
    left.sort_unstable();
    assert_eq!(left, [0, 1, 2]);
}
