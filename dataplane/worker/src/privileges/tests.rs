//! A forked child gives everything up; then it is looked at from outside, does its ordinary work, and tries what it may not.
//!
//! Forked, because giving up wants a single thread, which the child of a fork is; and from a process that runs nothing else. They
//! need root, as the data plane does.
#![allow(unsafe_code)] // fork, and bare system calls that must be refused before they do anything.

use super::*;
use ringmesh_abi::{
    Bell, Command, ControlSide, FromPlane, Link, Listener, PlaneSide, Status as Answer, ToPlane,
};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, waitpid};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Barrier};

/// Runs `life` in a forked child, whose panic is exit code 101.
fn child(life: impl FnOnce()) -> Pid {
    // SAFETY:
    // - see `is_alone`: the only other thread of this process is the harness, which waits for the test;
    // - the child runs `life` in its only thread and leaves by `_exit`, so no destructor of the parent runs twice;
    // - glibc keeps its allocator usable in the child of a process with threads, and the tests take no other lock
    //   that such a thread might hold.
    let pid = unsafe { libc::fork() };
    match Pid::from_raw(pid) {
        Some(pid) => pid,
        None => {
            assert_eq!(pid, 0, "fork");
            let code = if std::panic::catch_unwind(AssertUnwindSafe(life)).is_ok() { 0 } else { 101 };
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code) }
        }
    }
}

fn end_of(pid: Pid) -> WaitStatus {
    waitpid(Some(pid), WaitOptions::empty()).expect("our child").expect("it has ended").1
}

fn confined() -> Hardening {
    let unprivileged = Unprivileged::become_nobody("rmtest", 0).expect("root gives up");
    assert_ne!(unprivileged.uid(), 0);
    unprivileged.confine().expect("a kernel with seccomp")
}

/// Whether this process runs only `test` and may go on with it. A fork beside the threads of other tests could inherit a lock that
/// one of them holds, and wait for it for ever; so the test runs once more, in a process of its own.
fn is_alone<T: Fn()>(_test: T) -> bool {
    if !rustix::process::getuid().is_root() {
        println!("skipped: giving up privileges needs some; run as root");
        return false;
    }
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    // The name that the harness knows begins behind the crate's.
    let (_, name) = std::any::type_name::<T>().split_once("::").expect("a path");
    let binary = std::env::current_exe().expect("this binary");
    let output =
        std::process::Command::new(binary).args([name, "--exact", "--nocapture"]).env(ALONE, "").output();
    let output = output.expect("this binary runs");
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{name}: {said}");
    false
}

/// Set in a process that runs one of these tests and nothing else.
const ALONE: &str = "RINGMESH_TEST_ALONE";

/// The parent reads what the kernel says about the child, and does not ask the child.
#[test]
fn a_child_is_what_it_was_promised_to_be() {
    if !is_alone(a_child_is_what_it_was_promised_to_be) {
        return;
    }
    let (mut told, mut tell) = std::io::pipe().expect("a pipe");
    let (hold, release) = std::io::pipe().expect("a pipe");
    let pid = child(|| {
        let bits = confined().bits();
        tell.write_all(&bits.to_ne_bytes()).expect("an open pipe");
        let mut until = [0; 1];
        assert_eq!((&hold).read(&mut until).expect("an open pipe"), 1);
    });
    let mut bits = [0; 8];
    told.read_exact(&mut bits).expect("the child reports");
    let hardening = Hardening::from_bits(u64::from_ne_bytes(bits));
    let proc = format!("/proc/{}", pid.as_raw_nonzero());
    let read = |name: &str| std::fs::read_to_string(format!("{proc}/{name}")).expect("a live child");
    let (status, limits) = (read("status"), read("limits"));
    let owner =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("{proc}/mem")).expect("a live child"));
    (&release).write_all(&[1]).expect("an open pipe");
    assert_eq!(end_of(pid).exit_status(), Some(0));

    let line = |name: &str| {
        let rest = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of the status");
        rest.split_whitespace().collect::<Vec<_>>()
    };
    let uids = line("Uid:");
    assert!(uids.iter().all(|uid| *uid == uids[0] && *uid != "0"), "{uids:?}");
    assert_eq!(line("Gid:"), uids);
    assert!(line("Groups:").is_empty());
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
        assert_eq!(line(set), ["0000000000000000"], "{set}");
    }
    assert_eq!((line("NoNewPrivs:"), line("Seccomp:")), (vec!["1"], vec!["2"]));
    assert!(limits.lines().any(|line| {
        line.starts_with("Max core file size")
            && line.split_whitespace().filter(|word| *word == "0").count() == 2
    }));
    assert_eq!(owner, 0, "the files of an undumpable process are root's");
    let promised = [
        Hardening::NO_CAPABILITIES,
        Hardening::OWN_UID,
        Hardening::NO_NEW_PRIVILEGES,
        Hardening::SECCOMP,
        Hardening::NOT_DUMPABLE,
        Hardening::LOCKED_KEYS,
    ];
    for bit in promised {
        assert!(hardening.holds(bit), "{hardening:?} without {bit:?}");
    }
}

/// Everything that the slow thread does with its files, memory and time.
#[test]
fn a_confined_process_can_still_work() {
    if !is_alone(a_confined_process_can_still_work) {
        return;
    }
    let dir = std::env::temp_dir().join(format!("ringmesh-confined-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let path = dir.join("plane.sock");
    let listener = Listener::bind(&path).expect("bound");
    let (mut control, memory) = ControlSide::create(2).expect("a memory");
    let (plane_bell, control_bell) = (Bell::new().expect("an eventfd"), Bell::new().expect("an eventfd"));
    let pid = child(|| {
        let _ = confined();
        serve_one(&listener);
    });

    let link = Link::connect(&path).expect("connected");
    let attach = ToPlane::Attach { generation: control.generation() };
    link.send(&attach, &[memory.as_fd(), plane_bell.as_fd(), control_bell.as_fd()]).expect("sent");
    let id = control.submit(&Command::Mtu { mtu: 1_280 }).expect("an empty ring");
    plane_bell.strike().expect("an eventfd");
    let answer = link.recv::<FromPlane>();
    let end = end_of(pid);
    assert_eq!(end.exit_status(), Some(0), "{end:?}");
    let (ended, fds) = answer.expect("the child answers");
    assert_eq!((ended, fds.len()), (FromPlane::Sockets { set: 0, count: 1 }, 1));
    assert_eq!(
        control.poll_completion().map(|done| done.map(|done| (done.id, done.status))),
        Some(Ok((id, Answer::Ok)))
    );
    assert!(control_bell.hush().expect("an eventfd"));
    std::fs::remove_dir_all(&dir).expect("removed");
}

/// Accepts, attaches, answers one command, passes a file on; with memory, time, randomness and a caught panic on the way.
fn serve_one(listener: &Listener) {
    wait_for(listener);
    let link = listener.accept().expect("root connects").expect("a connection");
    wait_for(&link);
    let (_, fds) = link.recv::<ToPlane>().expect("an attach");
    let [memory, plane_bell, control_bell] = <[OwnedFd; 3]>::try_from(fds).expect("three");
    let generation = u64::from_ne_bytes(header_generation(&memory));
    let mut plane = PlaneSide::attach(&memory, generation).expect("a sealed memory");
    let bell = Bell::adopt(plane_bell).expect("an eventfd");
    wait_for(&bell);
    assert!(bell.hush().expect("an eventfd"));
    let (id, _) = plane.poll_command().expect("one waits").expect("a command");
    plane.complete(id, Answer::Ok);
    Bell::adopt(control_bell).expect("an eventfd").strike().expect("an eventfd");

    // Large enough to be mapped, to grow by being moved, and to be given back.
    let mut large = vec![1_u8; 8 << 20];
    large.resize(64 << 20, 2);
    drop(std::hint::black_box(large));
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("randomness");
    assert!(ringmesh_io::clock::boottime() > std::time::Duration::ZERO);
    assert!(std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(()))).is_err());

    let copy = memory.try_clone().expect("a copy");
    link.send(&FromPlane::Sockets { set: 0, count: 1 }, &[copy.as_fd()]).expect("sent");
}

/// A test has no message to take it from that it could not have made itself.
fn header_generation(memory: &OwnedFd) -> [u8; 8] {
    let mut bytes = [0; 8];
    rustix::io::pread(memory, &mut bytes, 16).expect("a memfd");
    bytes
}

fn wait_for(fd: impl AsFd) {
    let mut fds = [rustix::event::PollFd::from_borrowed_fd(fd.as_fd(), rustix::event::PollFlags::IN)];
    let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(rustix::event::poll(&mut fds, Some(&limit)), Ok(1));
}

/// Each is tried by a child of its own, with arguments that would be harmless; each must end it by SIGSYS.
#[test]
fn what_is_forbidden_kills() {
    if !is_alone(what_is_forbidden_kills) {
        return;
    }
    const NONE: [i64; 3] = [0; 3];
    let own_pid_later = [0, libc::SIGTERM.into(), 0];
    let calls: &[(&str, i64, [i64; 3])] = &[
        ("openat", libc::SYS_openat, [libc::AT_FDCWD.into(), 0, 0]),
        ("execve", libc::SYS_execve, NONE),
        ("execveat", libc::SYS_execveat, NONE),
        ("clone", libc::SYS_clone, NONE),
        ("clone3", libc::SYS_clone3, NONE),
        #[cfg(target_arch = "x86_64")]
        ("fork", libc::SYS_fork, NONE),
        ("kill", libc::SYS_kill, own_pid_later),
        ("tgkill of another process", libc::SYS_tgkill, [1, 1, 0]),
        ("tkill", libc::SYS_tkill, NONE),
        ("pidfd_send_signal", libc::SYS_pidfd_send_signal, [-1, 0, 0]),
        ("ptrace", libc::SYS_ptrace, NONE),
        ("process_vm_readv", libc::SYS_process_vm_readv, NONE),
        ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0]),
        ("io_uring_register of buffers", libc::SYS_io_uring_register, [-1, 0, 0]),
        ("io_uring_register of files", libc::SYS_io_uring_register, [-1, 2, 0]),
        ("ioctl", libc::SYS_ioctl, [-1, 0, 0]),
        ("setsockopt", libc::SYS_setsockopt, [-1, 0, 0]),
        (
            "getsockopt beyond credentials",
            libc::SYS_getsockopt,
            [-1, libc::SOL_SOCKET as i64, libc::SO_TYPE as i64],
        ),
        ("socket", libc::SYS_socket, NONE),
        ("socketpair", libc::SYS_socketpair, NONE),
        ("connect", libc::SYS_connect, [-1, 0, 0]),
        ("bind", libc::SYS_bind, [-1, 0, 0]),
        ("listen", libc::SYS_listen, [-1, 0, 0]),
        ("fcntl that sets flags", libc::SYS_fcntl, [-1, libc::F_SETFL.into(), 0]),
        ("fcntl that adds seals", libc::SYS_fcntl, [-1, libc::F_ADD_SEALS.into(), 0]),
        ("memfd_create", libc::SYS_memfd_create, NONE),
        ("executable mmap", libc::SYS_mmap, [0, 4096, (libc::PROT_READ | libc::PROT_EXEC).into()]),
        ("executable mprotect", libc::SYS_mprotect, [0, 0, libc::PROT_EXEC.into()]),
        ("prctl", libc::SYS_prctl, [libc::PR_SET_DUMPABLE.into(), 1, 0]),
        ("seccomp", libc::SYS_seccomp, [libc::SECCOMP_GET_ACTION_AVAIL.into(), 0, 0]),
        ("setresuid", libc::SYS_setresuid, [-1, -1, -1]),
        ("setgroups", libc::SYS_setgroups, NONE),
        ("capset", libc::SYS_capset, NONE),
        ("unshare", libc::SYS_unshare, NONE),
        ("setns", libc::SYS_setns, [-1, 0, 0]),
        ("mount", libc::SYS_mount, NONE),
        ("bpf", libc::SYS_bpf, [-1, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, NONE),
        ("userfaultfd", libc::SYS_userfaultfd, NONE),
        ("keyctl", libc::SYS_keyctl, [-1, 0, 0]),
        ("munlockall", libc::SYS_munlockall, NONE),
        ("prlimit64", libc::SYS_prlimit64, NONE),
    ];
    for &(name, call, [one, two, three]) in calls {
        let pid = child(|| {
            let _ = confined();
            // SAFETY: the filter ends the process before the kernel looks at the arguments; should it not, they are
            // null pointers, closed fds or no-ops.
            unsafe { libc::syscall(call, one, two, three, 0, 0, 0) };
        });
        let end = end_of(pid);
        assert_eq!(end.terminating_signal(), Some(Signal::SYS.as_raw()), "{name}: {end:?}");
    }
}

#[test]
fn abort_ends_as_an_abort() {
    if !is_alone(abort_ends_as_an_abort) {
        return;
    }
    let pid = child(|| {
        let _ = confined();
        std::process::abort();
    });
    assert_eq!(end_of(pid).terminating_signal(), Some(Signal::ABORT.as_raw()));
}

/// Threads that run already are filtered too: the forbidden call is made by one that was there before.
#[test]
fn the_filter_holds_for_threads_that_run_already() {
    if !is_alone(the_filter_holds_for_threads_that_run_already) {
        return;
    }
    let pid = child(|| {
        let unprivileged = Unprivileged::become_nobody("rmtest", 0).expect("root gives up");
        let (go, wait) = std::sync::mpsc::channel();
        let up = Arc::new(Barrier::new(2));
        let runs = Arc::clone(&up);
        let worker = std::thread::spawn(move || {
            runs.wait();
            wait.recv().expect("the main thread says go");
            let _ =
                rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None);
        });
        up.wait();
        let _ = unprivileged.confine().expect("a kernel with seccomp");
        go.send(()).expect("the thread waits");
        let _ = worker.join();
    });
    assert_eq!(end_of(pid).terminating_signal(), Some(Signal::SYS.as_raw()));
}

/// A worker that allocates, waits and ends after the filter came, all for the first time.
#[test]
fn threads_that_run_already_go_on() {
    if !is_alone(threads_that_run_already_go_on) {
        return;
    }
    let pid = child(|| {
        let unprivileged = Unprivileged::become_nobody("rmtest", 0).expect("root gives up");
        // A thread that has not begun yet would still introduce itself to the kernel (rseq), which is filtered.
        let up = Arc::new(Barrier::new(5));
        let workers: Vec<_> = (0..4)
            .map(|_| {
                let (go, wait) = std::sync::mpsc::channel::<usize>();
                let runs = Arc::clone(&up);
                let worker = std::thread::spawn(move || {
                    runs.wait();
                    let mut sum = 0;
                    while let Ok(len) = wait.recv() {
                        std::thread::park_timeout(std::time::Duration::from_millis(1));
                        sum += std::hint::black_box(vec![1_u8; len]).len();
                    }
                    sum
                });
                (go, worker)
            })
            .collect();
        up.wait();
        let _ = unprivileged.confine().expect("a kernel with seccomp");
        for (go, worker) in workers {
            for len in [100, 10_000, 10 << 20] {
                go.send(len).expect("the thread waits");
            }
            drop(go);
            assert_eq!(worker.join().expect("it goes on"), 10_100 + (10 << 20));
        }
    });
    assert_eq!(end_of(pid).exit_status(), Some(0));
}

/// Also when backtraces are asked for, which would be read from files.
#[test]
fn a_panic_is_a_panic() {
    if !is_alone(a_panic_is_a_panic) {
        return;
    }
    let pid = child(|| {
        let _ = confined();
        panic!("on purpose");
    });
    assert_eq!(end_of(pid).exit_status(), Some(101));
}

/// The process of the tests has threads, which would keep their capabilities.
#[test]
fn a_process_with_threads_gives_up_nothing() {
    let refused =
        std::thread::spawn(|| Unprivileged::become_nobody("rmtest", 0).err()).join().expect("it ran");
    assert!(matches!(refused, Some(PrivilegeError::Threads(2..))), "{refused:?}");
}
