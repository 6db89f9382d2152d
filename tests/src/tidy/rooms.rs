//! The rooms: files in which something is allowed that is denied everywhere else, each with its reason.
//!
//! A room that no longer needs its permission is a complaint too; so the list stays true.

use super::Source;

/// A file, or a folder that ends in `/`, and why it is allowed there.
pub type Room = (&'static str, &'static str);

/// Where `unsafe` may stand.
pub const UNSAFE: &[Room] = &[
    ("benches/lab/src/traffic/sockets.rs", "socket options that no library of ours wraps"),
    ("benches/micro/benches/pipeline/stepper.rs", "leads a child by fork and ptrace"),
    ("control/daemon/src/os/heap.rs", "the allocator's call has no safe interface"),
    ("control/daemon/src/os/scheduling.rs", "sched_setscheduler, which no library of ours wraps"),
    ("control/daemon/src/os/tun.rs", "ioctls have no safe form; all of them are in this file"),
    ("control/daemon/src/os/udp.rs", "socket options that no library of ours wraps"),
    ("control/daemon/src/os/watched.rs", "tokio leaves the proof that a descriptor stays open to its caller"),
    ("dataplane/abi/src/region.rs", "maps the shared memory and views it as atomics"),
    ("dataplane/crypto/src/arch.rs", "wraps instructions that not every processor has"),
    ("dataplane/crypto/src/arch/", "instructions that not every processor has, and masked loads and stores"),
    ("dataplane/crypto/src/tests/constant_time/", "speaks to valgrind, and steps through a child by ptrace"),
    ("dataplane/io/src/buffers.rs", "the ring of provided buffers is shared with the kernel"),
    ("dataplane/io/src/buffers/tests.rs", "plays the kernel's part in the ring of provided buffers"),
    ("dataplane/io/src/inbox.rs", "recvmmsg takes pointers"),
    ("dataplane/io/src/inbox/tests.rs", "socket options that no library of ours wraps"),
    ("dataplane/io/src/memory.rs", "maps the buffers and gives out slices of them"),
    ("dataplane/io/src/ring.rs", "requests and registrations carry pointers"),
    ("dataplane/io/src/ring/tests.rs", "tries requests that the restricted ring must refuse"),
    ("dataplane/io/src/single.rs", "sendmsg takes pointers"),
    ("dataplane/io/src/steer.rs", "setsockopt takes a pointer to the program"),
    ("dataplane/io/src/tun.rs", "requests point into buffers and tables"),
    ("dataplane/io/src/udp/", "requests point into tables, buffers and slots"),
    ("dataplane/io/src/uring.rs", "the ring keeps pointers to the buffers"),
    ("dataplane/io/src/wake.rs", "the read request points to its word"),
    ("dataplane/io/tests/lab/mod.rs", "opens TUN queues by ioctl, as control does"),
    ("dataplane/worker/src/privileges.rs", "system calls that no library of ours wraps"),
    ("dataplane/worker/src/privileges/tests.rs", "forks, to give privileges up for good"),
    ("dataplane/worker/src/process.rs", "takes the inherited descriptor that it was started with"),
    ("dataplane/worker/src/slow/letters/tests.rs", "socket options that no library of ours wraps"),
];

/// Where a clock may be read or a thread may sleep; the lint `disallowed_methods` names both.
pub const CLOCKS: &[Room] = &[
    ("benches/micro/benches/aead_race.rs", "takes the time of contenders in turn"),
    ("control/beacon/src/clock.rs", "stamps receipts and refills rates, and is read nowhere else"),
    ("control/cli/src/status.rs", "shows ages, and reads the wall clock once for them"),
    ("control/cli/tests/circle/guard/traffic.rs", "asks for permissions that end by the wall clock"),
    ("control/cli/tests/common/mod.rs", "waits for conditions with a limit"),
];

/// Complaints about `unsafe` outside `rooms`, about a room without any, and a room without its reason.
pub fn check_unsafe(sources: &[Source], rooms: &[Room]) -> Vec<String> {
    check(sources, rooms, "unsafe code", |source| {
        [
            source.complaints("unsafe", "no room of it"),
            source.complaints("allow(unsafe_code", "no room of it"),
        ]
        .concat()
    })
}

/// Complaints about clocks read outside `rooms`.
pub fn check_clocks(sources: &[Source], rooms: &[Room]) -> Vec<String> {
    let words = ["clippy::disallowed_methods"];
    check(sources, rooms, "a clock", |source| {
        words.iter().flat_map(|word| source.complaints(word, "no room of clocks")).collect()
    })
}

fn check(
    sources: &[Source],
    rooms: &[Room],
    what: &str,
    find: impl Fn(&Source) -> Vec<String>,
) -> Vec<String> {
    let mut used = vec![false; rooms.len()];
    let mut complaints = Vec::new();
    for source in sources {
        let found = find(source);
        let room = rooms.iter().position(|(path, _)| holds(path, &source.path));
        match room {
            Some(room) => used[room] |= !found.is_empty(),
            None => complaints.extend(found),
        }
    }
    for ((path, reason), used) in rooms.iter().zip(used) {
        if !used {
            complaints.push(format!("{path}: listed as a room of {what}, and has none"));
        }
        if reason.split_whitespace().count() < 3 {
            complaints.push(format!("{path}: a room of {what} without a reason"));
        }
    }
    complaints
}

/// Whether the file `path` is the room, or lies in it.
pub(crate) fn holds(room: &str, path: &str) -> bool {
    if room.ends_with('/') { path.starts_with(room) } else { path == room }
}
