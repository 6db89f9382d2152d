//! Parcels: packets that must outlive the turn that read them.
//!
//! A packet waits for a session, or it arrived at a worker that does not own its peer. Both are rare, so both
//! pay a copy into a parcel from a pool that was made before the first packet. An empty pool drops packets; it
//! never allocates.
//!
//! **Invariant:** a parcel is owned by exactly one queue, peer or worker at a time, and goes home to the pool.

use std::net::{IpAddr, SocketAddr};

use crossbeam::queue::ArrayQueue;
use ringmesh_io::VnetHdr;

/// What a parcel carries, with all that the receiving worker needs to treat it as if it had read it itself.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Load {
    /// A packet or super-packet from the TUN device, without its virtio header.
    Packet { vnet: VnetHdr },
    /// A run of datagrams of `segment` bytes each, the last may be shorter.
    Datagrams { segment: u32, from: SocketAddr, local: Option<(IpAddr, u32)>, tos: u8, socket: u8 },
}

/// One packet or run of datagrams on its way between threads, or waiting.
pub(crate) struct Parcel {
    pub(crate) load: Load,
    /// Segments of a super-packet that have left already.
    pub(crate) done: usize,
    /// The next parcel of the same peer's queue: the queue is a chain, so queueing allocates nothing.
    next: Option<Box<Self>>,
    len: usize,
    bytes: Box<[u8]>,
}

impl Parcel {
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Takes a copy of `bytes`; says whether they fit.
    #[must_use]
    pub(crate) fn fill(&mut self, load: Load, bytes: &[u8]) -> bool {
        self.load = load;
        self.done = 0;
        self.len = 0;
        self.append(bytes)
    }

    /// Adds `bytes` behind what is there; says whether they fitted.
    #[must_use]
    pub(crate) fn append(&mut self, bytes: &[u8]) -> bool {
        let end = self.len + bytes.len();
        let Some(room) = self.bytes.get_mut(self.len..end) else { return false };
        room.copy_from_slice(bytes);
        self.len = end;
        true
    }
}

/// The parcels of the whole process.
pub(crate) struct Pool {
    free: ArrayQueue<Box<Parcel>>,
}

impl Pool {
    /// Makes `count` parcels. Their pages are touched only when they are used.
    pub(crate) fn new(count: usize) -> Self {
        let free = ArrayQueue::new(count.max(1));
        for _ in 0..count {
            let parcel = Parcel {
                load: Load::Packet { vnet: VnetHdr::NONE },
                done: 0,
                next: None,
                len: 0,
                bytes: vec![0; PARCEL_LEN].into_boxed_slice(),
            };
            // The queue has room for exactly `count`.
            let _ = free.push(Box::new(parcel));
        }
        Self { free }
    }

    pub(crate) fn take(&self) -> Option<Box<Parcel>> {
        self.free.pop()
    }

    pub(crate) fn give(&self, mut parcel: Box<Parcel>) {
        parcel.next = None;
        // More parcels than the pool made do not exist, so there is always room.
        let _ = self.free.push(parcel);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.free.len()
    }
}

/// A peer's bounded queue of parcels, first in, first out.
#[derive(Default)]
pub(crate) struct Queue {
    head: Option<Box<Parcel>>,
    len: usize,
}

impl Queue {
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Puts `parcel` at the end; when `limit` are waiting already, the oldest makes room and comes back.
    pub(crate) fn push(&mut self, parcel: Box<Parcel>, limit: usize) -> Option<Box<Parcel>> {
        let oldest = if self.len >= limit { self.pop() } else { None };
        let mut tail = &mut self.head;
        while let Some(waiting) = tail {
            tail = &mut waiting.next;
        }
        *tail = Some(parcel);
        self.len += 1;
        oldest
    }

    /// Puts back what could not leave yet, before all others.
    pub(crate) fn push_front(&mut self, mut parcel: Box<Parcel>) {
        parcel.next = self.head.take();
        self.head = Some(parcel);
        self.len += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<Box<Parcel>> {
        let mut parcel = self.head.take()?;
        self.head = parcel.next.take();
        self.len -= 1;
        Some(parcel)
    }
}

/// A whole super-packet or GRO run fits.
pub(crate) const PARCEL_LEN: usize = 65_536 + 64;

#[cfg(test)]
mod tests;
