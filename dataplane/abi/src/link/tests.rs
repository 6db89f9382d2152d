use super::*;
use crate::{FromPlane, ToPlane, VERSION};

fn null() -> OwnedFd {
    std::fs::File::open("/dev/null").expect("the null device").into()
}

/// The write end of a pipe, and whether anybody still holds its other copies.
fn tracked() -> (OwnedFd, impl Fn() -> bool) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).expect("a pipe");
    let closed = move || matches!(rustix::io::read(&read, &mut [0; 1]), Ok(0));
    (write, closed)
}

fn send_raw(link: &Link, bytes: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); CONTROL_LEN];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    }
    rustix::net::sendmsg(&link.0, &[IoSlice::new(bytes)], &mut control, SendFlags::empty()).expect("sent");
}

#[test]
fn many_fds_arrive_in_order_and_close_on_exec() {
    let (control, plane) = Link::pair().expect("a pair");
    let files: Vec<_> = (0..52).map(|_| null()).collect();
    let message =
        ToPlane::Start { generation: 5, ifname: "rm0".into(), workers: 16, sockets: 16, offloads: 0, uid: 0 };
    let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    control.send(&message, &borrowed).expect("sent");
    let (received, fds) = plane.recv::<ToPlane>().expect("received");
    assert_eq!((received, fds.len()), (message, 52));
    for fd in &fds {
        let flags = rustix::io::fcntl_getfd(fd).expect("an open fd");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }
}

#[test]
fn a_wrong_number_of_fds_is_not_even_sent() {
    let (control, _plane) = Link::pair().expect("a pair");
    let file = null();
    let refusal = control.send(&ToPlane::Dump, &[file.as_fd()]);
    assert!(matches!(refusal, Err(LinkError::Fds { named: 0, came: 1 })));
    assert!(matches!(
        control.send(&ToPlane::Attach { generation: 1 }, &[]),
        Err(LinkError::Fds { named: 3, came: 0 })
    ));
}

/// Whatever is refused, the fds that came along are closed and the next message is read.
#[test]
fn fds_of_refused_messages_are_closed() {
    let dump = encode(&ToPlane::Dump);
    let mut other_version = dump.clone();
    other_version[4] ^= 0xff;
    let too_long = [0; MESSAGE_MAX + 1];
    let cases: [(&str, &[u8]); 5] = [
        ("beyond what is expected", &dump),
        ("other version", &other_version),
        ("garbage", b"garbage of some length"),
        ("short", &dump[..5]),
        ("too long", &too_long),
    ];
    for (name, bytes) in cases {
        let (control, plane) = Link::pair().expect("a pair");
        let (file, closed) = tracked();
        send_raw(&control, bytes, &[file.as_fd(), file.as_fd()]);
        drop(file);
        assert!(!closed(), "{name}: still in flight");
        assert!(plane.recv::<ToPlane>().is_err(), "{name}");
        assert!(closed(), "{name}");
        control.send(&ToPlane::Stop, &[]).expect("sent");
        assert!(matches!(plane.recv::<ToPlane>(), Ok((ToPlane::Stop, _))), "{name}");
    }
}

#[test]
fn too_few_fds_are_refused_and_closed() {
    let (control, plane) = Link::pair().expect("a pair");
    let (file, closed) = tracked();
    send_raw(&control, &encode(&ToPlane::Attach { generation: 1 }), &[file.as_fd()]);
    drop(file);
    assert!(matches!(plane.recv::<ToPlane>(), Err(LinkError::Fds { named: 3, came: 1 })));
    assert!(closed());
}

/// A process that may open no more files gets cut control data from the kernel.
#[test]
fn cut_control_data_is_refused() {
    let (control, plane) = Link::pair().expect("a pair");
    let (file, closed) = tracked();
    control.send(&ToPlane::Sockets { set: 0, count: 20 }, &[file.as_fd(); 20]).expect("sent");
    drop(file);
    let mut bytes = [0; MESSAGE_MAX];
    // As `recv` does, with room for a few fds only.
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = rustix::net::recvmsg(
        &plane.0,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )
    .expect("received");
    let fds = passed(&mut ancillary);
    assert!(got.flags.contains(ReturnFlags::CTRUNC));
    assert!(matches!(judge::<ToPlane>(&bytes, got.bytes, got.flags, fds), Err(LinkError::Cut)));
    assert!(closed());
}

#[test]
fn the_end_is_seen_on_both_ways() {
    let (control, plane) = Link::pair().expect("a pair");
    drop(control);
    assert!(matches!(plane.recv::<ToPlane>(), Err(LinkError::Closed)));
    assert!(matches!(plane.send(&FromPlane::Ready, &[]), Err(LinkError::Closed)));
}

#[test]
fn nothing_waits_when_asked_not_to() {
    let (control, plane) = Link::pair().expect("a pair");
    assert!(matches!(plane.try_recv::<ToPlane>(), Ok(None)));
    let mut sent = 0;
    while control.try_send(&ToPlane::Dump, &[]).expect("the other end is open") {
        sent += 1;
        assert!(sent < 100_000, "the kernel bounds what is in flight");
    }
    assert!(sent > 0);
    for _ in 0..sent {
        assert!(matches!(plane.try_recv::<ToPlane>(), Ok(Some((ToPlane::Dump, _)))));
    }
    assert!(matches!(plane.try_recv::<ToPlane>(), Ok(None)));
}

/// The other side reads only after the sender has given up once.
#[test]
fn patience_ends_and_the_link_lives_on() {
    let (control, plane) = Link::pair().expect("a pair");
    let send = || control.send_within(&ToPlane::Dump, &[], Duration::from_millis(1));
    let mut sent = 0;
    let gave_up = loop {
        match send() {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100_000, "the kernel bounds what is in flight");
    };
    assert!(matches!(gave_up, LinkError::Io(error) if error.kind() == io::ErrorKind::TimedOut));
    for _ in 0..sent {
        assert!(matches!(plane.try_recv::<ToPlane>(), Ok(Some((ToPlane::Dump, _)))));
    }
    assert!(send().is_ok());
    drop(plane);
    assert!(matches!(send(), Err(LinkError::Closed)));
}

#[test]
fn the_listener_takes_root_and_names_everybody_else() {
    let dir = std::env::temp_dir().join(format!("ringmesh-link-{}-{VERSION}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let path = dir.join("plane.sock");
    let listener = Listener::bind(&path).expect("bound");
    assert!(listener.accept().expect("open").is_none());
    let client = Link::connect(&path).expect("connected");
    let accepted = listener.accept();
    if rustix::process::getuid().is_root() {
        let plane = accepted.expect("root").expect("a connection");
        plane.send(&FromPlane::End, &[]).expect("sent");
        assert!(matches!(client.recv::<FromPlane>(), Ok((FromPlane::End, _))));
        assert!(peer_is_root(&client).expect("a unix socket"));
    } else {
        assert_eq!(accepted.err().map(|error| error.kind()), Some(io::ErrorKind::PermissionDenied));
    }
    assert_eq!(Listener::bind(&path).err().map(|error| error.kind()), Some(io::ErrorKind::AddrInUse));
    std::fs::remove_dir_all(&dir).expect("removed");
}
