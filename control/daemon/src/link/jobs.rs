//! What is to be done and not yet acknowledged.
//!
//! A job is a run of commands that somebody waits for. The first job's commands go into the ring as far as it has room; each
//! is kept until its completion comes. When the data plane dies, what was never answered is simply sent again, behind the
//! commands that rebuild the acknowledged state.
//!
//! **Invariant:** jobs run one after the other, and a command reaches the acknowledged state exactly when its own completion
//! says so.

use std::collections::VecDeque;

use ringmesh_abi::fault::Point;
use ringmesh_abi::{Command, Completion, ControlSide, Reason, Status};
use tokio::sync::oneshot;

use crate::uapi::errno::Errno;

/// Whom a job's end is told to, if anybody.
pub(crate) type Reply = Option<oneshot::Sender<Result<(), Errno>>>;

struct Job {
    waiting: VecDeque<Command>,
    reply: Reply,
}

/// The commands on their way to the data plane.
#[derive(Default)]
pub(crate) struct Jobs {
    /// Rebuilding a new data plane; nobody waits for it, and nothing else is sent before it is through.
    rebuild: VecDeque<Command>,
    job: Option<Job>,
    /// Sent and not answered, in the order of sending; true: of the rebuild.
    flying: VecDeque<(u64, bool, Command)>,
}

/// What a completion brought about.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Done {
    /// This holds now.
    Holds(Box<Command>),
    /// The rebuild sent it again; the state has it already.
    Again,
    /// The data plane refused a command of the job, whose rest is dropped.
    Refused(Reason),
    /// No command of ours has this number.
    Unknown,
}

impl Jobs {
    /// Whether a job can be begun.
    pub(crate) fn is_free(&self) -> bool {
        self.job.is_none()
    }

    /// Whether answers are due.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.flying.is_empty()
    }

    /// Whether a new data plane has answered all that makes it what the one before was.
    pub(crate) fn is_rebuilt(&self) -> bool {
        self.rebuild.is_empty() && !self.flying.iter().any(|(_, of_rebuild, _)| *of_rebuild)
    }

    /// Begins a job; one without commands is over at the next [`finish`](Self::finish).
    pub(crate) fn begin(&mut self, commands: Vec<Command>, reply: Reply) {
        debug_assert!(self.is_free());
        self.job = Some(Job { waiting: commands.into(), reply });
    }

    /// The data plane is a new one: `rebuild` comes first, then what was never answered, then the rest.
    pub(crate) fn restart(&mut self, rebuild: impl Iterator<Item = Command>) {
        self.rebuild = rebuild.collect();
        for (_, of_rebuild, command) in self.flying.drain(..).rev() {
            if let (false, Some(job)) = (of_rebuild, &mut self.job) {
                job.waiting.push_front(command);
            }
        }
    }

    /// Puts as many commands into the ring as it takes; true if there were any.
    pub(crate) fn send(&mut self, memory: &mut ControlSide) -> bool {
        let before = self.flying.len();
        while let Some((of_rebuild, command)) = self.next() {
            let Ok(id) = memory.submit(command) else { break };
            let command = if of_rebuild { self.rebuild.pop_front() } else { self.pop_waiting() };
            self.flying.extend(command.map(|command| (id, of_rebuild, command)));
        }
        self.flying.len() > before
    }

    /// Gives up on the job, because there is no data plane to do it.
    pub(crate) fn abandon(&mut self, errno: Errno) {
        if let Some(job) = &mut self.job {
            job.waiting.clear();
            job.fail(errno);
        }
    }

    fn next(&self) -> Option<(bool, &Command)> {
        match self.rebuild.front() {
            Some(command) => Some((true, command)),
            None => Some((false, self.job.as_ref()?.waiting.front()?)),
        }
    }

    fn pop_waiting(&mut self) -> Option<Command> {
        self.job.as_mut()?.waiting.pop_front()
    }

    /// Takes an answer. They come in the order of the commands; one out of order is found all the same.
    pub(crate) fn complete(&mut self, completion: Completion) -> Done {
        let Some(at) = self.flying.iter().position(|(id, ..)| *id == completion.id) else {
            return Done::Unknown;
        };
        let Some((_, of_rebuild, command)) = self.flying.remove(at) else { return Done::Unknown };
        match completion.status {
            Status::Ok if of_rebuild => Done::Again,
            Status::Ok => Done::Holds(Box::new(command)),
            Status::Refused(reason) => {
                if let (false, Some(job)) = (of_rebuild, &mut self.job) {
                    job.waiting.clear();
                    job.fail(errno_of(reason));
                }
                Done::Refused(reason)
            }
        }
    }

    /// Whether there is a job and all of it was answered.
    pub(crate) fn is_through(&self) -> bool {
        let open = |job: &Job| !job.waiting.is_empty();
        !self.flying.iter().any(|(_, of_rebuild, _)| !of_rebuild) && !self.job.as_ref().is_none_or(open)
    }

    /// Ends a job that is through, and tells who waits.
    pub(crate) fn finish(&mut self) {
        debug_assert!(self.is_through());
        if let Some(reply) = self.job.take().and_then(|job| job.reply) {
            Point::ControlAnswering.pass();
            // Who no longer listens does not want to know.
            let _ = reply.send(Ok(()));
        }
    }
}

impl Job {
    fn fail(&mut self, errno: Errno) {
        if let Some(reply) = self.reply.take() {
            let _ = reply.send(Err(errno));
        }
    }
}

fn errno_of(reason: Reason) -> Errno {
    match reason {
        Reason::Malformed | Reason::KeyInUse => Errno::INVALID,
        Reason::NoSuchPeer | Reason::OtherPeer => Errno::NOT_FOUND,
        Reason::TooMany => Errno::TOO_BIG,
        Reason::Failed => Errno::IO,
    }
}

#[cfg(test)]
mod tests;
