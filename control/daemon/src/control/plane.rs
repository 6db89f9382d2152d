//! The data plane's life as the loop sees it: what it says in the rings, its death, its successor.

use std::time::Duration;

use ringmesh_abi::fault::Point;
use ringmesh_abi::{Completion, Datagram, PlaneEvent, Refused, ToPlane};

use super::{Control, MOVE_PATIENCE, PLANE_PATIENCE};
use crate::link::{Done, LOOK_EVERY, Plane, Pulse, start};
use crate::os::clock::{boottime, wall_secs};
use crate::os::tun::Fate;
use crate::os::udp::Sockets;
use crate::uapi::errno::Errno;

impl Control {
    /// Reads the rings, a bounded stretch at a time so that other events get their turn.
    pub(super) fn on_bell(&mut self) -> Option<&'static str> {
        let mut answered = false;
        for _ in 0..COMPLETIONS_PER_TURN {
            let Some(completion) = self.plane.as_mut().and_then(|plane| plane.memory.poll_completion())
            else {
                break;
            };
            self.on_completion(completion);
            answered = true;
        }
        // It may sleep on commands that it has no room to answer, and now there is room.
        if let Some(plane) = self.plane.as_ref().filter(|_| answered) {
            plane.wake();
        }
        for _ in 0..EVENTS_PER_TURN {
            let Some(event) = self.plane.as_mut().and_then(|plane| plane.memory.poll_event()) else { break };
            if matches!(event, Ok(PlaneEvent::LinkGone)) && self.kit.tun.fate() == Fate::Deleted {
                return Some("its link was deleted");
            }
            self.on_plane_event(event);
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
        Point::ControlCompletionRead.pass();
        self.progress_at = boottime();
        match self.jobs.complete(completion) {
            Done::Holds(command) => {
                self.acked.apply(&command);
                self.ledger.on_command(&command);
            }
            Done::Again => {}
            Done::Refused(reason) => {
                tracing::warn!(%reason, "the data plane refused a command");
                self.refused = true;
            }
            Done::Unknown => tracing::warn!(id = completion.id, "an answer to no question of ours"),
        }
    }

    fn on_punt(&mut self, datagram: Result<Datagram, Refused>) {
        let Ok(datagram) = datagram else { return };
        self.counters.punted += 1;
        let Some(remote) = crate::state::plan::remote_of(&datagram.endpoint) else { return };
        if self.outside.handle(datagram.payload(), remote) {
            return;
        }
        let Some(responder) = &mut self.responder else { return };
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
        let until = self.high_water.stamped_until(wall_secs());
        self.acked.device.stamped_until_secs = until;
        self.jobs.restart(self.acked.commands());
        let wait = self.backoff.after(lived);
        self.start_at = boottime() + wait;
        tracing::warn!(?lived, ?wait, "the data plane is gone; starting it again");
        None
    }

    /// A new data plane is due, or the one that runs is to be looked at.
    pub(super) async fn on_deadline(&mut self) {
        if self.plane.is_some() {
            self.ask_outside();
            return self.look_at_plane().await;
        }
        match start(&self.kit, self.options.name.as_str()).await {
            Ok(plane) => {
                self.plane = Some(plane);
                self.rebuilt = false;
                self.pulse = Pulse::default();
                self.look_at = boottime() + LOOK_EVERY;
                self.counters.restarts += 1;
                self.progress_at = boottime();
            }
            Err(problem) => {
                tracing::error!(%problem, "starting the data plane again");
                // Nobody should wait for a data plane of which it is unknown whether it ever comes.
                self.jobs.abandon(Errno::IO);
                self.refused = true;
                self.start_at = boottime() + self.backoff.after(Duration::ZERO);
            }
        }
    }

    /// Kills a data plane that stands still, or that turns and yet has not answered for too long.
    async fn look_at_plane(&mut self) {
        let Some(plane) = &mut self.plane else { return };
        let now = boottime();
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.high_water.observe(wall_secs());
            if !self.pulse.look(plane.turns()) {
                tracing::error!("a thread of the data plane stands still; it is killed");
                return plane.kill().await;
            }
        }
        if self.jobs.is_waiting() && now >= self.progress_at + PLANE_PATIENCE {
            tracing::error!("the data plane does not answer and is killed");
            plane.kill().await;
        }
    }

    /// Once the data plane has answered every command that rebuilds it.
    pub(super) fn tell_rebuilt(&mut self) {
        if let Some(plane) = self.plane.as_ref().filter(|_| !self.rebuilt && self.jobs.is_rebuilt()) {
            // When its socket is full it is told at the next event.
            self.rebuilt = plane.tell(&ToPlane::Rebuilt, &[]).is_ok();
            plane.wake();
        }
    }

    /// Gives the data plane other sockets, and gives the former ones back. One that dies meanwhile gets them when it is
    /// started again.
    pub(super) fn use_sockets(&mut self, sockets: Sockets) -> Sockets {
        let before = std::mem::replace(&mut self.kit.sockets, sockets);
        self.outside.begin_anew();
        Point::ControlSocketsOpen.pass();
        if let Some(plane) = &mut self.plane
            && let Err(error) = plane.send_sockets(&self.kit.sockets)
        {
            tracing::warn!(%error, "handing over the new sockets");
        }
        self.move_until = boottime() + MOVE_PATIENCE;
        Point::ControlSocketsSent.pass();
        before
    }

    /// Whether the workers are changing over to other sockets, and are given the time for it.
    pub(super) fn is_moving(&self) -> bool {
        self.plane.as_ref().is_some_and(Plane::is_moving) && boottime() < self.move_until
    }

    fn on_plane_event(&self, event: Result<PlaneEvent, Refused>) {
        match event {
            Ok(PlaneEvent::Fallback { worker, kind, errno }) => {
                tracing::info!(worker, kind, errno, "a worker does without a feature from now on");
            }
            Ok(PlaneEvent::Precedence { worker, wanted }) => {
                match self.plane.as_ref().map(|plane| plane.prefer(worker, wanted)) {
                    Some(Ok(())) => tracing::debug!(worker, wanted, "a worker before applications"),
                    Some(Err(error)) => {
                        tracing::info!(worker, wanted, %error, "a worker cannot go before applications");
                    }
                    None => {}
                }
            }
            Ok(event) => tracing::debug!(?event, "the data plane"),
            Err(error) => tracing::warn!(%error, "an event of the data plane was refused"),
        }
    }
}

/// More than a full ring; a data plane that fills it faster than we read must not keep `wg` waiting.
const COMPLETIONS_PER_TURN: u32 = 4096;
const EVENTS_PER_TURN: u32 = 1024;
const PUNTS_PER_TURN: u32 = 256;
