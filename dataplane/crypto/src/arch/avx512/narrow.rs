//! Eight lanes with AVX-512's rotations: for the last few blocks of a group, and for few small packets.
//!
//! A processor has a third unit for these additions, so half of the blocks come sooner than all would.

use std::arch::x86_64::*;

use super::Avx512;
use crate::arch::{Blocks, Vectors, avx2};

/// The witness, for vectors of half the width.
#[derive(Clone, Copy)]
pub(crate) struct Narrow(pub(super) Avx512);

impl Vectors for Narrow {
    type Words = __m256i;
    const LANES: usize = 8;

    #[inline(always)]
    fn add(self, a: __m256i, b: __m256i) -> __m256i {
        instruction!(_mm256_add_epi32(a, b))
    }

    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        instruction!(_mm256_xor_si256(a, b))
    }

    #[inline(always)]
    fn rotate_16(self, a: __m256i) -> __m256i {
        instruction!(_mm256_rol_epi32::<16>(a))
    }

    #[inline(always)]
    fn rotate_12(self, a: __m256i) -> __m256i {
        instruction!(_mm256_rol_epi32::<12>(a))
    }

    #[inline(always)]
    fn rotate_8(self, a: __m256i) -> __m256i {
        instruction!(_mm256_rol_epi32::<8>(a))
    }

    #[inline(always)]
    fn rotate_7(self, a: __m256i) -> __m256i {
        instruction!(_mm256_rol_epi32::<7>(a))
    }

    #[inline(always)]
    fn transpose(self, words: [__m256i; 16], blocks: &mut Blocks) {
        instruction!(avx2::transpose(words, blocks))
    }
}
