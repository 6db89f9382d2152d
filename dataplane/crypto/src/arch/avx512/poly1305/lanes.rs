//! Small packets: each lane is a packet with a key of its own, and no powers are needed.

use std::arch::x86_64::*;

use super::{Multiplier, STEP, STEP_LEN, Vector, load_whole, multiply, split};
use crate::{
    TAG_LEN,
    arch::small::{Laid, Step},
    poly1305::{self, Input},
};

/// The tags of at most eight small packets.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
pub(super) fn tags(inputs: &[Input<'_>], tags: &mut [[u8; TAG_LEN]]) {
    let laid = Laid::new(inputs);
    let mut starts = [0; STEP];
    for (start, lane) in laid.starts.iter().zip(LANE_OF) {
        starts[lane] = *start;
    }
    // SAFETY: eight times eight bytes.
    let starts = unsafe { _mm512_loadu_si512(starts.as_ptr().cast()) };
    let by = Multiplier::new(multipliers(&laid.keys));
    let mut sum = Vector([_mm512_setzero_si512(); 3]);
    for (number, step) in laid.steps().iter().enumerate() {
        let started = _mm512_cmple_epu64_mask(starts, _mm512_set1_epi64(number as i64));
        let bit = _mm512_maskz_set1_epi64(started, 1 << 40);
        let (low, high) = load_whole(whole(step));
        sum = multiply(sum.plus(split(low, high), bit), &by);
    }
    let mut limbs = [[0_u64; STEP]; 3];
    for (limbs, vector) in limbs.iter_mut().zip(sum.0) {
        // SAFETY: eight times eight bytes.
        unsafe { _mm512_storeu_si512(limbs.as_mut_ptr().cast(), vector) };
    }
    for (lane, (input, tag)) in inputs.iter().zip(tags).enumerate().take(STEP) {
        let [h0, h1, h2] = &limbs;
        let lane = LANE_OF[lane];
        *tag = poly1305::finish([h0[lane], h1[lane], h2[lane]], input.key);
    }
}

/// Clamped keys (RFC 8439, section 2.5) as limbs.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
fn multipliers(keys: &Step) -> Vector {
    let clamp = _mm512_set4_epi32(0x0fff_fffc, 0x0fff_fffc, 0x0fff_fffc, 0x0fff_ffff);
    let (low, high) = load_whole(whole(keys));
    split(_mm512_and_si512(low, clamp), _mm512_and_si512(high, clamp))
}

const fn whole(step: &Step) -> &[u8; STEP_LEN] {
    match step.as_flattened().as_array() {
        Some(bytes) => bytes,
        None => unreachable!(),
    }
}

/// Where [`split`] puts the blocks of a step.
const LANE_OF: [usize; STEP] = [0, 2, 4, 6, 1, 3, 5, 7];
