//! Thirty-two secret bytes.

use core::fmt;
use zeroize::{ZeroizeOnDrop, Zeroizing};

/// A key on its way to the data plane: wiped when dropped, never printed.
///
/// It lives in one place of the heap, so moving a command around leaves no copies on stacks. Zeros, which stand for no
/// key, need no place.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(Option<Box<Zeroizing<[u8; 32]>>>);

impl ZeroizeOnDrop for Secret {}

impl Secret {
    /// Copies the bytes in; the caller wipes its own.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self((*bytes != [0; 32]).then(|| Box::new(Zeroizing::new(*bytes))))
    }

    /// The bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        self.0.as_deref().map_or(&[0; 32], |bytes| bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
