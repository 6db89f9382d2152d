//! Signatures: one verdict per signature, whoever asks, alone or in a batch.
//!
//! That is less than it sounds. Ed25519 libraries differ in what they accept of a signature whose
//! points have a small-order part: the usual single check refuses it, a batch check lets it pass in one of
//! eight draws. A member could craft such records on purpose, half of the devices would believe
//! them, and the circle would split for good. So there is one equation here, multiplied by the cofactor 8, for
//! one signature and for thousands (the rule of ZIP 215). Points are also refused in non-canonical
//! encodings, so that a key has one name.
//!
//! **Invariant:** `verify` of a list says of each signature what `verify` of it alone says.

use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity as _, VartimeMultiscalarMul as _};
use sha2::{Digest as _, Sha512};
use std::collections::BTreeMap;

use crate::hash::Domain;
use crate::identity::KEY_LEN;
use crate::limits::SIGNATURE_LEN;

const COEFFICIENTS: Domain = Domain("ringmesh 2026 coefficients of batched signatures");

/// Signatures that are checked in one multiplication. Larger ones gain little and make the search for a
/// forged one longer.
const BATCH: usize = 256;

/// One signature to be checked: who is said to have signed what.
#[derive(Clone)]
pub(crate) struct Claimed {
    pub(crate) key: [u8; KEY_LEN],
    pub(crate) message: Vec<u8>,
    pub(crate) signature: [u8; SIGNATURE_LEN],
}

/// Says of each signature whether it holds.
pub(crate) fn verify(claimed: &[Claimed]) -> Vec<bool> {
    let mut keys = Keys::default();
    let terms: Vec<_> = claimed.iter().map(|claim| Term::new(claim, &mut keys)).collect();
    let mut good = vec![false; claimed.len()];
    let mut sound: Vec<usize> = (0..terms.len()).filter(|at| terms[*at].is_some()).collect();
    // Neighbours often have the same author, whose point then counts once.
    sound.sort_by_key(|at| claimed[*at].key);
    for batch in sound.chunks(BATCH) {
        search(&terms, batch, &mut good);
    }
    good
}

/// Whether one signature holds.
pub(crate) fn verify_one(key: &[u8; KEY_LEN], message: &[u8], signature: &[u8; SIGNATURE_LEN]) -> bool {
    verify(&[Claimed { key: *key, message: message.to_vec(), signature: *signature }])[0]
}

/// The public keys that were already decompressed; `None` are no keys.
#[derive(Default)]
struct Keys(BTreeMap<[u8; KEY_LEN], Option<EdwardsPoint>>);

impl Keys {
    fn point(&mut self, key: &[u8; KEY_LEN]) -> Option<EdwardsPoint> {
        // A key of small order signs everything, so it is nobody's.
        *self.0.entry(*key).or_insert_with(|| point(key).filter(|point| !point.is_small_order()))
    }
}

/// What one signature puts into the equation `s·B = R + k·A`.
struct Term {
    r: EdwardsPoint,
    a: EdwardsPoint,
    s: Scalar,
    k: Scalar,
    digest: [u8; 64],
}

impl Term {
    /// None for what is no signature at all: the points do not exist, or `s` is not reduced.
    fn new(claim: &Claimed, keys: &mut Keys) -> Option<Self> {
        let (r_bytes, s_bytes) = claim.signature.split_first_chunk::<KEY_LEN>()?;
        let s = Option::from(Scalar::from_canonical_bytes(s_bytes.try_into().ok()?))?;
        let a = keys.point(&claim.key)?;
        let r = point(r_bytes)?;
        let digest: [u8; 64] = Sha512::new()
            .chain_update(r_bytes)
            .chain_update(claim.key)
            .chain_update(&claim.message)
            .finalize()
            .into();
        Some(Self { r, a, s, k: Scalar::from_bytes_mod_order_wide(&digest), digest })
    }
}

/// The point of a canonical encoding: the coordinate below 2^255-19, and no sign of a zero.
fn point(bytes: &[u8; KEY_LEN]) -> Option<EdwardsPoint> {
    let high = bytes[31] & 0x7f == 0x7f && bytes[1..31].iter().all(|byte| *byte == 0xff) && bytes[0] >= 0xed;
    let zero_x = bytes[31] & 0x80 != 0 && has_zero_x(bytes);
    if high || zero_x { None } else { CompressedEdwardsY(*bytes).decompress() }
}

/// Whether the coordinate is 1 or -1, the only ones with x = 0.
fn has_zero_x(bytes: &[u8; KEY_LEN]) -> bool {
    let mut y = *bytes;
    y[31] &= 0x7f;
    let mut one = [0; KEY_LEN];
    one[0] = 1;
    let mut minus_one = [0xff; KEY_LEN];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    y == one || y == minus_one
}

/// Marks the good ones of `batch`; halves it as long as something in it is forged.
fn search(terms: &[Option<Term>], batch: &[usize], good: &mut [bool]) {
    if batch.is_empty() {
        return;
    }
    if holds(batch.iter().filter_map(|at| terms[*at].as_ref())) {
        batch.iter().for_each(|at| good[*at] = true);
    } else if batch.len() > 1 {
        let (left, right) = batch.split_at(batch.len() / 2);
        search(terms, left, good);
        search(terms, right, good);
    }
}

/// Whether `8·(Σ z·s)·B = 8·Σ (z·R + z·k·A)`, with coefficients that follow from all signatures at once:
/// whoever wants two forged ones to cancel out would have to know the coefficients before the signatures.
fn holds<'a>(terms: impl Iterator<Item = &'a Term> + Clone) -> bool {
    let mut transcript = Vec::new();
    terms.clone().for_each(|term| {
        transcript.extend_from_slice(&term.digest);
        transcript.extend_from_slice(term.s.as_bytes());
    });
    let count = transcript.len() / (64 + KEY_LEN);
    let mut coefficients = vec![0; count * 16];
    COEFFICIENTS.fill(&[&transcript], &mut coefficients);
    let mut scalars = Vec::with_capacity(2 * count + 1);
    let mut points = Vec::with_capacity(2 * count + 1);
    let mut base = Scalar::ZERO;
    let mut author: Option<(EdwardsPoint, Scalar)> = None;
    for (term, bytes) in terms.zip(coefficients.chunks_exact(16)) {
        let z = Scalar::from(u128::from_le_bytes(bytes.try_into().unwrap_or_default()));
        base -= z * term.s;
        scalars.push(z);
        points.push(term.r);
        author = match author {
            Some((a, sum)) if a == term.a => Some((a, sum + z * term.k)),
            other => {
                push(other, &mut scalars, &mut points);
                Some((term.a, z * term.k))
            }
        };
    }
    push(author, &mut scalars, &mut points);
    push(Some((curve25519_dalek::constants::ED25519_BASEPOINT_POINT, base)), &mut scalars, &mut points);
    EdwardsPoint::vartime_multiscalar_mul(scalars, points).mul_by_cofactor().is_identity()
}

fn push(term: Option<(EdwardsPoint, Scalar)>, scalars: &mut Vec<Scalar>, points: &mut Vec<EdwardsPoint>) {
    if let Some((point, scalar)) = term {
        scalars.push(scalar);
        points.push(point);
    }
}

#[cfg(test)]
mod tests;
