//! ChaCha20 (RFC 8439, section 2.3), as many blocks at once as a vector has lanes.
//!
//! The lanes of one call may belong to several packets with several keys: they are filled from left to right, and
//! [`Lanes::run`] says that from here on they belong to the next one. So a batch of small packets costs as few
//! calls as a large one, and no lane stays empty in between.

use crate::arch::{Arch, Blocks, Vectors};

/// Length of a block of key stream, in bytes.
pub(crate) const BLOCK_LEN: usize = 64;

/// The input of one call: for each lane a key, a nonce and a block number.
pub(crate) struct Lanes<A: Arch> {
    arch: A,
    key: [A::Words; 8],
    /// The block number less the lane's own number.
    counter: A::Words,
    nonce: [A::Words; 3],
}

impl<A: Arch> Lanes<A> {
    #[inline(always)]
    pub(crate) fn new(arch: A) -> Self {
        let zero = arch.splat(0);
        Self { arch, key: [zero; 8], counter: zero, nonce: [zero; 3] }
    }

    /// Lanes from `first` on make blocks `block`, `block + 1`, … of this key and nonce.
    #[inline(always)]
    pub(crate) fn run(&mut self, first: usize, key: &[u32; 8], nonce: &[u32; 3], block: u32) {
        let arch = self.arch;
        for (lanes, &word) in self.key.iter_mut().zip(key) {
            *lanes = arch.since(*lanes, first, word);
        }
        for (lanes, &word) in self.nonce.iter_mut().zip(nonce) {
            *lanes = arch.since(*lanes, first, word);
        }
        self.counter = arch.since(self.counter, first, block.wrapping_sub(first as u32));
    }

    /// Makes the blocks of the first `lanes` lanes, and perhaps more.
    #[inline(always)]
    pub(crate) fn blocks(&self, lanes: usize, blocks: &mut Blocks) {
        let arch = self.arch;
        let [k0, k1, k2, k3, k4, k5, k6, k7] = self.key;
        let [n0, n1, n2] = self.nonce;
        let counter = arch.add(self.counter, arch.ramp());
        let [c0, c1, c2, c3] = CONSTANTS;
        let (c0, c1, c2, c3) = (arch.splat(c0), arch.splat(c1), arch.splat(c2), arch.splat(c3));
        let input = [c0, c1, c2, c3, k0, k1, k2, k3, k4, k5, k6, k7, counter, n0, n1, n2];
        if lanes > A::Narrow::LANES {
            rounds(arch, input, blocks);
        } else {
            // Not `map`: closures in it are not always inlined, and then each costs a trip through memory.
            let mut lower = [arch.lower(c0); 16];
            for (lower, words) in lower.iter_mut().zip(input) {
                *lower = arch.lower(words);
            }
            rounds(arch.narrow(), lower, blocks);
        }
    }
}

/// Ten double rounds, and the input added once more.
#[inline(always)]
fn rounds<V: Vectors>(vectors: V, input: [V::Words; 16], blocks: &mut Blocks) {
    let mut x = input;
    for _ in 0..10 {
        double_round(vectors, &mut x);
    }
    for (word, from) in x.iter_mut().zip(input) {
        *word = vectors.add(*word, from);
    }
    vectors.transpose(x, blocks);
}

/// A column round and a diagonal round, two quarter rounds side by side: so two independent chains are always at hand,
/// and their half of the state leaves registers for what comes in between, even where there are only sixteen.
#[inline(always)]
fn double_round<V: Vectors>(vectors: V, x: &mut [V::Words; 16]) {
    quarter_rounds(vectors, x, [0, 1], [4, 5], [8, 9], [12, 13]);
    quarter_rounds(vectors, x, [2, 3], [6, 7], [10, 11], [14, 15]);
    quarter_rounds(vectors, x, [0, 1], [5, 6], [10, 11], [15, 12]);
    quarter_rounds(vectors, x, [2, 3], [7, 4], [8, 9], [13, 14]);
}

#[inline(always)]
fn quarter_rounds<V: Vectors>(
    vectors: V,
    x: &mut [V::Words; 16],
    a: [usize; 2],
    b: [usize; 2],
    c: [usize; 2],
    d: [usize; 2],
) {
    step(vectors, x, a, b, d, V::rotate_16);
    step(vectors, x, c, d, b, V::rotate_12);
    step(vectors, x, a, b, d, V::rotate_8);
    step(vectors, x, c, d, b, V::rotate_7);
}

/// `to += from; with = (with ^ to) <<< n`, twice.
#[inline(always)]
fn step<V: Vectors>(
    vectors: V,
    x: &mut [V::Words; 16],
    to: [usize; 2],
    from: [usize; 2],
    with: [usize; 2],
    rotate: impl Fn(V, V::Words) -> V::Words,
) {
    for i in 0..2 {
        x[to[i]] = vectors.add(x[to[i]], x[from[i]]);
    }
    for i in 0..2 {
        x[with[i]] = vectors.xor(x[with[i]], x[to[i]]);
    }
    for i in 0..2 {
        x[with[i]] = rotate(vectors, x[with[i]]);
    }
}

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];
