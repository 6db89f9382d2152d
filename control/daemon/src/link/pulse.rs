//! Whether the data plane still turns, without asking it anything.
//!
//! Its slow thread turns at least every second and wakes every worker so often; all of them count their turns in the rows. Control
//! looks at the counters now and then. Looks are counted, not seconds: a machine that was suspended has looked only once.
//!
//! **Invariant:** one thread that stands still is enough, however busy the others are.

/// How often control looks.
pub(crate) const LOOK_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
/// A counter that stands still for so many looks belongs to a thread that is stuck: it had the time for three turns.
const STILL_MAX: u32 = 3;

/// What the last looks saw, by thread.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    threads: Vec<Thread>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Thread {
    turns: u64,
    still: u32,
}

impl Pulse {
    /// Looks at the turns of all threads, always in the same order; says whether every one of them is alive.
    pub(crate) fn look(&mut self, turns: impl Iterator<Item = u64>) -> bool {
        let mut alive = true;
        for (at, turns) in turns.enumerate() {
            match self.threads.get_mut(at) {
                Some(thread) if thread.turns == turns => thread.still += 1,
                Some(thread) => *thread = Thread { turns, still: 0 },
                None => self.threads.push(Thread { turns, still: 0 }),
            }
            alive &= self.threads.get(at).is_none_or(|thread| thread.still < STILL_MAX);
        }
        alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_looks_at_one_that_stands_still_are_enough() {
        let mut pulse = Pulse::default();
        let table: [([u64; 3], bool); 9] = [
            ([0, 0, 0], true),
            ([0, 0, 0], true),
            ([0, 0, 0], true),
            ([1, 1, 1], true),
            ([2, 1, 7], true),
            ([2, 1, 8], true),
            ([3, 1, 9], false),
            ([4, 2, 9], true),
            ([4, 3, 9], true),
        ];
        for (step, (turns, alive)) in table.into_iter().enumerate() {
            assert_eq!(pulse.look(turns.into_iter()), alive, "step {step}");
        }
        assert!(!pulse.look([4, 4, 9].into_iter()), "the first and the last one");
    }
}
