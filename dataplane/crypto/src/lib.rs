//! ChaCha20-Poly1305 (RFC 8439) over batches of packets.
//!
//! A caller fills jobs, [`seal`] or [`open`] does them all. Jobs of one batch may have different keys and
//! lengths; source and target of sealing differ, so that encrypting is also the one copy that a packet makes.
//! Which implementation works is settled by [`kernel`] when a key is made and never asked again.
//!
//! **Invariant:** nothing here knows what a packet means, allocates after [`Key::new`], or returns a plaintext
//! whose tag it has not checked.

mod arch;
mod batch;
mod chacha;
mod kernel;
mod poly1305;

use std::fmt;

pub use kernel::{ENV, Kernel, force, kernel};

/// Length of a tag, in bytes.
pub const TAG_LEN: usize = 16;
/// Length of a key, in bytes.
pub const KEY_LEN: usize = 32;

/// A key, prepared for the kernel that was chosen when it was made. Wiped on drop.
pub struct Key(kernel::Prepared);

impl Key {
    /// Prepares `bytes` for the kernel of this process, and for the library where that is faster. The only place that
    /// allocates.
    #[must_use]
    pub fn new(bytes: &[u8; KEY_LEN]) -> Self {
        Self(kernel::Prepared::new(kernel(), bytes))
    }

    /// Reads something of the key, to have it near when it is used. What is read goes nowhere.
    pub fn read_ahead(&self) {
        self.0.read_ahead();
    }

    /// Prepares `bytes` for one certain kernel, which does all packets itself: for tests and benches that compare them.
    #[must_use]
    pub fn for_kernel(kernel: Kernel, bytes: &[u8; KEY_LEN]) -> Self {
        Self(kernel::Prepared::alone(kernel, bytes))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// One packet to be sealed.
#[derive(Debug)]
pub struct Seal<'a> {
    /// The key.
    pub key: &'a Key,
    /// The nonce: four zero bytes, then this as eight little-endian bytes. Never to be used twice with one key.
    pub counter: u64,
    /// First part of the plaintext, often rewritten headers; may be empty.
    pub head: &'a [u8],
    /// Second part of the plaintext, from wherever it lies; may be empty.
    pub body: &'a [u8],
    /// Gets ciphertext and tag. What is left between `head`, `body` and the tag is sealed as zeros: padding.
    pub out: &'a mut [u8],
}

/// Seals every job, without additional data.
///
/// # Panics
/// When an `out` is shorter than its `head`, its `body` and a tag together.
pub fn seal(jobs: &mut [Seal<'_>]) {
    for jobs in jobs.chunk_by_mut(|a, b| a.key.0.kernel() == b.key.0.kernel()) {
        kernel::seal(jobs);
    }
}

/// One packet to be opened.
#[derive(Debug)]
pub struct Open<'a> {
    /// The key.
    pub key: &'a Key,
    /// The nonce, as in [`Seal::counter`].
    pub counter: u64,
    /// Ciphertext and tag. Opened in place; the last 16 bytes mean nothing afterwards.
    pub text: &'a mut [u8],
    /// Whether the tag fitted. Only then `text` is plaintext; otherwise it holds the ciphertext or zeros.
    pub ok: bool,
}

/// Opens every job and sets its `ok`. One forged packet does not stop the others.
pub fn open(jobs: &mut [Open<'_>]) {
    for jobs in jobs.chunk_by_mut(|a, b| a.key.0.kernel() == b.key.0.kernel()) {
        kernel::open(jobs);
    }
}

/// The 96-bit nonce of a counter, as WireGuard and TLS-like protocols form it.
const fn nonce(counter: u64) -> [u8; NONCE_LEN] {
    let [a, b, c, d, e, f, g, h] = counter.to_le_bytes();
    [0, 0, 0, 0, a, b, c, d, e, f, g, h]
}

const NONCE_LEN: usize = 12;

#[cfg(test)]
mod tests;
