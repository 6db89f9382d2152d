use super::*;
use rustix::fs::MemfdFlags;
use std::io::{Seek, SeekFrom, Write};

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn only_fast_super_packets_are_bulk() {
    let table = [
        (0, 0, 20, false, "nothing"),
        (40_000_000, 700, 20, true, "super-packets"),
        (40_000_000, 28_000, 20, false, "as many bytes in single packets"),
        (120_000, 4, 20, false, "super-packets, now and then"),
        (40_000_000, 700, 60_000, false, "a transfer that ended a minute ago"),
    ];
    for (bytes, deliveries, millis, expected, what) in table {
        let moved = Moved { bytes, deliveries };
        assert_eq!(moved.is_bulk(Moved::default(), MILLI * millis), expected, "{what}");
    }
}

/// A thread whose waiting is what the test writes.
struct Bench {
    file: File,
    precedence: Precedence,
    now: Duration,
    moved: Moved,
}

impl Bench {
    fn new() -> Self {
        let file = File::from(rustix::fs::memfd_create("schedstat", MemfdFlags::CLOEXEC).expect("a file"));
        let delays = Some(file.try_clone().expect("a copy"));
        let precedence = Precedence { delays, ..Precedence::default() };
        Self { file, precedence, now: Duration::from_secs(100), moved: Moved::default() }
    }

    /// One period, at whose end the thread has waited for so many milliseconds in all, and moved super-packets or nothing.
    fn pass(&mut self, waited: u32, bulk: bool) -> Option<bool> {
        self.now += PERIOD;
        if bulk {
            self.moved.bytes += 10_000_000;
            self.moved.deliveries += 200;
        }
        self.file.seek(SeekFrom::Start(0)).expect("to the start");
        writeln!(self.file, "123456 {} 789", (MILLI * waited).as_nanos()).expect("a line");
        self.precedence.look(self.now, self.moved)
    }
}

#[test]
fn asks_for_bulk_that_waits_and_gives_back_when_it_ends() {
    let mut bench = Bench::new();
    let steps = [
        (100, true, None, "bulk, but nobody knows since when"),
        (100, true, None, "more than can have been waited for since then"),
        (100, true, None, "waited for nothing"),
        (110, false, None, "waited, but for no bulk"),
        (115, true, Some(true), "waited for much of the time"),
        (125, true, None, "it was asked for a moment ago"),
        (125, false, Some(false), "the transfer is over"),
        (125, false, None, "said once"),
    ];
    let mut held = false;
    for (waited, bulk, wish, what) in steps {
        assert_eq!(bench.pass(waited, bulk), wish, "{what}");
        held = wish.unwrap_or(held);
        assert_eq!(bench.precedence.is_held(), held, "{what}");
    }
}

#[test]
fn a_wish_that_nobody_hears_is_repeated() {
    let mut bench = Bench::new();
    bench.pass(0, true);
    let wishes = (1..=100).filter(|period| bench.pass(period * 10, true).is_some()).count();
    assert_eq!(wishes, 4, "two seconds");
}

#[test]
fn asks_for_nothing_without_the_kernels_account() {
    let mut precedence = Precedence::default();
    let moved = Moved { bytes: u64::MAX, deliveries: 1 };
    assert_eq!(precedence.look(Duration::from_secs(1), moved), None);
}

#[test]
fn the_kernels_account_of_this_thread_can_be_read() {
    let precedence = Precedence::of_this_thread();
    assert!(precedence.delays.as_ref().and_then(waited).is_some());
}
