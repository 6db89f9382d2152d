use super::{at_most, secs};

#[test]
fn times_have_a_unit_and_no_sign() {
    let table = [
        ("1s", Some(1)),
        ("90s", Some(90)),
        ("15min", Some(900)),
        ("15m", Some(900)),
        ("2h", Some(7200)),
        ("7 d", Some(604_800)),
        ("2w", Some(1_209_600)),
        ("0s", None),
        ("", None),
        ("h", None),
        ("24", None),
        ("-2h", None),
        ("1.5h", None),
        ("2H", None),
        ("2h30min", None),
        ("2y", None),
        ("٣h", None),
        ("18446744073709551615w", None),
        ("99999999999999999999s", None),
    ];
    for (text, expect) in table {
        assert_eq!(secs(text).ok(), expect, "{text:?}");
    }
}

#[test]
fn a_wait_has_an_end() {
    assert_eq!(at_most::<60>("60s"), Ok(60));
    assert_eq!(at_most::<60>("61s"), Err("this waits for at most 1 min".to_owned()));
    assert!(at_most::<60>("soon").is_err());
}
