use ringmesh_wire::message::DATA_OVERHEAD;

use super::super::tests::{Side, loopback};
use super::*;

fn send(side: &mut Side, bytes: &[u8]) -> std::net::SocketAddr {
    let stranger = loopback();
    stranger.send_to(bytes, side.letters.local_addr().expect("bound")).expect("loopback");
    side.slow.turn();
    stranger.local_addr().expect("bound")
}

fn dropped(side: &Side) -> Vec<Drop> {
    Drop::ALL.into_iter().filter(|how| side.control.plane().drops[*how as usize] > 0).collect()
}

/// Each kind of letter ends where it belongs, and is counted there.
#[test]
fn letters_end_where_they_belong() {
    let message = |kind: u8, len: usize| {
        let mut bytes = vec![0; len];
        bytes[0] = kind;
        bytes
    };
    let mut data = message(4, DATA_OVERHEAD);
    let cases = [
        ("an initiation for another key", message(1, 148), Drop::BadMac),
        ("a response to nothing", message(2, 92), Drop::BadMac),
        ("a cookie for nobody", message(3, 64), Drop::UnknownIndex),
        ("a probe", message(0, 20), Drop::Punted),
        ("nothing", vec![], Drop::Punted),
        ("more than a frame", message(9, LETTER_LEN + 1), Drop::Malformed),
        ("more than there is room for", message(9, Inbox::DATAGRAM_MAX + 1), Drop::Malformed),
        (
            "data for a worker that there is not",
            {
                data[4] = 9;
                data
            },
            Drop::UnknownIndex,
        ),
    ];
    for (what, bytes, how) in cases {
        let mut side = Side::new(1);
        side.command_ok(&super::super::tests::set_device(1));
        send(&mut side, &bytes);
        assert_eq!(dropped(&side), [how], "{what}");
    }
}

#[test]
fn a_probe_reaches_control_with_its_sender() {
    let mut side = Side::new(1);
    let from = send(&mut side, b"a probe");
    let punted = side.control.poll_punt().expect("a datagram").expect("sound");
    assert_eq!((punted.endpoint, punted.payload()), (to_shared(Endpoint::udp(from)), &b"a probe"[..]));
}

/// Where the kernel does not steer, data comes here too.
#[test]
fn data_goes_to_the_worker_that_it_names() {
    let mut side = Side::new(2);
    let mut bytes = [0; DATA_OVERHEAD];
    (bytes[0], bytes[4]) = (4, 1);
    send(&mut side, &bytes);
    assert!(side.slow.office.workers[0].parcels.is_empty());
    let parcel = side.slow.office.workers[1].parcels.pop().expect("a parcel");
    assert_eq!(parcel.bytes(), bytes);
    side.slow.office.pool.give(parcel);
    // The pool has one parcel: the second message finds none.
    send(&mut side, &bytes);
    send(&mut side, &bytes);
    assert_eq!(dropped(&side), [Drop::HandoffFull]);
}

/// A flood: no more than a portion in one turn, and what found the socket full is counted.
#[test]
fn a_flood_is_taken_in_portions_and_what_it_loses_is_counted() {
    let mut side = Side::new(1);
    for option in [libc::SO_RXQ_OVFL, libc::SO_RCVBUF] {
        set(&side.letters, option, 65_536);
    }
    let stranger = loopback();
    let to = side.letters.local_addr().expect("bound");
    for _ in 0..10_000 {
        stranger.send_to(&[1; 148], to).expect("loopback");
    }
    let total = |side: &Side| side.control.plane().drops.iter().sum::<u64>();
    side.slow.turn();
    assert_eq!(total(&side), Inbox::LEN as u64);
    let mut before = 0;
    while before < total(&side) {
        before = total(&side);
        side.slow.turn();
    }
    assert!(before < 10_000, "the socket had room for less");
    // The next one says how many did not find room.
    stranger.send_to(&[1; 148], to).expect("loopback");
    side.slow.turn();
    assert_eq!(total(&side), 10_001);
    assert!(dropped(&side).contains(&Drop::Overloaded));
}

#[allow(unsafe_code, reason = "neither std nor rustix has the first option")]
fn set(socket: &std::net::UdpSocket, name: i32, value: i32) {
    use std::os::fd::AsRawFd;
    // SAFETY: the pointer and the length are those of `value`.
    let done =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, (&raw const value).cast(), 4) };
    assert_eq!(done, 0);
}
