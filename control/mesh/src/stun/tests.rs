use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use super::{ANSWER_LEN_MAX, BURST, PER_SECOND, Responder, mapped};

/// A binding request with the transaction number of RFC 5769.
fn request(attributes: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 1, 0, attributes.len() as u8, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
    bytes.extend(attributes);
    bytes
}

fn answer(datagram: &[u8], source: &str) -> Option<Vec<u8>> {
    let source: SocketAddr = source.parse().expect("an address");
    Responder::default().answer(datagram, source, Duration::ZERO)
}

#[test]
fn addresses_are_those_of_the_test_vectors() {
    // RFC 5769, sections 2.2 and 2.3: the XOR-MAPPED-ADDRESS attributes.
    let v4 = [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43];
    let v6 = [
        0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4,
        0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
    ];
    let cases: [(&str, &[u8]); 3] = [
        ("192.0.2.1:32853", &v4),
        ("[2001:db8:1234:5678:11:2233:4455:6677]:32853", &v6),
        ("[::ffff:192.0.2.1]:32853", &v4),
    ];
    for (source, attribute) in cases {
        let answer = answer(&request(&[]), source).expect(source);
        assert_eq!(answer[..4], [1, 1, 0, attribute.len() as u8], "{source}");
        assert_eq!(answer[4..20], request(&[])[4..20], "{source}");
        assert_eq!(&answer[20..], attribute, "{source}");
        assert!(answer.len() <= ANSWER_LEN_MAX);
    }
}

#[test]
fn only_plain_requests_are_answered() {
    let software = [0x80, 0x22, 0, 3, b'a', b'b', b'c', 0];
    let username = [0x00, 0x06, 0, 4, b'a', b'b', b'c', b'd'];
    let mut success = request(&[]);
    success[0] = 1;
    let mut old = request(&[]);
    old[4] = 0;
    let mut long = request(&[]);
    long.push(0);
    let overlong = [0x80, 0x22, 0, 9, 0, 0, 0, 0];
    let cases: [(&str, Vec<u8>, bool); 9] = [
        ("plain", request(&[]), true),
        ("optional attribute", request(&software), true),
        ("required attribute", request(&username), false),
        ("a success", success, false),
        ("RFC 3489, no cookie", old, false),
        ("trailing byte", long, false),
        ("attribute beyond the end", request(&overlong), false),
        ("cut", request(&[])[..19].to_vec(), false),
        ("nothing", Vec::new(), false),
    ];
    for (name, datagram, answered) in cases {
        assert_eq!(answer(&datagram, "192.0.2.1:1").is_some(), answered, "{name}");
    }
}

#[test]
fn the_rate_is_bounded() {
    let source: SocketAddr = "192.0.2.1:1".parse().expect("an address");
    let mut responder = Responder::default();
    let mut in_a_second = |from_ms: u64| {
        let answered = |ms: u64| responder.answer(&request(&[]), source, Duration::from_millis(ms)).is_some();
        (0..1000).flat_map(|ms| [from_ms + ms; 5]).map(answered).filter(|yes| *yes).count() as u32
    };
    let first = in_a_second(1_000_000);
    assert!((PER_SECOND..=PER_SECOND + BURST).contains(&first), "{first}");
    let second = in_a_second(1_001_000);
    assert!((PER_SECOND - 10..=PER_SECOND + 1).contains(&second), "{second}");
}

proptest! {
    #[test]
    fn no_datagram_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), good_head in any::<bool>()) {
        let datagram = if good_head { request(&bytes) } else { bytes };
        if let Some(answer) = answer(&datagram, "[2001:db8::1]:5") {
            prop_assert!(answer.len() <= ANSWER_LEN_MAX);
        }
    }
}

#[test]
fn who_asks_reads_the_answer_to_its_own_question_and_no_other() {
    let transaction = *b"transactions";
    let question = super::request(&transaction);
    for source in ["192.0.2.1:32853", "[2001:db8::7]:1", "[::ffff:192.0.2.1]:65535"] {
        let answer = answer(&question, source).expect(source);
        let source: SocketAddr = source.parse().expect("an address");
        let plain = SocketAddr::new(source.ip().to_canonical(), source.port());
        assert_eq!(mapped(&answer, &transaction), Some(plain));
        assert_eq!(mapped(&answer, b"another one!"), None);
        assert_eq!(mapped(&question, &transaction), None);
        for cut in 0..answer.len() {
            assert_eq!(mapped(&answer[..cut], &transaction), None, "{cut}");
        }
    }
}
