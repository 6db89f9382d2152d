//! An allegation by the other process, and why it was refused.
//!
//! A value that comes out of shared memory can be anything, and it can be something else a moment later.
//! [`Claim`] is a private copy of such a value. It shows nothing until a check has been named.
//!
//! **Invariant:** no method gives the value out unchecked, so an unchecked index or length cannot be written.

use core::fmt;

/// A private copy of something that the other process alleges.
///
/// Having the value that a check gave back tells: it was copied once, so it cannot change any more, and
/// it is within the bounds that the check named.
///
/// It does *not* tell: that the other side meant it, that it is fresh, that it agrees with any other value in the
/// memory, that what it names (a peer, a socket) exists, or that a second reading would give the same.
pub struct Claim<T>(T);

impl<T> Claim<T> {
    /// Takes a copy that has just been read.
    pub const fn new(alleged: T) -> Self {
        Self(alleged)
    }

    /// Turns the allegation into a value if `check` knows one for it; `what` names it in the refusal.
    ///
    /// # Errors
    /// [`Refused::Field`] when `check` answers `None`.
    pub fn check<U>(self, what: &'static str, check: impl FnOnce(T) -> Option<U>) -> Result<U, Refused> {
        check(self.0).ok_or(Refused::Field(what))
    }
}

impl<T: PartialOrd> Claim<T> {
    /// The value, if it is not above `most`.
    ///
    /// # Errors
    /// [`Refused::Field`] when it is.
    pub fn at_most(self, most: T, what: &'static str) -> Result<T, Refused> {
        self.check(what, |alleged| (alleged <= most).then_some(alleged))
    }

    /// The value, if it is below `end`: the check for an index.
    ///
    /// # Errors
    /// [`Refused::Field`] when it is not.
    pub fn below(self, end: T, what: &'static str) -> Result<T, Refused> {
        self.check(what, |alleged| (alleged < end).then_some(alleged))
    }

    /// The value, if it lies from `least` to `most`.
    ///
    /// # Errors
    /// [`Refused::Field`] when it does not.
    pub fn within(self, least: T, most: T, what: &'static str) -> Result<T, Refused> {
        self.check(what, |alleged| (least <= alleged && alleged <= most).then_some(alleged))
    }
}

impl<T> fmt::Debug for Claim<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim(unchecked)")
    }
}

/// Why something from the other side was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// A value is outside its bounds; the text names the field.
    #[error("the other side's {0} is out of bounds")]
    Field(&'static str),
    /// The memory does not begin as ours does.
    #[error("this is not a ringmesh memory")]
    Magic,
    /// The other side speaks another version of the layout and the messages.
    #[error(
        "the other side speaks version {theirs} of the shared memory, this program version {}",
        crate::VERSION
    )]
    Version {
        /// The version that it named.
        theirs: u32,
    },
    /// The memory belongs to another pair of processes, or to an earlier life of this one.
    #[error("the memory is of generation {found:#x}, not of generation {wanted:#x}")]
    Generation {
        /// The generation that was announced.
        wanted: u64,
        /// The generation that the memory names.
        found: u64,
    },
    /// Another data plane has attached to this memory before; its rings are not fresh.
    #[error("another process has attached to this memory before")]
    AlreadyAttached,
    /// The memory can still be resized, which would let the other side stop us with SIGBUS.
    #[error("the shared memory is not sealed against resizing")]
    NotSealed,
    /// The memory is not as large as its own capacities say.
    #[error("the shared memory has {actual} bytes, its header asks for {claimed}")]
    Size {
        /// Bytes that the capacities in the header need.
        claimed: u64,
        /// Bytes that the file has.
        actual: u64,
    },
    /// The kernel refused a call; the number is its errno.
    #[error("the shared memory cannot be used: {}", std::io::Error::from_raw_os_error(*.0))]
    Os(i32),
}

#[cfg(not(loom))]
impl From<rustix::io::Errno> for Refused {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Os(errno.raw_os_error())
    }
}
