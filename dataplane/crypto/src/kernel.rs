//! Which implementation does the work, and that it does it right.
//!
//! The choice is made once, at the first key: what [`ENV`] or [`force`] names, else the fastest that seals the
//! example of RFC 8439 as the RFC does. A library that was built wrong for this processor is thus found before
//! it has sealed a packet.
//!
//! **Invariant:** a key keeps the kernel that it was made for; the choice is never looked at per packet.

mod aws;
mod portable;
mod vector;

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::{KEY_LEN, NONCE_LEN};

/// Names a kernel (`aws-lc` or `portable`) for a whole process; other values are as if it were not set.
pub const ENV: &str = "RINGMESH_AEAD";

/// An implementation of ChaCha20-Poly1305.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kernel {
    /// AWS-LC's assembly: the fastest library.
    AwsLc,
    /// The `chacha20poly1305` crate: plain Rust, everywhere the same, and the judge of the others.
    Portable,
}

impl Kernel {
    /// All kernels, the fastest first.
    pub const ALL: [Self; 2] = [Self::AwsLc, Self::Portable];

    /// Its name, as [`ENV`] and people use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AwsLc => "aws-lc",
            Self::Portable => "portable",
        }
    }
}

/// The kernel of keys that are made from now on. The first call decides, unless [`force`] was faster.
pub fn kernel() -> Kernel {
    if let Some(kernel) = decode(CHOSEN.load(Relaxed)) {
        return kernel;
    }
    let choice = choose(std::env::var(ENV).ok().as_deref(), vector::holds);
    match CHOSEN.compare_exchange(UNDECIDED, encode(choice), Relaxed, Relaxed) {
        Ok(_) => choice,
        Err(other) => decode(other).unwrap_or(choice),
    }
}

/// Settles the kernel of keys that are made from now on: for tests and benches. Keys keep theirs.
pub fn force(kernel: Kernel) {
    CHOSEN.store(encode(kernel), Relaxed);
}

/// The kernel with the name `wanted`, or else the fastest, of those that `holds` vouches for.
fn choose(wanted: Option<&str>, holds: impl Fn(Kernel) -> bool) -> Kernel {
    let named = Kernel::ALL.into_iter().filter(|kernel| Some(kernel.name()) == wanted);
    named.chain(Kernel::ALL).find(|&kernel| holds(kernel)).unwrap_or(Kernel::Portable)
}

/// A key as its kernel wants it.
pub(crate) enum Prepared {
    AwsLc(aws::Key),
    Portable(portable::Key),
}

impl Prepared {
    pub(crate) fn new(kernel: Kernel, bytes: &[u8; KEY_LEN]) -> Self {
        match kernel {
            // AWS-LC refuses only when it gets no memory; the packets can still flow.
            Kernel::AwsLc => match aws::Key::new(bytes) {
                Some(key) => Self::AwsLc(key),
                None => Self::Portable(portable::Key::new(bytes)),
            },
            Kernel::Portable => Self::Portable(portable::Key::new(bytes)),
        }
    }

    /// Seals `text`, plaintext and room for a tag, in place.
    pub(crate) fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], text: &mut [u8]) {
        match self {
            Self::AwsLc(key) => key.seal(nonce, aad, text),
            Self::Portable(key) => key.seal(nonce, aad, text),
        }
    }

    /// Opens `text`, ciphertext and tag, in place. On `false` it holds no plaintext.
    pub(crate) fn open(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], text: &mut [u8]) -> bool {
        match self {
            Self::AwsLc(key) => key.open(nonce, aad, text),
            Self::Portable(key) => key.open(nonce, aad, text),
        }
    }
}

static CHOSEN: AtomicU8 = AtomicU8::new(UNDECIDED);
const UNDECIDED: u8 = u8::MAX;

const fn encode(kernel: Kernel) -> u8 {
    kernel as u8
}

fn decode(code: u8) -> Option<Kernel> {
    Kernel::ALL.into_iter().find(|&kernel| encode(kernel) == code)
}

#[cfg(test)]
mod tests;
