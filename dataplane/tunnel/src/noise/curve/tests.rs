use proptest::prelude::*;
use x25519_dalek::StaticSecret;

use super::{Refused, Scalar};

fn bytes(text: &str) -> [u8; 32] {
    let mut out = [0; 32];
    hex::decode_to_slice(text, &mut out).expect("a vector is hexadecimal");
    out
}

/// RFC 7748, section 6.1.
#[test]
fn the_vector_of_the_rfc() {
    let alice = Scalar::new(&bytes("77076d0a7318a57d3c16c17251b26645df4c87ebc0992af177fba51db92c2a2a"));
    let bob = Scalar::new(&bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"));
    assert_eq!(bob.public().0, bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"));
    assert_eq!(
        *alice.shared(&bob.public().0).expect("honest"),
        *bob.shared(&alice.public().0).expect("honest")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any scalar, any point: also those that are not reduced, not clamped, or not on the curve but its twist.
    #[test]
    fn agrees_with_the_portable_crate(private: [u8; 32], public: [u8; 32]) {
        let (ours, judge) = (Scalar::new(&private), StaticSecret::from(private));
        prop_assert_eq!(ours.public().0, x25519_dalek::PublicKey::from(&judge).to_bytes());
        let expected = judge.diffie_hellman(&public.into());
        prop_assert_eq!(ours.shared(&public).map(|shared| *shared).ok(), expected.was_contributory().then(|| expected.to_bytes()));
    }
}

#[test]
fn a_point_of_low_order_shares_nothing() {
    let ours = Scalar::new(&[7; 32]);
    for first in [0, 1] {
        let mut point = [0; 32];
        point[0] = first;
        assert_eq!(ours.shared(&point).err(), Some(Refused::ZeroShared));
    }
}
