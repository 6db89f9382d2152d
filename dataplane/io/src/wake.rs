//! The eventfd by which others wake this worker.
//!
//! A read waits for it in the ring, so waking looks like any other completion, and reading empties it.
//!
//! **Invariant:** a wake-up is never lost: what is written while no read is armed stays in the eventfd
//! until the next one.
#![allow(unsafe_code, reason = "the read points to its word")]

use crate::Event;
use crate::ring::{Ring, WAKE};
use crate::source::{Ended, Source};
use crate::token::Token;
use io_uring::squeue::Flags;
use io_uring::{cqueue, opcode};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

pub(crate) struct Wake {
    fd: OwnedFd,
    source: Source,
    /// Where the count goes, which nobody looks at.
    count: Box<u64>,
}

impl Wake {
    pub(crate) fn new(fd: OwnedFd) -> Self {
        Self { fd, source: Source::new(false, 1), count: Box::new(0) }
    }

    pub(crate) fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub(crate) const fn source_mut(&mut self) -> &mut Source {
        &mut self.source
    }

    pub(crate) fn arm(&mut self, ring: &mut Ring) {
        if !self.source.wants(true) || !ring.reserve(1) || self.source.arm(true).is_none() {
            return;
        }
        let word = (&raw mut *self.count).cast();
        let entry = opcode::Read::new(WAKE, word, size_of::<u64>() as u32).build();
        let entry = entry.flags(Flags::FIXED_FILE).user_data(Token::Wake.encode());
        // SAFETY: the word is boxed, lives as long as the port, and is not looked at.
        unsafe { ring.push(&entry) };
    }

    pub(crate) fn on_read(&mut self, cqe: &cqueue::Entry, events: &mut Vec<Event>) {
        self.source.disarm(0);
        if cqe.result() >= 0 {
            events.push(Event::Woken);
        } else {
            self.source.on_ended(Ended::from_errno(-cqe.result(), false));
        }
    }
}
