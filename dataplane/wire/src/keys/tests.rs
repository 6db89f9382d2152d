use super::{BadKey, PresharedKey, PrivateKey, PublicKey};

const BASE64: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=";
const HEX: &str = "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20";

fn counting() -> [u8; 32] {
    std::array::from_fn(|at| at as u8 + 1)
}

#[test]
fn text_forms_of_a_public_key() {
    let key = PublicKey(counting());
    assert_eq!(key.to_string(), BASE64);
    assert_eq!(format!("{key:?}"), BASE64);
    assert_eq!(key.to_hex(), HEX);
    for read in
        [PublicKey::from_base64(BASE64), PublicKey::from_hex(HEX), PublicKey::from_hex(&HEX.to_uppercase())]
    {
        assert_eq!(read, Ok(key));
    }
}

#[test]
fn what_is_no_key() {
    let long = format!("{HEX}00");
    let spaced = format!(" {HEX}");
    for text in ["", "0", &HEX[2..], &HEX[1..], &long, &spaced, &HEX.replace('a', "g"), "é"] {
        assert_eq!(PublicKey::from_hex(text), Err(BadKey), "{text:?}");
        assert_eq!(PrivateKey::from_hex(text), Err(BadKey), "{text:?}");
        assert_eq!(PresharedKey::from_hex(text), Err(BadKey), "{text:?}");
    }
    let long = BASE64.replace('=', "AAA=");
    let spaced = format!("{BASE64}\n");
    // The last: bits that no byte holds are set.
    for text in [
        "",
        "AA==",
        &BASE64[4..],
        BASE64.trim_end_matches('='),
        &long,
        &spaced,
        &BASE64.replace("yA=", "yB="),
    ] {
        assert_eq!(PublicKey::from_base64(text), Err(BadKey), "{text:?}");
        assert_eq!(PrivateKey::from_base64(text), Err(BadKey), "{text:?}");
        assert_eq!(PresharedKey::from_base64(text), Err(BadKey), "{text:?}");
    }
}

#[test]
fn a_private_key_is_clamped_and_zero_stays_zero() {
    let mut clamped = [0xFF; 32];
    (clamped[0], clamped[31]) = (0xF8, 0x7F);
    assert_eq!(PrivateKey::new([0xFF; 32]).expose(), &clamped);
    assert_eq!(PrivateKey::from_hex(&"ff".repeat(32)).expect("a key").expose(), &clamped);

    assert!(PrivateKey::new([0; 32]).is_zero());
    let mut one = [0; 32];
    one[5] = 1;
    let key = PrivateKey::new(one);
    assert!(!key.is_zero());
    assert_eq!(key.expose()[31], 0x40);
}

#[test]
fn a_preshared_key_stays_as_it_is() {
    assert_eq!(PresharedKey::new([0xFF; 32]).expose(), &[0xFF; 32]);
    assert_eq!(PresharedKey::from_base64(BASE64), PresharedKey::from_hex(HEX));
    assert!(PresharedKey::new([0; 32]).is_zero());
    assert!(!PresharedKey::new(counting()).is_zero());
}

#[test]
fn secrets_are_equal_when_every_byte_is() {
    for at in 0..32 {
        let mut other = counting();
        other[at] ^= 0x10;
        assert_ne!(PresharedKey::new(other), PresharedKey::new(counting()), "byte {at}");
        assert_ne!(PrivateKey::new(other), PrivateKey::new(counting()), "byte {at}");
    }
    assert_eq!(PrivateKey::new(counting()), PrivateKey::new(counting()));
}

#[test]
fn nothing_prints_a_secret() {
    assert_eq!(format!("{:?}", PrivateKey::new(counting())), "PrivateKey((secret))");
    assert_eq!(format!("{:?}", PresharedKey::new(counting())), "PresharedKey((secret))");
}
