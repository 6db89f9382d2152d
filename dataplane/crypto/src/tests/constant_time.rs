//! Time, addresses and branches say nothing about keys and texts: tools look, in the code as it was compiled.
//!
//! Two tools, because neither sees all. [`memcheck`] runs under valgrind, which follows each secret byte through all
//! instructions and reports a branch or an address that depends on one; but valgrind knows no AVX-512. [`stepper`]
//! runs a child instruction by instruction and compares the ways that different secrets took: it works for every
//! kernel, but sees only the branches of the secrets that it tried.
//!
//! **Invariant:** each tool is shown a function that leaks, and must catch it.

mod memcheck;
mod stepper;

use std::hint::black_box;

use super::{KEY_LEN, Kernel, Key, Open, Seal, TAG_LEN, open, seal};

/// Text lengths of each batch: a packet alone, too long to be left to a library; small packets in lanes; two that go
/// in step and one left over.
const BATCHES: [&[usize]; 3] = [&[700], &[64, 64, 40, 64], &[300, 577, 130]];

/// A batch with everything that its work touches, so that the work itself allocates nothing.
struct Batch {
    key: Key,
    plains: Vec<Vec<u8>>,
    texts: Vec<Vec<u8>>,
}

impl Batch {
    fn new(kernel: Kernel, lens: &[usize]) -> Self {
        Self {
            key: Key::for_kernel(kernel, &[0; KEY_LEN]),
            plains: lens.iter().map(|&len| vec![0; len]).collect(),
            texts: lens.iter().map(|&len| vec![0; len + TAG_LEN]).collect(),
        }
    }

    fn seal(&mut self) {
        let mut jobs = arrayvec::ArrayVec::<Seal<'_>, 4>::new();
        for (plain, out) in self.plains.iter().zip(&mut self.texts) {
            let (head, body) = plain.split_at(20);
            jobs.push(Seal { key: &self.key, counter: 1, head, body, out });
        }
        seal(&mut jobs);
    }

    /// Whether all tags were right.
    fn open(&mut self) -> bool {
        let mut jobs = arrayvec::ArrayVec::<Open<'_>, 4>::new();
        for text in &mut self.texts {
            jobs.push(Open { key: &self.key, counter: 1, text, ok: false });
        }
        open(&mut jobs);
        jobs.iter().all(|job| job.ok)
    }
}

/// What the tools must catch by its branch: ends at the first difference.
#[inline(never)]
fn branches_on(a: &[u8], b: &[u8]) -> bool {
    for (a, b) in a.iter().zip(b) {
        if black_box(*a) != *b {
            return false;
        }
    }
    true
}
