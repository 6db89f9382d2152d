//! Keys: text forms, and nothing secret in them.

use super::{DeviceId, SigningKey};

#[test]
fn a_signing_key_is_never_printed() {
    let key = SigningKey::from_seed(&[7; 32]);
    assert_eq!(format!("{key:?}"), "(secret)");
    assert_eq!(key.expose(), &[7; 32]);
}

#[test]
fn the_first_vector_of_rfc_8032() {
    let mut seed = [0; 32];
    hex::decode_to_slice("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", &mut seed)
        .expect("hexadecimal");
    let key = SigningKey::from_seed(&seed);
    let id = key.device();
    assert_eq!(id.to_string(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    assert_eq!(hex::encode(key.sign(b""))[..16], *"e5564300c360ac72");
    assert_eq!(DeviceId::from_hex(&id.to_string()), Some(id));
    assert_eq!(id.short(), "d75a980182");
    assert_eq!(DeviceId::from_hex("d75a"), None);
}
