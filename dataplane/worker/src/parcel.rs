//! Parcels: packets that must outlive the turn that read them.
//!
//! A packet waits for a session, or it arrived at a worker that does not own its peer. Both are rare, so both
//! pay a copy into a parcel from a pool that was made before the first packet. An empty pool drops packets; it
//! never allocates. What was given back last is taken first: so only as much of the pool is ever touched as was in use
//! at one time, and that much stays in the cache.
//!
//! **Invariant:** a parcel is owned by exactly one queue, peer or worker at a time, and goes home to the pool.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed},
};

use crossbeam::atomic::AtomicCell;
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
    bytes: &'static mut [u8],
    /// Its place in the pool.
    home: u32,
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

/// The parcels of the whole process: a stack that every thread may push to and pop from.
pub(crate) struct Pool {
    /// Where each parcel stays while it is free.
    homes: Box<[AtomicCell<Option<Box<Parcel>>>]>,
    /// Under each free parcel, the place of the next one; [`NONE`] under the last.
    under: Box<[AtomicU32]>,
    /// The place of the topmost parcel, and in the upper half how often it changed, so that a top that went and came
    /// back is not taken for one that stayed.
    top: AtomicU64,
}

impl Pool {
    /// Makes `count` parcels. Their pages are touched only when they are used: all bytes are one piece, which comes
    /// zeroed from the kernel; it stays for as long as the process lives.
    pub(crate) fn new(count: usize) -> Self {
        let bytes = Box::leak(vec![0; count * PARCEL_LEN].into_boxed_slice());
        let homes = (0..).zip(bytes.chunks_exact_mut(PARCEL_LEN)).map(|(home, bytes)| {
            let load = Load::Packet { vnet: VnetHdr::NONE };
            AtomicCell::new(Some(Box::new(Parcel { load, done: 0, next: None, len: 0, bytes, home })))
        });
        let homes: Box<[_]> = homes.collect();
        // As if they had been given back from the last to the first.
        let under = (1..).take(homes.len()).map(|next| if next < count { next as u32 } else { NONE });
        let under = under.map(AtomicU32::new).collect();
        Self { top: AtomicU64::new(if homes.is_empty() { NONE.into() } else { 0 }), homes, under }
    }

    pub(crate) fn take(&self) -> Option<Box<Parcel>> {
        let mut top = self.top.load(Acquire);
        loop {
            let place = top as u32;
            // An old answer is harmless: the top has changed then, and so has its count.
            let next = self.under.get(place as usize)?.load(Relaxed);
            match self.top.compare_exchange_weak(top, after(top, next), AcqRel, Acquire) {
                Ok(_) => return self.homes.get(place as usize)?.take(),
                Err(now) => top = now,
            }
        }
    }

    pub(crate) fn give(&self, mut parcel: Box<Parcel>) {
        parcel.next = None;
        let home = parcel.home;
        let (Some(place), Some(under)) = (self.homes.get(home as usize), self.under.get(home as usize))
        else {
            return;
        };
        place.store(Some(parcel));
        let mut top = self.top.load(Acquire);
        loop {
            under.store(top as u32, Relaxed);
            match self.top.compare_exchange_weak(top, after(top, home), AcqRel, Acquire) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let under = |&place: &u32| self.under.get(place as usize).map(|next| next.load(Relaxed));
        std::iter::successors(Some(self.top.load(Acquire) as u32), under).take_while(|&at| at != NONE).count()
    }
}

/// A top with the next count.
const fn after(top: u64, place: u32) -> u64 {
    ((top >> 32) + 1) << 32 | place as u64
}

/// No parcel's place.
const NONE: u32 = u32::MAX;
const _: () = assert!(AtomicCell::<Option<Box<Parcel>>>::is_lock_free());

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
