//! AWS-LC's kernel. It encrypts and authenticates in one pass, with AVX2 or NEON where there is any.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use crate::{KEY_LEN, NONCE_LEN, TAG_LEN};

/// AWS-LC keeps the key in memory of its own and wipes that when it frees it.
pub(crate) struct Key(LessSafeKey);

impl Key {
    /// `None` when AWS-LC got no memory.
    pub(crate) fn new(bytes: &[u8; KEY_LEN]) -> Option<Self> {
        UnboundKey::new(&CHACHA20_POLY1305, bytes).ok().map(LessSafeKey::new).map(Self)
    }

    pub(crate) fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], text: &mut [u8]) {
        let (plain, tag) = text.split_at_mut(text.len() - TAG_LEN);
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.0
            .seal_in_place_scatter(nonce, Aad::from(aad), plain, &[], tag)
            .expect("only texts beyond ChaCha20's 256 GiB are refused");
    }

    pub(crate) fn open(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], text: &mut [u8]) -> bool {
        let Some(len) = text.len().checked_sub(TAG_LEN) else { return false };
        let (cipher, tag) = text.split_at_mut(len);
        let nonce = Nonce::assume_unique_for_key(*nonce);
        // Not `open_in_place`: that one moves the text onto itself once more.
        let ok = self.0.open_in_place_separate_tag(nonce, Aad::from(aad), tag, cipher).is_ok();
        if !ok {
            // One pass means that it was decrypted before the tag was known to be wrong.
            cipher.fill(0);
        }
        ok
    }
}
