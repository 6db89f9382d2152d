//! Poly1305 (RFC 8439, section 2.5), one block at a time: three limbs of 44, 44 and 42 bits.
//!
//! It does for all kernels what comes once per packet: clamping the key, the last carry and adding the pad; and the
//! additional data of the RFC's examples, which packets have not.
//!
//! **Invariant:** no branch and no address depends on key, text or tag.

use crate::TAG_LEN;

/// An element modulo 2^130 - 5, not always fully carried.
pub(crate) type Limbs = [u64; 3];

/// The lower 44 bits.
pub(crate) const LOW_44: u64 = (1 << 44) - 1;
/// The lower 42 bits.
pub(crate) const LOW_42: u64 = (1 << 42) - 1;
/// Length of a block, in bytes.
pub(crate) const BLOCK_LEN: usize = 16;

/// What a tag is of (RFC 8439, section 2.8): additional data and text, each padded with zeros, and their lengths.
pub(crate) struct Input<'a> {
    pub(crate) key: &'a [u8; 32],
    pub(crate) aad: &'a [u8],
    pub(crate) text: &'a [u8],
}

impl Input<'_> {
    /// The block that ends it.
    pub(crate) const fn lengths(&self) -> u128 {
        self.aad.len() as u128 | (self.text.len() as u128) << 64
    }
}

/// What a key multiplies with, clamped.
pub(crate) fn multiplier(key: &[u8; 32]) -> Limbs {
    let r = u128::from_le_bytes(half(key, 0)) & 0x0fff_fffc_0fff_fffc_0fff_fffc_0fff_ffff;
    limbs(r)
}

/// Adds up one stretch of bytes, the last block filled with zeros, as the AEAD pads each of its parts.
#[inline(always)]
pub(crate) fn absorb(mut sum: Limbs, r: &Limbs, bytes: &[u8]) -> Limbs {
    let (blocks, rest) = bytes.as_chunks::<BLOCK_LEN>();
    for block in blocks {
        sum = step(sum, r, u128::from_le_bytes(*block));
    }
    if rest.is_empty() {
        return sum;
    }
    let mut block = [0; BLOCK_LEN];
    block[..rest.len()].copy_from_slice(rest);
    step(sum, r, u128::from_le_bytes(block))
}

/// `(sum + block + 2^128) * r`.
#[inline(always)]
pub(crate) fn step(sum: Limbs, r: &Limbs, block: u128) -> Limbs {
    let [b0, b1, b2] = limbs(block);
    let [h0, h1, h2] = [sum[0] + b0, sum[1] + b1, sum[2] + b2 + (1 << 40)].map(u128::from);
    let [r0, r1, r2] = r.map(u128::from);
    // 2^132 is 20 modulo 2^130 - 5.
    let (s1, s2) = (r1 * 20, r2 * 20);
    let d0 = h0 * r0 + h1 * s2 + h2 * s1;
    let d1 = h0 * r1 + h1 * r0 + h2 * s2 + (d0 >> 44);
    let d2 = h0 * r2 + h1 * r1 + h2 * r0 + (d1 >> 44);
    let h0 = (d0 as u64 & LOW_44) + (d2 >> 42) as u64 * 5;
    [h0 & LOW_44, (d1 as u64 & LOW_44) + (h0 >> 44), d2 as u64 & LOW_42]
}

/// Fully reduces `sum` and adds the pad. Its limbs may have up to 60 bits.
pub(crate) fn finish(sum: Limbs, key: &[u8; 32]) -> [u8; TAG_LEN] {
    let [h0, h1, h2] = carried(carried(sum));
    // What would be left after subtracting 2^130 - 5; its top bit says whether that was too much.
    let g0 = h0 + 5;
    let g1 = h1 + (g0 >> 44);
    let g2 = (h2 + (g1 >> 44)).wrapping_sub(1 << 42);
    let keep = 0_u64.wrapping_sub(g2 >> 63);
    let pick = |h: u64, g: u64| u128::from((h & keep) | (g & !keep));
    let (h0, h1, h2) = (pick(h0, g0 & LOW_44), pick(h1, g1 & LOW_44), pick(h2, g2 & LOW_42));
    let number = h0 | h1 << 44 | h2 << 88;
    number.wrapping_add(u128::from_le_bytes(half(key, 16))).to_le_bytes()
}

/// 128 bits as limbs.
const fn limbs(number: u128) -> Limbs {
    [number as u64 & LOW_44, (number >> 44) as u64 & LOW_44, (number >> 88) as u64]
}

/// Carries once all around.
const fn carried([h0, h1, h2]: Limbs) -> Limbs {
    let h1 = h1 + (h0 >> 44);
    let h2 = h2 + (h1 >> 44);
    let h0 = (h0 & LOW_44) + (h2 >> 42) * 5;
    [h0 & LOW_44, (h1 & LOW_44) + (h0 >> 44), h2 & LOW_42]
}

fn half(key: &[u8; 32], at: usize) -> [u8; 16] {
    std::array::from_fn(|i| key[at + i])
}
