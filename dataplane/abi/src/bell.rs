//! The eventfd that wakes one side.

use rustix::event::EventfdFlags;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// An eventfd, never blocking. One side strikes it, the other waits for it with poll or epoll and hushes it.
///
/// A full counter (only somebody hostile fills it) is as good as a struck one.
pub struct Bell(OwnedFd);

impl Bell {
    /// A new one.
    ///
    /// # Errors
    /// What the kernel answers when fds or memory run out.
    pub fn new() -> io::Result<Self> {
        Ok(Self(rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Takes an fd that the other side made.
    ///
    /// # Errors
    /// `InvalidInput` when using it could block.
    pub fn adopt(fd: OwnedFd) -> io::Result<Self> {
        if rustix::fs::fcntl_getfl(&fd)?.contains(rustix::fs::OFlags::NONBLOCK) {
            Ok(Self(fd))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "an eventfd that blocks"))
        }
    }

    /// Wakes the other side.
    ///
    /// # Errors
    /// What the kernel answers when this is no eventfd after all.
    pub fn strike(&self) -> io::Result<()> {
        match rustix::io::retry_on_intr(|| rustix::io::write(&self.0, &1_u64.to_ne_bytes())) {
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes it silent again, after waking; true if it had been struck.
    ///
    /// # Errors
    /// What the kernel answers when this is no eventfd after all.
    pub fn hush(&self) -> io::Result<bool> {
        let mut count = [0; 8];
        match rustix::io::retry_on_intr(|| rustix::io::read(&self.0, &mut count)) {
            Ok(_) => Ok(true),
            Err(Errno::AGAIN) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
