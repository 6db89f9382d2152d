//! Thirty-two secret bytes.

use core::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A key on its way to the data plane: wiped when dropped, never printed.
///
/// It lives in one place of the heap, so moving a command around leaves no copies on stacks.
#[derive(Clone, Eq, PartialEq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Box<[u8; 32]>);

impl Secret {
    /// Copies the bytes in; the caller wipes its own.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(Box::new(*bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
