//! Small packets laid side by side for Poly1305: each lane is a packet with a key of its own.
//!
//! Packets of different length end together: a shorter one starts later, with blocks before it that are zero and
//! lack the bit 2^128, which add nothing.

use crate::{
    batch::GROUP_MAX,
    poly1305::{BLOCK_LEN, Input},
};

/// Longest text that goes this way, in bytes. Beyond it all lanes for one packet are as fast.
pub(crate) const TEXT_MAX: usize = 256;
/// Blocks of such a text, and the one of the lengths.
const STEPS_MAX: usize = TEXT_MAX / BLOCK_LEN + 1;

/// One block of each packet.
pub(crate) type Step = [[u8; BLOCK_LEN]; GROUP_MAX];

/// Whether a group goes this way: enough packets to share lanes, all of them small and without additional data.
pub(crate) fn are_small(inputs: &[Input<'_>]) -> bool {
    inputs.len() > 2 && inputs.iter().all(|input| input.aad.is_empty() && input.text.len() <= TEXT_MAX)
}

/// A group, block by block.
pub(crate) struct Laid {
    steps: [Step; STEPS_MAX],
    count: usize,
    /// The halves of the keys that multiply, not yet clamped.
    pub(crate) keys: Step,
    /// The first step of each packet that is its own; lanes without a packet never start.
    pub(crate) starts: [u64; GROUP_MAX],
}

impl Laid {
    /// Lays at most [`GROUP_MAX`] packets for which [`are_small`] holds.
    #[inline(always)]
    pub(crate) fn new(inputs: &[Input<'_>]) -> Self {
        let longest = inputs.iter().map(|input| input.text.len()).max().unwrap_or_default();
        let count = (longest.div_ceil(BLOCK_LEN) + 1).min(STEPS_MAX);
        let mut laid = Self {
            steps: [[[0; BLOCK_LEN]; GROUP_MAX]; STEPS_MAX],
            count,
            keys: [[0; BLOCK_LEN]; GROUP_MAX],
            starts: [i64::MAX as u64; GROUP_MAX],
        };
        for (lane, input) in inputs.iter().enumerate().take(GROUP_MAX) {
            let first = count - 1 - input.text.len().div_ceil(BLOCK_LEN);
            lay(input, &mut laid.steps[first..count], lane);
            laid.keys[lane].copy_from_slice(&input.key[..BLOCK_LEN]);
            laid.starts[lane] = first as u64;
        }
        laid
    }

    /// The steps that have blocks.
    #[inline(always)]
    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps[..self.count]
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
