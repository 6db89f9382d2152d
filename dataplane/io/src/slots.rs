//! Send slots: where packets are sealed into, and where sends read from.
//!
//! **Invariant:** a slot is free, being filled, or in flight. Its bytes can only be reached while it is
//! being filled, so a send never reads what is being written.
#![forbid(unsafe_code)]

use crate::memory::Memory;
use crate::{SLOT_LEN, SlotId};
use std::io;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Free,
    Filling,
    Flying,
}

pub(crate) struct Slots {
    memory: Memory,
    states: Box<[State]>,
    /// A stack, so that the slot which left last, and lies in the cache, comes back first.
    free: Vec<u16>,
    starved: bool,
}

impl Slots {
    pub(crate) fn new(count: u16) -> io::Result<Self> {
        Ok(Self {
            memory: Memory::new(usize::from(count) * SLOT_LEN)?,
            states: vec![State::Free; usize::from(count)].into(),
            free: (0..count).rev().collect(),
            starved: false,
        })
    }

    /// A slot to fill.
    pub(crate) fn take(&mut self) -> Option<SlotId> {
        let Some(slot) = self.free.pop() else {
            self.starved = true;
            return None;
        };
        self.states[usize::from(slot)] = State::Filling;
        Some(SlotId(slot))
    }

    /// The bytes of a slot that is being filled; none of any other.
    pub(crate) fn bytes_mut(&mut self, slot: SlotId) -> &mut [u8] {
        if self.states.get(usize::from(slot.0)) != Some(&State::Filling) {
            return &mut [];
        }
        let start = usize::from(slot.0) * SLOT_LEN;
        &mut self.memory.as_mut_slice()[start..start + SLOT_LEN]
    }

    /// Marks a filled slot as in flight; says no if it was not being filled.
    pub(crate) fn launch(&mut self, slot: SlotId) -> bool {
        match self.states.get_mut(usize::from(slot.0)) {
            Some(state @ State::Filling) => {
                *state = State::Flying;
                true
            }
            Some(State::Free | State::Flying) | None => false,
        }
    }

    /// Makes a slot free again, sent or unused.
    pub(crate) fn free(&mut self, slot: SlotId) {
        if let Some(state @ (State::Filling | State::Flying)) = self.states.get_mut(usize::from(slot.0)) {
            *state = State::Free;
            self.free.push(slot.0);
        }
    }

    /// Where a send of the slot's bytes reads from.
    pub(crate) const fn address(&self, slot: u16, offset: usize) -> *const u8 {
        self.memory.as_ptr().wrapping_add(slot as usize * SLOT_LEN + offset)
    }

    /// Whether there is a slot again after there was none; true once.
    pub(crate) fn take_relief(&mut self) -> bool {
        let relieved = self.starved && !self.free.is_empty();
        self.starved &= !relieved;
        relieved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_goes_round() {
        let mut slots = Slots::new(2).expect("a little memory");
        let (a, b) = (slots.take().expect("first"), slots.take().expect("second"));
        assert_ne!(a, b);
        assert_eq!(slots.take(), None);
        assert!(!slots.take_relief(), "still none");
        assert_eq!(slots.bytes_mut(a).len(), SLOT_LEN);
        assert!(slots.launch(a));
        assert!(!slots.launch(a), "in flight already");
        assert!(slots.bytes_mut(a).is_empty(), "out of reach in flight");
        slots.free(a);
        slots.free(a);
        assert!(slots.take_relief());
        assert!(!slots.take_relief(), "told once");
        assert_eq!(slots.take(), Some(a));
        assert_eq!(slots.take(), None, "freed twice is free once");
        assert!(slots.bytes_mut(SlotId(9)).is_empty() && !slots.launch(SlotId(9)));
    }
}
