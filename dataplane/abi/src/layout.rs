//! Where everything lies in the memory.
//!
//! The header names capacities only. Both sides compute every offset from capacities that they have claimed, so
//! there is no offset that somebody could point elsewhere.
//!
//! **Invariant:** the first sixteen bytes (magic, version) never change their meaning in any version: they are what an
//! older or newer program needs to know that it must not read on.

use crate::command::COMMAND_LEN;
use crate::event::{COMPLETION_LEN, EVENT_LEN};
use crate::punt::DATAGRAM_WORDS;
use crate::ring::{Doze, Indices, Shape};
use crate::rows::{PeerRow, PlaneRow, WorkerRow};
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::{Claim, PEERS_MAX, Refused, VERSION, WORKERS_MAX};

/// "RINGMESH", as the bytes lie in memory.
const MAGIC: u64 = u64::from_le_bytes(*b"RINGMESH");

/// The beginning of the memory.
#[repr(C, align(64))]
pub(crate) struct Header {
    magic: AtomicU64,
    version: AtomicU32,
    workers: AtomicU32,
    generation: AtomicU64,
    peers: AtomicU32,
    ring_slots: [AtomicU32; RINGS],
    reserved: [AtomicU64; 10],
    /// 1 once a data plane has attached: rings are fresh for one process only.
    attached: AtomicU32,
    reserved_after: [AtomicU32; 15],
    /// The data plane sleeps.
    pub(crate) plane_doze: Doze,
    /// Control sleeps.
    pub(crate) control_doze: Doze,
}

const _: () = assert!(size_of::<Header>() == 320);
const _: () = assert!(core::mem::offset_of!(Header, version) == 8);
const _: () = assert!(core::mem::offset_of!(Header, generation) == 16);
const _: () = assert!(core::mem::offset_of!(Header, attached) == 128);
const _: () = assert!(core::mem::offset_of!(Header, plane_doze) == 192);

impl Header {
    /// Fills the header of fresh memory.
    pub(crate) fn fill(&self, capacities: &Capacities, generation: u64) {
        self.version.store(VERSION, Ordering::Relaxed);
        self.workers.store(capacities.workers, Ordering::Relaxed);
        self.generation.store(generation, Ordering::Relaxed);
        self.peers.store(capacities.peers, Ordering::Relaxed);
        for (field, slots) in self.ring_slots.iter().zip(capacities.ring_slots) {
            field.store(slots, Ordering::Relaxed);
        }
        self.magic.store(MAGIC, Ordering::Release);
    }

    /// Claims what the header says. The version is judged before anything that could depend on it.
    pub(crate) fn claim(&self, wanted_generation: u64) -> Result<Capacities, Refused> {
        Claim::new(self.magic.load(Ordering::Acquire))
            .within(MAGIC, MAGIC, "")
            .map_err(|_| Refused::Magic)?;
        let version = self.version.load(Ordering::Relaxed);
        if version != VERSION {
            return Err(Refused::Version { theirs: version });
        }
        let found = self.generation.load(Ordering::Relaxed);
        if found != wanted_generation {
            return Err(Refused::Generation { wanted: wanted_generation, found });
        }
        let mut ring_slots = [0; RINGS];
        for (slots, field) in ring_slots.iter_mut().zip(&self.ring_slots) {
            *slots = Claim::new(field.load(Ordering::Relaxed)).check("ring capacity", |alleged| {
                (alleged.is_power_of_two() && alleged <= RING_SLOTS_MAX).then_some(alleged)
            })?;
        }
        Ok(Capacities {
            workers: Claim::new(self.workers.load(Ordering::Relaxed)).within(1, WORKERS_MAX, "workers")?,
            peers: Claim::new(self.peers.load(Ordering::Relaxed)).within(1, PEERS_MAX, "peer rows")?,
            ring_slots,
        })
    }

    /// Takes the memory for this process; false: another one was here before.
    pub(crate) fn take(&self) -> bool {
        self.attached.swap(1, Ordering::AcqRel) == 0
    }
}

/// The rings, as indices into [`Capacities::ring_slots`].
#[derive(Clone, Copy)]
pub(crate) enum RingName {
    Command,
    Completion,
    Event,
    Punt,
    Inject,
}

pub(crate) const RINGS: usize = 5;

/// No ring is longer, whatever a header says.
const RING_SLOTS_MAX: u32 = 4_096;

impl RingName {
    const fn words(self) -> usize {
        match self {
            Self::Command => COMMAND_LEN / 8,
            Self::Completion => COMPLETION_LEN / 8,
            Self::Event => EVENT_LEN / 8,
            Self::Punt | Self::Inject => DATAGRAM_WORDS,
        }
    }
}

/// How much of each thing the memory holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Capacities {
    pub(crate) workers: u32,
    pub(crate) peers: u32,
    /// Powers of two, in the order of [`RingName`].
    pub(crate) ring_slots: [u32; RINGS],
}

impl Capacities {
    /// What a device gets. Completions have as many slots as commands: an answer always finds room.
    pub(crate) const fn of_device(workers: u32) -> Self {
        Self { workers, peers: PEERS_MAX, ring_slots: [256, 256, 1_024, 256, 256] }
    }

    /// Words that hold a bit for each peer row.
    pub(crate) const fn mark_words(&self) -> usize {
        (self.peers as usize).div_ceil(u64::BITS as usize)
    }
}

/// Offsets in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    pub(crate) capacities: Capacities,
    pub(crate) plane_row: usize,
    pub(crate) worker_rows: usize,
    /// A bit for each peer row: whether anything was ever published there.
    pub(crate) peer_marks: usize,
    pub(crate) peer_rows: usize,
    rings: [usize; RINGS],
    /// Size of the whole memory.
    pub(crate) total: usize,
}

/// One ring's place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) indices: usize,
    pub(crate) slots: usize,
    pub(crate) shape: Shape,
}

impl Layout {
    pub(crate) fn of(capacities: Capacities) -> Self {
        let mut end = size_of::<Header>();
        let mut take = |bytes: usize| {
            let at = end.next_multiple_of(LINE);
            end = at + bytes;
            at
        };
        let plane_row = take(size_of::<PlaneRow>());
        let worker_rows = take(size_of::<WorkerRow>() * capacities.workers as usize);
        let mut rings = [0; RINGS];
        for name in RING_NAMES {
            let slots = shape(&capacities, name).words_total() * size_of::<AtomicU64>();
            rings[name as usize] = take(size_of::<Indices>() + slots);
        }
        let peer_marks = take(capacities.mark_words() * size_of::<AtomicU64>());
        let peer_rows = take(size_of::<PeerRow>() * capacities.peers as usize);
        let total = end.next_multiple_of(PAGE);
        Self { capacities, plane_row, worker_rows, peer_marks, peer_rows, rings, total }
    }

    pub(crate) fn ring(&self, name: RingName) -> Place {
        let indices = self.rings[name as usize];
        Place { indices, slots: indices + size_of::<Indices>(), shape: shape(&self.capacities, name) }
    }
}

const fn shape(capacities: &Capacities, name: RingName) -> Shape {
    Shape { slots: capacities.ring_slots[name as usize], words: name.words() }
}

const RING_NAMES: [RingName; RINGS] =
    [RingName::Command, RingName::Completion, RingName::Event, RingName::Punt, RingName::Inject];

const LINE: usize = 64;
const PAGE: usize = 4_096;

#[cfg(test)]
mod tests;
