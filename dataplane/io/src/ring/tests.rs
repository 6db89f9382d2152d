use super::*;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsRawFd, OwnedFd};

/// The place of the file in the ring of a test.
const QUEUE: Fixed = queue_place(Queue::Bulk);

/// A ring over one eventfd in the first place, with nothing in the others.
fn ring(restricted: bool) -> (Ring, OwnedFd) {
    let fd = eventfd(1, EventfdFlags::empty()).expect("eventfd");
    let (mut ring, _) = Ring::new(&Limits::default()).expect("a ring");
    ring.register_files(&[fd.as_raw_fd(), -1, -1]).expect("files");
    if restricted {
        assert!(ring.restrict());
    }
    ring.enable().expect("enabled");
    (ring, fd)
}

/// What the kernel answers to one request that points nowhere, or to `word`.
fn ask(ring: &mut Ring, entry: squeue::Entry) -> i32 {
    assert!(ring.reserve(1));
    // SAFETY: the callers' requests point nowhere, or to something that outlives this call and its completion.
    unsafe { ring.push(&entry.user_data(7)) };
    ring.enter(1, Some(Duration::from_secs(5))).expect("entered");
    let mut batch = Batch::new();
    let taken = ring.reap(&mut batch);
    assert_eq!(taken.len(), 1);
    taken[0].result()
}

fn read(word: &mut u64, flags: Flags) -> squeue::Entry {
    opcode::Read::new(QUEUE, std::ptr::from_mut(word).cast(), 8).build().clear_flags().flags(flags)
}

#[test]
fn what_a_worker_needs_is_let_through() {
    let (mut ring, _fd) = ring(true);
    let mut word = 0;
    assert_eq!(ask(&mut ring, read(&mut word, Flags::FIXED_FILE)), 8);
    assert_eq!(word, 1);
    let cancel = opcode::AsyncCancel::new(99).build().flags(Flags::FIXED_FILE);
    assert_eq!(ask(&mut ring, cancel), -libc::ENOENT, "nothing to cancel");
    let other = eventfd(5, EventfdFlags::empty()).expect("eventfd");
    ring.replace_file(WAKE, other.as_raw_fd()).expect("an empty place is filled");
}

#[test]
fn everything_else_is_refused() {
    let (mut ring, fd) = ring(true);
    let fixed = Flags::FIXED_FILE;
    let path = c"/etc/passwd".as_ptr();
    let mut word = 0;
    let plain = io_uring::types::Fd(fd.as_raw_fd());
    let cases: [(&str, squeue::Entry); 8] = [
        ("nop", opcode::Nop::new().build().flags(fixed)),
        ("open", opcode::OpenAt::new(io_uring::types::Fd(libc::AT_FDCWD), path).build().flags(fixed)),
        ("socket", opcode::Socket::new(libc::AF_INET, libc::SOCK_DGRAM, 0).build().flags(fixed)),
        ("connect", opcode::Connect::new(QUEUE, std::ptr::null(), 0).build()),
        ("close", opcode::Close::new(QUEUE).build().flags(fixed)),
        (
            "a file that is not registered",
            opcode::Read::new(plain, std::ptr::from_mut(&mut word).cast(), 8).build(),
        ),
        ("ordering by draining", read(&mut word, fixed | Flags::IO_DRAIN)),
        ("a thread of the kernel's", read(&mut word, fixed | Flags::ASYNC)),
    ];
    for (what, entry) in cases {
        assert_eq!(ask(&mut ring, entry), -libc::EACCES, "{what}");
    }
    let submitter = ring.uring.submitter();
    assert_eq!(submitter.unregister_files().expect_err("refused").raw_os_error(), Some(libc::EACCES));
    assert_eq!(
        submitter.register_restrictions(&mut []).expect_err("refused").raw_os_error(),
        Some(libc::EACCES)
    );
    assert_eq!(word, 0, "nothing was read");
}

/// The counterpart: without restrictions the same ring does these things.
#[test]
fn an_unrestricted_ring_refuses_nothing() {
    let (mut ring, fd) = ring(false);
    let mut word = 0;
    assert_eq!(ask(&mut ring, opcode::Nop::new().build()), 0);
    let plain = io_uring::types::Fd(fd.as_raw_fd());
    assert_eq!(ask(&mut ring, opcode::Read::new(plain, std::ptr::from_mut(&mut word).cast(), 8).build()), 8);
}

#[test]
fn a_ring_that_ends_lets_go_of_its_files() {
    let (mut ring, fd) = ring(true);
    let mut word = 0;
    assert_eq!(ask(&mut ring, read(&mut word, Flags::FIXED_FILE)), 8);
    // A read that waits for ever, into memory that must outlive it.
    let waiting = read(&mut word, Flags::FIXED_FILE);
    assert!(ring.reserve(1));
    // SAFETY: `word` outlives the ring, which is dropped below.
    unsafe { ring.push(&waiting) };
    ring.enter(0, Some(Duration::ZERO)).expect("entered");
    drop(ring);
    rustix::io::write(&fd, &9u64.to_ne_bytes()).expect("eventfd");
    assert_eq!(word, 1, "nobody reads any more");
}

#[test]
fn a_timeout_ends_a_wait_and_is_no_error() {
    let (mut ring, _fd) = ring(true);
    ring.enter(1, Some(Duration::from_millis(1))).expect("time passes");
    assert!(ring.reap(&mut Batch::new()).is_empty());
}

#[test]
fn memory_that_is_missing_for_a_moment_is_no_error() {
    let (mut ring, _fd) = ring(true);
    let errno = |errno| Some(io::Error::from_raw_os_error(errno));
    for _ in 0..CHOKED_MAX {
        assert!(ring.judge(errno(libc::EAGAIN)).is_ok());
    }
    assert!(ring.judge(errno(libc::EAGAIN)).is_err(), "for ever is one");
    assert!(ring.judge(None).is_ok());
    assert!(ring.judge(errno(libc::EBUSY)).is_ok(), "it counts anew");
    assert!(ring.judge(errno(libc::EBADF)).is_err());
}

#[test]
fn more_requests_than_places_are_submitted_in_between() {
    let (mut ring, _fd) = ring(true);
    for _ in 0..SUBMISSIONS * 2 {
        assert!(ring.reserve(1));
        let cancel = opcode::AsyncCancel::new(99).build().flags(Flags::FIXED_FILE);
        // SAFETY: it points nowhere.
        unsafe { ring.push(&cancel) };
    }
    assert!(!ring.reserve(SUBMISSIONS as usize + 1), "there are not as many places at all");
}
