//! Small packets: each lane is a packet with a key of its own, and no powers are needed.
//!
//! Packets of different length end together: a shorter one starts later, with blocks before it that are zero and
//! lack the bit 2^128, which add nothing.

use std::arch::x86_64::*;

use super::{Multiplier, STEP, STEP_LEN, Vector, load_whole, multiply, split};
use crate::{
    TAG_LEN,
    poly1305::{self, BLOCK_LEN, Input},
};

/// Longest text that goes this way, in bytes. Beyond it eight lanes for one packet are as fast.
pub(super) const TEXT_MAX: usize = 256;
/// Blocks of such a text, and the one of the lengths.
const STEPS_MAX: usize = TEXT_MAX / BLOCK_LEN + 1;

/// One block of each packet.
type Step = [[u8; BLOCK_LEN]; STEP];

/// The tags of at most eight packets with texts of at most [`TEXT_MAX`] bytes and no additional data.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512ifma")]
#[inline]
pub(super) fn tags(inputs: &[Input<'_>], tags: &mut [[u8; TAG_LEN]]) {
    let longest = inputs.iter().map(|input| input.text.len()).max().unwrap_or_default();
    let count = longest.div_ceil(BLOCK_LEN) + 1;
    let mut steps = [[[0; BLOCK_LEN]; STEP]; STEPS_MAX];
    let mut keys = [[0; BLOCK_LEN]; STEP];
    let mut starts = [u64::MAX; STEP];
    for (lane, input) in inputs.iter().enumerate().take(STEP) {
        let first = count - 1 - input.text.len().div_ceil(BLOCK_LEN);
        lay(input, &mut steps[first..count], lane);
        keys[lane].copy_from_slice(&input.key[..BLOCK_LEN]);
        starts[LANE_OF[lane]] = first as u64;
    }
    // SAFETY: eight times eight bytes.
    let starts = unsafe { _mm512_loadu_si512(starts.as_ptr().cast()) };
    let by = Multiplier::new(multipliers(&keys));
    let mut sum = Vector([_mm512_setzero_si512(); 3]);
    for (number, step) in steps[..count].iter().enumerate() {
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

/// Lays a packet's blocks, the last filled with zeros, and its lengths into its lane.
#[inline(always)]
fn lay(input: &Input<'_>, steps: &mut [Step], lane: usize) {
    let (blocks, rest) = input.text.as_chunks::<BLOCK_LEN>();
    for (step, block) in steps.iter_mut().zip(blocks) {
        step[lane] = *block;
    }
    if !rest.is_empty()
        && let Some(step) = steps.get_mut(blocks.len())
    {
        step[lane][..rest.len()].copy_from_slice(rest);
    }
    if let Some(step) = steps.last_mut() {
        step[lane] = input.lengths().to_le_bytes();
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
