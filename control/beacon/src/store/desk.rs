//! The database's own thread. Requests come through one bounded queue; those that wait are brought to the disk together.

use std::sync::Arc;
use std::time::Duration;

use ringmesh_mesh::beacon::{Answer, Hello, Push, Refusal, Request};
use tokio::sync::{mpsc, oneshot};

use super::enter::Entered;
use super::{Effect, Failure, Store, Visitor};
use crate::clock;
use crate::hub::{Hub, Place};
use crate::limits::{JOBS_AT_ONCE, JOBS_MAX};

/// How often the store is pruned.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);

/// Who came in: what it is welcomed with, its place in the hub, and what is said to it there.
type CameIn = (Entered, Place, mpsc::Receiver<Push>);

type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// One thing to do, and who waits for it.
enum Job {
    Enter(Box<Hello>, bool, Reply<CameIn>),
    Ask(Visitor, Box<Request>, Reply<Answer>),
}

/// Answers that are given when everything is on the disk.
enum Due {
    Enter(Reply<CameIn>, Result<Entered, Refusal>),
    Ask(Reply<Answer>, Result<Answer, Refusal>),
}

/// The way to the database.
#[derive(Clone)]
pub(crate) struct Desk(mpsc::Sender<Job>);

impl Desk {
    /// Starts the thread. It ends when every `Desk` is gone; the handle is then ready to be joined.
    pub(crate) fn open(store: Store) -> std::io::Result<(Self, std::thread::JoinHandle<()>)> {
        let (jobs, queue) = mpsc::channel(JOBS_MAX);
        let thread = std::thread::Builder::new().name("store".into()).spawn(|| work(store, queue))?;
        Ok((Self(jobs), thread))
    }

    /// Lets a device in, or says why not. Whatever comes to the disk after what it is welcomed with, the hub tells it.
    pub(crate) async fn enter(&self, hello: Hello, may_found: bool) -> Result<CameIn, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Job::Enter(Box::new(hello), may_found, reply)).await.map_err(|_| Refusal::Ending)?;
        answer.await.map_err(|_| Refusal::Ending)?
    }

    /// Does what a visitor asks for; it is on the disk when this returns.
    pub(crate) async fn ask(&self, visitor: Visitor, request: Request) -> Answer {
        let (reply, answer) = oneshot::channel();
        let sent = self.0.send(Job::Ask(visitor, Box::new(request), reply)).await;
        let answer =
            if sent.is_ok() { answer.await.unwrap_or(Err(Refusal::Ending)) } else { Err(Refusal::Ending) };
        answer.unwrap_or_else(Answer::Refused)
    }
}

fn work(mut store: Store, mut queue: mpsc::Receiver<Job>) {
    let hub = Arc::new(Hub::default());
    let mut pruned_at: Option<Duration> = None;
    while let Some(first) = queue.blocking_recv() {
        if pruned_at.is_none_or(|at| clock::steady().saturating_sub(at) > PRUNE_EVERY) {
            pruned_at = Some(clock::steady());
            if let Err(error) = store.prune(clock::wall_secs()) {
                tracing::error!(%error, "pruning the database");
            }
        }
        let mut jobs = vec![first];
        while let Some(job) = (jobs.len() < JOBS_AT_ONCE).then(|| queue.try_recv().ok()).flatten() {
            jobs.push(job);
        }
        store.work_off(jobs, &hub);
    }
}

impl Store {
    /// Does the jobs in one transaction; each within a savepoint of its own, so that one which fails takes nothing along.
    fn work_off(&mut self, jobs: Vec<Job>, hub: &Arc<Hub>) {
        let now = clock::wall_secs();
        let mut effects = Vec::new();
        let begun = self.db.execute_batch("BEGIN IMMEDIATE");
        let due: Vec<_> = jobs.into_iter().map(|job| self.work_one(job, now, &mut effects)).collect();
        let done = begun.and_then(|()| self.db.execute_batch("COMMIT"));
        if let Err(error) = &done {
            tracing::error!(%error, "the database failed");
            if !self.db.is_autocommit() {
                // Where this fails too, the next transaction tells.
                let _ = self.db.execute_batch("ROLLBACK");
            }
        }
        let stored = done.is_ok();
        // Who came in before the rest is told: it may have been welcomed with less than what comes to the disk here. What it hears
        // twice is no harm.
        let asked: Vec<_> = due.into_iter().filter_map(|due| due.let_in(stored, hub)).collect();
        if stored {
            hub.apply(effects);
        }
        for (reply, answer) in asked {
            // Whoever asked may be gone by now.
            let _ = reply.send(if stored { answer } else { Err(Refusal::Storage) });
        }
    }

    fn work_one(&mut self, job: Job, now: u64, effects: &mut Vec<Effect>) -> Due {
        match job {
            Job::Enter(hello, may_found, reply) => {
                let entered = self.apart(|store| store.enter(&hello, may_found, now));
                Due::Enter(reply, entered)
            }
            Job::Ask(visitor, request, reply) => {
                let mut own = Vec::new();
                let answer = self.apart(|store| store.handle(&visitor, *request, now, &mut own));
                if answer.is_ok() {
                    effects.append(&mut own);
                }
                Due::Ask(reply, answer)
            }
        }
    }

    fn apart<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Refusal> {
        let broken = |error| Failure::Broken(error).refusal();
        self.db.execute_batch("SAVEPOINT job").map_err(broken)?;
        let result = act(self).map_err(Failure::refusal);
        let end = if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
        self.db.execute_batch(end).map_err(broken)?;
        result
    }
}

impl Due {
    /// Answers whoever came in, with a place in the hub; if nobody takes that any more, it is left at once. Gives back who asked for
    /// something.
    fn let_in(self, stored: bool, hub: &Arc<Hub>) -> Option<(Reply<Answer>, Result<Answer, Refusal>)> {
        match self {
            Self::Enter(reply, entered) => {
                let entered = if stored { entered } else { Err(Refusal::Storage) };
                let _ = reply.send(entered.map(|entered| {
                    let (place, pushes) = hub.enter(&entered.visitor, entered.admitted);
                    (entered, place, pushes)
                }));
                None
            }
            Self::Ask(reply, answer) => Some((reply, answer)),
        }
    }
}

#[cfg(test)]
mod tests;
