//! Small packets: each lane is a packet with a key of its own, and no powers are needed. Two vectors go in step, since
//! each multiplication waits for the one before.

use std::arch::x86_64::*;

use super::{BIT, Multiplier, STEP, Vector, load_whole, multiply, split, wide};
use crate::{
    TAG_LEN,
    arch::small::{Laid, Step},
    poly1305::{self, BLOCK_LEN, Input},
};

/// The tags of at most eight small packets.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
pub(super) fn tags(inputs: &[Input<'_>], tags: &mut [[u8; TAG_LEN]]) {
    let laid = Laid::new(inputs);
    let sums = if inputs.len() > STEP {
        let (by_0, by_1) = (Multiplier::new(multipliers(&laid, 0)), Multiplier::new(multipliers(&laid, 1)));
        let (starts_0, starts_1) = (starts(&laid, 0), starts(&laid, 1));
        let [mut sum_0, mut sum_1] = [zero(), zero()];
        for (number, step) in laid.steps().iter().enumerate() {
            sum_0 = multiply(sum_0.plus(blocks(step, 0, number, starts_0)), &by_0);
            sum_1 = multiply(sum_1.plus(blocks(step, 1, number, starts_1)), &by_1);
        }
        [sum_0, sum_1]
    } else {
        let by = Multiplier::new(multipliers(&laid, 0));
        let starts = starts(&laid, 0);
        let mut sum = zero();
        for (number, step) in laid.steps().iter().enumerate() {
            sum = multiply(sum.plus(blocks(step, 0, number, starts)), &by);
        }
        [sum, zero()]
    };
    let mut limbs = [[[0_u64; STEP]; 5]; 2];
    for (limbs, sum) in limbs.iter_mut().zip(sums) {
        for (limb, vector) in limbs.iter_mut().zip(sum.0) {
            // SAFETY: four times eight bytes.
            unsafe { _mm256_storeu_si256(limb.as_mut_ptr().cast(), vector) };
        }
    }
    for (number, (input, tag)) in inputs.iter().zip(tags).enumerate().take(2 * STEP) {
        let [l0, l1, l2, l3, l4] = &limbs[number / STEP];
        let lane = LANE_OF[number % STEP];
        let limbs = [l0[lane], l1[lane], l2[lane], l3[lane], l4[lane]];
        *tag = poly1305::finish(wide(limbs), input.key);
    }
}

#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn zero() -> Vector {
    Vector([_mm256_setzero_si256(); 5])
}

/// Clamped keys (RFC 8439, section 2.5) as limbs, of the first or second four packets.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn multipliers(laid: &Laid, half: usize) -> Vector {
    let clamp = _mm256_setr_epi32(
        0x0fff_ffff,
        0x0fff_fffc,
        0x0fff_fffc,
        0x0fff_fffc,
        0x0fff_ffff,
        0x0fff_fffc,
        0x0fff_fffc,
        0x0fff_fffc,
    );
    let (low, high) = four(&laid.keys, half);
    split((_mm256_and_si256(low, clamp), _mm256_and_si256(high, clamp)), _mm256_setzero_si256())
}

/// The steps before which lanes are empty.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn starts(laid: &Laid, half: usize) -> __m256i {
    let [a, b, c, d] = laid.starts.as_chunks::<STEP>().0[half];
    _mm256_setr_epi64x(a.cast_signed(), c.cast_signed(), b.cast_signed(), d.cast_signed())
}

/// One block of each packet, with the bit 2^128 where the packet has started.
#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn blocks(step: &Step, half: usize, number: usize, starts: __m256i) -> Vector {
    let empty = _mm256_cmpgt_epi64(starts, _mm256_set1_epi64x(number as i64));
    split(four(step, half), _mm256_andnot_si256(empty, _mm256_set1_epi64x(BIT)))
}

#[target_feature(enable = "avx2,bmi2")]
#[inline]
fn four(step: &Step, half: usize) -> (__m256i, __m256i) {
    load_whole(&step.as_flattened().as_chunks::<{ STEP * BLOCK_LEN }>().0[half])
}

/// Where [`split`] puts the blocks of a step.
const LANE_OF: [usize; STEP] = [0, 2, 1, 3];
