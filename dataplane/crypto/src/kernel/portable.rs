//! The `chacha20poly1305` crate's kernel. It checks the tag before it decrypts.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut as _, ChaCha20Poly1305, KeyInit as _};

use crate::{KEY_LEN, NONCE_LEN, TAG_LEN};

/// Wiped on drop by the crate.
pub(crate) struct Key(ChaCha20Poly1305);

impl Key {
    pub(crate) fn new(bytes: &[u8; KEY_LEN]) -> Self {
        Self(ChaCha20Poly1305::new(bytes.into()))
    }

    pub(crate) fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], text: &mut [u8]) {
        let (plain, tag) = text.split_at_mut(text.len() - TAG_LEN);
        let made = self
            .0
            .encrypt_inout_detached(nonce.into(), aad, InOutBuf::from(plain))
            .expect("only texts beyond ChaCha20's 256 GiB are refused");
        tag.copy_from_slice(&made);
    }

    pub(crate) fn open(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], text: &mut [u8]) -> bool {
        let Some((cipher, tag)) = text.split_last_chunk_mut::<TAG_LEN>() else { return false };
        self.0.decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(cipher), (&*tag).into()).is_ok()
    }
}
