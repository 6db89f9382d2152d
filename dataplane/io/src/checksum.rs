//! The Internet checksum: the one's complement sum of 16-bit words (RFC 1071).
//!
//! Every segment that is split off or joined on is summed once from end to end, so this loop touches
//! every payload byte of the data path. Its shape is one that compilers turn into vector code without a word
//! of unsafe. The sum does not depend on byte order (RFC 1071, section 2 B), so words are added as the machine
//! reads them and only the result is laid out as bytes.
//!
//! **Invariant:** the arithmetic is exact for everything a packet can hold; nothing is folded on the way.
#![forbid(unsafe_code)]

/// 32-bit words per round of the wide loop, each with a pair of sums of its own: two vectors of 128 bits,
/// which every 64-bit machine has. Four at once, or 16-bit words in 32-bit lanes, measured slower.
const LANES: usize = 8;
const ROUND: usize = 4 * LANES;

/// As many rounds as the upper sums of the lanes hold without a carry.
const ROUNDS_MAX: usize = 1 << 16;

/// A running one's complement sum. The order of what is added does not matter, its alignment to 16-bit
/// words does: only the last bytes added may be of odd length.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    pub const ZERO: Self = Self(0);

    /// Adds `bytes`, whose first byte stands at an even offset of what is summed; an odd one at the end
    /// counts as if a zero followed (RFC 1071, section 1).
    #[inline]
    pub fn add_bytes(self, bytes: &[u8]) -> Self {
        Self(self.0 + add_wide(bytes))
    }

    /// Adds one 16-bit value, as a header field holds it in network byte order.
    #[inline]
    pub const fn add_word(self, value: u16) -> Self {
        Self(self.0 + value.to_be() as u64)
    }

    /// Adds one 32-bit value, as a header field holds it in network byte order.
    #[inline]
    pub const fn add_long(self, value: u32) -> Self {
        Self(self.0 + value.to_be() as u64)
    }

    /// Takes one 16-bit value away again (RFC 1624: by adding its complement).
    #[inline]
    pub const fn take_word(self, value: u16) -> Self {
        self.add_word(!value)
    }

    /// The folded sum, as the bytes of a header field: what `NEEDS_CSUM` wants to find there.
    #[inline]
    pub const fn partial(self) -> [u8; 2] {
        self.fold().to_ne_bytes()
    }

    /// The checksum, as the bytes of a header field.
    #[inline]
    pub const fn checksum(self) -> [u8; 2] {
        (!self.fold()).to_ne_bytes()
    }

    /// The checksum for protocols in which a field of zero means "none was computed": their zero is
    /// written as its other form, all ones (RFC 768).
    #[inline]
    pub const fn checksum_never_zero(self) -> [u8; 2] {
        match self.checksum() {
            [0, 0] => [0xff, 0xff],
            other => other,
        }
    }

    const fn fold(self) -> u16 {
        let sum = (self.0 >> 32) + (self.0 & 0xffff_ffff);
        let sum = (sum >> 32) + (sum & 0xffff_ffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        let sum = (sum >> 16) + (sum & 0xffff);
        ((sum >> 16) + (sum & 0xffff)) as u16
    }
}

#[inline]
fn add_wide(bytes: &[u8]) -> u64 {
    let (rounds, rest) = bytes.as_chunks::<ROUND>();
    let wide: u64 = rounds.chunks(ROUNDS_MAX).map(add_rounds).sum();
    let (words, tail) = rest.as_chunks::<4>();
    let words: u64 = words.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
    wide + words + add_tail(tail)
}

/// Adds the upper halves of all words exactly, and whole words without their carries: the lower halves
/// follow from the two, since their sum fits 32 bits. So each vector costs two additions and a shift.
/// Never inlined: then it is compiled to vectors in every place that uses it.
#[inline(never)]
fn add_rounds(rounds: &[[u8; ROUND]]) -> u64 {
    let mut words = [0_u32; LANES];
    let mut uppers = [0_u32; LANES];
    for round in rounds {
        for ((word, upper), bytes) in words.iter_mut().zip(&mut uppers).zip(round.as_chunks::<4>().0) {
            let value = u32::from_ne_bytes(*bytes);
            *word = word.wrapping_add(value);
            *upper += value >> 16;
        }
    }
    let lowers = words.iter().zip(&uppers).map(|(word, upper)| word.wrapping_sub(upper << 16));
    lowers.zip(&uppers).map(|(lower, upper)| u64::from(lower) + u64::from(*upper)).sum()
}

/// Fewer than four bytes: laid into a zeroed word, which pads them as the RFC says.
#[inline]
fn add_tail(tail: &[u8]) -> u64 {
    let mut word = [0; 4];
    for (to, from) in word.iter_mut().zip(tail) {
        *to = *from;
    }
    u64::from(u32::from_ne_bytes(word))
}

#[cfg(test)]
mod tests;
