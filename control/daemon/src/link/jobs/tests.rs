use ringmesh_abi::{Command, Completion, ControlSide, PlaneSide, Reason, Status};
use tokio::sync::oneshot;

use super::{Done, Jobs};
use crate::uapi::errno::Errno;

/// Both sides of one memory in one process.
struct Pair {
    control: ControlSide,
    plane: PlaneSide,
}

impl Pair {
    fn new() -> Self {
        let (control, memory) = ControlSide::create(1).expect("memory");
        let plane = PlaneSide::attach(&memory, control.generation()).expect("fresh memory");
        Self { control, plane }
    }

    /// Takes up to `count` commands and answers all of them alike; their MTUs.
    fn answer(&mut self, count: usize, status: Status) -> Vec<u32> {
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some(Ok((id, command))) = self.plane.poll_command()
        {
            self.plane.complete(id, status);
            taken.push(mtu_of(&command));
        }
        taken
    }

    fn completions(&mut self, jobs: &mut Jobs) -> Vec<Done> {
        std::iter::from_fn(|| self.control.poll_completion())
            .map(|completion| jobs.complete(completion.expect("it is well-formed")))
            .collect()
    }
}

fn mtu(mtu: u32) -> Command {
    Command::Mtu { mtu }
}

fn holds(number: u32) -> Done {
    Done::Holds(Box::new(mtu(number)))
}

fn mtu_of(command: &Command) -> u32 {
    let Command::Mtu { mtu } = command else { panic!("{command:?} was never sent") };
    *mtu
}

/// Ends the job if it is through; says whether it was.
fn finish(jobs: &mut Jobs) -> bool {
    let through = jobs.is_through();
    if through {
        jobs.finish();
    }
    through
}

#[test]
fn a_job_is_over_when_all_of_it_is_answered() {
    let (mut pair, mut jobs) = (Pair::new(), Jobs::default());
    let (reply, mut heard) = oneshot::channel();
    jobs.begin(vec![mtu(1), mtu(2)], Some(reply));
    assert!(jobs.send(&mut pair.control) && !finish(&mut jobs));
    assert_eq!(pair.answer(1, Status::Ok), [1]);
    assert_eq!(pair.completions(&mut jobs), [holds(1)]);
    assert!(!finish(&mut jobs) && heard.try_recv().is_err());
    assert_eq!(pair.answer(1, Status::Ok), [2]);
    assert_eq!(pair.completions(&mut jobs), [holds(2)]);
    assert!(finish(&mut jobs) && jobs.is_free());
    assert_eq!(heard.try_recv(), Ok(Ok(())));
}

#[test]
fn a_job_without_commands_is_over_at_once() {
    let (reply, mut heard) = oneshot::channel();
    let mut jobs = Jobs::default();
    jobs.begin(Vec::new(), Some(reply));
    assert!(finish(&mut jobs));
    assert_eq!(heard.try_recv(), Ok(Ok(())));
}

#[test]
fn a_refused_command_ends_its_job() {
    let (mut pair, mut jobs) = (Pair::new(), Jobs::default());
    let (reply, mut heard) = oneshot::channel();
    jobs.begin(vec![mtu(1), mtu(2)], Some(reply));
    jobs.send(&mut pair.control);
    pair.answer(2, Status::Refused(Reason::TooMany));
    pair.completions(&mut jobs);
    assert!(finish(&mut jobs));
    assert_eq!(heard.try_recv(), Ok(Err(Errno::TOO_BIG)));
}

#[test]
fn jobs_longer_than_the_ring_get_through_in_order() {
    let (mut pair, mut jobs) = (Pair::new(), Jobs::default());
    jobs.begin((0..20_000).map(mtu).collect(), None);
    let mut taken = Vec::new();
    while !finish(&mut jobs) {
        assert!(jobs.send(&mut pair.control) || jobs.is_waiting());
        taken.extend(pair.answer(usize::MAX, Status::Ok));
        pair.completions(&mut jobs);
    }
    assert!(taken.into_iter().eq(0..20_000));
}

#[test]
fn after_a_death_the_rebuild_comes_first_and_then_what_was_never_answered() {
    let (mut pair, mut jobs) = (Pair::new(), Jobs::default());
    jobs.begin((1..=4).map(mtu).collect(), None);
    jobs.send(&mut pair.control);
    assert_eq!(pair.answer(2, Status::Ok), [1, 2]);
    // Only the first answer was read before the death.
    let first = pair.control.poll_completion().expect("an answer").expect("well-formed");
    assert_eq!(jobs.complete(first), holds(1));
    let mut next = Pair::new();
    jobs.restart([mtu(100), mtu(101)].into_iter());
    jobs.send(&mut next.control);
    assert_eq!(next.answer(usize::MAX, Status::Ok), [100, 101, 2, 3, 4]);
    let done = next.completions(&mut jobs);
    assert_eq!(done, [Done::Again, Done::Again, holds(2), holds(3), holds(4)]);
    assert!(finish(&mut jobs));
    // A death in the middle of a rebuild begins it anew.
    let mut last = Pair::new();
    jobs.restart([mtu(7)].into_iter());
    jobs.send(&mut last.control);
    let mut once_more = Pair::new();
    jobs.restart([mtu(7)].into_iter());
    jobs.send(&mut once_more.control);
    assert_eq!(once_more.answer(usize::MAX, Status::Ok), [7]);
}

#[test]
fn an_abandoned_job_says_so_and_makes_room() {
    let (reply, mut heard) = oneshot::channel();
    let mut jobs = Jobs::default();
    jobs.begin(vec![mtu(1)], Some(reply));
    jobs.restart(std::iter::empty());
    jobs.abandon(Errno::IO);
    assert!(finish(&mut jobs) && jobs.is_free());
    assert_eq!(heard.try_recv(), Ok(Err(Errno::IO)));
}

#[test]
fn answers_to_nothing_change_nothing() {
    let (mut pair, mut jobs) = (Pair::new(), Jobs::default());
    assert_eq!(jobs.complete(Completion { id: 9, status: Status::Ok }), Done::Unknown);
    jobs.begin(vec![mtu(1)], None);
    jobs.send(&mut pair.control);
    assert_eq!(jobs.complete(Completion { id: 9, status: Status::Ok }), Done::Unknown);
    assert!(!finish(&mut jobs) && jobs.is_waiting());
}
