//! Handshake initiations that pass a responder's first check and no other.
//!
//! A stranger who knows a device's public key can make MAC1, and nothing beyond it (paper, section 5.4.4). What
//! such a message costs the device until it is refused is what a flood costs, so only MAC1 is right here; the rest
//! is noise that differs from message to message.

use blake2::digest::{Digest, KeyInit, Mac, consts::U16};
use blake2::{Blake2s256, Blake2sMac};

/// Bytes of an initiation (paper, section 5.4.2).
pub(super) const LEN: usize = 148;
/// Where MAC1 stands; it covers everything before.
const MAC1_AT: usize = 116;
/// Where MAC2 stands: zeros, as of one who has no cookie.
const MAC2_AT: usize = 132;
/// The type in the first byte; the next three are zero.
const TYPE: u8 = 1;
/// What the key of MAC1 is hashed with.
const LABEL: &[u8; 8] = b"mac1----";

/// Makes initiations for one device.
#[derive(Clone, Debug)]
pub(super) struct Maker {
    key: [u8; 32],
    sound: bool,
    random: u64,
}

impl Maker {
    /// For the device with the public key `responder`; with a right MAC1 or with noise in its place.
    pub(super) fn new(responder: &[u8; 32], sound: bool, seed: u64) -> Self {
        let key = Blake2s256::new().chain_update(LABEL).chain_update(responder).finalize();
        Self { key: key.into(), sound, random: seed }
    }

    /// The next one.
    pub(super) fn fill(&mut self, message: &mut [u8; LEN]) {
        for word in message.chunks_mut(8) {
            word.copy_from_slice(&self.next_random().to_le_bytes()[..word.len()]);
        }
        message[..4].copy_from_slice(&[TYPE, 0, 0, 0]);
        message[MAC2_AT..].fill(0);
        if self.sound {
            let mac = mac1(&self.key, &message[..MAC1_AT]);
            message[MAC1_AT..MAC2_AT].copy_from_slice(&mac);
        }
    }

    /// SplitMix64: nothing here is secret, it must only be quick.
    const fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Keyed BLAKE2s with an output of 16 bytes.
fn mac1(key: &[u8; 32], covered: &[u8]) -> [u8; 16] {
    Blake2sMac::<U16>::new(key.into()).chain_update(covered).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
