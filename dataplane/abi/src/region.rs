//! The memory itself: a sealed memfd that is mapped, or a piece of the heap in tests and under Miri.
//!
//! This is the one room of the crate where unsafe code is allowed. It gives out shared references to types that
//! consist of atomics only; everything above it is safe code.
//!
//! **Invariant:** a file is mapped only after its seals were seen (nobody can shrink it any more) and its size was compared with
//! what will be used. So no access can raise SIGBUS, whatever the other side does.
#![allow(unsafe_code)] // Mapping memory, and viewing it as atomics, is what this module is for.

use crate::Refused;
use crate::layout::Header;
use crate::ring::{Doze, Indices};
use crate::rows::{PeerRow, PlaneRow, WorkerRow};
use crate::sync::AtomicU64;
use core::ptr::NonNull;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Types that may be viewed in memory which somebody else writes at any time.
///
/// # Safety
/// The type consists of atomic integers only (and arrays and `repr(C)` structs of them), so that every bit pattern is valid and a
/// concurrent write is no data race; its alignment is at most 64.
pub(crate) unsafe trait Shared {}

// SAFETY: an atomic integer.
unsafe impl Shared for AtomicU64 {}
// SAFETY: `repr(C)`, atomic integers only, aligned to 64.
unsafe impl Shared for Header {}
// SAFETY: as above.
unsafe impl Shared for Indices {}
// SAFETY: as above.
unsafe impl Shared for Doze {}
// SAFETY: as above.
unsafe impl Shared for PlaneRow {}
// SAFETY: as above.
unsafe impl Shared for WorkerRow {}
// SAFETY: as above.
unsafe impl Shared for PeerRow {}

/// A stretch of memory, aligned to 64 and zeroed at birth, that lives as long as this value.
pub(crate) struct Region {
    base: NonNull<Line>,
    /// Bytes; a multiple of 64.
    len: usize,
    /// Mapped, not allocated.
    mapped: bool,
}

/// One cache line, also the unit of heap regions.
#[repr(C, align(64))]
#[derive(Default)]
struct Line([AtomicU64; 8]);

// SAFETY: the memory is owned by the region and reached only through atomics.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// Seals that every memory of ours carries.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// Makes a memfd of `len` zero bytes that can never be resized.
pub(crate) fn create_sealed(len: usize) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let fd = match rustix::fs::memfd_create(c"ringmesh", flags | MemfdFlags::NOEXEC_SEAL) {
        // Linux before 6.3 does not know NOEXEC_SEAL.
        Err(Errno::INVAL) => rustix::fs::memfd_create(c"ringmesh", flags),
        made => made,
    }?;
    rustix::fs::ftruncate(&fd, len as u64)?;
    rustix::fs::fcntl_add_seals(&fd, SEALS)?;
    Ok(fd)
}

/// The size of a file whose seals promise that it keeps this size.
pub(crate) fn sealed_len(fd: BorrowedFd<'_>) -> Result<u64, Refused> {
    // A file that cannot be sealed at all answers EINVAL.
    let seals = rustix::fs::fcntl_get_seals(fd).map_err(|_| Refused::NotSealed)?;
    if !seals.contains(SEALS) {
        return Err(Refused::NotSealed);
    }
    Ok(rustix::fs::fstat(fd)?.st_size.cast_unsigned())
}

impl Region {
    /// Maps the first `len` bytes of a sealed file, which must have at least so many.
    pub(crate) fn map(fd: impl AsFd, len: usize) -> Result<Self, Refused> {
        let actual = sealed_len(fd.as_fd())?;
        if len == 0 || !len.is_multiple_of(size_of::<Line>()) || actual < len as u64 {
            return Err(Refused::Size { claimed: len as u64, actual });
        }
        // SAFETY:
        // - the kernel chooses the address, so no existing mapping is touched;
        // - the file has at least `len` bytes and is sealed against shrinking, so all pages can be accessed.
        let base = unsafe {
            rustix::mm::mmap(
                core::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                fd,
                0,
            )
        }?;
        let base = NonNull::new(base.cast()).ok_or(Refused::Os(Errno::FAULT.raw_os_error()))?;
        Ok(Self { base, len, mapped: true })
    }

    /// The same on the heap, for tests, models and Miri.
    #[cfg(test)]
    pub(crate) fn heap(len: usize) -> Self {
        let lines: Box<[Line]> = (0..len.div_ceil(size_of::<Line>())).map(|_| Line::default()).collect();
        let len = lines.len() * size_of::<Line>();
        let base = NonNull::from(Box::leak(lines)).cast();
        Self { base, len, mapped: false }
    }

    /// The value at byte `at`, which is an offset of our own computing.
    pub(crate) fn view<T: Shared>(&self, at: usize) -> &T {
        &self.views(at, 1)[0]
    }

    /// `count` values from byte `at` on, which is an offset of our own computing.
    pub(crate) fn views<T: Shared>(&self, at: usize, count: usize) -> &[T] {
        let bytes = count.checked_mul(size_of::<T>()).and_then(|bytes| bytes.checked_add(at));
        assert!(bytes.is_some_and(|end| end <= self.len), "a layout larger than its region");
        assert!(at.is_multiple_of(align_of::<T>()), "a layout that is not aligned");
        const { assert!(align_of::<T>() <= align_of::<Line>()) };
        // SAFETY:
        // - `at + count * size_of::<T>() <= len`, checked above, so all of it lies in the region, which lives as long as `self`;
        // - the base is aligned to 64 (a page, or `Line`) and `at` to T, checked above, whose alignment is at most 64;
        // - `T: Shared`, so any bytes are a valid T and writes by others while we look are atomic accesses of atomics.
        unsafe { core::slice::from_raw_parts(self.base.as_ptr().byte_add(at).cast(), count) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if self.mapped {
            // SAFETY: the mapping was made by `map` with this length, and no view outlives `self`.
            // A failure would leave it mapped, which harms nobody.
            let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        } else {
            let lines = core::ptr::slice_from_raw_parts_mut(self.base.as_ptr(), self.len / size_of::<Line>());
            // SAFETY: `heap` leaked a boxed slice of exactly so many lines, and no view outlives `self`.
            drop(unsafe { Box::from_raw(lines) });
        }
    }
}

#[cfg(test)]
mod tests;
