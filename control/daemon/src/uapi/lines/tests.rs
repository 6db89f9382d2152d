use std::time::Duration;

use super::{BUFFER_LEN, Line, Lines};
use crate::uapi::errno::Errno;
use crate::uapi::parse::LINE_LEN_MAX;

/// All lines of `text`, which arrives `piece` bytes at a time; a line as its text, its length when it is long, or its error.
fn lines(text: &[u8], piece: usize) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (mut writing, reading) = tokio::io::duplex(piece);
        let text = text.to_vec();
        tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut writing, &text).await });
        let mut lines = Lines::new(reading, Duration::from_secs(20));
        let mut found = Vec::new();
        while let Some(line) = lines.next().await {
            found.push(match line {
                Line::Text(text) if text.len() > 20 => text.len().to_string(),
                Line::Text(text) => text.to_owned(),
                Line::Bad(errno) => format!("errno {}", errno.number()),
            });
        }
        found
    })
}

#[test]
fn lines_come_out_as_they_went_in() {
    let too_big = format!("errno {}", Errno::TOO_BIG.number());
    let no_text = format!("errno {}", Errno::PROTOCOL.number());
    let longest = "x".repeat(LINE_LEN_MAX);
    let many = "a=1\n".repeat(BUFFER_LEN);
    let many_expected = vec!["a=1"; BUFFER_LEN];
    let cases: &[(&str, Vec<&str>)] = &[
        ("", vec![]),
        ("a", vec!["a"]),
        ("a\n", vec!["a"]),
        ("a\n\nb", vec!["a", "", "b"]),
        ("\n\n", vec!["", ""]),
        (&format!("{longest}\nb\n"), vec!["1024", "b"]),
        (&format!("{longest}x\nb\n"), vec![&too_big, "b"]),
        (&format!("{longest}{longest}{longest}\nb\n"), vec![&too_big, "b"]),
        (&"x".repeat(10 * BUFFER_LEN), vec![&too_big]),
        (&format!("{}\nb", "x".repeat(10 * BUFFER_LEN)), vec![&too_big, "b"]),
        (&many, many_expected),
    ];
    for (text, expected) in cases {
        for piece in [1, 7, 1024, 1 << 20] {
            assert_eq!(lines(text.as_bytes(), piece), *expected, "{:?}… by {piece}", text.get(..20));
        }
    }
    assert_eq!(lines(b"\xff\xfe\nb\n", 64), [no_text.as_str(), "b"]);
}
