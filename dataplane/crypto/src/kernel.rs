//! Which implementation does the work, and that it does it right.
//!
//! The choice is made once, at the first key: what [`ENV`] or [`force`] names, else the fastest that this processor
//! has and that seals the example of RFC 8439 as the RFC does. A kernel that was built wrong for this processor is
//! thus found before it has sealed a packet.
//!
//! **Invariant:** a key keeps the kernel that it was made for; the choice is never looked at per packet.

mod aws;
mod own;
mod portable;
mod vector;

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::{KEY_LEN, NONCE_LEN, Open, Seal, TAG_LEN, nonce};

/// Names a kernel (`avx512`, `avx2`, `aws-lc` or `portable`) for a whole process; other values, and kernels that
/// this processor has not, are as if it were not set.
pub const ENV: &str = "RINGMESH_AEAD";

/// An implementation of ChaCha20-Poly1305.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kernel {
    /// Ours, sixteen blocks at once.
    Avx512,
    /// Ours, eight blocks at once: for batches of small packets, AWS-LC for the rest.
    Avx2,
    /// AWS-LC's assembly: the fastest library.
    AwsLc,
    /// The `chacha20poly1305` crate: plain Rust, everywhere the same, and the judge of the others.
    Portable,
}

impl Kernel {
    /// All kernels, the fastest first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::AwsLc, Self::Portable];

    /// Its name, as [`ENV`] and people use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::AwsLc => "aws-lc",
            Self::Portable => "portable",
        }
    }

    /// Whether this processor has what the kernel needs.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            Self::Avx512 | Self::Avx2 => own::Instructions::detect(self).is_some(),
            Self::AwsLc | Self::Portable => true,
        }
    }

    /// The kernels that this processor has, the fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kernel| kernel.is_available())
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
    Own(own::Key),
    AwsLc(aws::Key),
    Portable(portable::Key),
}

impl Prepared {
    /// For packets: a kernel of ours leaves to the library what that does faster.
    pub(crate) fn new(kernel: Kernel, bytes: &[u8; KEY_LEN]) -> Self {
        match own::Instructions::detect(kernel) {
            Some(instructions) => Self::Own(own::Key::with_library(instructions, bytes)),
            None => Self::alone(kernel, bytes),
        }
    }

    /// For that kernel and no other, unless this processor has it not: then for a library.
    pub(crate) fn alone(kernel: Kernel, bytes: &[u8; KEY_LEN]) -> Self {
        if let Some(instructions) = own::Instructions::detect(kernel) {
            return Self::Own(own::Key::new(instructions, bytes));
        }
        // AWS-LC refuses only when it gets no memory; the packets can still flow.
        match aws::Key::new(bytes).filter(|_| kernel != Kernel::Portable) {
            Some(key) => Self::AwsLc(key),
            None => Self::Portable(portable::Key::new(bytes)),
        }
    }

    /// A library's key lies where only the library knows.
    pub(crate) fn read_ahead(&self) {
        if let Self::Own(key) = self {
            key.read_ahead();
        }
    }

    /// What the key was made for: jobs of one kernel can share its lanes.
    pub(crate) const fn kernel(&self) -> Kernel {
        match self {
            Self::Own(key) => key.instructions().kernel(),
            Self::AwsLc(_) => Kernel::AwsLc,
            Self::Portable(_) => Kernel::Portable,
        }
    }

    const fn instructions(&self) -> Option<own::Instructions> {
        match self {
            Self::Own(key) => Some(key.instructions()),
            Self::AwsLc(_) | Self::Portable(_) => None,
        }
    }

    /// The library's key beside one of ours.
    const fn beside(&self) -> Option<&aws::Key> {
        match self {
            Self::Own(key) => key.beside(),
            Self::AwsLc(_) | Self::Portable(_) => None,
        }
    }

    /// Seals one text, `body` in `out`, with additional data: what the RFCs' examples have and packets have not.
    fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], body: &[u8], out: &mut [u8]) {
        match self {
            Self::Own(key) => key.seal(nonce, aad, body, out),
            Self::AwsLc(key) => key.seal(nonce, aad, lay_out(&[], body, out)),
            Self::Portable(key) => key.seal(nonce, aad, lay_out(&[], body, out)),
        }
    }

    /// Opens `text`, ciphertext and tag, in place. On `false` it holds no plaintext.
    fn open(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], text: &mut [u8]) -> bool {
        match self {
            Self::Own(key) => key.open(nonce, aad, text),
            Self::AwsLc(key) => key.open(nonce, aad, text),
            Self::Portable(key) => key.open(nonce, aad, text),
        }
    }
}

/// Seals jobs whose keys are all of one kernel.
pub(crate) fn seal(jobs: &mut [Seal<'_>]) {
    if let Some(instructions) = jobs.first().and_then(|job| job.key.0.instructions()) {
        return own::seal(instructions, jobs);
    }
    for job in jobs {
        let text = lay_out(job.head, job.body, job.out);
        match &job.key.0 {
            Prepared::AwsLc(key) => key.seal(&nonce(job.counter), &[], text),
            Prepared::Portable(key) => key.seal(&nonce(job.counter), &[], text),
            Prepared::Own(_) => {}
        }
    }
}

/// Opens jobs whose keys are all of one kernel.
pub(crate) fn open(jobs: &mut [Open<'_>]) {
    if let Some(instructions) = jobs.first().and_then(|job| job.key.0.instructions()) {
        return own::open(instructions, jobs);
    }
    for job in jobs {
        job.ok = job.key.0.open(&nonce(job.counter), &[], job.text);
    }
}

/// Libraries seal in place: brings the text there first. What is left up to the tag is padding.
fn lay_out<'a>(head: &[u8], body: &[u8], out: &'a mut [u8]) -> &'a mut [u8] {
    let (first, rest) = out.split_at_mut(head.len());
    let (second, rest) = rest.split_at_mut(body.len());
    let (padding, _tag) = rest.split_at_mut(rest.len() - TAG_LEN);
    first.copy_from_slice(head);
    second.copy_from_slice(body);
    padding.fill(0);
    out
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
