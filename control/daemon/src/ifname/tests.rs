use super::{BadName, IfName};

#[test]
fn names_are_checked() {
    let long = "a".repeat(16);
    let cases: &[(&str, Result<(), BadName>)] = &[
        ("wg0", Ok(())),
        ("a", Ok(())),
        ("fifteen-letters", Ok(())),
        ("ring_mesh=+.-", Ok(())),
        ("", Err(BadName::Empty)),
        (&long, Err(BadName::TooLong(long.clone()))),
        (".", Err(BadName::BadCharacter(".".into()))),
        ("..", Err(BadName::BadCharacter("..".into()))),
        ("-f", Err(BadName::BadCharacter("-f".into()))),
        ("a/b", Err(BadName::BadCharacter("a/b".into()))),
        ("a b", Err(BadName::BadCharacter("a b".into()))),
        ("wg%d", Err(BadName::BadCharacter("wg%d".into()))),
        ("a\nb", Err(BadName::BadCharacter("a\\nb".into()))),
        ("w\u{e9}", Err(BadName::BadCharacter("w\u{e9}".into()))),
    ];
    for (name, expected) in cases {
        assert_eq!(&IfName::new(name).map(drop), expected, "{name:?}");
    }
}

#[test]
fn a_long_name_is_shown_short() {
    let error = IfName::new(&"x".repeat(10_000)).expect_err("too long").to_string();
    assert!(error.len() < 140, "{error}");
}
