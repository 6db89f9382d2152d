//! Our own kernels, one per instruction set.
//!
//! They live from filled lanes. A short packet that comes alone fills few, and there AWS-LC is faster, so it does
//! those; beside AVX2 it does large packets too, since its assembly multiplies in scalar registers meanwhile.

use arrayvec::ArrayVec;
use zeroize::ZeroizeOnDrop;

use super::{Prepared, aws};
#[cfg(target_arch = "x86_64")]
use crate::arch::{avx2::Avx2, avx512::Avx512};
use crate::{
    KEY_LEN, Kernel, NONCE_LEN, Open, Seal, TAG_LEN,
    batch::{GROUP_MAX, Item, Opening, Sealing},
    nonce,
};

/// The witness that this processor has a kernel's instructions.
#[derive(Clone, Copy)]
pub(crate) enum Instructions {
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Instructions {
    /// `None` when the processor has them not, or `kernel` is a library.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn detect(kernel: Kernel) -> Option<Self> {
        match kernel {
            Kernel::Avx512 => Avx512::detect().map(Self::Avx512),
            Kernel::Avx2 => Avx2::detect().map(Self::Avx2),
            Kernel::AwsLc | Kernel::Portable => None,
        }
    }

    /// No kernel of ours is for this architecture.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) const fn detect(_kernel: Kernel) -> Option<Self> {
        None
    }

    pub(crate) const fn kernel(self) -> Kernel {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Kernel::Avx512,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Kernel::Avx2,
        }
    }

    /// Whether `count` packets, none longer than `longest` with its tag, come sooner by these than by the library:
    /// measured by `aead_race` in benches.
    const fn are_faster(self, count: usize, longest: usize) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => count > 2 || longest > 512 + TAG_LEN,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => count > 3 && longest <= 256 + TAG_LEN,
        }
    }

    fn seal(self, group: &mut [Sealing<'_>]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(arch) => arch.seal(group),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(arch) => arch.seal(group),
        }
    }

    fn open(self, group: &mut [Opening<'_>]) {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(arch) => arch.open(group),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(arch) => arch.open(group),
        }
    }
}

/// A key as words, in memory of its own that is wiped on drop, and perhaps as AWS-LC wants it.
pub(crate) struct Key {
    instructions: Instructions,
    words: Box<Words>,
    aws: Option<aws::Key>,
}

#[derive(ZeroizeOnDrop)]
struct Words([u32; 8]);

impl Key {
    pub(crate) fn read_ahead(&self) {
        std::hint::black_box(self.words.0[0]);
    }

    /// A key for these instructions and nothing else.
    pub(crate) fn new(instructions: Instructions, bytes: &[u8; KEY_LEN]) -> Self {
        let mut words = Box::new(Words([0; 8]));
        for (word, four) in words.0.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_le_bytes(*four);
        }
        Self { instructions, words, aws: None }
    }

    /// A key that leaves to the library what that does faster.
    pub(crate) fn with_library(instructions: Instructions, bytes: &[u8; KEY_LEN]) -> Self {
        Self { aws: aws::Key::new(bytes), ..Self::new(instructions, bytes) }
    }

    pub(crate) const fn instructions(&self) -> Instructions {
        self.instructions
    }

    pub(crate) fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], body: &[u8], out: &mut [u8]) {
        let from = self.item(nonce, aad, out.len() - TAG_LEN);
        self.instructions.seal(&mut [Sealing { from, head: &[], body, out }]);
    }

    pub(crate) fn open(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], text: &mut [u8]) -> bool {
        let Some((text, tag)) = text.split_last_chunk_mut::<TAG_LEN>() else { return false };
        let from = self.item(nonce, aad, text.len());
        let mut ok = false;
        self.instructions.open(&mut [Opening { from, text, tag: *tag, ok: &mut ok }]);
        ok
    }

    pub(crate) const fn beside(&self) -> Option<&aws::Key> {
        self.aws.as_ref()
    }

    fn item<'a>(&'a self, nonce: &[u8; NONCE_LEN], aad: &'a [u8], len: usize) -> Item<'a> {
        let [a, b, c] = std::array::from_fn(|i| std::array::from_fn(|j| nonce[4 * i + j]));
        Item { key: &self.words.0, nonce: [a, b, c].map(u32::from_le_bytes), aad, len }
    }
}

/// Seals jobs whose keys are all for these instructions.
pub(crate) fn seal(instructions: Instructions, jobs: &mut [Seal<'_>]) {
    for jobs in jobs.chunks_mut(GROUP_MAX) {
        let longest = jobs.iter().map(|job| job.out.len()).max().unwrap_or_default();
        if instructions.are_faster(jobs.len(), longest) || jobs.iter().any(|job| job.key.0.beside().is_none())
        {
            seal_group(instructions, jobs);
            continue;
        }
        for job in jobs {
            let Some(key) = job.key.0.beside() else { continue };
            key.seal(&nonce(job.counter), &[], super::lay_out(job.head, job.body, job.out));
        }
    }
}

fn seal_group(instructions: Instructions, jobs: &mut [Seal<'_>]) {
    let mut group = ArrayVec::<Sealing<'_>, GROUP_MAX>::new();
    for job in jobs {
        let Prepared::Own(key) = &job.key.0 else { continue };
        let len = job.out.len() - TAG_LEN;
        assert!(job.head.len() + job.body.len() <= len, "no room for text and tag");
        let from = key.item(&nonce(job.counter), &[], len);
        group.push(Sealing { from, head: job.head, body: job.body, out: job.out });
    }
    instructions.seal(&mut group);
}

/// Opens jobs whose keys are all for these instructions.
pub(crate) fn open(instructions: Instructions, jobs: &mut [Open<'_>]) {
    for jobs in jobs.chunks_mut(GROUP_MAX) {
        let longest = jobs.iter().map(|job| job.text.len()).max().unwrap_or_default();
        if instructions.are_faster(jobs.len(), longest) || jobs.iter().any(|job| job.key.0.beside().is_none())
        {
            open_group(instructions, jobs);
            continue;
        }
        for job in jobs {
            let Some(key) = job.key.0.beside() else { continue };
            job.ok = key.open(&nonce(job.counter), &[], job.text);
        }
    }
}

fn open_group(instructions: Instructions, jobs: &mut [Open<'_>]) {
    let mut group = ArrayVec::<Opening<'_>, GROUP_MAX>::new();
    for job in jobs {
        job.ok = false;
        let Prepared::Own(key) = &job.key.0 else { continue };
        let Some((text, tag)) = job.text.split_last_chunk_mut::<TAG_LEN>() else { continue };
        let from = key.item(&nonce(job.counter), &[], text.len());
        group.push(Opening { from, text, tag: *tag, ok: &mut job.ok });
    }
    instructions.open(&mut group);
}
