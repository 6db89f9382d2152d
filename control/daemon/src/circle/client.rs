//! Asking the daemon: one question, one answer, over its unix socket.
//!
//! Only what the daemon's own server sends is understood: HTTP/1.1 with a length. That is a page of code and no dependency.
#![expect(clippy::wildcard_enum_match_arm, reason = "of all kinds of error two have a meaning of their own")]

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ringmesh_api::circle::{PATH, QUESTION_LEN_MAX, Reply};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::paths::Paths;

/// Longest answer, in bytes: the log of a large circle.
const ANSWER_LEN_MAX: u64 = 256 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// No daemon listens there.
    #[error("the daemon is not running")]
    NotRunning,
    /// The socket is not for this user.
    #[error("only root and members of the group ringmesh may ask the daemon")]
    NotAllowed,
    /// The daemon would not read so much.
    #[error("the question is longer than {QUESTION_LEN_MAX} bytes")]
    TooLong,
    /// It does not answer, or nothing that makes sense.
    #[error("the daemon does not answer: {0}")]
    Io(#[from] io::Error),
}

/// Asks the daemon about `verb`, and waits for as long as `patience` for its answer.
///
/// # Errors
/// [`Unanswered`]; what the daemon refuses is an answer.
pub fn ask<Q: Serialize, A: DeserializeOwned>(
    paths: &Paths,
    verb: &str,
    question: &Q,
    patience: Duration,
) -> Result<Reply<A>, Unanswered> {
    let body = serde_json::to_vec(question).map_err(io::Error::from)?;
    if body.len() > QUESTION_LEN_MAX {
        return Err(Unanswered::TooLong);
    }
    let mut stream = UnixStream::connect(paths.socket()).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Unanswered::NotRunning,
        io::ErrorKind::PermissionDenied => Unanswered::NotAllowed,
        _ => Unanswered::Io(error),
    })?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let head = format!(
        "POST {PATH}{verb} HTTP/1.1\r\nHost: ringmesh\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LEN_MAX).read_to_end(&mut answer)?;
    let content = content(&answer).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(serde_json::from_slice(content).map_err(io::Error::from)?)
}

/// What follows the head of an answer.
fn content(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    answer.starts_with(b"HTTP/1.1 ").then_some(&answer[end + 4..])
}

#[cfg(test)]
mod tests {
    use super::content;

    #[test]
    fn the_content_is_what_follows_the_head() {
        for (answer, expect) in [
            (&b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"[..], Some(&b"{}"[..])),
            (b"HTTP/1.1 200 OK\r\n\r\n", Some(b"")),
            (b"HTTP/1.1 200 OK\r\n", None),
            (b"SSH-2.0-x\r\n\r\n{}", None),
            (b"", None),
        ] {
            assert_eq!(content(answer), expect);
        }
    }
}
