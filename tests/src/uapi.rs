//! The cross-platform userspace interface of `wg`: lines of `key=value` over a unix socket.
//!
//! Spoken by hand rather than through the `wg` program, so that a test may also say what `wg` never would.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// A device that takes longer to answer counts as hanging.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What a device says about itself.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// The lines before the first peer.
    pub device: Vec<(String, String)>,
    /// The lines of each peer, its `public_key` first.
    pub peers: Vec<Vec<(String, String)>>,
}

impl Dump {
    /// The value of a line about the device.
    pub fn value(&self, key: &str) -> Option<&str> {
        find(&self.device, key)
    }

    /// The value of a line about the peer with this number, in the order of the answer.
    pub fn of_peer(&self, peer: usize, key: &str) -> Option<&str> {
        find(self.peers.get(peer)?, key)
    }

    /// Seconds since 1970 of the last handshake with the only peer; zero if there was none.
    pub fn last_handshake(&self) -> u64 {
        self.number("last_handshake_time_sec")
    }

    /// A number about the only peer; zero where it is missing.
    pub fn number(&self, key: &str) -> u64 {
        self.of_peer(0, key).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    fn parse(text: &str) -> Self {
        let mut dump = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let line = (key.to_owned(), value.to_owned());
            if key == "public_key" {
                dump.peers.push(vec![line]);
            } else if key != "errno" {
                dump.peers.last_mut().unwrap_or(&mut dump.device).push(line);
            }
        }
        dump
    }
}

fn find<'a>(lines: &'a [(String, String)], key: &str) -> Option<&'a str> {
    lines.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

/// Asks the device for everything.
///
/// # Errors
/// When nobody listens, or the answer does not come or does not end as it should.
pub fn get(interface: &str) -> io::Result<Dump> {
    let answer = ask(interface, "get=1\n\n")?;
    match errno(&answer) {
        Some(0) => Ok(Dump::parse(&answer)),
        other => Err(io::Error::other(format!("get answers with errno {other:?}"))),
    }
}

/// Tells the device to take `lines`, and gives the errno that it answers: 0 is success.
///
/// # Errors
/// As for [`get`].
pub fn try_set(interface: &str, lines: &str) -> io::Result<i32> {
    let answer = ask(interface, &format!("set=1\n{}\n\n", lines.trim_end()))?;
    errno(&answer).ok_or_else(|| io::Error::other(format!("set answers {answer:?}")))
}

/// Tells the device to take `lines`.
///
/// # Panics
/// When it does not.
pub fn set(interface: &str, lines: &str) {
    let errno = try_set(interface, lines).unwrap_or_else(|error| panic!("{interface}: {error}"));
    assert_eq!(errno, 0, "{interface} refused {lines}");
}

/// Sends `request` as it is and reads one answer, to its empty line or the end.
///
/// # Errors
/// When nobody listens or the answer does not come in time.
pub fn ask(interface: &str, request: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket(interface))?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    stream.set_write_timeout(Some(ANSWER_LIMIT))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4_096];
    while !answer.ends_with(b"\n\n") {
        match stream.read(&mut piece)? {
            0 => break,
            len => answer.extend_from_slice(&piece[..len]),
        }
    }
    // A device that has closed already has nothing more to hear.
    let _closed = stream.shutdown(Shutdown::Both);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where the device listens.
pub fn socket(interface: &str) -> PathBuf {
    PathBuf::from(format!("/var/run/wireguard/{interface}.sock"))
}

fn errno(answer: &str) -> Option<i32> {
    answer.lines().rev().find_map(|line| line.strip_prefix("errno="))?.parse().ok()
}
