//! The data plane's life as the loop sees it: what it says in the rings, its death, its successor.

use std::time::Duration;

use ringmesh_abi::{Completion, Datagram, PlaneEvent, Refused, ToPlane};

use super::Control;
use crate::link::{Done, start};
use crate::os::clock::boottime;
use crate::os::tun::Fate;
use crate::os::udp::Sockets;
use crate::uapi::errno::Errno;

impl Control {
    /// Reads the rings, a bounded stretch at a time so that other events get their turn.
    pub(super) fn on_bell(&mut self) -> Option<&'static str> {
        for _ in 0..COMPLETIONS_PER_TURN {
            let Some(completion) = self.plane.as_mut().and_then(|plane| plane.memory.poll_completion())
            else {
                break;
            };
            self.on_completion(completion);
        }
        // It may sleep on commands that it has no room to answer, and now there is room.
        if let Some(plane) = &self.plane {
            plane.wake();
        }
        for _ in 0..EVENTS_PER_TURN {
            let Some(event) = self.plane.as_mut().and_then(|plane| plane.memory.poll_event()) else { break };
            if matches!(event, Ok(PlaneEvent::LinkGone)) && self.kit.tun.fate() == Fate::Deleted {
                return Some("its link was deleted");
            }
            on_plane_event(event);
        }
        for _ in 0..PUNTS_PER_TURN {
            let Some(datagram) = self.plane.as_mut().and_then(|plane| plane.memory.poll_punt()) else {
                break;
            };
            self.on_punt(datagram);
        }
        None
    }

    fn on_completion(&mut self, completion: Result<Completion, Refused>) {
        let Ok(completion) = completion else { return };
        self.progress_at = boottime();
        match self.jobs.complete(completion) {
            Done::Holds(command) => {
                self.acked.apply(&command);
                self.ledger.on_command(&command);
            }
            Done::Again => {}
            Done::Refused(reason) => {
                tracing::warn!(%reason, "the data plane refused a command");
            }
            Done::Unknown => tracing::warn!(id = completion.id, "an answer to no question of ours"),
        }
    }

    fn on_punt(&mut self, datagram: Result<Datagram, Refused>) {
        let Ok(datagram) = datagram else { return };
        self.counters.punted += 1;
        let Some(responder) = &mut self.responder else { return };
        let Some(remote) = crate::state::plan::remote_of(&datagram.endpoint) else { return };
        let Some(answer) = responder.answer(datagram.payload(), remote, boottime()) else { return };
        if let Some(plane) = &mut self.plane
            && plane.memory.inject(&datagram.endpoint, &answer).is_ok()
        {
            self.counters.injected += 1;
            plane.wake();
        }
    }

    /// The data plane died, or must: its successor gets what was last acknowledged and what only the rows knew.
    pub(super) async fn on_plane_lost(&mut self) -> Option<&'static str> {
        let mut plane = self.plane.take()?;
        plane.kill().await;
        if self.kit.tun.fate() == Fate::Deleted {
            return Some("its link was deleted");
        }
        let lived = boottime().saturating_sub(plane.since);
        self.counters.refused += plane.memory.refused();
        self.learn(&plane.memory);
        self.jobs.restart(self.acked.commands());
        let wait = self.backoff.after(lived);
        self.start_at = boottime() + wait;
        tracing::warn!(?lived, ?wait, "the data plane is gone; starting it again");
        None
    }

    /// A new data plane is due, or the one that runs has not answered for too long.
    pub(super) async fn on_deadline(&mut self) {
        if let Some(plane) = &mut self.plane {
            tracing::error!("the data plane does not answer and is killed");
            plane.kill().await;
            return;
        }
        match start(&self.kit, self.options.name.as_str()).await {
            Ok(plane) => {
                self.plane = Some(plane);
                self.counters.restarts += 1;
                self.progress_at = boottime();
            }
            Err(problem) => {
                tracing::error!(%problem, "starting the data plane again");
                // Nobody should wait for a data plane of which it is unknown whether it ever comes.
                self.jobs.abandon(Errno::IO);
                self.start_at = boottime() + self.backoff.after(Duration::ZERO);
            }
        }
    }

    /// Gives the data plane other sockets. One that dies meanwhile gets them when it is started again.
    pub(super) fn use_sockets(&mut self, sockets: Sockets) {
        self.kit.sockets = sockets;
        let Some(plane) = &self.plane else { return };
        let fds = self.kit.sockets.fds();
        let message = ToPlane::Sockets { set: 0, count: fds.len() as u16 };
        if let Err(error) = plane.tell(&message, &fds) {
            tracing::warn!(%error, "handing over the new sockets");
        }
    }
}

fn on_plane_event(event: Result<PlaneEvent, Refused>) {
    match event {
        Ok(PlaneEvent::Fallback { worker, kind, errno }) => {
            tracing::info!(worker, kind, errno, "a worker does without a feature from now on");
        }
        Ok(event) => tracing::debug!(?event, "the data plane"),
        Err(error) => tracing::warn!(%error, "an event of the data plane was refused"),
    }
}

/// More than a full ring; a data plane that fills it faster than we read must not keep `wg` waiting.
const COMPLETIONS_PER_TURN: u32 = 4096;
const EVENTS_PER_TURN: u32 = 1024;
const PUNTS_PER_TURN: u32 = 256;
