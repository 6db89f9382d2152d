//! BLAKE3 under a name of its own for each use, so that no hash of one kind can pass for another.

/// One use of the hash function. The text is hashed in (BLAKE3's mode for deriving keys).
pub(crate) struct Domain(pub(crate) &'static str);

impl Domain {
    /// The hash of all `parts`, each with its length before it, so that no two lists of parts read the same.
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        *self.feed(parts).finalize().as_bytes()
    }

    /// As many bytes as `out` is long.
    pub(crate) fn fill(&self, parts: &[&[u8]], out: &mut [u8]) {
        self.feed(parts).finalize_xof().fill(out);
    }

    fn feed(&self, parts: &[&[u8]]) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_derive_key(self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher
    }
}
