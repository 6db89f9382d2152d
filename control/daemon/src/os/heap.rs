//! The heap after a great change.
//!
//! A request with 100,000 peers leaves holes of its own size between what stays of it, and the allocator keeps them. Nothing
//! may ever need them again.
#![allow(unsafe_code, reason = "the allocator's call has no safe interface")]

/// Gives free memory back to the kernel; takes some milliseconds for a large heap.
pub(crate) fn give_back() {
    // SAFETY: the call only gives back pages that no allocation lies on, under the allocator's own lock.
    unsafe { libc::malloc_trim(0) };
}
