//! What a stream carries: bytes that are known at every position.
//!
//! A checksum tells that something went wrong; comparing every byte with what must stand there also tells
//! where. The bytes repeat after a prime number of them, so that a stream which lost, doubled or swapped a piece of any
//! size that networks use cannot look right. Comparing costs less than a tenth of what receiving costs.

use std::sync::OnceLock;

/// Bytes until the pattern repeats: a prime, and small enough for a second-level cache.
const PERIOD: usize = 262_139;
/// The longest piece that [`piece`] gives.
pub(super) const PIECE_LEN_MAX: usize = 128 * 1024;

/// Up to `len` bytes of the stream `seed` from `position` on, at most [`PIECE_LEN_MAX`].
pub(super) fn piece(seed: u64, position: u64, len: usize) -> &'static [u8] {
    let period = PERIOD as u64;
    let start = (seed % period + position % period) % period;
    // Below PERIOD, so it fits any usize.
    let start = start as usize;
    &bytes()[start..start + len.min(PIECE_LEN_MAX)]
}

/// The position of the first byte that differs from the stream `seed`, where `received` begins at `position`.
pub(super) fn first_difference(seed: u64, position: u64, received: &[u8]) -> Option<u64> {
    let mut position = position;
    for chunk in received.chunks(PIECE_LEN_MAX) {
        let expected = piece(seed, position, chunk.len());
        if chunk != expected {
            let at = chunk.iter().zip(expected).position(|(one, other)| one != other)?;
            return Some(position + at as u64);
        }
        position += chunk.len() as u64;
    }
    None
}

/// One period and a piece more, so that every piece is contiguous.
fn bytes() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes: Vec<u8> = (0..PERIOD).map(|_| scramble(&mut state)).collect();
        bytes.extend_from_within(..PIECE_LEN_MAX);
        bytes
    })
}

/// One byte of xorshift64*.
const fn scramble(state: &mut u64) -> u8 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
}

#[cfg(test)]
mod tests;
