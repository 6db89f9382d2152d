use super::{Round, Verdict};

#[test]
fn every_number_has_its_line_with_its_spread() {
    let round = |bytes, many| Round {
        bytes_per_peer: bytes,
        many_bits_per_sec: many,
        few_bits_per_sec: 2e9,
        ..Round::default()
    };
    let rounds = vec![round(390.0, 1.9e9), round(380.0, 2e9), round(400.0, 2.1e9)];
    let text = Verdict { peers: 7, loaded_bytes: 12_300_000.0, rounds }.text();
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).expect("a line").to_owned();
    assert_eq!(text.lines().count(), 10);
    assert!(line("bytes for each").ends_with("390  (380 to 400)"));
    assert!(line("TCP with them").ends_with("1.00  (0.95 to 1.05)"));
    assert!(line("memory of both").ends_with("12.3"));
}
