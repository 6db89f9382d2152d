//! The control process comes and goes; the data plane stays.
//!
//! **Invariant:** only a data plane that holds all that was acknowledged can be taken over.
//! **Invariant:** a connection is served only if root made it; it brings its own memory, so nothing that a former
//! control process left behind is read again.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Bells, Ending, Slow};
use crate::{mail::Order, process::steer};
use ringmesh_abi::{
    Bell, FromPlane, Link, LinkError, PlaneSide, Refused, ToPlane, fault::Point, message::AttachFds,
};

impl Slow {
    /// Takes messages of the control process, and connections of new ones.
    pub(crate) fn take_link_messages(&mut self, now: Duration) {
        // Whoever is refused has been closed already; there is nothing else to do about them.
        while let Ok(Some(link)) = self.listener.accept() {
            if !self.whole {
                // Who comes now has seen our control process dead, or is about to: there is nothing to take over.
                self.take_messages();
            }
            if self.whole {
                self.greet(link, now);
            }
        }
        self.take_messages();
    }

    fn take_messages(&mut self) {
        for _ in 0..MESSAGES_PER_TURN {
            let Some(link) = &self.link else { return };
            match link.try_recv::<ToPlane>() {
                Ok(Some((message, fds))) => self.handle_message(message, fds),
                Ok(None) => return,
                Err(LinkError::Refused(_) | LinkError::Fds { .. } | LinkError::Cut) => {}
                Err(LinkError::Closed | LinkError::Io(_)) => self.lose_control(),
            }
        }
    }

    /// Without its control process a data plane goes on, unless it was not yet told all: what is missing, only that process
    /// knew.
    pub(crate) fn lose_control(&mut self) {
        self.link = None;
        if !self.whole {
            self.ending = Some(Ending::Orderly);
        }
    }

    fn handle_message(&mut self, message: ToPlane, fds: Vec<OwnedFd>) {
        match message {
            ToPlane::Sockets { set, .. } => self.take_sockets(set, fds),
            ToPlane::Rebuilt => self.whole = true,
            ToPlane::Stop => self.ending = Some(Ending::Orderly),
            // They belong to the beginning of a connection.
            ToPlane::Start { .. } | ToPlane::Attach { .. } | ToPlane::Dump => {}
        }
    }

    /// A new connection: it asks what runs here, then brings its memory, or ends a data plane of another version.
    fn greet(&mut self, link: Link, now: Duration) {
        let asked = match first_words(&link) {
            // A question of another version is answered in ours: from that the asker learns it.
            Ok(Some((ToPlane::Dump, _))) | Err(LinkError::Refused(Refused::Version { .. })) => true,
            Ok(_) | Err(_) => false,
        };
        if !asked {
            return;
        }
        Point::PlaneAttachAsked.pass();
        if self.say_hello(&link).is_err() {
            return;
        }
        Point::PlaneAttachGreeted.pass();
        match first_words(&link) {
            Ok(Some((ToPlane::Attach { generation }, fds))) => match self.attach(&link, generation, fds, now)
            {
                Ok(()) => self.link = Some(link),
                Err(text) => {
                    // Whoever does not listen to the reason has lost nothing by it.
                    let _ = link.send_within(&FromPlane::Failed { text }, &[], SENDING_MAX);
                }
            },
            Ok(Some((ToPlane::Stop, _))) => self.ending = Some(Ending::Orderly),
            Ok(_) | Err(_) => {}
        }
    }

    /// Changes over to a new control process and tells it all.
    fn attach(
        &mut self,
        link: &Link,
        generation: u64,
        fds: Vec<OwnedFd>,
        now: Duration,
    ) -> Result<(), String> {
        let fds = AttachFds::sort(fds).ok_or("wrong number of file descriptors")?;
        let plane = PlaneSide::attach(&fds.memory, generation).map_err(|error| error.to_string())?;
        let bells = Bells {
            plane: Bell::adopt(fds.plane_bell).map_err(|error| error.to_string())?,
            control: Bell::adopt(fds.control_bell).map_err(|error| error.to_string())?,
        };
        self.plane = plane;
        self.bells = bells;
        // What its predecessor waited for is no answer to anything that this one has said.
        self.moves_told = self.moves;
        self.about.publish(self.plane.rows().plane());
        self.publish_all(now);
        Point::PlaneAttachTaken.pass();
        self.send_state(link).map_err(|error| error.to_string())
    }

    fn say_hello(&self, link: &Link) -> Result<(), LinkError> {
        let first = self.files.sockets.first().map_or(&[][..], Vec::as_slice);
        let hello = FromPlane::Hello {
            ifname: self.files.ifname.clone(),
            workers: self.files.tun.len() as u16,
            sockets: first.len() as u16,
            offloads: self.files.offloads,
        };
        let fds: Vec<BorrowedFd<'_>> = self
            .files
            .tun
            .iter()
            .flatten()
            .chain(first)
            .map(AsFd::as_fd)
            .chain([self.listener.as_fd()])
            .collect();
        link.send_within(&hello, &fds, SENDING_MAX)?;
        for (set, sockets) in
            (0..).zip(&self.files.sockets).skip(1).filter(|(_, sockets)| !sockets.is_empty())
        {
            let fds: Vec<BorrowedFd<'_>> = sockets.iter().map(AsFd::as_fd).collect();
            link.send_within(&FromPlane::Sockets { set, count: fds.len() as u16 }, &fds, SENDING_MAX)?;
        }
        Ok(())
    }

    fn send_state(&self, link: &Link) -> Result<(), LinkError> {
        for command in self.state() {
            link.send_within(&FromPlane::State(command), &[], SENDING_MAX)?;
            Point::PlaneAttachHalf.pass();
        }
        link.send_within(&FromPlane::End, &[], SENDING_MAX)?;
        Point::PlaneAttachTold.pass();
        Ok(())
    }

    /// Tells control about each change of sockets that every worker has made.
    pub(crate) fn tell_moved(&mut self) {
        let mails = self.office.workers.iter();
        let moves = mails.map(|mail| mail.moves.load(Ordering::Acquire)).min().unwrap_or(0);
        while self.moves_told < moves
            && let Some(link) = &self.link
        {
            // When its socket is full it is told in a later turn.
            match link.try_send(&FromPlane::Moved, &[]) {
                Ok(true) => self.moves_told += 1,
                Ok(false) | Err(_) => return,
            }
        }
    }

    /// New sockets, one per worker and one for letters: each worker changes over by itself, between two turns.
    fn take_sockets(&mut self, set: u8, fds: Vec<OwnedFd>) {
        if fds.len() != self.files.tun.len() + 1 {
            return;
        }
        Point::PlaneSocketsTaken.pass();
        self.moves += 1;
        steer(&fds);
        self.letters.forget(set);
        for (worker, fd) in (0..self.snapshot.workers).zip(&fds) {
            match fd.try_clone() {
                Ok(fd) => self.order(worker, Order::Socket { index: set, fd }),
                Err(error) => {
                    eprintln!("cannot take over a socket: {error}");
                    self.ending = Some(Ending::Broken);
                    return;
                }
            }
        }
        Point::PlaneSocketsOrdered.pass();
        let place = set as usize;
        if self.files.sockets.len() <= place {
            self.files.sockets.resize_with(place + 1, Vec::new);
        }
        if let Some(place) = self.files.sockets.get_mut(place) {
            *place = fds;
        }
    }
}

/// The next message of a connection that is new, if it comes soon.
fn first_words(link: &Link) -> Result<Option<(ToPlane, Vec<OwnedFd>)>, LinkError> {
    let limit = rustix::event::Timespec { tv_sec: GREETING_SECS_MAX, tv_nsec: 0 };
    let mut fds = [rustix::event::PollFd::new(link, rustix::event::PollFlags::IN)];
    match rustix::event::poll(&mut fds, Some(&limit)) {
        Ok(1) => link.try_recv::<ToPlane>(),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// How long a new connection may take to say what it wants; only root can connect.
const GREETING_SECS_MAX: i64 = 1;
/// How long a control process that was stopped may hold us up with one message.
const SENDING_MAX: Duration = Duration::from_secs(1);
const MESSAGES_PER_TURN: usize = 16;

#[cfg(test)]
mod tests;
