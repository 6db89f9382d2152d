//! What counts as lost, repeated and out of order; and traffic that is let through by loopback.

use std::net::UdpSocket;

use ringmesh_lab::clock;

use super::*;

fn datagram(number: u64) -> [u8; LEN] {
    let mut datagram = [0; LEN];
    datagram[..8].copy_from_slice(&number.to_le_bytes());
    pattern::fill(number, 8, &mut datagram[8..]);
    datagram
}

#[test]
fn disorder_is_counted() {
    let table: &[(&[u64], u64, u64)] = &[
        (&[0, 1, 2, 3], 0, 0),
        (&[0, 2, 3], 0, 0),
        (&[0, 2, 1, 3], 1, 0),
        (&[3, 0, 1, 2], 3, 0),
        (&[0, 1, 1, 0, 2], 0, 2),
    ];
    for (numbers, reordered, repeated) in table {
        let mut seen = Seen::default();
        numbers.iter().for_each(|number| seen.take(&datagram(*number)));
        assert_eq!((seen.reordered, seen.repeated), (*reordered, *repeated), "{numbers:?}");
    }
}

#[test]
#[should_panic(expected = "was changed")]
fn a_changed_datagram_is_seen() {
    let mut changed = datagram(5);
    changed[100] ^= 1;
    Seen::default().take(&changed);
}

#[test]
fn loopback_loses_nothing() {
    let bind = || UdpSocket::bind(("127.0.0.1", 0)).expect("a socket");
    let (from, sink) = (bind(), bind());
    sink.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
    let to = sink.local_addr().expect("an address");
    let numbered = Numbered::start(from, to, 1_000, sink);
    let began = clock::now();
    clock::pause_until(began + Duration::from_millis(300));
    let report = numbered.finish();
    assert!(report.sent > 100, "{report:?}");
    assert_eq!((report.lost, report.reordered, report.repeated), (0, 0, 0), "{report:?}");
}
