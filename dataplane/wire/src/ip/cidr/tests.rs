use std::net::IpAddr;

use proptest::prelude::*;

use super::{BadCidr, Cidr};

fn range(text: &str) -> Cidr {
    text.parse().expect("a range")
}

#[test]
fn text_forms() {
    for (text, expected) in [
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("255.255.255.255/0", "0.0.0.0/0"),
        ("10.1.2.3/31", "10.1.2.2/31"),
        ("10.1.2.3/032", "10.1.2.3/32"),
        ("fd00:1::ffff/64", "fd00:1::/64"),
        ("ffff::/0", "::/0"),
        ("fd00::1", "fd00::1/128"),
        ("::ffff:10.0.0.1/104", "::ffff:10.0.0.0/104"),
    ] {
        assert_eq!(range(text).to_string(), expected);
    }
}

#[test]
fn what_is_no_range() {
    for text in [
        "",
        "/",
        "10.0.0.0/",
        "/8",
        "10.0.0.0/33",
        "fd00::/129",
        "10.0.0.0/256",
        "10.0.0/8",
        "10.0.0.0/+8",
        "10.0.0.0/-1",
        "10.0.0.0/8/8",
        " 10.0.0.0/8",
        "10.0.0.0/8 ",
        "10.0.0.0/0x8",
        "host/8",
        "[fd00::]/8",
    ] {
        assert_eq!(text.parse::<Cidr>(), Err(BadCidr), "{text:?}");
    }
}

#[test]
fn containing() {
    for (text, addr, expected) in [
        ("10.0.0.0/8", "10.255.255.255", true),
        ("10.0.0.0/8", "11.0.0.0", false),
        ("0.0.0.0/0", "255.1.2.3", true),
        ("0.0.0.0/0", "::", false),
        ("::/0", "0.0.0.0", false),
        ("10.0.0.1/32", "10.0.0.1", true),
        ("10.0.0.1/32", "10.0.0.0", false),
        ("fd00::/63", "fd00:0:0:1::", true),
        ("fd00::/64", "fd00:0:0:1::", false),
        ("fd00::1/128", "fd00::1", true),
    ] {
        assert_eq!(range(text).contains(addr.parse().expect("an address")), expected, "{addr} in {text}");
    }
}

proptest! {
    /// Bit by bit: the first `prefix` ones stay and the others are cleared.
    #[test]
    fn only_leading_bits_count(addr in any::<IpAddr>(), prefix in any::<u8>()) {
        let octets = |addr: IpAddr| match addr {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let bit = |addr: IpAddr, at: usize| octets(addr)[at / 8] >> (7 - at % 8) & 1;
        let width = octets(addr).len() * 8;
        let made = Cidr::new(addr, prefix);
        prop_assert_eq!(made.is_ok(), usize::from(prefix) <= width);
        if let Ok(range) = made {
            for at in 0..width {
                let expected = if at < usize::from(prefix) { bit(addr, at) } else { 0 };
                prop_assert_eq!(bit(range.addr, at), expected);
            }
            prop_assert!(range.contains(addr));
            prop_assert_eq!(range.to_string().parse(), Ok(range));
        }
    }
}
