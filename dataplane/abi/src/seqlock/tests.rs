use super::*;

fn seqlock<const WORDS: usize>() -> Seqlock<WORDS> {
    Seqlock { sequence: AtomicU64::new(0), words: core::array::from_fn(|_| AtomicU64::new(0)) }
}

/// Every interleaving: a reader sees one whole value or none.
#[cfg(loom)]
#[test]
fn loom_reads_no_torn_value() {
    loom::model(|| {
        let lock = loom::sync::Arc::new(seqlock::<2>());
        let writer = {
            let lock = loom::sync::Arc::clone(&lock);
            loom::thread::spawn(move || {
                lock.write(&[1, 1]);
                lock.write(&[2, 2]);
            })
        };
        if let Some([one, other]) = lock.read() {
            assert_eq!(one, other);
        }
        writer.join().expect("the writer");
        assert_eq!(lock.read(), Some([2, 2]));
    });
}

#[cfg(not(loom))]
#[test]
fn a_writer_that_died_in_the_middle_costs_an_answer_and_no_hang() {
    let lock = seqlock::<4>();
    lock.write(&[1, 2, 3, 4]);
    assert_eq!(lock.read(), Some([1, 2, 3, 4]));
    lock.sequence.store(7, Ordering::Relaxed);
    assert_eq!(lock.read(), None);
    lock.write(&[5, 6, 7, 8]);
    assert_eq!(lock.read(), Some([5, 6, 7, 8]), "the next writer repairs it");
}

#[cfg(not(loom))]
#[test]
fn the_sequence_wraps() {
    let lock = seqlock::<1>();
    lock.sequence.store(u64::MAX - 1, Ordering::Relaxed);
    lock.write(&[9]);
    assert_eq!(lock.read(), Some([9]));
}
