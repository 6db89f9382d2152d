//! What one thread can see of the rings.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const SHAPE: Shape = Shape { slots: 4, words: 2 };

proptest! {
    /// A queue that is obviously right says what the ring must do, wherever its indices start.
    #[test]
    fn the_ring_is_a_bounded_queue(start: u32, near_end in 0..8_u32, wrap: bool, steps: Vec<bool>) {
        let start = if wrap { u32::MAX - near_end } else { start };
        let (memory, mut producer, mut consumer) = heap(SHAPE);
        (producer.tail, consumer.head) = (start, start);
        memory.indices.tail.0.store(start, Ordering::Relaxed);
        memory.indices.head.0.store(start, Ordering::Relaxed);
        let mut oracle = VecDeque::new();
        for (value, is_push) in (0_u64..).zip(steps) {
            if is_push {
                let fits = oracle.len() < SHAPE.slots as usize;
                prop_assert_eq!(push(&mut producer, value), fits);
                oracle.extend(fits.then_some(value));
            } else {
                prop_assert_eq!(pop(&mut consumer), oracle.pop_front());
            }
            prop_assert_eq!(consumer.waiting() as usize, oracle.len());
            prop_assert_eq!(producer.free() as usize, SHAPE.slots as usize - oracle.len());
        }
        prop_assert_eq!(producer.refused() + consumer.refused(), 0);
    }

    #[test]
    fn slots_give_back_what_was_written(bytes in proptest::collection::vec(any::<u8>(), 0..=16), at in 0..4_u32) {
        let (memory, ..) = heap(SHAPE);
        let slot = SHAPE.slot(&memory.slots, at);
        slot.write(0, &bytes);
        let mut read = vec![0xee; bytes.len()];
        slot.read(0, &mut read);
        prop_assert_eq!(&read, &bytes);
        slot.wipe();
        prop_assert!(memory.slots.iter().all(|word| word.load(Ordering::Relaxed) == 0));
    }
}

#[test]
fn a_lying_producer_looks_empty_and_is_counted_until_it_publishes_again() {
    let (memory, mut producer, mut consumer) = heap(SHAPE);
    for lie in [5, 1_000, u32::MAX] {
        memory.indices.tail.0.store(lie, Ordering::Relaxed);
        assert_eq!(pop(&mut consumer), None);
    }
    assert_eq!(consumer.refused(), 3);
    assert!(push(&mut producer, 77));
    assert_eq!(pop(&mut consumer), Some(77));
}

#[test]
fn a_lying_consumer_looks_full_and_is_counted_until_it_publishes_again() {
    let (memory, mut producer, consumer) = heap(SHAPE);
    memory.indices.head.0.store(9, Ordering::Relaxed);
    assert!(!push(&mut producer, 1));
    assert_eq!(producer.refused(), 1);
    consumer.publish();
    assert!(push(&mut producer, 1));
}

#[test]
fn a_full_producer_repairs_its_own_index() {
    let (memory, mut producer, mut consumer) = heap(SHAPE);
    (0..4).for_each(|value| assert!(push(&mut producer, value)));
    memory.indices.tail.0.store(0, Ordering::Relaxed);
    assert_eq!(pop(&mut consumer), None, "the scribbled tail hides what waits");
    assert!(!push(&mut producer, 4), "and the producer finds the ring full");
    assert_eq!(pop(&mut consumer), Some(0), "which has published the tail again");
}

#[test]
fn a_sleeper_is_woken_until_it_runs() {
    let (memory, ..) = heap(SHAPE);
    assert!(!memory.doze.must_be_woken());
    memory.doze.announce();
    assert!(memory.doze.must_be_woken() && memory.doze.must_be_woken());
    memory.doze.wake();
    assert!(!memory.doze.must_be_woken());
}
