use std::net::UdpSocket;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::Sockets;

fn group(port: u16, workers: u32) -> Sockets {
    Sockets::open(port, workers, 0).expect("a free port")
}

#[test]
fn a_group_shares_one_port_that_the_kernel_chose() {
    let group = group(0, 4);
    assert_ne!(group.port(), 0);
    assert_eq!(group.fds().len(), 5, "one per worker, and one more");
    let again = group.fds().into_iter().map(|fd| fd.try_clone_to_owned().expect("fds")).collect();
    assert_eq!(Sockets::adopt(again).expect("sockets").port(), group.port());
}

#[test]
fn a_port_belongs_to_one_group_only() {
    let first = group(0, 2);
    let error = Sockets::open(first.port(), 2, 0).expect_err("it is taken");
    assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
    let port = first.port();
    drop(first);
    assert_eq!(group(port, 2).port(), port);
}

#[test]
fn another_programs_port_is_refused() {
    let other = UdpSocket::bind("0.0.0.0:0").expect("a port");
    let port = other.local_addr().expect("bound").port();
    let error = Sockets::open(port, 1, 0).expect_err("it is taken");
    assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
}

#[test]
fn both_families_arrive() {
    let group = group(0, 1);
    for (from, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
        let Ok(sender) = UdpSocket::bind(from) else { continue };
        sender.send_to(b"hello", (to, group.port())).expect("it is there");
        let fds = group.fds();
        let limit = Timespec { tv_sec: 5, tv_nsec: 0 };
        let mut polled: Vec<_> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        assert_eq!(
            rustix::event::poll(&mut polled, Some(&limit)),
            Ok(1),
            "nobody steers it, so one of them has it"
        );
        let at = polled.iter().position(|fd| !fd.revents().is_empty()).expect("one");
        let socket = fds[at].try_clone_to_owned().map(UdpSocket::from).expect("fds");
        let mut bytes = [0; 16];
        let (len, source) = socket.recv_from(&mut bytes).expect("a datagram");
        assert_eq!(&bytes[..len], b"hello");
        assert_eq!(source.ip().to_canonical().to_string(), to);
    }
}
