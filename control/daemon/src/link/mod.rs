//! The data-plane process as control holds it: its process, its socket, the shared memory.
//!
//! [`Plane`] is one life of a data plane with the memory made for it; neither outlives the other. [`jobs`] is
//! what is to be done and has not been acknowledged, and outlives both.
//!
//! **Invariant:** nothing that the data plane says moves control to act on anything but the data plane itself: its
//! process is known by a pidfd that the kernel vouched for, never by a number that it wrote somewhere.

mod attach;
mod backoff;
mod jobs;
mod process;
mod pulse;
mod start;

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use ringmesh_abi::message::Message;
use ringmesh_abi::{Bell, ControlSide, FromPlane, Link, LinkError, ToPlane};

pub(crate) use attach::{Attached, attach};
pub(crate) use backoff::Backoff;
pub(crate) use jobs::{Done, Jobs};
pub(crate) use process::Process;
pub(crate) use pulse::{LOOK_EVERY, Pulse};
pub(crate) use start::{Kit, start};

use crate::event::Event;
use crate::os::udp::Sockets;
use crate::os::watched::Watched;

/// A running data plane.
pub(crate) struct Plane {
    /// The memory that we share with it.
    pub(crate) memory: ControlSide,
    /// It is struck when the data plane has something for us.
    bell: Watched<Bell>,
    /// We strike it when we have something for the data plane.
    plane_bell: Bell,
    link: Watched<Link>,
    process: Process,
    /// Changes of sockets that it was sent and that hold at every worker.
    moves: Moves,
    /// When it was ready, since boot.
    pub(crate) since: std::time::Duration,
}

/// Changes of sockets.
#[derive(Clone, Copy, Debug, Default)]
struct Moves {
    sent: u64,
    done: u64,
}

impl Plane {
    /// Gives it other sockets.
    pub(crate) fn send_sockets(&mut self, sockets: &Sockets) -> Result<(), LinkError> {
        let fds = sockets.fds();
        self.tell(&ToPlane::Sockets { set: 0, count: fds.len() as u16 }, &fds)?;
        self.moves.sent += 1;
        self.wake();
        Ok(())
    }

    /// It says that all its workers have made a change.
    pub(crate) fn on_moved(&mut self) {
        self.moves.done += 1;
    }

    /// Whether some worker may still use other sockets than the last ones.
    pub(crate) fn is_moving(&self) -> bool {
        self.moves.done < self.moves.sent
    }

    /// The turns of its threads so far: the slow one, then the workers.
    pub(crate) fn turns(&self) -> impl Iterator<Item = u64> {
        let workers = (0..self.memory.worker_count()).filter_map(|worker| self.memory.worker(worker));
        std::iter::once(self.memory.plane().turns).chain(workers.map(|worker| worker.turns))
    }

    /// Waits until the data plane wants something.
    pub(crate) async fn next(&mut self) -> Event {
        if !self.memory.may_sleep() {
            // Other events get their turn even while the rings never run dry.
            tokio::task::yield_now().await;
            return Event::Bell;
        }
        tokio::select! {
            guard = self.bell.readable() => {
                if let Ok(mut guard) = guard {
                    // The bell is hushed before the rings are read, so nothing that comes later is missed.
                    let _ = self.bell.get_ref().0.hush();
                    guard.clear_ready();
                }
                Event::Bell
            }
            message = hear(&self.link) => Event::Message(message.map(|(message, _fds)| Box::new(message))),
            () = self.process.ended() => Event::PlaneEnded,
        }
    }

    /// After waking, for whatever reason.
    pub(crate) fn woke(&self) {
        self.memory.woke();
    }

    /// After putting something into a ring.
    pub(crate) fn wake(&self) {
        if self.memory.plane_sleeps()
            && let Err(error) = self.plane_bell.strike()
        {
            tracing::warn!(%error, "waking the data plane");
        }
    }

    /// Sends a message with fds; the data plane reads its socket whenever it is awake.
    pub(crate) fn tell(&self, message: &ToPlane, fds: &[BorrowedFd<'_>]) -> Result<(), LinkError> {
        if self.link.get_ref().0.try_send(message, fds)? {
            Ok(())
        } else {
            Err(LinkError::Io(io::ErrorKind::WouldBlock.into()))
        }
    }

    /// Lets a worker go before applications, or again beside them.
    pub(crate) fn prefer(&self, worker: u32, on: bool) -> io::Result<()> {
        self.process.prefer(worker, on)
    }

    /// Ends the data plane: asks first, and kills what does not listen. Returns when the process is gone.
    pub(crate) async fn stop(mut self) {
        let asked = self.tell(&ToPlane::Stop, &[]).is_ok();
        if asked && tokio::time::timeout(STOP_PATIENCE, self.process.ended()).await.is_ok() {
            return;
        }
        self.kill().await;
    }

    /// Kills the data plane and waits until it is gone.
    pub(crate) async fn kill(&mut self) {
        self.process.kill();
        if tokio::time::timeout(STOP_PATIENCE, self.process.ended()).await.is_err() {
            tracing::error!("the data plane does not end, not even when killed");
        }
    }
}

/// The next message. What the data plane sends of its own accord has no fds.
async fn hear<M: Message>(link: &Watched<Link>) -> Result<(M, Vec<OwnedFd>), LinkError> {
    loop {
        let mut guard = link.readable().await?;
        match link.get_ref().0.try_recv()? {
            Some(received) => return Ok(received),
            None => guard.clear_ready(),
        }
    }
}

/// The next message, if it comes in time.
async fn hear_soon(link: &Watched<Link>) -> Result<(FromPlane, Vec<OwnedFd>), LinkError> {
    tokio::time::timeout(ANSWER_PATIENCE, hear(link))
        .await
        .unwrap_or_else(|_| Err(LinkError::Io(io::ErrorKind::TimedOut.into())))
}

/// How long a data plane may take to end after it was asked to.
const STOP_PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
/// How long a data plane may take for one answer while it starts or is attached to.
const ANSWER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
