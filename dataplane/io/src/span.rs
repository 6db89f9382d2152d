//! A stretch of the receive buffers, named by offset instead of by reference.
//!
//! Packets wait in several queues while their buffers are edited in place; a [`Span`] can be kept, copied and
//! sorted meanwhile, where a borrow could not.
#![forbid(unsafe_code)]

use core::ops::Range;

/// `len` bytes that begin `start` bytes into the region of receive buffers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

impl Span {
    /// The same stretch as a range, to index the region with.
    #[inline]
    pub const fn range(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.len as usize
    }
}
