//! The local API: one question, one answer, each a line of JSON.
//!
//! **Invariant:** only root is answered, whatever the file's mode says: the kernel's word on who connected counts.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;
use std::time::Duration;

use ringmesh_api::request::LINE_LEN_MAX;
use ringmesh_api::{Answer, Request};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::event::Event;

/// Longest question in bytes.
const QUESTION_LEN_MAX: u64 = 4096;
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// Serves `listener`, one connection at a time: the loop answers one at a time anyway.
pub(crate) async fn serve(listener: UnixListener, events: mpsc::Sender<Event>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if ringmesh_abi::link::peer_is_root(&stream).unwrap_or(false) => {
                let _ = timeout(PATIENCE, converse(stream, &events)).await;
            }
            Ok(_) => tracing::warn!("somebody who is not root asked for the status"),
            Err(error) => {
                tracing::warn!(%error, "accepting a connection of ringmesh status");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, events: &mpsc::Sender<Event>) -> io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut line = Vec::new();
    tokio::io::BufReader::new(reading).take(QUESTION_LEN_MAX).read_until(b'\n', &mut line).await?;
    let answer = match serde_json::from_slice(&line) {
        Ok(Request::Status) => status(events).await,
        Ok(Request::Stun { servers }) => stun(events, servers).await,
        Err(error) => Answer::Error(error.to_string()),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    writing.write_all(&line).await
}

async fn status(events: &mpsc::Sender<Event>) -> Answer {
    let (reply, answer) = oneshot::channel();
    let sent = events.send(Event::Status(reply)).await;
    match answer.await {
        Ok(status) if sent.is_ok() => Answer::Status(status),
        _ => Answer::Error("the tunnel is ending".to_owned()),
    }
}

async fn stun(events: &mpsc::Sender<Event>, servers: Vec<SocketAddr>) -> Answer {
    let (reply, answer) = oneshot::channel();
    let sent = events.send(Event::Stun(servers, reply)).await;
    match answer.await {
        Ok(seen) if sent.is_ok() => Answer::Stun(seen),
        _ => Answer::Error("the tunnel is ending".to_owned()),
    }
}

/// Asks the control process behind `path`.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` when none runs; `InvalidData` when the answer makes no sense; else what the kernel answers.
pub fn ask(path: &Path, request: &Request) -> io::Result<Answer> {
    let mut stream = BlockingStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut question = serde_json::to_vec(request)?;
    question.push(b'\n');
    stream.write_all(&question)?;
    let mut line = Vec::new();
    BufReader::new(stream.take(LINE_LEN_MAX as u64)).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}
