//! BLAKE2s as the protocol uses it: hash, MAC, HMAC and the key derivation built on it.
//!
//! The paper (section 5.4) names four functions: HASH, MAC (keyed BLAKE2s with 16 bytes of output), HMAC
//! and KDF (HKDF over HMAC). All other modules speak in these words, so that a reader can lay the paper
//! beside them.
//!
//! **Invariant:** secret intermediate values leave this module only as [`Zeroizing`].

use blake2::digest::{KeyInit, Mac, consts::U16, consts::U32};
use blake2::{Blake2s256, Blake2sMac, Digest};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of a HASH, of a key and of a KDF output.
pub(crate) const HASH_LEN: usize = 32;
/// Bytes of a MAC, of a cookie.
pub(crate) const MAC_LEN: usize = 16;
/// BLAKE2s' input block, which HMAC pads its key to.
const BLOCK_LEN: usize = 64;

/// HASH over the concatenation of `parts`.
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; HASH_LEN] {
    let mut state = Blake2s256::new();
    parts.iter().for_each(|part| Digest::update(&mut state, part));
    state.finalize().into()
}

/// MAC over the concatenation of `parts`. Keys are at most 32 bytes (cookies are 16).
pub(crate) fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; MAC_LEN] {
    let state = Blake2sMac::<U16>::new_from_slice(key);
    let mut state = state.expect("every caller's key is an array of 16 or 32 bytes");
    parts.iter().for_each(|part| Mac::update(&mut state, part));
    state.finalize().into_bytes().into()
}

/// Keyed BLAKE2s with full output: the generator of random bytes needs more than a MAC.
pub(crate) fn keyed(key: &[u8; HASH_LEN], message: &[u8]) -> [u8; HASH_LEN] {
    let mut state = Blake2sMac::<U32>::new(key.into());
    Mac::update(&mut state, message);
    state.finalize().into_bytes().into()
}

/// HMAC-BLAKE2s (RFC 2104) over the concatenation of `parts`; the key is one hash long.
fn hmac(key: &[u8; HASH_LEN], parts: &[&[u8]]) -> Zeroizing<[u8; HASH_LEN]> {
    let mut pad = Zeroizing::new([0x36; BLOCK_LEN]);
    pad.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
    let mut inner = Blake2s256::new();
    Digest::update(&mut inner, pad.as_slice());
    parts.iter().for_each(|part| Digest::update(&mut inner, part));
    let mut inner: [u8; HASH_LEN] = inner.finalize().into();
    pad.iter_mut().for_each(|pad| *pad ^= 0x36 ^ 0x5c);
    let outer = hash(&[pad.as_slice(), &inner]);
    inner.zeroize();
    Zeroizing::new(outer)
}

/// KDF with `N` outputs (1 to 3): HKDF without info over `chain` and `input`.
pub(crate) fn kdf<const N: usize>(chain: &[u8; HASH_LEN], input: &[u8]) -> [Zeroizing<[u8; HASH_LEN]>; N] {
    const { assert!(N >= 1 && N <= 3, "the protocol knows KDF1 to KDF3") };
    let secret = hmac(chain, &[input]);
    let mut last = Zeroizing::new([0; HASH_LEN]);
    std::array::from_fn(|index| {
        let before: &[u8] = if index == 0 { &[] } else { last.as_slice() };
        let output = hmac(&secret, &[before, &[index as u8 + 1]]);
        last = output.clone();
        output
    })
}

#[cfg(test)]
mod tests;
