//! Who is to be attended to next: the deadlines of all peers, in a hierarchical timer wheel.
//!
//! Time goes in steps of [`TICK`], and a tick's number has eleven digits of six bits. A deadline lies at the level of
//! the highest digit in which it differs from the present, in the slot that this digit names: near ones each in the slot of
//! their tick, far ones together. When the present comes to a slot of a higher level, its timers move down. So setting,
//! moving and cancelling a deadline changes a few links, whatever else is set; one costs at most a step per level in all its
//! life; and since every number of 64 bits has its level, nothing is too far ahead.
//!
//! A deadline counts from the end of its tick: it is never early, and late by less than one tick.
//!
//! **Invariant:** a timer is in exactly one list: that of its slot, that of the due ones, or that of the free ones. A slot's
//! bit is set while its list has a timer.

use std::time::Duration;

use crate::PeerId;
use crate::limits::TICK;
use crate::timers::Due;

/// The deadlines, and the present that they are sorted by.
pub(crate) struct Wheel {
    /// The tick up to which everything has become due.
    present: u64,
    levels: Box<[Level; LEVELS]>,
    due: List,
    /// A slab: timers name each other by their places in it.
    timers: Vec<Timer>,
    free: List,
}

/// A deadline that was set. Its owner keeps it, to move or cancel it.
#[derive(Debug)]
pub(crate) struct Armed(u32);

struct Level {
    /// A bit for each slot that has timers.
    occupied: u64,
    slots: [List; SLOTS],
}

/// Ends of a list of timers.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

#[derive(Clone, Copy)]
struct Timer {
    peer: PeerId,
    why: Due,
    /// The tick at whose end it is due.
    tick: u64,
    place: Place,
    before: u32,
    after: u32,
}

/// Which list a timer is in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Slot { level: u8, slot: u8 },
    Due,
    Free,
}

/// What no timer is called.
const NONE: u32 = u32::MAX;
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = u64::BITS.div_ceil(DIGIT_BITS) as usize;
const EMPTY: List = List { first: NONE, last: NONE };

impl Default for Wheel {
    fn default() -> Self {
        Self {
            present: 0,
            levels: Box::new([const { Level { occupied: 0, slots: [EMPTY; SLOTS] } }; LEVELS]),
            due: EMPTY,
            timers: Vec::new(),
            free: EMPTY,
        }
    }
}

impl Wheel {
    /// Sets, moves or cancels the deadline that `armed` stands for. One that has passed is due at once.
    pub(crate) fn set(&mut self, armed: &mut Option<Armed>, peer: PeerId, next: Option<(Duration, Due)>) {
        let Some((at, why)) = next else {
            if let Some(Armed(timer)) = armed.take() {
                self.unlink(timer);
                self.link(timer, Place::Free);
            }
            return;
        };
        let tick = tick_after(at);
        let timer = match armed {
            Some(Armed(timer)) => {
                let timer = *timer;
                let known = &mut self.timers[timer as usize];
                known.why = why;
                if known.tick == tick {
                    return;
                }
                known.tick = tick;
                self.unlink(timer);
                timer
            }
            None => self.make(peer, why, tick, armed),
        };
        self.link(timer, self.place_of(tick));
    }

    /// Makes everything due whose deadline is not after `now`.
    pub(crate) fn turn(&mut self, now: Duration) {
        let target = tick_before(now);
        while let Some((level, slot)) = self.first_slot() {
            let begin = self.begin_of(level, slot);
            if begin > target {
                break;
            }
            self.present = begin;
            self.empty(level, slot);
        }
        self.present = self.present.max(target);
    }

    /// The peer whose deadline passed first. It stays due until its deadline is moved or cancelled.
    pub(crate) fn first_due(&self) -> Option<PeerId> {
        self.timers.get(self.due.first as usize).map(|timer| timer.peer)
    }

    /// When [`Wheel::turn`] has something to do, and what for: a deadline, or a time not after it at which the wheel sorts
    /// what comes. A time that has passed when something is due already.
    pub(crate) fn poll_timeout(&self) -> Option<(Duration, Due)> {
        if let Some(timer) = self.timers.get(self.due.first as usize) {
            return Some((time_of(timer.tick.min(self.present)), timer.why));
        }
        let (level, slot) = self.first_slot()?;
        let first = self.timers.get(self.levels[level].slots[slot].first as usize)?;
        Some((time_of(self.begin_of(level, slot)), first.why))
    }

    /// When a timer is due.
    #[cfg(test)]
    pub(crate) fn deadline(&self, Armed(timer): &Armed) -> Duration {
        time_of(self.timers[*timer as usize].tick)
    }

    /// A timer that is in no list yet.
    fn make(&mut self, peer: PeerId, why: Due, tick: u64, armed: &mut Option<Armed>) -> u32 {
        let mut timer = self.free.first;
        if timer == NONE {
            // There is one for each peer at most, so the number fits.
            timer = self.timers.len() as u32;
            self.timers.push(Timer { peer, why, tick, place: Place::Free, before: NONE, after: NONE });
        } else {
            self.unlink(timer);
        }
        let made = &mut self.timers[timer as usize];
        (made.peer, made.why, made.tick) = (peer, why, tick);
        *armed = Some(Armed(timer));
        timer
    }

    /// The slot that comes first. All timers of a level are before all of the levels above: they share those digits with
    /// the present.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        Some((level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// The first tick of a slot.
    fn begin_of(&self, level: usize, slot: usize) -> u64 {
        let shift = level as u32 * DIGIT_BITS;
        let above = self.present.checked_shr(shift + DIGIT_BITS).unwrap_or(0);
        above.checked_shl(shift + DIGIT_BITS).unwrap_or(0) | (slot as u64) << shift
    }

    /// Sorts the timers of a slot anew whose first tick is the present.
    fn empty(&mut self, level: usize, slot: usize) {
        let mut timer = self.levels[level].slots[slot].first;
        while let Some(&Timer { tick, after, .. }) = self.timers.get(timer as usize) {
            self.unlink(timer);
            self.link(timer, self.place_of(tick));
            timer = after;
        }
    }

    fn place_of(&self, tick: u64) -> Place {
        if tick <= self.present {
            return Place::Due;
        }
        let level = (tick ^ self.present).ilog2() / DIGIT_BITS;
        let slot = tick >> (level * DIGIT_BITS) & (SLOTS as u64 - 1);
        Place::Slot { level: level as u8, slot: slot as u8 }
    }

    /// Puts a timer that is in no list at the end of one.
    fn link(&mut self, timer: u32, place: Place) {
        let list = self.list(place);
        let last = std::mem::replace(&mut list.last, timer);
        if last == NONE {
            list.first = timer;
            self.mark(place, true);
        } else {
            self.timers[last as usize].after = timer;
        }
        let linked = &mut self.timers[timer as usize];
        (linked.place, linked.before, linked.after) = (place, last, NONE);
    }

    /// Takes a timer out of its list.
    fn unlink(&mut self, timer: u32) {
        let Timer { place, before, after, .. } = self.timers[timer as usize];
        match self.timers.get_mut(before as usize) {
            Some(timer) => timer.after = after,
            None => self.list(place).first = after,
        }
        match self.timers.get_mut(after as usize) {
            Some(timer) => timer.before = before,
            None => self.list(place).last = before,
        }
        if before == NONE && after == NONE {
            self.mark(place, false);
        }
    }

    fn list(&mut self, place: Place) -> &mut List {
        match place {
            Place::Slot { level, slot } => &mut self.levels[level as usize].slots[slot as usize],
            Place::Due => &mut self.due,
            Place::Free => &mut self.free,
        }
    }

    fn mark(&mut self, place: Place, occupied: bool) {
        if let Place::Slot { level, slot } = place {
            let bits = &mut self.levels[level as usize].occupied;
            *bits = *bits & !(1 << slot) | u64::from(occupied) << slot;
        }
    }
}

/// The first tick that begins at `at` or after it.
fn tick_after(at: Duration) -> u64 {
    u64::try_from(at.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX)
}

/// The last tick that began at `now` or before it.
fn tick_before(now: Duration) -> u64 {
    u64::try_from(now.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX)
}

/// When a tick begins.
fn time_of(tick: u64) -> Duration {
    let nanos = u128::from(tick) * TICK.as_nanos();
    Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32)
}

#[cfg(test)]
mod tests;
