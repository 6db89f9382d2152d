//! The slow thread: everything that happens seldom, and everything that allocates.
//!
//! It answers handshakes and keeps their timers ([`Device`]), takes control's commands, tells the workers, and
//! speaks with the control process. Workers never wait for it: what it has for them goes through their mail.
//!
//! **Invariant:** a command is answered only after every worker's mail holds its consequences.
//! **Invariant:** handshakes are taken in small portions, so that a flood of them delays no command and no timer.

mod attach;
mod commands;
mod dispatch;
mod letters;

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use ringmesh_abi::{Bell, Hardening, Link, Listener, PlaneEvent, PlaneSide, fault::Point, rows::PlaneRow};
use ringmesh_io::{SOCKETS_MAX, clock};
use ringmesh_tunnel::{Drop, allowed_ips::AllowedIps, device::Device, tai64n::Tai64N};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub(crate) use letters::Letters;

use crate::{
    mail::{Note, Order},
    snapshot::Snapshot,
    turn::Office,
};

/// The slow thread's whole state.
pub(crate) struct Slow {
    pub(crate) device: Device,
    pub(crate) office: Office,
    /// Orders that found a worker's mail full, per worker, in order.
    pub(crate) backlog: Vec<VecDeque<Order>>,
    /// Who has which ranges.
    pub(crate) routes: AllowedIps,
    /// What the next snapshot says besides the routes.
    pub(crate) snapshot: Snapshot,
    /// Snapshots that a worker may still hold.
    pub(crate) published: Vec<Arc<Snapshot>>,
    /// By slot: whether the peer's owner has been told of it.
    pub(crate) introduced: Vec<bool>,
    /// The snapshot has changes that no worker has seen.
    pub(crate) unpublished: bool,
    pub(crate) plane: PlaneSide,
    pub(crate) bells: Bells,
    /// The control process that we serve; `None` while there is none.
    pub(crate) link: Option<Link>,
    /// Control has told all that was acknowledged before we began.
    pub(crate) whole: bool,
    pub(crate) listener: Listener,
    pub(crate) files: Files,
    pub(crate) about: About,
    /// Ends of packets that the slow thread itself decides on.
    pub(crate) drops: [u64; Drop::COUNT],
    pub(crate) ending: Option<Ending>,
    pub(crate) letters: Letters,
    /// Changes of sockets that were ordered, and those of them that control need not be told any more.
    pub(crate) moves: u64,
    pub(crate) moves_told: u64,
    /// Turns so far, and when the workers are woken next, since boot: control watches that all threads turn.
    pub(crate) turns: u64,
    pub(crate) beat_at: Duration,
}

/// The eventfds of the shared memory.
pub(crate) struct Bells {
    pub(crate) plane: Bell,
    pub(crate) control: Bell,
}

/// What is handed on to a control process that attaches.
pub(crate) struct Files {
    pub(crate) ifname: String,
    pub(crate) offloads: u32,
    pub(crate) tun: Vec<[OwnedFd; 2]>,
    /// Set 0, in the order of the workers and that for letters last, and later sets as they came.
    pub(crate) sockets: Vec<Vec<OwnedFd>>,
}

/// What stays the same about this process, for every control process that comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) start: Duration,
    pub(crate) hardening: Hardening,
}

impl About {
    pub(crate) fn publish(&self, row: &PlaneRow) {
        row.pid.set(self.pid.into());
        row.uid.set(self.uid.into());
        row.start_nanos.set(self.start.as_nanos() as u64);
        row.hardening.set(self.hardening.bits());
    }
}

/// Why the process ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ending {
    /// The link was deleted, or control said so.
    Orderly,
    /// A worker cannot go on: control will start another data plane on the same files.
    Broken,
}

impl Slow {
    /// Runs until the link is deleted, control says stop, or a worker fails.
    pub(crate) fn run(mut self) -> Ending {
        loop {
            if let Some(ending) = self.ending {
                self.ring_control();
                return ending;
            }
            self.turn();
        }
    }

    fn turn(&mut self) {
        self.wait();
        let now = clock::boottime();
        self.take_notes(now);
        self.take_commands(now);
        self.take_injections();
        self.take_handshakes(now);
        self.take_letters(now);
        self.take_punts();
        self.take_link_messages(now);
        self.tell_moved();
        self.device.handle_timeout(now, wall());
        self.dispatch(now);
        self.send_backlog();
        self.publish_drops();
        self.beat(now);
        self.ring_control();
    }

    /// Shows control that this thread turns, and lets idle workers show it too.
    fn beat(&mut self, now: Duration) {
        self.turns += 1;
        self.plane.rows().plane().turns.set(self.turns);
        if now >= self.beat_at {
            self.beat_at = now + BEAT;
            self.office.workers.iter().for_each(|mail| mail.bell.ring());
        }
    }

    /// Sleeps until somebody rings, or the next timer is due.
    fn wait(&mut self) {
        self.office.slow.bell.on_sleep();
        let idle = self.office.slow.is_empty() && self.plane.may_sleep();
        let timeout = if idle { self.patience() } else { Duration::ZERO };
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: timeout.subsec_nanos().into() };
        let link = self.link.as_ref().map(AsFd::as_fd);
        let mut fds = arrayvec::ArrayVec::<PollFd<'_>, { 4 + SOCKETS_MAX as usize }>::new();
        fds.push(PollFd::from_borrowed_fd(self.office.slow.bell.event(), PollFlags::IN));
        fds.push(PollFd::new(&self.bells.plane, PollFlags::IN));
        fds.push(PollFd::new(&self.listener, PollFlags::IN));
        fds.extend(link.map(|link| PollFd::from_borrowed_fd(link, PollFlags::IN)));
        let letters = self.files.letter_sockets().take(SOCKETS_MAX.into());
        fds.extend(letters.map(|socket| PollFd::new(socket, PollFlags::IN)));
        // Whatever the answer, a signal's included: all queues are looked into next.
        let _ = poll(&mut fds, Some(&timeout));
        self.office.slow.bell.on_wake();
        self.plane.woke();
        self.office.slow.bell.drain();
        let _ = self.bells.plane.hush();
    }

    /// How long to sleep at most: to the next timer, and not so long that a scribbled announcement of sleep
    /// in shared memory could hold up a command.
    fn patience(&self) -> Duration {
        let now = clock::boottime();
        let timer = self.device.poll_timeout().map_or(PATIENCE_MAX, |(at, _)| at.saturating_sub(now));
        let timer = timer.min(self.beat_at.saturating_sub(now));
        let backlog = self.backlog.iter().any(|orders| !orders.is_empty());
        timer.min(if backlog { BACKLOG_PAUSE } else { PATIENCE_MAX })
    }

    fn take_notes(&mut self, now: Duration) {
        for _ in 0..NOTES_PER_TURN {
            let Some(note) = self.office.slow.notes.pop() else { break };
            self.handle_note(note, now);
        }
        if self.office.slow.take_wants_room() {
            self.office.workers.iter().for_each(|mail| mail.bell.ring());
        }
    }

    fn handle_note(&mut self, note: Note, now: Duration) {
        match note {
            Note::WantSession { id } => {
                self.introduce(id);
                self.device.on_want_session(id, now);
            }
            Note::Installed { id, local_index } => self.device.on_installed(id, local_index),
            Note::Confirmed { id, local_index } => {
                self.device.on_confirmed(id, local_index, now);
                self.publish_peer(id, now);
                self.plane.event(PlaneEvent::HandshakeDone { slot: id.0 });
            }
            Note::Roamed { id, endpoint } => {
                self.device.on_roamed(id, endpoint);
                self.publish_peer(id, now);
                self.plane.event(PlaneEvent::Roamed { slot: id.0 });
            }
            Note::Active { id } => self.device.on_active(id, now),
            Note::Fallback { worker, what } => {
                self.plane.event(PlaneEvent::Fallback { worker: worker.into(), kind: what as u32, errno: 0 });
            }
            Note::Precedence { worker, wanted } => {
                self.plane.event(PlaneEvent::Precedence { worker: worker.into(), wanted });
            }
            Note::LinkGone => {
                self.plane.event(PlaneEvent::LinkGone);
                self.ending = Some(Ending::Orderly);
            }
            Note::Failed { worker, error } => {
                eprintln!("worker {worker} cannot go on: {error}");
                self.ending = Some(Ending::Broken);
            }
        }
    }

    fn take_handshakes(&mut self, now: Duration) {
        let waiting = self.office.slow.handshakes.len();
        // Under load is what waits now, not what ever came.
        self.device.set_cookie_pressure(waiting >= COOKIE_DEPTH);
        for _ in 0..HANDSHAKES_PER_TURN {
            let Some(mut letter) = self.office.slow.handshakes.pop() else { return };
            if let Err(how) = self.device.handle_handshake(&mut letter.bytes, letter.from, now, wall()) {
                self.drop(how);
            }
        }
    }

    /// Datagrams that are no WireGuard go to control.
    fn take_punts(&mut self) {
        while let Some(letter) = self.office.slow.punts.pop() {
            if !self.plane.punt(&commands::to_shared(letter.from), &letter.bytes) {
                self.drop(Drop::PuntFull);
            }
        }
    }

    /// Datagrams that control wants sent.
    fn take_injections(&mut self) {
        for _ in 0..INJECTIONS_PER_TURN {
            match self.plane.poll_inject() {
                Some(Ok(datagram)) => match commands::to_ours(datagram.endpoint) {
                    Some(to) => self.send(to, 0, datagram.payload()),
                    None => self.drop(Drop::NoEndpoint),
                },
                Some(Err(_)) => {}
                None => return,
            }
        }
    }

    pub(crate) fn drop(&mut self, how: Drop) {
        if let Some(count) = self.drops.get_mut(how as usize) {
            *count += 1;
        }
    }

    fn publish_drops(&self) {
        let row = self.plane.rows().plane();
        for (published, count) in row.drops.iter().zip(self.drops) {
            published.set(count);
        }
    }

    fn ring_control(&mut self) {
        if self.plane.control_sleeps() {
            // A bell that cannot be struck belongs to a control process that is gone.
            let _ = self.bells.control.strike();
            Point::PlaneRung.pass();
        }
    }

    /// Sends an order, behind those that wait already.
    pub(crate) fn order(&mut self, worker: u8, order: Order) {
        let (Some(mail), Some(backlog)) =
            (self.office.workers.get(worker as usize), self.backlog.get_mut(worker as usize))
        else {
            return;
        };
        if backlog.is_empty() {
            if let Err(order) = mail.orders.push(order) {
                backlog.push_back(order);
            }
        } else {
            backlog.push_back(order);
        }
        mail.bell.ring();
    }

    fn send_backlog(&mut self) {
        for (mail, backlog) in self.office.workers.iter().zip(&mut self.backlog) {
            if backlog.is_empty() {
                continue;
            }
            while let Some(order) = backlog.pop_front() {
                if let Err(order) = mail.orders.push(order) {
                    backlog.push_front(order);
                    break;
                }
            }
            mail.bell.ring();
        }
    }

    /// Gives every worker the present peers and routes, if they changed.
    pub(crate) fn publish_snapshot(&mut self) {
        if !std::mem::take(&mut self.unpublished) {
            return;
        }
        let snapshot = Arc::new(self.snapshot.with(self.routes.routes()));
        for worker in 0..self.snapshot.workers {
            self.order(worker, Order::Snapshot(Arc::clone(&snapshot)));
        }
        // What we alone hold has been left by every worker. The new one stays: it is in the mail.
        self.published.retain(|snapshot| Arc::strong_count(snapshot) > 1);
        self.published.push(snapshot);
    }
}

/// The wall clock, as handshakes carry it.
pub(crate) fn wall() -> Tai64N {
    let (secs, nanos) = clock::wall();
    Tai64N::from_unix(secs, nanos)
}

/// Longest sleep. A lost wake-up, which only hostile shared memory can cause, delays a command by no more.
const PATIENCE_MAX: Duration = Duration::from_secs(1);
/// How often idle workers are woken.
const BEAT: Duration = Duration::from_secs(1);
/// How soon a full mail is tried again.
const BACKLOG_PAUSE: Duration = Duration::from_millis(1);
/// Portions of one turn, so that everything else gets its turn too.
const NOTES_PER_TURN: usize = 1_024;
const HANDSHAKES_PER_TURN: usize = 32;
const INJECTIONS_PER_TURN: usize = 64;
/// Waiting handshakes that mean load: as many as one turn takes. An honest burst of reconnecting peers gets
/// cookies too, which costs each of them one more round trip.
const COOKIE_DEPTH: usize = 32;

#[cfg(test)]
pub(crate) mod tests;
