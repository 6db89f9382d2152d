use super::*;

#[test]
fn numbers_have_three_digits_and_a_unit() {
    let table = [
        (bits(0.0), "0.00 bit/s"),
        (bits(999.0), "999 bit/s"),
        (bits(999_960_000.0), "1.00 Gbit/s"),
        (bits(1_234_000_000.0), "1.23 Gbit/s"),
        (bits(56_780_000.0), "56.8 Mbit/s"),
        (bytes(12_345_678.0), "12.3 MB"),
        (micros(0.25), "0.25 µs"),
        (micros(47.06), "47.1 µs"),
        (micros(1_500.0), "1.50 ms"),
        (micros(99_960.0), "100 ms"),
        (count(123_456.0), "123k"),
        (count(7.0), "7.00"),
    ];
    for (text, expected) in table {
        assert_eq!(text, expected);
    }
}

#[test]
fn columns_are_aligned_in_characters_not_bytes() {
    let mut table = Table::new(["what", "µs"]);
    table.row(vec!["naïve".to_owned(), "1".to_owned()]);
    table.row(vec!["x".to_owned(), "22 ±3".to_owned()]);
    table.row(vec!["short".to_owned()]);
    assert_eq!(table.text(), "what      µs\n─────  ─────\nnaïve      1\nx      22 ±3\nshort\n");
    let expected =
        "| what  |    µs |\n| ----- | ----: |\n| naïve |     1 |\n| x     | 22 ±3 |\n| short |       |\n";
    assert_eq!(table.markdown(), expected);
}
