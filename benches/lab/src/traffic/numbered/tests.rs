use super::*;

const fn header(number: u64, sent_millis: u64) -> Header {
    Header { run: 5, number, sent: Duration::from_millis(sent_millis), size: 100 }
}

#[test]
fn headers_come_back_and_nonsense_does_not() {
    let mut bytes = [0; HEADER_LEN];
    let sent = Header {
        run: u64::MAX - 1,
        number: NUMBERS_MAX - 1,
        sent: Duration::from_nanos(987_654_321),
        size: 32,
    };
    sent.emit(&mut bytes);
    assert_eq!(Header::parse(&bytes), Some(sent));
    for len in 0..HEADER_LEN {
        assert_eq!(Header::parse(&bytes[..len]), None, "{len} bytes");
    }
    for (name, bad) in [
        ("a number beyond the bound", Header { number: NUMBERS_MAX, ..sent }),
        ("a size below the header", Header { size: 31, ..sent }),
    ] {
        bad.emit(&mut bytes);
        assert_eq!(Header::parse(&bytes), None, "{name}");
    }
    sent.emit(&mut bytes);
    bytes[0] ^= 1;
    assert_eq!(Header::parse(&bytes), None, "another first word");
}

#[test]
fn arrivals_are_told_apart() {
    // Numbers as they arrive; then received, duplicates, reordered.
    let table: [(&[u64], [u64; 3]); 6] = [
        (&[0, 1, 2, 3], [4, 0, 0]),
        (&[3, 2, 1, 0], [4, 0, 3]),
        (&[0, 1, 1, 2], [3, 1, 0]),
        (&[0, 2, 1, 3], [4, 0, 1]),
        (&[10, 5, 5, 6, 11], [4, 1, 2]),
        (&[64, 128, 127, 0, 64], [4, 1, 2]),
    ];
    for (arrivals, expected) in table {
        let mut tally = Tally::new();
        arrivals.iter().for_each(|number| tally.count(header(*number, 0), Duration::ZERO));
        assert_eq!([tally.received, tally.duplicates, tally.reordered], expected, "{arrivals:?}");
    }
}

#[test]
fn jitter_follows_the_formula() {
    // Transit times in milliseconds, and the jitter of RFC 3550, A.8, by hand.
    let mut tally = Tally::new();
    let mut expected = 0.0;
    let transits = [10_u64, 10, 26, 10, 10];
    for (number, transit) in transits.iter().enumerate() {
        let sent = 1_000 + number as u64 * 20;
        tally.count(header(number as u64, sent), Duration::from_millis(sent + transit));
        if let Some(before) = number.checked_sub(1) {
            expected += (transit.abs_diff(transits[before]) as f64 * 1_000.0 - expected) / 16.0;
        }
    }
    assert!((tally.counted().jitter_us - expected).abs() < 1e-6);
    assert!(expected > 1_000.0);
}

#[test]
fn losses_are_put_where_they_were_sent() {
    let mut tally = Tally::new();
    for (number, millis) in [(0, 1_000), (1, 1_099), (3, 1_250)] {
        tally.count(header(number, millis), Duration::from_millis(9_999));
    }
    let sent =
        Sent { size: 100, count: 4, secs: 0.5, slots: [(10, 2), (11, 1), (12, 1)].into(), ..Sent::default() };
    let report = tally.counted().into_report(&sent);
    assert_eq!(
        report.slots,
        [
            Slot { at_millis: 1_000, sent: 2, received: 2 },
            Slot { at_millis: 1_100, sent: 1, received: 0 },
            Slot { at_millis: 1_200, sent: 1, received: 1 },
        ]
    );
    assert!((report.loss() - 0.25).abs() < 1e-9);
    assert!((report.packets_per_sec() - 6.0).abs() < 1e-9);
}
