//! Descriptors that the event loop waits for.
#![allow(unsafe_code)] // tokio leaves the proof that a descriptor stays open to its caller.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A value whose descriptor the loop waits for.
pub(crate) type Watched<T> = AsyncFd<Raw<T>>;

/// Waits for `inner` to become readable from now on.
pub(crate) fn watched<T: AsFd>(inner: T) -> io::Result<Watched<T>> {
    // SAFETY: the descriptor stays open and the same for as long as the registration lives:
    // - `AsFd` lends a descriptor that is open as long as the value is;
    // - `Raw` gives nobody a way to replace the value's descriptor, and tokio drops it after the registration.
    Ok(unsafe { AsyncFd::register_with_interest(Raw(inner), Interest::READABLE) }?)
}

/// Gives tokio the number that it wants of types that only lend their descriptor.
pub(crate) struct Raw<T>(pub(crate) T);

impl<T: AsFd> AsRawFd for Raw<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
