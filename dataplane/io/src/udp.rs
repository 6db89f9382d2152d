//! The UDP sockets of one worker: one place each, with its receives and its order of sends.
//!
//! **Invariant:** nothing that a datagram or a router can cause stops reception. A socket that is replaced
//! takes its place, its number and what is queued for it along.

mod account;
mod receive;
mod send;

pub(crate) use receive::{Receives, Ticket};
pub(crate) use send::Sends;

use crate::address::Family;
use crate::outbox::Outbox;
use crate::source::Source;
use rustix::net::AddressFamily;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// A place for a socket.
pub(crate) struct Socket {
    /// Kept open; requests name it by its place.
    fd: Option<OwnedFd>,
    family: Family,
    /// Which socket in this place it is, wrapping.
    generation: u8,
    source: Source,
    /// Receives of sockets that were in this place before and have not ended.
    draining: u8,
    outbox: Outbox,
}

impl Socket {
    /// A place without a socket yet.
    pub(crate) fn vacant(slots: u16) -> Self {
        let mut source = Source::new(true, 1);
        source.on_ended(crate::source::Ended::Gone);
        Self {
            fd: None,
            family: Family::Both,
            generation: 0,
            source,
            draining: 0,
            outbox: Outbox::new(slots, false),
        }
    }

    /// Puts a socket into the place.
    ///
    /// # Errors
    ///
    /// It is no UDP socket that we can use; the place is as before.
    pub(crate) fn occupy(&mut self, fd: OwnedFd, source: Source, gso: bool) -> io::Result<()> {
        self.family = family_of(&fd)?;
        self.fd = Some(fd);
        self.generation = self.generation.wrapping_add(1);
        self.draining += self.source.armed();
        self.source = source;
        self.outbox.set_gso(gso);
        Ok(())
    }

    /// For the table of registered files, which has holes.
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Bytes below the socket that have not left: the kernel's own account of them.
    pub(crate) fn unsent(&self) -> usize {
        self.fd.as_ref().map_or(0, account::unsent)
    }

    pub(crate) const fn is_vacant(&self) -> bool {
        self.fd.is_none()
    }

    pub(crate) const fn generation(&self) -> u8 {
        self.generation
    }

    const fn on_request_ended(&mut self, current: bool, lane: u8) {
        if current {
            self.source.disarm(lane);
        } else {
            self.draining = self.draining.saturating_sub(1);
        }
    }

    pub(crate) const fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) const fn source_mut(&mut self) -> &mut Source {
        &mut self.source
    }

    pub(crate) const fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

/// Which addresses a socket reaches.
///
/// # Errors
///
/// It is no UDP socket of ours, or one that does not block.
pub(crate) fn family_of(fd: impl AsFd) -> io::Result<Family> {
    if rustix::fs::fcntl_getfl(&fd)?.contains(rustix::fs::OFlags::NONBLOCK) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, crate::uring::NONBLOCK_REFUSED));
    }
    match rustix::net::getsockname(fd)?.address_family() {
        AddressFamily::INET => Ok(Family::V4),
        AddressFamily::INET6 => Ok(Family::Both),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "not an IPv4 or IPv6 socket")),
    }
}
