//! One line of Rust each, and what is left of it.

use super::blank;

#[test]
fn only_code_is_left() {
    let table: &[(&str, &str)] = &[
        ("let a = 1; // unsafe", "let a = 1;"),
        ("a /* unsafe /* deep */ still */ b", "a b"),
        ("/* open unsafe", ""),
        (r#"f("unsafe \" unsafe") + 1"#, "f( ) + 1"),
        (r##"f(r#"unsafe " x"#) + 1"##, "f( ) + 1"),
        (r#"f(br"unsafe\") + 1"#, "f( ) + 1"),
        ("for_r\"x\"", "for_r"),
        ("fn f<'a>(c: &'a str) { g('\"') } // x", "fn f<'a>(c: &'a str) { g( ) }"),
        (r"g('\'', '\u{41}') unsafe", "g( , ) unsafe"),
        ("\"no end", ""),
        ("let r#type = 1;", "let r#type = 1;"),
        ("é // ü", "é"),
    ];
    for (text, code) in table {
        let words: Vec<_> = blank(text).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words.join(" "), *code, "{text}");
        assert_eq!(blank(text).chars().count(), text.chars().count(), "{text}");
    }
}

#[test]
fn lines_stay_where_they_are() {
    let text = "one /*\n\n*/ two \"\n\n\" three\n";
    assert_eq!(blank(text).lines().count(), text.lines().count());
    assert!(blank(text).lines().nth(2).is_some_and(|line| line.trim() == "two"));
}
