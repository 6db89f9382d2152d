//! Poly1305 with four blocks at once: lane `i` sums up every fourth block, and all lanes multiply by `r^4`.
//!
//! The last multiplication takes another power of `r` in each lane, so that the lanes' sum is the polynomial. Texts
//! whose blocks, with the one that holds the lengths, are no multiple of four are taken as if zero blocks *without*
//! the bit 2^128 stood before them: those add nothing.
//!
//! AVX2 multiplies 32 by 32 bits, so there are five limbs of 26 bits. A sum has limbs below 2^27, a block's added
//! below 2^28, five times a limb of `r` is below 2^29: five products stay below 2^60.

mod lanes;

use std::arch::{asm, x86_64::*};

use crate::{
    TAG_LEN,
    arch::small,
    poly1305::{self, BLOCK_LEN, Input, Limbs},
};

/// Blocks of one step, and their length in bytes.
const STEP: usize = 4;
const STEP_LEN: usize = STEP * BLOCK_LEN;
/// The bit 2^128 in its limb.
const BIT: i64 = 1 << 24;
const LOW_26: u64 = (1 << 26) - 1;

/// The tags of a group: small packets in the lanes, large ones one after the other.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
pub(super) fn tags(inputs: &[Input<'_>], tags: &mut [[u8; TAG_LEN]]) {
    if small::are_small(inputs) {
        return lanes::tags(inputs, tags);
    }
    for (input, tag) in inputs.iter().zip(tags) {
        *tag = tag_of(input);
    }
}

/// The tag of one packet.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn tag_of(input: &Input<'_>) -> [u8; TAG_LEN] {
    let Input { key, aad, text } = *input;
    let r = poly1305::multiplier(key);
    let (by, falling) = powers(&r);
    let blocks = text.len().div_ceil(BLOCK_LEN) + 1;
    let empty = (STEP - blocks % STEP) % STEP;
    let (first, rest) = text.split_at((STEP_LEN - empty * BLOCK_LEN).min(text.len()));
    let is_only = blocks <= STEP;
    let block = load(first, empty * BLOCK_LEN, is_only.then_some(input.lengths()));
    let mut sum = split(block, bits_from(empty));
    if !aad.is_empty() {
        sum = sum.plus(in_lane(empty, &poly1305::absorb([0; 3], &r, aad)));
    }
    if !is_only {
        let (chunks, last) = rest.as_chunks::<STEP_LEN>();
        let bits = bits_from(0);
        for chunk in chunks {
            sum = multiply(sum, &by).plus(split(load_whole(chunk), bits));
        }
        let block = load(last, 0, Some(input.lengths()));
        sum = multiply(sum, &by).plus(split(block, bits));
    }
    let sum = multiply(sum, &Multiplier::new(falling));
    poly1305::finish(wide(sum.total()), key)
}

/// One limb each of four elements.
#[derive(Clone, Copy)]
struct Vector([__m256i; 5]);

impl Vector {
    #[target_feature(enable = "avx2,bmi2")]
    #[inline]
    fn plus(self, other: Self) -> Self {
        let (Self(a), Self(b)) = (self, other);
        Self([
            _mm256_add_epi64(a[0], b[0]),
            _mm256_add_epi64(a[1], b[1]),
            _mm256_add_epi64(a[2], b[2]),
            _mm256_add_epi64(a[3], b[3]),
            _mm256_add_epi64(a[4], b[4]),
        ])
    }

    /// Limbs of the sum of all lanes.
    #[target_feature(enable = "avx2,bmi2")]
    #[inline]
    fn total(self) -> [u64; 5] {
        let mut total = [0; 5];
        for (total, limb) in total.iter_mut().zip(self.0) {
            let two = _mm_add_epi64(_mm256_castsi256_si128(limb), _mm256_extracti128_si256::<1>(limb));
            let one = _mm_add_epi64(two, _mm_unpackhi_epi64(two, two));
            *total = _mm_cvtsi128_si64(one).cast_unsigned();
        }
        total
    }
}

/// What to multiply with, and 5 times its upper limbs: 2^130 is 5 modulo 2^130 - 5.
struct Multiplier {
    r: [__m256i; 5],
    s: [__m256i; 4],
}

impl Multiplier {
    #[target_feature(enable = "avx2,bmi2")]
    #[inline]
    fn new(Vector(r): Vector) -> Self {
        Self { r, s: [by_5(r[1]), by_5(r[2]), by_5(r[3]), by_5(r[4])] }
    }
}

#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn by_5(limb: __m256i) -> __m256i {
    _mm256_add_epi64(_mm256_slli_epi64::<2>(limb), limb)
}

/// `_mm256_mul_epu32`, of the lower 32 bits of each lane. The compiler takes that one for a multiplication of 64 bits
/// whose upper halves happen to be zero, forgets that they are, and makes three instructions of it.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn product(a: __m256i, b: __m256i) -> __m256i {
    let product: __m256i;
    // SAFETY: one instruction of AVX2, on registers.
    unsafe {
        asm!(
            "vpmuludq {product}, {a}, {b}",
            product = lateout(ymm_reg) product,
            a = in(ymm_reg) a,
            b = in(ymm_reg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    product
}

/// `x + a * b`, of the lower 32 bits of each lane.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn add_product(x: __m256i, a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi64(x, product(a, b))
}

/// Multiplies lane by lane. Limbs of the result are little above 2^26.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn multiply(Vector([a0, a1, a2, a3, a4]): Vector, by: &Multiplier) -> Vector {
    let ([r0, r1, r2, r3, r4], [s1, s2, s3, s4]) = (by.r, by.s);
    let d0 = product(a0, r0);
    let d1 = product(a0, r1);
    let d2 = product(a0, r2);
    let d3 = product(a0, r3);
    let d4 = product(a0, r4);
    let d0 = add_product(d0, a1, s4);
    let d1 = add_product(d1, a1, r0);
    let d2 = add_product(d2, a1, r1);
    let d3 = add_product(d3, a1, r2);
    let d4 = add_product(d4, a1, r3);
    let d0 = add_product(d0, a2, s3);
    let d1 = add_product(d1, a2, s4);
    let d2 = add_product(d2, a2, r0);
    let d3 = add_product(d3, a2, r1);
    let d4 = add_product(d4, a2, r2);
    let d0 = add_product(d0, a3, s2);
    let d1 = add_product(d1, a3, s3);
    let d2 = add_product(d2, a3, s4);
    let d3 = add_product(d3, a3, r0);
    let d4 = add_product(d4, a3, r1);
    let d0 = add_product(d0, a4, s1);
    let d1 = add_product(d1, a4, s2);
    let d2 = add_product(d2, a4, s3);
    let d3 = add_product(d3, a4, s4);
    let d4 = add_product(d4, a4, r0);
    carried([d0, d1, d2, d3, d4])
}

/// Carries from limbs 0 and 3 side by side, so that the chain is four long.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn carried([d0, d1, d2, d3, d4]: [__m256i; 5]) -> Vector {
    let mask = _mm256_set1_epi64x(LOW_26.cast_signed());
    let (d1, d0) = (_mm256_add_epi64(d1, _mm256_srli_epi64::<26>(d0)), _mm256_and_si256(d0, mask));
    let (d4, d3) = (_mm256_add_epi64(d4, _mm256_srli_epi64::<26>(d3)), _mm256_and_si256(d3, mask));
    let (d2, d1) = (_mm256_add_epi64(d2, _mm256_srli_epi64::<26>(d1)), _mm256_and_si256(d1, mask));
    let (over, d4) = (_mm256_srli_epi64::<26>(d4), _mm256_and_si256(d4, mask));
    let d0 = _mm256_add_epi64(d0, by_5(over));
    let (d3, d2) = (_mm256_add_epi64(d3, _mm256_srli_epi64::<26>(d2)), _mm256_and_si256(d2, mask));
    let (d1, d0) = (_mm256_add_epi64(d1, _mm256_srli_epi64::<26>(d0)), _mm256_and_si256(d0, mask));
    let (d4, d3) = (_mm256_add_epi64(d4, _mm256_srli_epi64::<26>(d3)), _mm256_and_si256(d3, mask));
    Vector([d0, d1, d2, d3, d4])
}

/// `r^4` in all lanes, and for each lane the power that its blocks lack at the end: in [`split`]'s order 4, 2, 3, 1.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn powers(r: &Limbs) -> (Multiplier, Vector) {
    let one = splat(r);
    let two = multiply(one, &Multiplier::new(one));
    let by_two = Multiplier::new(two);
    let mut falling = one;
    for (limb, two) in falling.0.iter_mut().zip(two.0) {
        *limb = _mm256_blend_epi32::<0b0000_1111>(*limb, two);
    }
    let more = multiply(falling, &by_two);
    for (limb, more) in falling.0.iter_mut().zip(more.0) {
        *limb = _mm256_blend_epi32::<0b0011_0011>(*limb, more);
    }
    let mut fourth = falling;
    for limb in &mut fourth.0 {
        *limb = _mm256_broadcastq_epi64(_mm256_castsi256_si128(*limb));
    }
    (Multiplier::new(fourth), falling)
}

#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn splat(limbs: &Limbs) -> Vector {
    let [l0, l1, l2, l3, l4] = short(limbs);
    Vector([
        _mm256_set1_epi64x(l0),
        _mm256_set1_epi64x(l1),
        _mm256_set1_epi64x(l2),
        _mm256_set1_epi64x(l3),
        _mm256_set1_epi64x(l4),
    ])
}

/// `limbs` in the lane of a block, zero in the others.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn in_lane(block: usize, limbs: &Limbs) -> Vector {
    let mine = _mm256_cmpeq_epi64(_mm256_set1_epi64x(block as i64), block_of_lane());
    let mut vector = splat(limbs);
    for limb in &mut vector.0 {
        *limb = _mm256_and_si256(*limb, mine);
    }
    vector
}

/// The bit 2^128 for the blocks from `first` on.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn bits_from(first: usize) -> __m256i {
    let before = _mm256_cmpgt_epi64(_mm256_set1_epi64x(first as i64), block_of_lane());
    _mm256_andnot_si256(before, _mm256_set1_epi64x(BIT))
}

/// Where [`split`] puts the blocks of a step.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn block_of_lane() -> __m256i {
    _mm256_setr_epi64x(0, 2, 1, 3)
}

/// Takes four blocks, loaded as two times two, apart into limbs, and adds the bits 2^128; lanes are blocks 0, 2, 1, 3.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn split((low, high): (__m256i, __m256i), bits: __m256i) -> Vector {
    let bottom = _mm256_unpacklo_epi64(low, high);
    let top = _mm256_unpackhi_epi64(low, high);
    let mask = _mm256_set1_epi64x(LOW_26.cast_signed());
    let middle = _mm256_or_si256(_mm256_srli_epi64::<52>(bottom), _mm256_slli_epi64::<12>(top));
    Vector([
        _mm256_and_si256(bottom, mask),
        _mm256_and_si256(_mm256_srli_epi64::<26>(bottom), mask),
        _mm256_and_si256(middle, mask),
        _mm256_and_si256(_mm256_srli_epi64::<14>(top), mask),
        _mm256_or_si256(_mm256_srli_epi64::<40>(top), bits),
    ])
}

#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn load_whole(chunk: &[u8; STEP_LEN]) -> (__m256i, __m256i) {
    let at = chunk.as_ptr();
    // SAFETY: a chunk has 64 bytes.
    unsafe { (_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(at.add(32).cast())) }
}

/// Loads a step that is `empty` zero bytes, then `text`, then zeros; `lengths`, in the last step, is the last block.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn load(text: &[u8], empty: usize, lengths: Option<u128>) -> (__m256i, __m256i) {
    let mut step = [0; STEP_LEN];
    step[empty..empty + text.len()].copy_from_slice(text);
    if let Some(lengths) = lengths {
        step[STEP_LEN - BLOCK_LEN..].copy_from_slice(&lengths.to_le_bytes());
    }
    load_whole(&step)
}

/// Limbs of 44 bits as limbs of 26.
const fn short([h0, h1, h2]: &Limbs) -> [i64; 5] {
    let number = *h0 as u128 + ((*h1 as u128) << 44) + ((*h2 as u128 & 0xffff) << 88);
    [
        (number as u64 & LOW_26).cast_signed(),
        ((number >> 26) as u64 & LOW_26).cast_signed(),
        ((number >> 52) as u64 & LOW_26).cast_signed(),
        ((number >> 78) as u64 & LOW_26).cast_signed(),
        ((number >> 104) as u64 + (*h2 >> 16)).cast_signed(),
    ]
}

/// Limbs of 26 bits, each below 2^30, as limbs of 44 that are not carried.
const fn wide([l0, l1, l2, l3, l4]: [u64; 5]) -> Limbs {
    [l0 + ((l1 & 0x3_ffff) << 26), (l1 >> 18) + (l2 << 8) + ((l3 & 0x3ff) << 34), (l3 >> 10) + (l4 << 16)]
}
