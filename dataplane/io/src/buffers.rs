//! Receive buffers: one region, lent to the kernel in three groups, and a few spare ones.
//!
//! The kernel picks a buffer only when a packet is there (provided-buffer rings), so waiting reads cost
//! no memory. When a group is empty its reads end and packets wait where the kernel queues them: that
//! is the back-pressure.
//!
//! Only a *window* of each group is lent at a time, and what was released last is lent first, so that full
//! super-packets go round in a few buffers that stay in the cache (with 32 in turn, reading and copying
//! one took up to half as long again). Small packets leave most of a buffer empty; for them the window opens.
//!
//! **Invariant:** a buffer is with the kernel, or held by the caller, or resting, never two of these. A
//! released buffer rests while queued writes still read from it, and goes back when the last is done.
#![allow(unsafe_code, reason = "the provided-buffer ring is shared with the kernel")]

use crate::limits::{BUFFER_STRIDE, Limits};
use crate::memory::Memory;
use crate::{BufId, Queue, Span};
use io_uring::types::BufRingEntry;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

/// The kernel's groups, by their number in requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Group {
    Bulk,
    Quick,
    Datagrams,
}

impl Group {
    pub(crate) const ALL: [Self; 3] = [Self::Bulk, Self::Quick, Self::Datagrams];

    /// What the reads of a TUN queue fill.
    pub(crate) const fn of(queue: Queue) -> Self {
        match queue {
            Queue::Bulk => Self::Bulk,
            Queue::Quick => Self::Quick,
        }
    }

    pub(crate) const fn id(self) -> u16 {
        self as u16
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// With the kernel, or among the spare ones.
    Home,
    /// The caller's.
    Held,
    /// Released while writes still read from it.
    Resting,
}

#[derive(Clone, Copy)]
struct Buffer {
    state: State,
    /// Pieces of queued writes that lie in it.
    pins: u16,
}

pub(crate) struct Buffers {
    region: Memory,
    table: Box<[Buffer]>,
    lent: [Lent; 3],
    spare: Vec<u16>,
    /// The first buffer after each group; behind the last are the spare ones.
    bounds: [u16; 3],
    starved: bool,
}

impl Buffers {
    /// Makes all buffers and fills the groups. `head` are the bytes to leave free in front of what the kernel writes
    /// for a TUN queue.
    pub(crate) fn new(limits: &Limits, head: usize) -> io::Result<Self> {
        let quick = limits.bulk_buffers;
        let datagrams = quick + limits.quick_buffers;
        let spare = datagrams + limits.datagram_buffers;
        let count = spare + limits.spare_buffers;
        let mut buffers = Self {
            region: Memory::new(usize::from(count) * BUFFER_STRIDE)?,
            table: vec![Buffer { state: State::Home, pins: 0 }; usize::from(count)].into(),
            lent: [
                Lent::new(limits.bulk_buffers, head)?,
                Lent::new(limits.quick_buffers, head)?,
                Lent::new(limits.datagram_buffers, 0)?,
            ],
            spare: Vec::with_capacity(usize::from(limits.spare_buffers)),
            bounds: [quick, datagrams, spare],
            starved: false,
        };
        (0..count).rev().for_each(|index| buffers.send_home(index));
        buffers.refill();
        Ok(buffers)
    }

    pub(crate) const fn region(&self) -> &[u8] {
        self.region.as_slice()
    }

    pub(crate) const fn region_mut(&mut self) -> &mut [u8] {
        self.region.as_mut_slice()
    }

    /// The address and size of a group's ring, to register it with.
    pub(crate) fn ring(&self, group: Group) -> (u64, u16) {
        let lent = &self.lent[group as usize];
        (lent.ring.as_ptr() as u64, lent.mask + 1)
    }

    /// Lends the kernel what its windows allow; to be called before each entry into it.
    pub(crate) fn refill(&mut self) {
        let base = self.region.as_ptr() as u64;
        for lent in &mut self.lent {
            lent.adapt();
            while lent.stock < lent.window
                && let Some(index) = lent.rest.pop()
            {
                lent.lend(index, base + u64::from(index) * BUFFER_STRIDE as u64);
            }
        }
    }

    /// Whether the kernel has a buffer of this group.
    pub(crate) const fn is_stocked(&self, group: Group) -> bool {
        self.lent[group as usize].stock > 0
    }

    /// Takes over a buffer that the kernel has filled with `len` bytes, with the place where it wrote. `None` if
    /// the number is not one that it had.
    pub(crate) fn take(&mut self, group: Group, index: u16, len: usize) -> Option<(BufId, usize)> {
        if self.group_of(index) != Some(group) {
            return None;
        }
        let buffer = &mut self.table[usize::from(index)];
        if buffer.state != State::Home {
            return None;
        }
        buffer.state = State::Held;
        let lent = &mut self.lent[group as usize];
        lent.stock = lent.stock.saturating_sub(1);
        lent.filled += len;
        Some((BufId(index), usize::from(index) * BUFFER_STRIDE + lent.head))
    }

    /// A spare buffer, whole.
    pub(crate) fn borrow(&mut self) -> Option<(BufId, Span)> {
        let Some(index) = self.spare.pop() else {
            self.starved = true;
            return None;
        };
        self.table[usize::from(index)].state = State::Held;
        let start = u32::from(index) * BUFFER_STRIDE as u32;
        Some((BufId(index), Span { start, len: BUFFER_STRIDE as u32 }))
    }

    /// Gives a held buffer back; one that is not held stays as it is.
    pub(crate) fn release(&mut self, buf: BufId) {
        let Some(buffer) = self.table.get_mut(usize::from(buf.0)) else {
            return;
        };
        debug_assert_eq!(buffer.state, State::Held, "released twice");
        match (buffer.state, buffer.pins) {
            (State::Held, 0) => self.send_home(buf.0),
            (State::Held, _) => buffer.state = State::Resting,
            (State::Home | State::Resting, _) => {}
        }
    }

    /// Keeps the buffer under `span` from being used again, until [`Self::unpin`] of the returned number.
    /// `None` if the span does not lie within one buffer that is in use.
    pub(crate) fn pin(&mut self, span: Span) -> Option<u16> {
        let index = span.start as usize / BUFFER_STRIDE;
        let end = span.start as usize % BUFFER_STRIDE + span.len as usize;
        let buffer = self.table.get_mut(index).filter(|_| end <= BUFFER_STRIDE)?;
        if buffer.state == State::Home {
            return None;
        }
        buffer.pins = buffer.pins.checked_add(1)?;
        Some(index as u16)
    }

    pub(crate) fn unpin(&mut self, index: u16) {
        let Some(buffer) = self.table.get_mut(usize::from(index)) else {
            return;
        };
        buffer.pins = buffer.pins.saturating_sub(1);
        if buffer.pins == 0 && buffer.state == State::Resting {
            self.send_home(index);
        }
    }

    /// Where the kernel reads a pinned span from.
    pub(crate) const fn address(&self, span: Span) -> *mut u8 {
        self.region.as_ptr().wrapping_add(span.start as usize)
    }

    /// The buffer that an address of [`Self::address`] lies in.
    pub(crate) fn index_at(&self, address: *const u8) -> u16 {
        ((address as usize - self.region.as_ptr() as usize) / BUFFER_STRIDE) as u16
    }

    /// Whether there is a spare buffer again after there was none; true once.
    pub(crate) fn take_relief(&mut self) -> bool {
        let relieved = self.starved && !self.spare.is_empty();
        self.starved &= !relieved;
        relieved
    }

    fn group_of(&self, index: u16) -> Option<Group> {
        Group::ALL.into_iter().zip(self.bounds).find(|(_, bound)| index < *bound).map(|(group, _)| group)
    }

    fn send_home(&mut self, index: u16) {
        self.table[usize::from(index)].state = State::Home;
        match self.group_of(index) {
            Some(group) => self.lent[group as usize].rest.push(index),
            None => self.spare.push(index),
        }
    }
}

/// One provided-buffer ring: the buffers that the kernel may fill, in the order in which it will.
struct Lent {
    ring: Memory,
    mask: u16,
    tail: u16,
    /// Buffers that the kernel has.
    stock: u16,
    /// Up to how many it shall have.
    window: u16,
    /// Bytes that it has filled since the last refill.
    filled: usize,
    /// The others that are at home; a stack.
    rest: Vec<u16>,
    head: usize,
}

impl Lent {
    fn new(count: u16, head: usize) -> io::Result<Self> {
        let places = count.next_power_of_two();
        let ring = Memory::new(usize::from(places) * size_of::<BufRingEntry>())?;
        let rest = Vec::with_capacity(usize::from(count));
        let window = WINDOW_MIN.min(count);
        Ok(Self { ring, mask: places - 1, tail: 0, stock: 0, window, filled: 0, rest, head })
    }

    /// Halves the window after more bytes than the cache should hold, doubles it after few bytes had
    /// emptied it.
    fn adapt(&mut self) {
        let places = self.mask + 1;
        if self.filled > FILLED_MAX {
            self.window = (self.window / 2).max(WINDOW_MIN.min(places));
        } else if self.stock == 0 && (1..FILLED_MAX / 4).contains(&self.filled) {
            self.window = (self.window * 2).min(places);
        }
        self.filled = 0;
    }

    fn lend(&mut self, index: u16, base: u64) {
        let place = usize::from(self.tail & self.mask);
        let entries = self.ring.as_ptr().cast::<BufRingEntry>();
        // SAFETY:
        // - the ring has `mask + 1` entries and `place` is masked, so the entry lies inside;
        // - an entry is plain integers, zeroed from the start, and page alignment covers theirs;
        // - the kernel reads entries only between its head and the tail, which is not yet moved over this
        //   one; there are never more buffers than entries, so it is not one that the kernel still has.
        let entry = unsafe { &mut *entries.add(place) };
        entry.set_addr(base + self.head as u64);
        entry.set_len((BUFFER_STRIDE - self.head) as u32);
        entry.set_bid(index);
        self.tail = self.tail.wrapping_add(1);
        self.stock += 1;
        // SAFETY: the tail is the last two bytes of the first entry, aligned and inside the mapping. The kernel
        // only reads it; setting an entry does not touch it. Release: the entry is complete before it shows.
        unsafe {
            AtomicU16::from_ptr(BufRingEntry::tail(entries).cast_mut()).store(self.tail, Ordering::Release)
        };
    }
}

/// The smallest window: super-packets that the kernel may read ahead of us, a quarter of a megabyte. Two and
/// four cost the same, eight a tenth more when there is that much to read.
const WINDOW_MIN: u16 = 4;

/// Bytes between two refills above which buffers fall out of a core's cache before they are used again.
const FILLED_MAX: usize = 256 * 1_024;

#[cfg(test)]
mod tests;
