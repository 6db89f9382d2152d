//! Poly1305 with eight blocks at once: lane `i` sums up every eighth block, and all lanes multiply by `r^8`.
//!
//! The last multiplication takes another power of `r` in each lane, so that the lanes' sum is the polynomial. Texts
//! whose blocks, with the one that holds the lengths, are no multiple of eight are taken as if zero blocks *without*
//! the bit 2^128 stood before them: those add nothing.
//!
//! Limbs are of 44, 44 and 42 bits. `madd52lo` and `madd52hi` add the lower and upper 52 bits of a product: the
//! upper sum of limb `i` weighs 2^52 = 2^44 * 2^8 above it, so it enters limb `i + 1` shifted by 8 (and from limb 2
//! limb 0 shifted by 10, times 5). With operands below 2^46 (a sum and a block) and 2^49 (20 times a limb), the
//! sums stay below 2^55.

mod lanes;

use std::arch::x86_64::*;

use super::ends_after;
use crate::{
    TAG_LEN,
    arch::small,
    poly1305::{self, BLOCK_LEN, Input, LOW_42, LOW_44, Limbs},
};

/// Blocks of one step, and their length in bytes.
const STEP: usize = 8;
const STEP_LEN: usize = STEP * BLOCK_LEN;

/// The tags of a group: small packets in the lanes, large ones two by two.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
pub(super) fn tags(inputs: &[Input<'_>], tags: &mut [[u8; TAG_LEN]]) {
    if small::are_small(inputs) {
        return lanes::tags(inputs, tags);
    }
    let (pairs, single) = inputs.as_chunks();
    let (tag_pairs, tag_single) = tags[..inputs.len()].as_chunks_mut();
    for ([first, second], tags) in pairs.iter().zip(tag_pairs) {
        pair(first, second, tags);
    }
    for (input, tag) in single.iter().zip(tag_single) {
        let mut sum = Sum::start(input);
        sum.middle.iter().for_each(|chunk| sum.step(chunk));
        *tag = sum.end(input);
    }
}

/// The tags of two packets. Each multiplication waits for the one before, so two packets go in step.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
fn pair(first: &Input<'_>, second: &Input<'_>, tags: &mut [[u8; TAG_LEN]; 2]) {
    let (mut a, mut b) = (Sum::start(first), Sum::start(second));
    let common = a.middle.len().min(b.middle.len());
    let (chunks_a, rest_a) = a.middle.split_at(common);
    let (chunks_b, rest_b) = b.middle.split_at(common);
    for (chunk_a, chunk_b) in chunks_a.iter().zip(chunks_b) {
        a.step(chunk_a);
        b.step(chunk_b);
    }
    rest_a.iter().for_each(|chunk| a.step(chunk));
    rest_b.iter().for_each(|chunk| b.step(chunk));
    *tags = [a.end(first), b.end(second)];
}

/// A polynomial half evaluated.
struct Sum<'a> {
    sum: Vector,
    by: Multiplier,
    falling: Vector,
    /// Steps between the first and the last.
    middle: &'a [[u8; STEP_LEN]],
    /// What the last step takes; `None` when the first was the last.
    last: Option<&'a [u8]>,
}

impl<'a> Sum<'a> {
    /// The powers and the first step: blocks that are none, then text; what the additional data sums up to goes into
    /// its first block.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
    #[inline]
    fn start(input: &Input<'a>) -> Self {
        let Input { key, aad, text } = *input;
        let r = poly1305::multiplier(key);
        let start = if aad.is_empty() { [0; 3] } else { poly1305::absorb([0; 3], &r, aad) };
        let blocks = text.len().div_ceil(BLOCK_LEN) + 1;
        let steps = blocks.div_ceil(STEP);
        let empty = steps * STEP - blocks;
        let (now, rest) = text.split_at((STEP_LEN - empty * BLOCK_LEN).min(text.len()));
        let (low, high) = load(now, empty * BLOCK_LEN, if steps == 1 { Some(input.lengths()) } else { None });
        let valid = 0xff_u8 << empty;
        let first = valid & valid.wrapping_neg();
        let bit = _mm512_maskz_set1_epi64(spread(valid), 1 << 40);
        let first = spread(first);
        let start = Vector([
            _mm512_maskz_set1_epi64(first, start[0] as i64),
            _mm512_maskz_set1_epi64(first, start[1] as i64),
            _mm512_maskz_set1_epi64(first, start[2] as i64),
        ]);
        let sum = start.plus(split(low, high), bit);
        let Powers { eighth, falling } = Powers::new(&r);
        let (middle, _) = rest.as_chunks();
        let middle = &middle[..steps.saturating_sub(2)];
        let last = if steps > 1 { Some(&rest[middle.len() * STEP_LEN..]) } else { None };
        Self { sum, by: Multiplier::new(eighth), falling, middle, last }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
    #[inline]
    fn step(&mut self, chunk: &[u8; STEP_LEN]) {
        let (low, high) = load_whole(chunk);
        self.sum = multiply(self.sum, &self.by).plus(split(low, high), _mm512_set1_epi64(1 << 40));
    }

    /// The last step, and the lanes' sum.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
    #[inline]
    fn end(self, input: &Input<'_>) -> [u8; TAG_LEN] {
        let sum = match self.last {
            None => self.sum,
            Some(last) => {
                let (low, high) = load(last, 0, Some(input.lengths()));
                multiply(self.sum, &self.by).plus(split(low, high), _mm512_set1_epi64(1 << 40))
            }
        };
        let sum = multiply(sum, &Multiplier::new(self.falling));
        let [h0, h1, h2] = sum.0;
        let sums = [_mm512_reduce_add_epi64(h0), _mm512_reduce_add_epi64(h1), _mm512_reduce_add_epi64(h2)];
        poly1305::finish(sums.map(|sum| sum as u64), input.key)
    }
}

/// One limb each of eight elements.
#[derive(Clone, Copy)]
struct Vector([__m512i; 3]);

impl Vector {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
    #[inline]
    fn splat(limbs: &Limbs) -> Self {
        let [h0, h1, h2] = *limbs;
        Self([_mm512_set1_epi64(h0 as i64), _mm512_set1_epi64(h1 as i64), _mm512_set1_epi64(h2 as i64)])
    }

    /// Adds the blocks of a step and their bit 2^128.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
    #[inline]
    fn plus(self, block: Self, bit: __m512i) -> Self {
        Self([
            _mm512_add_epi64(self.0[0], block.0[0]),
            _mm512_add_epi64(self.0[1], block.0[1]),
            _mm512_add_epi64(self.0[2], _mm512_or_si512(block.0[2], bit)),
        ])
    }

    /// The first lane in all.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
    #[inline]
    fn first_lane(self) -> Self {
        let [h0, h1, h2] = self.0;
        Self([
            _mm512_broadcastq_epi64(_mm512_castsi512_si128(h0)),
            _mm512_broadcastq_epi64(_mm512_castsi512_si128(h1)),
            _mm512_broadcastq_epi64(_mm512_castsi512_si128(h2)),
        ])
    }

    /// The lanes of `mask` from `other`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
    #[inline]
    fn blend(self, mask: u8, other: Self) -> Self {
        Self([
            _mm512_mask_mov_epi64(self.0[0], mask, other.0[0]),
            _mm512_mask_mov_epi64(self.0[1], mask, other.0[1]),
            _mm512_mask_mov_epi64(self.0[2], mask, other.0[2]),
        ])
    }
}

/// What to multiply with, and 20 times its upper limbs: 2^132 is 20 modulo 2^130 - 5.
struct Multiplier {
    r: [__m512i; 3],
    s: [__m512i; 2],
}

impl Multiplier {
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
    #[inline]
    fn new(Vector(r): Vector) -> Self {
        Self { r, s: [by_20(r[1]), by_20(r[2])] }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
fn by_20(limb: __m512i) -> __m512i {
    _mm512_slli_epi64::<2>(_mm512_add_epi64(_mm512_slli_epi64::<2>(limb), limb))
}

/// The lower halves of three products.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
fn low(x: __m512i, y: __m512i, z: __m512i, u: __m512i, v: __m512i, w: __m512i) -> __m512i {
    let sum = _mm512_madd52lo_epu64(_mm512_setzero_si512(), x, y);
    _mm512_madd52lo_epu64(_mm512_madd52lo_epu64(sum, z, u), v, w)
}

/// The upper halves of three products.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
fn high(x: __m512i, y: __m512i, z: __m512i, u: __m512i, v: __m512i, w: __m512i) -> __m512i {
    let sum = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x, y);
    _mm512_madd52hi_epu64(_mm512_madd52hi_epu64(sum, z, u), v, w)
}

/// Multiplies lane by lane. Limbs of the result are below 2^45.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
fn multiply(Vector([a0, a1, a2]): Vector, by: &Multiplier) -> Vector {
    let ([r0, r1, r2], [s1, s2]) = (by.r, by.s);
    let (low0, high0) = (low(a0, r0, a1, s2, a2, s1), high(a0, r0, a1, s2, a2, s1));
    let (low1, high1) = (low(a0, r1, a1, r0, a2, s2), high(a0, r1, a1, r0, a2, s2));
    let (low2, high2) = (low(a0, r2, a1, r1, a2, r0), high(a0, r2, a1, r1, a2, r0));
    let wrapped = _mm512_add_epi64(_mm512_slli_epi64::<12>(high2), _mm512_slli_epi64::<10>(high2));
    let t0 = _mm512_add_epi64(low0, wrapped);
    let t1 = _mm512_add_epi64(low1, _mm512_slli_epi64::<8>(high0));
    let t2 = _mm512_add_epi64(low2, _mm512_slli_epi64::<8>(high1));
    let low_44 = _mm512_set1_epi64(LOW_44 as i64);
    let low_42 = _mm512_set1_epi64(LOW_42 as i64);
    let over = _mm512_srli_epi64::<42>(t2);
    let over = _mm512_add_epi64(_mm512_slli_epi64::<2>(over), over);
    Vector([
        _mm512_add_epi64(_mm512_and_si512(t0, low_44), over),
        _mm512_add_epi64(_mm512_and_si512(t1, low_44), _mm512_srli_epi64::<44>(t0)),
        _mm512_add_epi64(_mm512_and_si512(t2, low_42), _mm512_srli_epi64::<44>(t1)),
    ])
}

/// `r^8` in all lanes, and for each lane the power that its blocks lack at the end.
struct Powers {
    eighth: Vector,
    falling: Vector,
}

impl Powers {
    /// With the lanes in [`split`]'s order the powers are 8, 4, 7, 3, 6, 2, 5, 1: one more than three bits.
    /// So lane 0 comes by all the squares.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
    #[inline]
    fn new(r: &Limbs) -> Self {
        let one = Vector::splat(r);
        let two = multiply(one, &Multiplier::new(one));
        let falling = one.blend(0b0011_0011, two);
        let falling = falling.blend(0b0000_1111, multiply(falling, &Multiplier::new(two)));
        let fourth = falling.first_lane();
        let falling = falling.blend(0b0101_0101, multiply(falling, &Multiplier::new(fourth)));
        let eighth = falling.first_lane();
        Self { eighth, falling }
    }
}

/// Takes eight blocks, loaded as two times four, apart into limbs; lanes are blocks 0, 4, 1, 5, 2, 6, 3, 7.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
fn split(low: __m512i, high: __m512i) -> Vector {
    let bottom = _mm512_unpacklo_epi64(low, high);
    let top = _mm512_unpackhi_epi64(low, high);
    let low_44 = _mm512_set1_epi64(LOW_44 as i64);
    let middle = _mm512_or_si512(_mm512_srli_epi64::<44>(bottom), _mm512_slli_epi64::<20>(top));
    Vector([_mm512_and_si512(bottom, low_44), _mm512_and_si512(middle, low_44), _mm512_srli_epi64::<24>(top)])
}

/// A mask of blocks in their own order as one of lanes in [`split`]'s.
const fn spread(blocks: u8) -> u8 {
    let mut lanes = 0;
    let mut i = 0;
    while i < 4 {
        lanes |= (blocks >> i & 1) << (2 * i) | (blocks >> (i + 4) & 1) << (2 * i + 1);
        i += 1;
    }
    lanes
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
fn load_whole(chunk: &[u8; STEP_LEN]) -> (__m512i, __m512i) {
    let at = chunk.as_ptr();
    // SAFETY: a chunk has 128 bytes.
    unsafe { (_mm512_loadu_si512(at.cast()), _mm512_loadu_si512(at.add(64).cast())) }
}

/// Loads a step that is `empty` zero bytes, then `text`, then zeros; `lengths`, in the last step, is the last block.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
fn load(text: &[u8], empty: usize, lengths: Option<u128>) -> (__m512i, __m512i) {
    let end = empty + text.len();
    let start = text.as_ptr().wrapping_sub(empty);
    let mask =
        |first: usize| ends_after(end.saturating_sub(first)) & !ends_after(empty.saturating_sub(first));
    // SAFETY: the masks let through only bytes of `text`; no other is touched.
    let (low, high) = unsafe {
        (
            _mm512_maskz_loadu_epi8(mask(0), start.cast()),
            _mm512_maskz_loadu_epi8(mask(64), start.wrapping_add(64).cast()),
        )
    };
    match lengths {
        None => (low, high),
        Some(lengths) => {
            let lengths = _mm_set_epi64x((lengths >> 64) as i64, lengths as i64);
            (low, _mm512_inserti32x4::<3>(high, lengths))
        }
    }
}
