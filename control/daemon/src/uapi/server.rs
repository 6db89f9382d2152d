//! The socket of the userspace interface.
//!
//! Every connection is a task that reads requests and asks the one loop for answers; it never touches state.
//!
//! **Invariant:** bounded in every direction: connections at a time, seconds of silence, bytes of a line, entries of a
//! request. A client that does nothing holds one place for [`IDLE_SECS_MAX`], no more.

use std::sync::Arc;
use std::time::Duration;

use ringmesh_abi::fault::Point;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::errno::{Errno, trailer};
use super::lines::{Line, Lines};
use super::parse::{Parser, Set};
use crate::event::Event;

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 32;
/// How long a client may be silent, in seconds, between two requests or inside one.
const IDLE_SECS_MAX: u64 = 30;

/// Serves `listener` until the loop is gone.
pub(crate) async fn serve(listener: UnixListener, events: mpsc::Sender<Event>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors or memory: others need the time more than new clients do.
                tracing::warn!(%error, "accepting a connection of wg");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let events = events.clone();
        tokio::spawn(async move {
            converse(stream, &events).await;
            drop(place);
        });
    }
}

/// Answers requests until the client is done; `None` anywhere means that it is.
async fn converse(stream: UnixStream, events: &mpsc::Sender<Event>) -> Option<()> {
    let (reading, mut writing) = stream.into_split();
    let patience = Duration::from_secs(IDLE_SECS_MAX);
    let mut lines = Lines::new(reading, patience);
    loop {
        let request = match lines.next().await? {
            Line::Text("get=1") => read_get(&mut lines).await?,
            Line::Text("set=1") => read_set(&mut lines).await,
            // An empty line between two requests is nobody's harm.
            Line::Text("") => continue,
            Line::Text(_) | Line::Bad(_) => {
                skip(&mut lines).await?;
                Err(Errno::PROTOCOL)
            }
        };
        let (text, result) = match request {
            Ok(request) => ask(request, events).await,
            Err(errno) => (None, Err(errno)),
        };
        if let Err(errno) = result {
            tracing::debug!(%errno, "a request of wg failed");
        }
        if let Some(text) = text {
            write(&mut writing, text.as_bytes(), patience).await?;
        }
        write(&mut writing, trailer(result).as_bytes(), patience).await?;
        Point::ControlAnswered.pass();
    }
}

/// Writes a piece at a time: a long answer may take long, but every piece of it must be taken.
async fn write(writing: &mut OwnedWriteHalf, bytes: &[u8], patience: Duration) -> Option<()> {
    for piece in bytes.chunks(PIECE_LEN) {
        timeout(patience, writing.write_all(piece)).await.ok()?.ok()?;
    }
    Some(())
}

enum Request {
    Get,
    Set(Box<Set>),
}

type Text = zeroize::Zeroizing<String>;

async fn ask(request: Request, events: &mpsc::Sender<Event>) -> (Option<Text>, Result<(), Errno>) {
    match request {
        Request::Get => {
            let (reply, answer) = oneshot::channel();
            let sent = events.send(Event::Get(reply)).await;
            let text = if sent.is_ok() { answer.await.ok() } else { None };
            let result = if text.is_some() { Ok(()) } else { Err(Errno::GOING) };
            (text, result)
        }
        Request::Set(set) => {
            let (reply, answer) = oneshot::channel();
            let sent = events.send(Event::Set(set, reply)).await;
            let result =
                if sent.is_ok() { answer.await.unwrap_or(Err(Errno::GOING)) } else { Err(Errno::GOING) };
            (None, result)
        }
    }
}

/// After `get=1` only an empty line may follow.
async fn read_get(lines: &mut Lines<OwnedReadHalf>) -> Option<Result<Request, Errno>> {
    match lines.next().await {
        None | Some(Line::Text("")) => Some(Ok(Request::Get)),
        Some(Line::Text(_) | Line::Bad(_)) => {
            skip(lines).await?;
            Some(Err(Errno::INVALID))
        }
    }
}

/// Reads up to an empty line or the end, also behind a bad line: a client that is still writing could not hear the answer.
async fn read_set(lines: &mut Lines<OwnedReadHalf>) -> Result<Request, Errno> {
    let mut parser = Parser::default();
    let mut result = Ok(());
    loop {
        match lines.next().await {
            None | Some(Line::Text("")) => break,
            Some(Line::Text(text)) => result = result.and_then(|()| parser.line(text)),
            Some(Line::Bad(errno)) => result = result.and(Err(errno)),
        }
    }
    result.map(|()| Request::Set(Box::new(parser.finish())))
}

async fn skip(lines: &mut Lines<OwnedReadHalf>) -> Option<()> {
    for _ in 0..SKIPPED_LINES_MAX {
        match lines.next().await {
            None | Some(Line::Text("")) => return Some(()),
            Some(Line::Text(_) | Line::Bad(_)) => {}
        }
    }
    None
}

/// Bytes of an answer that are written at a time.
const PIECE_LEN: usize = 64 << 10;
/// Lines of nonsense that are read to their end before the connection is simply closed.
const SKIPPED_LINES_MAX: u32 = 10_000;

#[cfg(test)]
mod tests;
