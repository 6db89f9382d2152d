//! An endless stream of bytes in which every stretch is different, made from the offset alone.

/// Fills `out` with the bytes from `offset` on of the stream with this seed. `offset` counts in bytes.
pub(crate) fn fill(seed: u64, offset: u64, out: &mut [u8]) {
    let mut at = offset;
    let mut rest = out;
    while !rest.is_empty() {
        let word = word(seed, at / 8).to_le_bytes();
        let skip = (at % 8) as usize;
        let len = rest.len().min(8 - skip);
        let (now, later) = rest.split_at_mut(len);
        now.copy_from_slice(&word[skip..skip + len]);
        at += len as u64;
        rest = later;
    }
}

/// Where `bytes` first differ from the stream, in bytes from the stream's beginning.
pub(crate) fn difference(seed: u64, offset: u64, bytes: &[u8]) -> Option<u64> {
    let mut wanted = vec![0; bytes.len()];
    fill(seed, offset, &mut wanted);
    let at = bytes.iter().zip(&wanted).position(|(seen, wanted)| seen != wanted)?;
    Some(offset + at as u64)
}

/// SplitMix64 of the index.
fn word(seed: u64, index: u64) -> u64 {
    let mut word = seed ^ index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests;
