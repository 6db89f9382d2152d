//! Anonymous memory that the kernel reads and writes while requests run.
//!
//! A `Vec` could move or be freed while a request still points into it; this stays where it is until it
//! is dropped, begins on a page, and stays out of core dumps, since plaintext passes through it.
#![allow(unsafe_code, reason = "mmap and slices over it")]

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use std::io;
use std::ptr::NonNull;

/// Zeroed, page-aligned memory of a fixed length.
pub(crate) struct Memory {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone and is not tied to the thread that made it.
unsafe impl Send for Memory {}

impl Memory {
    pub(crate) fn new(len: usize) -> io::Result<Self> {
        // SAFETY: a fresh private mapping at an address of the kernel's choice; nothing else refers to it.
        let base = unsafe {
            mmap_anonymous(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )?
        };
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let memory = Self { base, len };
        // SAFETY: exactly the mapping made above; this advice does not change what it holds.
        unsafe { madvise(memory.base.as_ptr().cast(), len, Advice::LinuxDontDump)? };
        Ok(memory)
    }

    pub(crate) const fn as_ptr(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    pub(crate) const fn as_slice(&self) -> &[u8] {
        // SAFETY:
        // - the mapping is `len` readable bytes, zeroed from the start, and lives as long as `self`;
        // - through this value it is only written with `&mut self`;
        // - the kernel writes only where a request points, and requests run inside our own calls into it.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }

    pub(crate) const fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as for `as_slice`, and `&mut self` makes this the only slice.
        unsafe { std::slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping of `new`, unmapped once; no slice outlives `self`. It cannot fail then.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}
