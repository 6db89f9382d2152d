//! A table of names, and what is wrong with each.

use super::{BadLabel, Label};
use crate::codec::{Reader, Writer};
use crate::identity::DeviceId;
use crate::limits::{CHOSEN_MAX, LABEL_MAX};

#[test]
fn names_and_why_they_are_refused() {
    let long = "a".repeat(CHOSEN_MAX);
    let table = [
        ("nas", None),
        ("a", None),
        ("bobs-pc", None),
        ("3d-printer", None),
        (long.as_str(), None),
        ("", Some(BadLabel::Empty)),
        ("Nas", Some(BadLabel::Character('N'))),
        ("nas.home", Some(BadLabel::Character('.'))),
        ("büro", Some(BadLabel::Character('ü'))),
        ("a b", Some(BadLabel::Character(' '))),
        ("-a", Some(BadLabel::Hyphen)),
        ("a-", Some(BadLabel::Hyphen)),
        ("xn--bro-hoa", Some(BadLabel::Hyphen)),
        ("nas--0123456789", Some(BadLabel::Hyphen)),
        ("10-0-0-1", Some(BadLabel::NoLetter)),
        ("localhost", Some(BadLabel::Reserved)),
        ("wpad", Some(BadLabel::Reserved)),
    ];
    for (text, wanted) in table {
        assert_eq!(text.parse::<Label>().err(), wanted, "{text}");
    }
    assert_eq!(format!("{long}a").parse::<Label>(), Err(BadLabel::TooLong));
}

#[test]
fn hostnames_become_names() {
    let table = [
        ("Toms-MacBook.local", Some("toms-macbook")),
        ("my_box", Some("my-box")),
        ("__x__", Some("x")),
        ("DESKTOP-1A2B", Some("desktop-1a2b")),
        ("42", None),
        ("", None),
        ("localhost", None),
    ];
    for (hostname, wanted) in table {
        assert_eq!(Label::from_hostname(hostname).as_ref().map(Label::as_str), wanted, "{hostname}");
    }
    assert!(Label::from_hostname(&"ab-".repeat(40)).is_some());
}

#[test]
fn equal_names_are_told_apart_within_a_dns_label() {
    let device = DeviceId([0xab; 32]);
    let nas: Label = "nas".parse().expect("a name");
    let home: Label = "home".parse().expect("a name");
    assert_eq!(nas.told_apart(&device).as_str(), "nas--ababababab");
    let long: Label = "a".repeat(CHOSEN_MAX).parse().expect("a name");
    assert_eq!(long.told_apart(&device).as_str().len(), LABEL_MAX);
    assert_eq!(nas.qualified(&home), "nas.home.internal");
}

#[test]
fn a_name_on_the_wire_is_checked_like_one_that_is_typed() {
    let mut bytes = Vec::new();
    let nas: Label = "nas".parse().expect("a name");
    nas.write(&mut Writer(&mut bytes));
    assert_eq!(Label::read(&mut Reader::new(&bytes)), Ok(nas));
    assert!(Label::read(&mut Reader::new(b"\x00\x03NAS")).is_err());
    assert!(Label::read(&mut Reader::new(b"\x00\x02\xc3\x28")).is_err());
}
