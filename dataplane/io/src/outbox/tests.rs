use super::*;
use std::net::IpAddr;

fn to(local: bool) -> Destination {
    Destination {
        remote: "192.0.2.1:9".parse().expect("a literal address"),
        local: local.then(|| (IpAddr::from([192, 0, 2, 2]), 0)),
        socket: 0,
        tos: 0,
    }
}

/// A socket whose kernel is a function from the message to its outcome.
struct Bench {
    outbox: Outbox,
    jobs: Vec<Job>,
    freed: Vec<u16>,
    /// Segments as they left: (slot, segment).
    left: Vec<(u16, u8)>,
    failed: Vec<(u32, i32)>,
    refusals: u32,
    messages: u32,
}

impl Bench {
    fn new(jobs: &[(usize, usize)], local: bool) -> Self {
        let jobs: Vec<Job> =
            jobs.iter().map(|&(len, segment)| Job::new(len, segment, &to(local)).expect("fits")).collect();
        let mut outbox = Outbox::new(jobs.len() as u16, true);
        (0..jobs.len() as u16).for_each(|slot| outbox.push(slot));
        Self { outbox, jobs, freed: vec![], left: vec![], failed: vec![], refusals: 0, messages: 0 }
    }

    /// Launches one chain and lands it.
    fn round(&mut self, max: usize, mut kernel: impl FnMut(&Job, Part) -> Result<(), i32>) {
        let mut chain = vec![];
        self.outbox.launch(&mut self.jobs, max, |job, part| chain.push((part, kernel(job, part))));
        assert!(!chain.is_empty() && chain.len() <= max);
        assert!(!self.outbox.is_ready(), "in flight");
        for (part, outcome) in chain {
            self.messages += 1;
            if outcome.is_ok() {
                self.left.extend((part.first..part.first + part.count).map(|segment| (part.slot, segment)));
            }
            let freed = &mut self.freed;
            let landed = self.outbox.land(&mut self.jobs, part, outcome, |slot| freed.push(slot));
            self.failed.extend(landed.failed);
            self.refusals += u32::from(landed.gso_refused);
        }
    }

    fn run(&mut self, max: usize, mut kernel: impl FnMut(&Job, Part) -> Result<(), i32>) {
        for _ in 0..1_000 {
            if !self.outbox.is_ready() {
                return;
            }
            self.round(max, &mut kernel);
        }
        panic!("does not end");
    }
}

fn in_order(slots: &[(u16, u8)]) -> Vec<(u16, u8)> {
    slots.iter().flat_map(|&(slot, count)| (0..count).map(move |segment| (slot, segment))).collect()
}

#[test]
fn only_what_one_send_may_hold_is_taken() {
    for (len, segment, fits) in [
        (0, 0, true),
        (0, 1_452, true),
        (65_507, 65_507, true),
        (64 * 1_000, 1_000, true),
        (64 * 1_000 + 1, 1_000, false),
        (65_536, 1_024, true),
        (65_537, 65_537, false),
        (10, usize::MAX, false),
        (65_536, 1, false),
    ] {
        assert_eq!(Job::new(len, segment, &to(false)).is_some(), fits, "{len} by {segment}");
    }
}

#[test]
fn ranges_cover_the_slot_once() {
    for (len, segment) in [(0, 0), (1, 1), (1_000, 1_000), (2_500, 1_000), (64_000, 1_000), (63_001, 1_000)] {
        let job = Job::new(len, segment, &to(false)).expect("fits");
        let count = job.count() as u8;
        let alone: Vec<_> = (0..count).map(|first| job.range(Part { slot: 0, first, count: 1 })).collect();
        assert_eq!(job.range(Part { slot: 0, first: 0, count }), 0..len);
        assert_eq!(alone.iter().map(ExactSizeIterator::len).sum::<usize>(), len);
        assert!(alone.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len() == segment));
    }
}

#[test]
fn one_message_per_slot_where_segments_are_joined() {
    let mut bench = Bench::new(&[(5_000, 1_000), (10, 10), (3_500, 1_000)], false);
    bench.run(8, |_, _| Ok(()));
    assert_eq!(bench.messages, 3);
    assert_eq!(bench.left, in_order(&[(0, 5), (1, 1), (2, 4)]));
    assert_eq!(bench.freed, [0, 1, 2]);
}

#[test]
fn chains_of_any_length_keep_order_and_free_in_order() {
    for max in 1..12 {
        let mut bench = Bench::new(&[(5_000, 1_000), (10, 10), (3_500, 1_000)], false);
        bench.outbox.set_gso(false);
        bench.run(max, |_, _| Ok(()));
        assert_eq!(bench.messages, 10, "one per segment");
        assert_eq!(bench.left, in_order(&[(0, 5), (1, 1), (2, 4)]));
        assert_eq!(bench.freed, [0, 1, 2]);
    }
}

/// Refused joined, accepted alone: everything arrives, in order, and joining is off from then on.
#[test]
fn a_socket_without_gso_is_found_out() {
    for errno in [libc::EIO, libc::EINVAL] {
        let mut bench = Bench::new(&[(5_000, 1_000), (3_500, 1_000), (10, 10)], true);
        bench.run(16, |_, part| if part.count > 1 { Err(errno) } else { Ok(()) });
        let mut left = bench.left.clone();
        left.retain(|&(slot, _)| slot < 2);
        assert_eq!(left, in_order(&[(0, 5), (1, 4)]));
        assert_eq!((bench.refusals, bench.outbox.gso()), (1, false));
        assert_eq!(bench.freed, [0, 1, 2]);
        assert!(bench.failed.is_empty());
    }
}

#[test]
fn a_narrow_path_does_not_turn_gso_off() {
    let mut bench = Bench::new(&[(5_000, 1_000)], false);
    bench.run(16, |_, part| if part.count > 1 { Err(libc::EMSGSIZE) } else { Ok(()) });
    assert_eq!(bench.left, in_order(&[(0, 5)]));
    assert!(bench.outbox.gso() && bench.refusals == 0);
}

#[test]
fn a_destination_that_refuses_everything_does_not_turn_gso_off() {
    let mut bench = Bench::new(&[(3_000, 1_000)], false);
    bench.run(16, |_, _| Err(libc::EINVAL));
    assert!(bench.outbox.gso() && bench.refusals == 0);
    assert_eq!(bench.failed, [(1, libc::EINVAL); 3]);
    assert_eq!(bench.freed, [0]);
}

#[test]
fn a_stale_source_is_dropped_and_the_send_repeated() {
    for errno in STALE_SOURCE {
        let mut bench = Bench::new(&[(5_000, 1_000), (10, 10)], true);
        bench.run(16, |job, _| if job.to().local.is_some() { Err(errno) } else { Ok(()) });
        assert_eq!(bench.left, in_order(&[(0, 5), (1, 1)]));
        assert_eq!((bench.messages, bench.outbox.gso()), (4, true));
        assert!(bench.failed.is_empty());
    }
}

/// The third of five segments is refused for good: the other four leave.
#[test]
fn a_partial_send_still_sends_the_rest() {
    let mut bench = Bench::new(&[(5_000, 1_000)], false);
    bench.outbox.set_gso(false);
    bench.run(2, |_, part| if part.first == 2 { Err(libc::EPERM) } else { Ok(()) });
    assert_eq!(bench.left, [(0, 0), (0, 1), (0, 3), (0, 4)]);
    assert_eq!(bench.failed, [(1, libc::EPERM)]);
    assert_eq!(bench.freed, [0]);
}

/// A slot behind one that is still to be repeated is not free before it.
#[test]
fn slots_wait_for_those_before_them() {
    let mut bench = Bench::new(&[(5_000, 1_000), (10, 10)], false);
    bench.round(16, |_, part| if part.count > 1 { Err(libc::EIO) } else { Ok(()) });
    assert!(bench.freed.is_empty());
    bench.round(16, |_, _| Ok(()));
    assert_eq!(bench.freed, [0, 1]);
}

/// Any mix of refusals: every segment leaves or fails exactly once, and the outbox runs empty.
#[test]
fn every_segment_ends_once() {
    let errnos =
        [libc::EIO, libc::EINVAL, libc::EMSGSIZE, libc::EPERM, libc::ENETUNREACH, libc::ECONNREFUSED];
    let mut seed = 7u64;
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize
    };
    for _ in 0..2_000 {
        let sizes: Vec<(usize, usize)> = (0..1 + next() % 6).map(|_| (1 + next() % 6_400, 100)).collect();
        let segments: usize = sizes.iter().map(|(len, _)| len.div_ceil(100)).sum();
        let mut bench = Bench::new(&sizes, next() % 2 == 0);
        let max = 1 + next() % 20;
        let mut dice = || next();
        bench.run(max, |_, _| if dice() % 3 == 0 { Err(errnos[dice() % errnos.len()]) } else { Ok(()) });
        let failed: u32 = bench.failed.iter().map(|(count, _)| count).sum();
        assert_eq!(bench.left.len() + failed as usize, segments);
        let mut unique = bench.left.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), bench.left.len());
        assert_eq!(bench.freed, (0..sizes.len() as u16).collect::<Vec<_>>());
    }
}
