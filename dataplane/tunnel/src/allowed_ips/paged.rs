//! A long array in pages that copies share until one of them changes.
//!
//! A copy costs one reference per page, a change through a copy that shares a page costs that page. So a table can be
//! handed to readers as an immutable snapshot after every change of a single entry.
//!
//! **Invariant:** a change is never seen through another copy.

use std::sync::Arc;

/// Entries of a page: a few kibibytes, so that copying one costs less than finding the place in it.
pub(super) const PAGE: usize = 256;
const _: () = assert!(PAGE.is_power_of_two(), "the page of an entry is a shift away");

#[derive(Clone, Debug)]
pub(super) struct Paged<T> {
    pages: Vec<Arc<[T; PAGE]>>,
    len: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), len: 0 }
    }
}

impl<T: Copy> Paged<T> {
    /// `len` times `fill`.
    pub(super) fn filled(fill: T, len: usize) -> Self {
        Self { pages: (0..len.div_ceil(PAGE)).map(|_| Arc::new([fill; PAGE])).collect(), len }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, at: usize) -> Option<&T> {
        // What a page holds behind the end is padding.
        if at >= self.len {
            return None;
        }
        self.pages.get(at / PAGE)?.get(at % PAGE)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        if at >= self.len {
            return None;
        }
        Arc::make_mut(self.pages.get_mut(at / PAGE)?).get_mut(at % PAGE)
    }

    pub(super) fn push(&mut self, value: T) {
        if self.len.is_multiple_of(PAGE) {
            self.pages.push(Arc::new([value; PAGE]));
        }
        self.len += 1;
        if let Some(last) = self.get_mut(self.len - 1) {
            *last = value;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flat_map(|page| page.iter()).take(self.len)
    }
}

#[cfg(test)]
mod tests;
