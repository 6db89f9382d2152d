#![allow(unsafe_code, reason = "neither std nor rustix has these options")]
use super::*;
use std::net::UdpSocket;

fn pair() -> (UdpSocket, UdpSocket) {
    let socket = || UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (from, to) = (socket(), socket());
    from.connect(to.local_addr().expect("bound")).expect("loopback");
    (from, to)
}

fn set(socket: &UdpSocket, name: i32, value: i32) {
    // SAFETY: the pointer and the length are those of `value`.
    let done =
        unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, (&raw const value).cast(), 4) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

#[test]
fn what_waits_is_taken_in_order_and_no_more_at_once_than_there_is_room_for() {
    let (from, to) = pair();
    let mut inbox = Inbox::new();
    assert_eq!(inbox.receive(&to).expect("nothing is no error"), 0);
    let count = Inbox::LEN + 3;
    for number in 0..count {
        from.send(&vec![number as u8; number]).expect("loopback");
    }
    let mut taken = 0;
    for expected in [Inbox::LEN, 3, 0] {
        assert_eq!(inbox.receive(&to).expect("datagrams"), expected);
        for place in 0..expected {
            let arrived = inbox.get(place).expect("a whole one");
            assert_eq!(arrived.bytes, vec![taken as u8; taken]);
            assert_eq!(arrived.from, from.local_addr().expect("bound"));
            taken += 1;
        }
    }
    assert_eq!(taken, count);
}

#[test]
fn a_datagram_that_is_too_long_is_not_taken_for_a_whole_one() {
    let (from, to) = pair();
    let mut inbox = Inbox::new();
    for (len, whole) in [(Inbox::DATAGRAM_MAX, true), (Inbox::DATAGRAM_MAX + 1, false), (1, true)] {
        from.send(&vec![7; len]).expect("loopback");
        assert_eq!(inbox.receive(&to).expect("a datagram"), 1);
        assert_eq!(inbox.get(0).map(|arrived| arrived.bytes.len()), whole.then_some(len));
    }
}

#[test]
fn datagrams_that_found_the_socket_full_are_counted() {
    let (from, to) = pair();
    set(&to, libc::SO_RXQ_OVFL, 1);
    set(&to, libc::SO_RCVBUF, 8_192);
    for _ in 0..1_000 {
        from.send(&[1; 148]).expect("loopback");
    }
    let mut inbox = Inbox::new();
    let mut came = 0;
    while let taken @ 1.. = inbox.receive(&to).expect("datagrams") {
        came += taken;
    }
    from.send(&[2; 148]).expect("loopback");
    assert_eq!(inbox.receive(&to).expect("one more"), 1);
    let lost = inbox.get(0).expect("a whole one").lost.expect("some were lost");
    assert!(came < 1_000 && came + lost as usize == 1_000, "{came} came and {lost} did not");
}
