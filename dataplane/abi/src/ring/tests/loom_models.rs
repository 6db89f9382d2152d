//! Every interleaving of two threads, by loom: `RUSTFLAGS="--cfg loom" cargo test -p ringmesh-abi --release loom`.

use super::*;

/// Every interleaving: what is popped is what was pushed, in order, also when a slot is used again.
#[test]
fn a_slot_is_read_after_it_was_written_and_written_after_it_was_read() {
    loom::model(|| {
        let (_, mut producer, mut consumer) = heap(Shape { slots: 1, words: 1 });
        let pushing = loom::thread::spawn(move || {
            for value in 1..=2 {
                while !push(&mut producer, value) {
                    loom::thread::yield_now();
                }
            }
        });
        for value in 1..=2 {
            let popped = loop {
                match pop(&mut consumer) {
                    Some(popped) => break popped,
                    None => loom::thread::yield_now(),
                }
            };
            assert_eq!(popped, value);
        }
        pushing.join().expect("the producer");
    });
}

/// Every interleaving: the consumer never sleeps while something waits and nobody will wake it. Loom reports a lost
/// wake-up as a deadlock.
#[test]
fn no_wake_up_is_lost() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS);
    model.check(|| {
        let (memory, mut producer, mut consumer) = heap(Shape { slots: 2, words: 1 });
        let bell = Arc::new(loom::sync::Notify::new());
        let pushing = {
            let (memory, bell) = (Arc::clone(&memory), Arc::clone(&bell));
            loom::thread::spawn(move || {
                for value in 1..=2 {
                    assert!(push(&mut producer, value), "two slots");
                    if memory.doze.must_be_woken() {
                        bell.notify();
                    }
                }
            })
        };
        for value in 1..=2 {
            let popped = loop {
                if let Some(popped) = pop(&mut consumer) {
                    break popped;
                }
                memory.doze.announce();
                if consumer.waiting() == 0 {
                    bell.wait();
                }
                memory.doze.wake();
            };
            assert_eq!(popped, value);
        }
        pushing.join().expect("the producer");
    });
}

/// Without a bound the model takes minutes and finds nothing more: each fence that was taken out by hand was found with it.
const PREEMPTIONS: usize = 3;
