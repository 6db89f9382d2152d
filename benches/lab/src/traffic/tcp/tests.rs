use super::*;

#[test]
fn requests_and_receipts_come_back() {
    for request in [
        Request::Upload { seed: u64::MAX },
        Request::DownloadMillis { seed: 1, millis: 2, pace: 3 },
        Request::DownloadBytes { seed: 3, bytes: 1 << 40, pace: 0 },
        Request::Count { run: 9 },
    ] {
        let bytes = request.emit();
        assert_eq!(Request::parse(&bytes), Some(request));
        for at in [0, 7, 8] {
            let mut bad = bytes;
            bad[at] ^= 0x80;
            assert_eq!(Request::parse(&bad), None, "byte {at}");
        }
    }
    for receipt in [Receipt { bytes: 7, wrong_at: None }, Receipt { bytes: 7, wrong_at: Some(3) }] {
        assert_eq!(Receipt::parse(&receipt.emit()), Some(receipt));
        assert_eq!(Receipt::parse(&receipt.emit()[..15]), None);
    }
}

#[test]
fn only_a_whole_and_right_stream_is_accepted() {
    let table = [
        (7, None, Some(7), true),
        (7, None, None, true),
        (7, None, Some(8), false),
        (7, Some(3), Some(7), false),
        (7, Some(3), None, false),
    ];
    for (bytes, wrong_at, expected, accepted) in table {
        let receipt = Receipt { bytes, wrong_at };
        assert_eq!(receipt.accept(expected).is_ok(), accepted, "{receipt:?} of {expected:?}");
    }
}
