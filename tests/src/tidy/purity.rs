//! The pure crates: time, randomness and buffers are arguments, so a run repeats from its seed.

use super::Source;

/// Folders and files that open no socket or file, start no thread, never sleep and read no clock.
pub const PURE: &[&str] = &[
    "dataplane/wire/src/",
    "dataplane/tunnel/src/",
    "dataplane/io/src/checksum.rs",
    "dataplane/io/src/join",
    "dataplane/io/src/split",
    "dataplane/io/src/vnet.rs",
    "control/mesh/src/",
];

/// Crates that forbid unsafe code as a whole.
pub const SAFE: &[&str] =
    &["dataplane/wire/src/lib.rs", "dataplane/tunnel/src/lib.rs", "control/mesh/src/lib.rs"];

const BANNED: &[(&str, &str)] = &[
    ("Instant", "time is an argument"),
    ("SystemTime", "time is an argument"),
    ("std::thread", "no thread is started here"),
    ("thread::spawn", "no thread is started here"),
    ("thread::sleep", "nothing waits here"),
    ("std::fs", "no file is opened here"),
    ("File", "no file is opened here"),
    ("UdpSocket", "no socket is opened here"),
    ("TcpStream", "no socket is opened here"),
    ("TcpListener", "no socket is opened here"),
    ("UnixStream", "no socket is opened here"),
    ("std::os", "the kernel is elsewhere"),
    ("std::process", "the kernel is elsewhere"),
    ("std::env", "what it needs is an argument"),
    ("libc", "the kernel is elsewhere"),
    ("rustix", "the kernel is elsewhere"),
    ("io_uring", "the kernel is elsewhere"),
    ("getrandom", "randomness is an argument"),
    ("OsRng", "randomness is an argument"),
    ("println", "what it has to say it returns"),
    ("eprintln", "what it has to say it returns"),
];

/// Complaints about one source; those outside the pure crates and their tests have none.
pub fn check(source: &Source) -> Vec<String> {
    let mut complaints = Vec::new();
    if SAFE.contains(&source.path.as_str()) && !source.code.contains("#![forbid(unsafe_code)]") {
        complaints.push(format!("{}: does not forbid unsafe code", source.path));
    }
    if is_pure(&source.path) && !source.is_test() {
        complaints.extend(BANNED.iter().flat_map(|(word, why)| source.complaints(word, why)));
    }
    complaints
}

fn is_pure(path: &str) -> bool {
    PURE.iter().any(|pure| path.starts_with(pure))
}
