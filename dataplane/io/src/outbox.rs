//! The order of sends on one socket, and what to do when one is refused.
//!
//! A request that finds the socket's send buffer full waits inside the kernel, and a later one, tried in
//! the meantime, could overtake it. So a socket's sends fly as one *chain*, each submitted only when
//! the one before has ended, and the next chain waits here until the last one has landed.
//!
//! A chain of messages costs the kernel one short task each; holding everything back after one message
//! would cost a system call each, and cancelling what comes after a failure a second round.
//!
//! **Invariant:** a slot's segments are sent or reported as failed, each exactly once, and a slot is free
//! only when that is true for all of them.
#![forbid(unsafe_code)]

use crate::{Destination, SEGMENTS_MAX};

/// What one slot still has to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Job {
    len: u32,
    segment: u32,
    to: Destination,
    /// One bit per segment that has neither left nor failed.
    todo: u64,
    /// Send each segment as a message of its own.
    alone: bool,
    /// It was refused as one send; if a segment leaves alone, joining them was the reason.
    suspect: bool,
    /// It flies with a source address; a failure may be the address's.
    sourced: bool,
}

impl Job {
    /// `None` if these are not datagrams of one size, the last perhaps shorter, that one send may hold.
    pub(crate) fn new(len: usize, segment: usize, to: &Destination) -> Option<Self> {
        // An empty datagram is a datagram too.
        let segment = segment.max(1);
        let count = len.div_ceil(segment).max(1);
        let fits = len <= crate::SLOT_LEN && segment <= crate::SLOT_LEN && count <= SEGMENTS_MAX;
        fits.then(|| Self {
            len: len as u32,
            segment: segment as u32,
            to: *to,
            todo: u64::MAX >> (64 - count),
            alone: count == 1,
            suspect: false,
            sourced: false,
        })
    }

    /// A job with nothing to do, for a slot that was never sent.
    pub(crate) fn idle() -> Self {
        let nowhere = std::net::SocketAddr::from(([0; 4], 0));
        let to = Destination { remote: nowhere, local: None, socket: 0, tos: 0 };
        Self { len: 0, segment: 1, to, todo: 0, alone: false, suspect: false, sourced: false }
    }

    pub(crate) const fn to(&self) -> &Destination {
        &self.to
    }

    pub(crate) const fn segment(&self) -> u32 {
        self.segment
    }

    /// The part's bytes within the slot.
    pub(crate) fn range(&self, part: Part) -> std::ops::Range<usize> {
        let start = u32::from(part.first) * self.segment;
        let end = (start + u32::from(part.count) * self.segment).min(self.len);
        start as usize..end as usize
    }

    const fn count(&self) -> u32 {
        let count = self.len.div_ceil(self.segment);
        if count == 0 { 1 } else { count }
    }
}

/// The segments of one slot that fly as one message.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Part {
    pub(crate) slot: u16,
    pub(crate) first: u8,
    pub(crate) count: u8,
}

impl Part {
    const fn bits(self) -> u64 {
        (u64::MAX >> (64 - self.count as u32)) << self.first
    }
}

/// What came of a landing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Landed {
    /// Datagrams that did not leave and will not be tried again, and why.
    pub(crate) failed: Option<(u32, i32)>,
    /// The socket cannot send several segments at once, as this just proved.
    pub(crate) gso_refused: bool,
}

/// The sends of one socket.
pub(crate) struct Outbox {
    /// Slots in the order of their sends: those of the flying chain first. Capacity for all slots.
    queue: std::collections::VecDeque<u16>,
    /// Messages of the chain that have not landed.
    flying: u16,
    gso: bool,
}

impl Outbox {
    pub(crate) fn new(slots: u16, gso: bool) -> Self {
        Self { queue: std::collections::VecDeque::with_capacity(usize::from(slots)), flying: 0, gso }
    }

    pub(crate) const fn gso(&self) -> bool {
        self.gso
    }

    /// Starts over with what a new socket can do; what is queued goes out through it.
    pub(crate) const fn set_gso(&mut self, gso: bool) {
        self.gso = gso;
    }

    pub(crate) fn push(&mut self, slot: u16) {
        self.queue.push_back(slot);
    }

    /// Whether a chain could be launched.
    pub(crate) fn is_ready(&self) -> bool {
        self.flying == 0 && !self.queue.is_empty()
    }

    /// Puts up to `max` messages into a new chain, in order.
    pub(crate) fn launch(&mut self, jobs: &mut [Job], max: usize, mut fly: impl FnMut(&Job, Part)) {
        debug_assert_eq!(self.flying, 0, "one chain at a time");
        let mut room = max;
        for &slot in &self.queue {
            let job = &mut jobs[usize::from(slot)];
            job.sourced = job.to.local.is_some();
            job.alone |= !self.gso;
            room -= Self::launch_job(job, slot, room, &mut fly);
            if room == 0 {
                break;
            }
        }
        self.flying = (max - room) as u16;
    }

    fn launch_job(job: &Job, slot: u16, room: usize, fly: &mut impl FnMut(&Job, Part)) -> usize {
        if room == 0 || job.todo == 0 {
            return 0;
        }
        if !job.alone {
            fly(job, Part { slot, first: 0, count: job.count() as u8 });
            return 1;
        }
        let mut todo = job.todo;
        let mut launched = 0;
        while todo != 0 && launched < room {
            fly(job, Part { slot, first: todo.trailing_zeros() as u8, count: 1 });
            todo &= todo - 1;
            launched += 1;
        }
        launched
    }

    /// Takes the outcome of one message, and gives every slot that is through with its segments to `free`.
    pub(crate) fn land(
        &mut self,
        jobs: &mut [Job],
        part: Part,
        outcome: Result<(), i32>,
        mut free: impl FnMut(u16),
    ) -> Landed {
        self.flying = self.flying.saturating_sub(1);
        let landed = self.judge(&mut jobs[usize::from(part.slot)], part, outcome);
        while let Some(&slot) = self.queue.front()
            && jobs[usize::from(slot)].todo == 0
        {
            self.queue.pop_front();
            free(slot);
        }
        landed
    }

    fn judge(&mut self, job: &mut Job, part: Part, outcome: Result<(), i32>) -> Landed {
        match outcome {
            Ok(()) => {
                job.todo &= !part.bits();
                let proven = job.suspect && self.gso;
                job.suspect = false;
                self.gso &= !proven;
                Landed { failed: None, gso_refused: proven }
            }
            // The address went away, or leads nowhere: let the kernel choose one. The peer will answer to
            // that, which is how the caller learns the new one.
            Err(errno) if job.sourced && STALE_SOURCE.contains(&errno) => {
                job.to.local = None;
                Landed::default()
            }
            Err(errno) if part.count > 1 && GSO_REFUSED.contains(&errno) => {
                job.alone = true;
                // A segment larger than the path's MTU is about this path, not about the socket.
                job.suspect = errno != libc::EMSGSIZE;
                Landed::default()
            }
            Err(errno) => {
                job.todo &= !part.bits();
                job.suspect = false;
                Landed { failed: Some((u32::from(part.count), errno)), gso_refused: false }
            }
        }
    }
}

/// What a send answers when its source address is no longer ours, or no route leads out from it.
const STALE_SOURCE: [i32; 5] =
    [libc::EINVAL, libc::ENODEV, libc::EADDRNOTAVAIL, libc::ENETUNREACH, libc::EHOSTUNREACH];

/// What a send of several segments answers when the kernel or the device cannot cut it.
const GSO_REFUSED: [i32; 3] = [libc::EIO, libc::EINVAL, libc::EMSGSIZE];

#[cfg(test)]
mod tests;
