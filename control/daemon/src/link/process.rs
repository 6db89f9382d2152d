//! The data plane's process, by pidfd.

use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal};

use crate::os::scheduling;
use crate::os::watched::{Watched, watched};

/// A process that can be waited for and killed without ever meaning another one that got its number.
pub(crate) struct Process {
    pid: Pid,
    pidfd: Watched<OwnedFd>,
    /// Set when we started it: then it is ours to reap.
    child: Option<Child>,
}

impl Process {
    /// A process that we have started.
    pub(crate) fn of_child(child: Child) -> std::io::Result<Self> {
        let pid =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(std::io::ErrorKind::NotFound)?;
        let mut process = Self::of_pid(pid)?;
        process.child = Some(child);
        Ok(process)
    }

    /// A process that the kernel has just named.
    pub(crate) fn of_pid(pid: Pid) -> std::io::Result<Self> {
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        let pidfd = watched(pidfd)?;
        Ok(Self { pid, pidfd, child: None })
    }

    /// Waits until the process has ended, and reaps it if it is ours.
    pub(crate) async fn ended(&mut self) {
        if let Err(error) = self.pidfd.readable().await {
            tracing::warn!(%error, "waiting for the data plane's process");
        }
        if let Some(mut child) = self.child.take() {
            match child.try_wait() {
                Ok(Some(status)) if status.success() => {}
                Ok(Some(status)) => tracing::warn!(%status, "the data plane ended"),
                Ok(None) => self.child = Some(child),
                Err(error) => tracing::warn!(%error, "reaping the data plane"),
            }
        }
    }

    /// Lets a worker's thread go before applications, or again beside them.
    pub(crate) fn prefer(&self, worker: u32, on: bool) -> std::io::Result<()> {
        // While the process runs, its number means no other.
        let mut ended = [PollFd::new(&self.pidfd.get_ref().0, PollFlags::IN)];
        if rustix::event::poll(&mut ended, Some(&Timespec::default()))? > 0 {
            return Err(std::io::ErrorKind::NotFound.into());
        }
        scheduling::prefer(self.pid, &format!("worker {worker}"), on)
    }

    /// SIGKILL; a process that is gone already is no error.
    pub(crate) fn kill(&self) {
        let pidfd = self.pidfd.get_ref().0.as_fd();
        if let Err(errno) = rustix::process::pidfd_send_signal(pidfd, Signal::KILL)
            && errno != rustix::io::Errno::SRCH
        {
            tracing::warn!(%errno, "killing the data plane");
        }
    }
}

#[cfg(test)]
mod tests;
