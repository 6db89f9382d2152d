//! From a receiver index to its peer, for each datagram that comes.
//!
//! One array of eight bytes an entry, at most half full. An entry lies at its *home*, the place that its random bits name,
//! or in the next free place behind it; what is removed is closed up, so a search ends at the first empty place. Our
//! own draws are the hash: a stranger can ask for any index, but not where the held ones lie, so he meets two or three
//! entries on average and never a run that he has made.
//!
//! **Invariant:** between an entry's home and its place no place is empty.

use crate::PeerId;
use crate::limits::INDICES_MAX;

/// Indices and who holds them. Nothing is allocated before the first.
#[derive(Default)]
pub struct Table {
    /// A power of two of them, or none.
    places: Vec<Entry>,
    held: usize,
}

/// One place. Empty where `peer` is [`NOBODY`].
#[derive(Clone, Copy)]
struct Entry {
    index: u32,
    peer: u32,
}

const EMPTY: Entry = Entry { index: 0, peer: NOBODY };
/// Far above every slot of a peer.
const NOBODY: u32 = u32::MAX;
/// Places of the first allocation: a few cache lines.
const PLACES_MIN: usize = 64;
/// Bits of an index below its random ones, which are the same for all of a worker's.
const OWNER_BITS: u32 = u8::BITS;

const _: () = assert!(size_of::<Entry>() == 8, "eight entries share a cache line");
const _: () = assert!(
    INDICES_MAX.next_power_of_two() * 2 <= 1 << (u32::BITS - OWNER_BITS),
    "every place is some index's home"
);

impl Table {
    /// Who holds `index`. Costs the same few places for every index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<PeerId> {
        let found = self.places.get(self.place_of(index)?)?;
        (found.peer != NOBODY).then_some(PeerId(found.peer))
    }

    /// Gives `index` to `peer`, also when somebody else had it. `false` when [`INDICES_MAX`] are held: then nothing
    /// has changed. Allocates when the table is half full.
    pub fn insert(&mut self, index: u32, peer: PeerId) -> bool {
        if self.held >= INDICES_MAX && self.get(index).is_none() {
            return false;
        }
        if self.held * 2 >= self.places.len() {
            self.grow();
        }
        self.put(Entry { index, peer: peer.0 });
        true
    }

    /// Gives `index` back. One that nobody holds stays so.
    pub fn remove(&mut self, index: u32) {
        let Some(mut hole) = self.place_of(index).filter(|place| self.is_taken(*place)) else { return };
        self.held -= 1;
        let mut place = hole;
        loop {
            place = self.after(place);
            if !self.is_taken(place) {
                break;
            }
            // What lies behind the hole may move into it unless its home is behind the hole too.
            let entry = self.places[place];
            if self.distance(self.home(entry.index), place) >= self.distance(hole, place) {
                self.places[hole] = entry;
                hole = place;
            }
        }
        self.places[hole] = EMPTY;
    }

    /// How many are held.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.held
    }

    /// Whether none is held.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.held == 0
    }

    fn grow(&mut self) {
        let places = vec![EMPTY; (self.places.len() * 2).max(PLACES_MIN)];
        let before = std::mem::replace(&mut self.places, places);
        self.held = 0;
        before.into_iter().filter(|entry| entry.peer != NOBODY).for_each(|entry| self.put(entry));
    }

    fn put(&mut self, entry: Entry) {
        if let Some(place) = self.place_of(entry.index) {
            self.held += usize::from(!self.is_taken(place));
            self.places[place] = entry;
        }
    }

    /// Where `index` lies, or the empty place where it would; `None` before the first allocation.
    fn place_of(&self, index: u32) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let mut place = self.home(index);
        // Half of the places are empty, so this ends.
        while self.is_taken(place) && self.places[place].index != index {
            place = self.after(place);
        }
        Some(place)
    }

    fn is_taken(&self, place: usize) -> bool {
        self.places[place].peer != NOBODY
    }

    fn home(&self, index: u32) -> usize {
        (index >> OWNER_BITS) as usize & (self.places.len() - 1)
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    /// Steps from one place on to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.places.len() - 1)
    }
}

#[cfg(test)]
mod tests;
