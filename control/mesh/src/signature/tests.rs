//! Judges: the library's strict check for honest signatures, and the single check for crafted ones.

use super::{Claimed, verify, verify_one};
use crate::identity::SigningKey;
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest as _, Sha512};

fn signed(seed: u8, text: &[u8]) -> Claimed {
    let key = SigningKey::from_seed(&[seed; 32]);
    Claimed { key: key.public(), message: text.to_vec(), signature: key.sign(text) }
}

/// A signature whose points are off the prime-order group by the given multiples of the torsion point.
fn crafted(key_torsion: usize, r_torsion: usize, text: &[u8]) -> Claimed {
    let (secret, nonce) = (Scalar::from(12_345_u64), Scalar::from(98_765_u64));
    let key = (ED25519_BASEPOINT_POINT * secret + EIGHT_TORSION[key_torsion]).compress().0;
    let r = (ED25519_BASEPOINT_POINT * nonce + EIGHT_TORSION[r_torsion]).compress().0;
    let digest = Sha512::new().chain_update(r).chain_update(key).chain_update(text).finalize();
    let k = Scalar::from_bytes_mod_order_wide(&digest.into());
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice((nonce + k * secret).as_bytes());
    Claimed { key, message: text.to_vec(), signature }
}

#[test]
fn honest_signatures_hold_and_changed_ones_do_not() {
    let good: Vec<_> = (0..600_u16).map(|at| signed((at % 7) as u8, &at.to_le_bytes())).collect();
    assert!(verify(&good).into_iter().all(|holds| holds));
    for forged in [0, 1, 255, 256, 599] {
        let mut claims = good.clone();
        claims[forged].signature[3] ^= 1;
        claims[(forged + 300) % 600].message.push(0);
        let verdicts = verify(&claims);
        let bad: Vec<_> = (0..600).filter(|at| !verdicts[*at]).collect();
        let mut wanted = vec![forged, (forged + 300) % 600];
        wanted.sort_unstable();
        assert_eq!(bad, wanted);
    }
    assert!(verify(&[]).is_empty());
}

#[test]
fn a_batch_says_what_a_single_check_says_of_crafted_points() {
    let claims: Vec<_> =
        (0..8).flat_map(|a| (0..8).map(move |r| crafted(a, r, &[a as u8, r as u8]))).collect();
    let alone: Vec<_> =
        claims.iter().map(|claim| verify_one(&claim.key, &claim.message, &claim.signature)).collect();
    assert_eq!(verify(&claims), alone);
    for start in 0..claims.len() {
        let some: Vec<_> = claims.iter().cycle().skip(start).take(5).cloned().collect();
        let wanted: Vec<_> = (0..5).map(|at| alone[(start + at) % claims.len()]).collect();
        assert_eq!(verify(&some), wanted, "from {start}");
    }
}

#[test]
fn keys_of_small_order_and_scalars_that_are_not_reduced_are_refused() {
    for torsion in EIGHT_TORSION {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&EdwardsPoint::default().compress().0);
        assert!(!verify_one(&torsion.compress().0, b"anything", &signature));
    }
    let honest = signed(3, b"text");
    // The order of the group, little-endian: s + l is the same scalar in another encoding.
    let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let mut carry = 0_u16;
    let mut longer = honest.signature;
    for (byte, add) in longer[32..].iter_mut().zip(hex::decode(order).expect("hexadecimal")) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert!(verify_one(&honest.key, b"text", &honest.signature));
    assert!(!verify_one(&honest.key, b"text", &longer), "the same signature under another name");
}

#[test]
fn encodings_that_are_not_canonical_are_refused() {
    // y = p + 1 is the encoding of 1, and the sign bit of x = 0 means nothing.
    let mut beyond = [0xff; 32];
    (beyond[0], beyond[31]) = (0xee, 0x7f);
    let mut signed_zero = [0; 32];
    (signed_zero[0], signed_zero[31]) = (1, 0x80);
    for bytes in [beyond, signed_zero] {
        assert!(super::point(&bytes).is_none());
    }
    let mut one = [0; 32];
    one[0] = 1;
    assert!(super::point(&one).is_some());
}
