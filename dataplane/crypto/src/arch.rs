//! What a processor must be able to do for our own kernels: a few operations on vectors of 32-bit words.
//!
//! The algorithm is written once, in [`crate::chacha`] and [`crate::batch`]; an instruction set adds its vectors, its
//! way to turn words into blocks, and its Poly1305. A value of a type that is [`Arch`] is a witness: it can be had
//! only from that type's `detect`, so whoever holds one may use the instructions.
//!
//! **Invariant:** no function here branches on, or addresses memory by, a value that it was given in a vector.

/// An instruction that needs a witness, which every caller has as `self`.
macro_rules! instruction {
    ($instruction:expr) => {{
        // SAFETY: `self` is the witness that the processor has the instruction, and it touches registers only.
        unsafe { $instruction }
    }};
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "x86_64")]
mod small;

use crate::{TAG_LEN, chacha::BLOCK_LEN, poly1305::Input};

/// Most lanes that any instruction set has: blocks that are made at once.
pub(crate) const LANES_MAX: usize = 16;

/// Key stream of one call, a block per lane; aligned, so that vectors are stored whole.
#[repr(C, align(64))]
#[derive(Clone)]
pub(crate) struct Blocks(pub(crate) [[u8; BLOCK_LEN]; LANES_MAX]);

/// Vectors of 32-bit words, one per lane, and what ChaCha20 does with them.
pub(crate) trait Vectors: Copy {
    /// One 32-bit word for each lane.
    type Words: Copy;
    /// Lanes of a vector, at most [`LANES_MAX`].
    const LANES: usize;

    /// Lane by lane, modulo 2^32.
    fn add(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// Lane by lane.
    fn xor(self, a: Self::Words, b: Self::Words) -> Self::Words;
    /// Each lane rotated left by 16 bits.
    fn rotate_16(self, a: Self::Words) -> Self::Words;
    /// Each lane rotated left by 12 bits.
    fn rotate_12(self, a: Self::Words) -> Self::Words;
    /// Each lane rotated left by 8 bits.
    fn rotate_8(self, a: Self::Words) -> Self::Words;
    /// Each lane rotated left by 7 bits.
    fn rotate_7(self, a: Self::Words) -> Self::Words;
    /// Writes lane `i` of the sixteen words, little-endian, as block `i`.
    fn transpose(self, words: [Self::Words; 16], blocks: &mut Blocks);
}

/// An instruction set: vectors of its full width, and what else a packet needs.
pub(crate) trait Arch: Vectors {
    /// Vectors of fewer lanes, where they make few blocks sooner; else the same.
    type Narrow: Vectors;

    /// The witness for the narrow vectors.
    fn narrow(self) -> Self::Narrow;
    /// The first lanes.
    fn lower(self, words: Self::Words) -> <Self::Narrow as Vectors>::Words;
    /// The same word in all lanes.
    fn splat(self, word: u32) -> Self::Words;
    /// 0, 1, 2, …
    fn ramp(self) -> Self::Words;
    /// `words`, but `word` in lane `first` and all after it.
    fn since(self, words: Self::Words, first: usize, word: u32) -> Self::Words;
    /// `out = text ^ stream`, over the length of `out`; the other two are not shorter.
    fn xor_from(self, out: &mut [u8], text: &[u8], stream: &[u8]);
    /// `text ^= stream`, over the length of `text`; the other is not shorter.
    fn xor_in_place(self, text: &mut [u8], stream: &[u8]);
    /// Poly1305 of each packet of a group.
    fn tags(self, inputs: &[Input<'_>], tags: &mut [[u8; TAG_LEN]]);
}
