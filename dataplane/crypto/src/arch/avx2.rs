//! AVX2: eight lanes. It has no rotations and no masks: two of the four rotations are byte shuffles.
#![allow(unsafe_code, reason = "instructions that not every processor has, and loads and stores of vectors")]

mod poly1305;

use std::arch::{asm, x86_64::*};

use super::{Arch, Blocks, Vectors};
use crate::{
    TAG_LEN,
    batch::{self, Opening, Sealing},
    poly1305::Input,
};

/// The witness that this processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi2");
        has.then_some(Self(()))
    }

    pub(crate) fn seal(self, group: &mut [Sealing<'_>]) {
        #[target_feature(enable = "avx2,bmi2")]
        fn with_features(arch: Avx2, group: &mut [Sealing<'_>]) {
            batch::seal(arch, group);
        }
        // SAFETY: the witness was made where the processor had these features.
        unsafe { with_features(self, group) }
    }

    pub(crate) fn open(self, group: &mut [Opening<'_>]) {
        #[target_feature(enable = "avx2,bmi2")]
        fn with_features(arch: Avx2, group: &mut [Opening<'_>]) {
            batch::open(arch, group);
        }
        // SAFETY: the witness was made where the processor had these features.
        unsafe { with_features(self, group) }
    }
}

impl Vectors for Avx2 {
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
        instruction!({
            let by = _mm256_broadcastsi128_si256(_mm_setr_epi8(
                2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,
            ));
            _mm256_shuffle_epi8(a, opaque(by))
        })
    }

    #[inline(always)]
    fn rotate_12(self, a: __m256i) -> __m256i {
        instruction!(_mm256_or_si256(_mm256_slli_epi32::<12>(a), _mm256_srli_epi32::<20>(a)))
    }

    #[inline(always)]
    fn rotate_8(self, a: __m256i) -> __m256i {
        instruction!({
            let by = _mm256_broadcastsi128_si256(_mm_setr_epi8(
                3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14,
            ));
            _mm256_shuffle_epi8(a, opaque(by))
        })
    }

    #[inline(always)]
    fn rotate_7(self, a: __m256i) -> __m256i {
        instruction!(_mm256_or_si256(_mm256_slli_epi32::<7>(a), _mm256_srli_epi32::<25>(a)))
    }

    #[inline(always)]
    fn transpose(self, words: [__m256i; 16], blocks: &mut Blocks) {
        // SAFETY: the witness stands for the features.
        unsafe { transpose(words, blocks) }
    }
}

impl Arch for Avx2 {
    type Narrow = Self;

    #[inline(always)]
    fn narrow(self) -> Self {
        self
    }

    #[inline(always)]
    fn lower(self, words: __m256i) -> __m256i {
        words
    }

    #[inline(always)]
    fn splat(self, word: u32) -> __m256i {
        instruction!(_mm256_set1_epi32(word as i32))
    }

    #[inline(always)]
    fn ramp(self) -> __m256i {
        instruction!(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
    }

    #[inline(always)]
    fn since(self, words: __m256i, first: usize, word: u32) -> __m256i {
        instruction!({
            let before = _mm256_cmpgt_epi32(_mm256_set1_epi32(first as i32), self.ramp());
            _mm256_blendv_epi8(self.splat(word), words, before)
        })
    }

    #[inline(always)]
    fn xor_from(self, out: &mut [u8], text: &[u8], stream: &[u8]) {
        let (wide, rest) = out.as_chunks_mut::<32>();
        let (texts, text_rest) = text[..wide.len() * 32 + rest.len()].as_chunks::<32>();
        let (streams, stream_rest) = stream[..wide.len() * 32 + rest.len()].as_chunks::<32>();
        for ((out, text), stream) in wide.iter_mut().zip(texts).zip(streams) {
            // SAFETY: each chunk has 32 bytes; the witness stands for the instructions.
            unsafe {
                let text = _mm256_loadu_si256(text.as_ptr().cast());
                let stream = _mm256_loadu_si256(stream.as_ptr().cast());
                _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm256_xor_si256(text, stream));
            }
        }
        xor_rest(rest, text_rest, stream_rest);
    }

    #[inline(always)]
    fn xor_in_place(self, text: &mut [u8], stream: &[u8]) {
        let (wide, rest) = text.as_chunks_mut::<32>();
        let (streams, stream_rest) = stream[..wide.len() * 32 + rest.len()].as_chunks::<32>();
        for (text, stream) in wide.iter_mut().zip(streams) {
            // SAFETY: each chunk has 32 bytes; the witness stands for the instructions.
            unsafe {
                let plain = _mm256_loadu_si256(text.as_ptr().cast());
                let stream = _mm256_loadu_si256(stream.as_ptr().cast());
                _mm256_storeu_si256(text.as_mut_ptr().cast(), _mm256_xor_si256(plain, stream));
            }
        }
        let (eights, bytes) = rest.as_chunks_mut::<8>();
        let (stream_eights, stream_bytes) = stream_rest.as_chunks::<8>();
        for (text, stream) in eights.iter_mut().zip(stream_eights) {
            *text = (u64::from_ne_bytes(*text) ^ u64::from_ne_bytes(*stream)).to_ne_bytes();
        }
        for (text, stream) in bytes.iter_mut().zip(stream_bytes) {
            *text ^= stream;
        }
    }

    #[inline(always)]
    fn tags(self, inputs: &[Input<'_>], tags: &mut [[u8; TAG_LEN]]) {
        // SAFETY: the witness stands for the features.
        unsafe { poly1305::tags(inputs, tags) }
    }
}

/// `out = text ^ stream`, for less than a vector.
#[inline(always)]
fn xor_rest(out: &mut [u8], text: &[u8], stream: &[u8]) {
    let (wide, rest) = out.as_chunks_mut::<8>();
    let (texts, text_rest) = text.as_chunks::<8>();
    let (streams, stream_rest) = stream.as_chunks::<8>();
    for ((out, text), stream) in wide.iter_mut().zip(texts).zip(streams) {
        *out = (u64::from_ne_bytes(*text) ^ u64::from_ne_bytes(*stream)).to_ne_bytes();
    }
    for ((out, text), stream) in rest.iter_mut().zip(text_rest).zip(stream_rest) {
        *out = text ^ stream;
    }
}

/// The same value, but the compiler does not know it: where it knows too much, it makes several instructions of one.
#[target_feature(enable = "avx2")]
#[inline]
fn opaque(mut value: __m256i) -> __m256i {
    // SAFETY: no instruction at all.
    unsafe {
        asm!("/* {0} */", inout(ymm_reg) value, options(pure, nomem, nostack, preserves_flags));
    }
    value
}

/// Writes lane `i` of the sixteen words as block `i`.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn transpose(words: [__m256i; 16], blocks: &mut Blocks) {
    for (half, eight) in words.as_chunks::<8>().0.iter().enumerate() {
        // Four by four inside of each 128-bit part …
        let mut quarters = [[_mm256_setzero_si256(); 4]; 2];
        for (quarter, four) in quarters.iter_mut().zip(eight.as_chunks::<4>().0) {
            let [a, b, c, d] = *four;
            let (ab_low, ab_high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let (cd_low, cd_high) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
            *quarter = [
                _mm256_unpacklo_epi64(ab_low, cd_low),
                _mm256_unpackhi_epi64(ab_low, cd_low),
                _mm256_unpacklo_epi64(ab_high, cd_high),
                _mm256_unpackhi_epi64(ab_high, cd_high),
            ];
        }
        // … then the 128-bit parts: part `p` of `quarters[q][i]` is quarter `q` of half a block, block `4 p + i`.
        let [q0, q1] = quarters;
        for i in 0..4 {
            let parts = [
                _mm256_permute2x128_si256::<0x20>(q0[i], q1[i]),
                _mm256_permute2x128_si256::<0x31>(q0[i], q1[i]),
            ];
            for (part, bytes) in parts.into_iter().enumerate() {
                let target = &mut blocks.0[4 * part + i][32 * half..];
                // SAFETY: half a block has 32 bytes, and `Blocks` aligns each block to 64.
                unsafe { _mm256_store_si256(target.as_mut_ptr().cast(), bytes) };
            }
        }
    }
}
