//! AVX-512: sixteen lanes, rotations of their own, masks for the ends of texts, and multiplication of 52-bit limbs.
//!
//! Intel from Ice Lake on and AMD from Zen 4 on have all of it; earlier processors with some of it also lowered their
//! clock for it, so those are left to AVX2.
#![allow(
    unsafe_code,
    reason = "instructions that not every processor has, and loads and stores under a mask"
)]

mod narrow;
mod poly1305;

use std::arch::x86_64::*;

use self::narrow::Narrow;
use super::{Arch, Blocks, Vectors};
use crate::{
    TAG_LEN,
    batch::{self, Opening, Sealing},
    poly1305::Input,
};

/// The witness that this processor has the instructions.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    pub(crate) fn detect() -> Option<Self> {
        let has = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512ifma");
        has.then_some(Self(()))
    }

    pub(crate) fn seal(self, group: &mut [Sealing<'_>]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
        fn with_features(arch: Avx512, group: &mut [Sealing<'_>]) {
            batch::seal(arch, group);
        }
        // SAFETY: the witness was made where the processor had these features.
        unsafe { with_features(self, group) }
    }

    pub(crate) fn open(self, group: &mut [Opening<'_>]) {
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
        fn with_features(arch: Avx512, group: &mut [Opening<'_>]) {
            batch::open(arch, group);
        }
        // SAFETY: the witness was made where the processor had these features.
        unsafe { with_features(self, group) }
    }
}

impl Vectors for Avx512 {
    type Words = __m512i;
    const LANES: usize = 16;

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        instruction!(_mm512_add_epi32(a, b))
    }

    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        instruction!(_mm512_xor_si512(a, b))
    }

    #[inline(always)]
    fn rotate_16(self, a: __m512i) -> __m512i {
        instruction!(_mm512_rol_epi32::<16>(a))
    }

    #[inline(always)]
    fn rotate_12(self, a: __m512i) -> __m512i {
        instruction!(_mm512_rol_epi32::<12>(a))
    }

    #[inline(always)]
    fn rotate_8(self, a: __m512i) -> __m512i {
        instruction!(_mm512_rol_epi32::<8>(a))
    }

    #[inline(always)]
    fn rotate_7(self, a: __m512i) -> __m512i {
        instruction!(_mm512_rol_epi32::<7>(a))
    }

    #[inline(always)]
    fn transpose(self, words: [__m512i; 16], blocks: &mut Blocks) {
        // Four by four inside of each 128-bit part, for each quarter of the sixteen words …
        let mut quarters = [[self.splat(0); 4]; 4];
        for (quarter, four) in quarters.iter_mut().zip(words.as_chunks::<4>().0) {
            *quarter = instruction!({
                let [a, b, c, d] = *four;
                let (ab_low, ab_high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
                let (cd_low, cd_high) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
                [
                    _mm512_unpacklo_epi64(ab_low, cd_low),
                    _mm512_unpackhi_epi64(ab_low, cd_low),
                    _mm512_unpacklo_epi64(ab_high, cd_high),
                    _mm512_unpackhi_epi64(ab_high, cd_high),
                ]
            });
        }
        // … then the 128-bit parts: part `p` of `quarters[q][i]` is quarter `q` of block `4 p + i`.
        let [q0, q1, q2, q3] = quarters;
        for i in 0..4 {
            let four = instruction!({
                let low01 = _mm512_shuffle_i32x4::<0b01_00_01_00>(q0[i], q1[i]);
                let high01 = _mm512_shuffle_i32x4::<0b11_10_11_10>(q0[i], q1[i]);
                let low23 = _mm512_shuffle_i32x4::<0b01_00_01_00>(q2[i], q3[i]);
                let high23 = _mm512_shuffle_i32x4::<0b11_10_11_10>(q2[i], q3[i]);
                [
                    _mm512_shuffle_i32x4::<0b10_00_10_00>(low01, low23),
                    _mm512_shuffle_i32x4::<0b11_01_11_01>(low01, low23),
                    _mm512_shuffle_i32x4::<0b10_00_10_00>(high01, high23),
                    _mm512_shuffle_i32x4::<0b11_01_11_01>(high01, high23),
                ]
            });
            for (part, block) in four.into_iter().enumerate() {
                let target = &mut blocks.0[4 * part + i];
                // SAFETY: a block has 64 bytes, and `Blocks` aligns each to 64.
                unsafe { _mm512_store_si512(target.as_mut_ptr().cast(), block) };
            }
        }
    }
}

impl Arch for Avx512 {
    type Narrow = Narrow;

    #[inline(always)]
    fn narrow(self) -> Narrow {
        Narrow(self)
    }

    #[inline(always)]
    fn lower(self, words: __m512i) -> __m256i {
        instruction!(_mm512_castsi512_si256(words))
    }

    #[inline(always)]
    fn splat(self, word: u32) -> __m512i {
        instruction!(_mm512_set1_epi32(word as i32))
    }

    #[inline(always)]
    fn ramp(self) -> __m512i {
        instruction!(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
    }

    #[inline(always)]
    fn since(self, words: __m512i, first: usize, word: u32) -> __m512i {
        let mask = (u32::from(u16::MAX) << first) as u16;
        instruction!(_mm512_mask_set1_epi32(words, mask, word as i32))
    }

    #[inline(always)]
    fn xor_from(self, out: &mut [u8], text: &[u8], stream: &[u8]) {
        let len = out.len();
        assert!(text.len() >= len && stream.len() >= len);
        let (out, text, stream) = (out.as_mut_ptr(), text.as_ptr(), stream.as_ptr());
        let mut at = 0;
        while at < len {
            let mask = ends_after(len - at);
            // SAFETY: the mask lets through only what lies before `len` of each slice, as asserted; other bytes are
            // neither read nor written. The witness stands for the instructions.
            unsafe {
                let text = _mm512_maskz_loadu_epi8(mask, text.add(at).cast());
                let stream = _mm512_maskz_loadu_epi8(mask, stream.add(at).cast());
                _mm512_mask_storeu_epi8(out.add(at).cast(), mask, _mm512_xor_si512(text, stream));
            }
            at += 64;
        }
    }

    #[inline(always)]
    fn xor_in_place(self, text: &mut [u8], stream: &[u8]) {
        let len = text.len();
        assert!(stream.len() >= len);
        let (text, stream) = (text.as_mut_ptr(), stream.as_ptr());
        let mut at = 0;
        while at < len {
            let mask = ends_after(len - at);
            // SAFETY: as in `xor_from`.
            unsafe {
                let plain = _mm512_maskz_loadu_epi8(mask, text.add(at).cast());
                let stream = _mm512_maskz_loadu_epi8(mask, stream.add(at).cast());
                _mm512_mask_storeu_epi8(text.add(at).cast(), mask, _mm512_xor_si512(plain, stream));
            }
            at += 64;
        }
    }

    #[inline(always)]
    fn tags(self, inputs: &[Input<'_>], tags: &mut [[u8; TAG_LEN]]) {
        // SAFETY: the witness stands for the features.
        unsafe { poly1305::tags(inputs, tags) }
    }
}

/// A mask of the first `len` bytes of 64.
#[inline(always)]
const fn ends_after(len: usize) -> u64 {
    if len >= 64 { u64::MAX } else { (1 << len) - 1 }
}
