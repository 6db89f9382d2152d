use super::*;

/// Turns of a worker: after how many microseconds, packets sent, packets delivered, bytes.
fn after(turns: impl IntoIterator<Item = (u64, u64, u64, u64)>) -> Linger {
    let mut linger = Linger::default();
    let mut now = Duration::from_secs(1);
    let mut counters = Counters::default();
    for (micros, sent, delivered, bytes) in turns {
        now += Duration::from_micros(micros);
        counters.tx_packets += sent;
        counters.rx_packets += delivered;
        counters.tx_bytes += bytes;
        linger.learn(now, &counters);
    }
    linger
}

const QUESTION: (u64, u64, u64, u64) = (10_000, 1, 0, 100);
const ANSWER: (u64, u64, u64, u64) = (150, 0, 1, 100);

fn round_trips(count: usize) -> impl Iterator<Item = (u64, u64, u64, u64)> + Clone {
    [QUESTION, ANSWER].into_iter().cycle().take(2 * count)
}

#[test]
fn nothing_is_expected_before_it_was_seen() {
    assert!(!after([]).is_worth_it());
    assert!(!after([QUESTION]).is_worth_it());
    assert!(!after(round_trips(3).chain([QUESTION])).is_worth_it());
}

#[test]
fn an_answer_is_awaited_where_answers_came() {
    assert!(after(round_trips(4).chain([QUESTION])).is_worth_it());
}

#[test]
fn the_next_question_is_not_awaited() {
    assert!(!after(round_trips(100)).is_worth_it());
}

#[test]
fn who_answers_awaits_its_own_service() {
    let served = [(10_000, 0, 1, 100), (40, 1, 0, 100)];
    let turns = served.into_iter().cycle().take(20);
    assert!(!after(turns.clone()).is_worth_it(), "after the answer nothing is to come");
    assert!(after(turns.chain([(10_000, 0, 1, 100)])).is_worth_it());
}

#[test]
fn two_that_did_not_come_end_it() {
    let slow = (5_000, 0, 1, 100);
    assert!(after(round_trips(50).chain([QUESTION, slow, QUESTION])).is_worth_it(), "one may be late");
    assert!(!after(round_trips(50).chain([QUESTION, slow, QUESTION, slow, QUESTION])).is_worth_it());
}

#[test]
fn a_stream_is_no_answer() {
    let out = (50, 1, 0, 100);
    assert!(!after(std::iter::repeat_n(out, 100)).is_worth_it());
    assert!(!after(round_trips(50).chain([out, out, out])).is_worth_it());
}

#[test]
fn both_ways_at_once_are_no_answer() {
    assert!(!after(round_trips(50).chain([(50, 1, 1, 200)])).is_worth_it());
}

#[test]
fn what_woke_the_worker_for_something_else_changes_nothing() {
    assert!(after(round_trips(4).chain([QUESTION, (20, 0, 0, 0)])).is_worth_it());
    let interrupted = [QUESTION, (20, 0, 0, 0), ANSWER];
    assert!(after(interrupted.into_iter().cycle().take(30).chain([QUESTION])).is_worth_it());
}

#[test]
fn nobody_lingers_in_bulk_or_soon_after() {
    // What acknowledges a super-packet leaves alone, and the next super-packet comes at once.
    let acknowledged = [(50, 0, 40, 60_000), (50, 1, 0, 60)];
    assert!(!after(acknowledged.into_iter().cycle().take(200)).is_worth_it());
    let burst = (10_000, 5, 0, 500);
    assert!(!after(round_trips(50).chain([burst, ANSWER, (40_000, 1, 0, 100)])).is_worth_it());
    assert!(after(round_trips(50).chain([burst, ANSWER, (60_000, 1, 0, 100)])).is_worth_it());
}
