use super::{hash, kdf, keyed, mac};

/// RFC 7693, appendix B.
#[test]
fn blake2s_of_abc() {
    let expected = "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982";
    assert_eq!(hex::encode(hash(&[b"a", b"", b"bc"])), expected);
}

/// From the official `blake2s` known answers: key 00..1f, input empty and 00.
#[test]
fn keyed_blake2s_of_known_answers() {
    let key: [u8; 32] = std::array::from_fn(|byte| byte as u8);
    let table = [
        (&[][..], "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49"),
        (&[0], "40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1"),
    ];
    for (input, expected) in table {
        assert_eq!(hex::encode(keyed(&key, input)), expected);
    }
}

/// A MAC of 16 bytes is no prefix of the longer one: the length is part of what is hashed.
#[test]
fn a_mac_depends_on_key_length_and_parts_only_by_their_content() {
    assert_eq!(mac(&[7; 32], &[b"ab", b"c"]), mac(&[7; 32], &[b"abc"]));
    assert_ne!(mac(&[7; 32], &[b"abc"]), mac(&[7; 16], &[b"abc"]));
    assert_ne!(mac(&[7; 32], &[b"abc"])[..], keyed(&[7; 32], b"abc")[..16]);
}

#[test]
fn fewer_outputs_of_the_kdf_are_the_first_of_more() {
    let [a] = kdf(&[1; 32], b"input");
    let [b, c] = kdf(&[1; 32], b"input");
    let [d, e, f] = kdf(&[1; 32], b"input");
    assert_eq!((&a, &b), (&b, &d));
    assert_eq!(c, e);
    assert!(d != e && e != f && d != f);
}
