//! A list that only grows, in boards of equal size: what lies on it is never moved.
//!
//! A circle's records lie here. In one piece they would have to be copied whole whenever the piece is full, tens of megabytes while
//! somebody waits for one record; and up to half of the piece would be empty.
//!
//! **Invariant:** all boards but the last are full.

use std::ops::{Index, IndexMut};

/// Entries of one board: enough that a board costs nothing beside them, few enough that an empty one wastes nothing.
const BOARD: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct Shelf<T> {
    boards: Vec<Vec<T>>,
}

impl<T> Shelf<T> {
    pub(crate) const fn new() -> Self {
        Self { boards: Vec::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.boards.last().map_or(0, |last| (self.boards.len() - 1) * BOARD + last.len())
    }

    /// Puts an entry at the end, where [`Shelf::len`] was.
    pub(crate) fn push(&mut self, entry: T) {
        match self.boards.last_mut() {
            Some(last) if last.len() < BOARD => last.push(entry),
            Some(_) | None => {
                let mut board = Vec::with_capacity(BOARD);
                board.push(entry);
                self.boards.push(board);
            }
        }
    }

    /// All entries in the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.boards.iter().flatten()
    }
}

impl<T> Index<usize> for Shelf<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.boards[at / BOARD][at % BOARD]
    }
}

impl<T> IndexMut<usize> for Shelf<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.boards[at / BOARD][at % BOARD]
    }
}

#[cfg(test)]
mod tests;
