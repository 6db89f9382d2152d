//! The socket of the userspace interface.
//!
//! Every connection is a task that reads requests and asks the one loop for answers; it never touches state.
//!
//! **Invariant:** bounded in every direction: connections at a time, seconds of silence, bytes of a line, entries of a
//! request. A client that does nothing holds one place for [`IDLE_SECS_MAX`], no more.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::errno::{Errno, trailer};
use super::parse::{LINE_LEN_MAX, Parser, Set};
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
    let mut reader = BufReader::new(reading);
    loop {
        let mut line = Vec::new();
        let request = match read_line(&mut reader, &mut line).await? {
            Line::Text("get=1") => read_get(&mut reader).await?,
            Line::Text("set=1") => read_set(&mut reader).await?,
            // An empty line between two requests is nobody's harm.
            Line::Text("") => continue,
            Line::Text(_) | Line::Bad(_) => {
                skip(&mut reader).await?;
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
        let patience = Duration::from_secs(IDLE_SECS_MAX);
        if let Some(text) = text {
            timeout(patience, writing.write_all(text.as_bytes())).await.ok()?.ok()?;
        }
        timeout(patience, writing.write_all(trailer(result).as_bytes())).await.ok()?.ok()?;
    }
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

type Outcome = Option<Result<Request, Errno>>;

/// After `get=1` only an empty line may follow.
async fn read_get<R: AsyncBufRead + Unpin>(reader: &mut R) -> Outcome {
    let mut line = Vec::new();
    match read_line(reader, &mut line).await {
        None | Some(Line::Text("")) => Some(Ok(Request::Get)),
        Some(_) => {
            skip(reader).await?;
            Some(Err(Errno::INVALID))
        }
    }
}

/// Reads up to an empty line or the end, also behind a bad line: a client that is still writing could not hear the answer.
async fn read_set<R: AsyncBufRead + Unpin>(reader: &mut R) -> Outcome {
    let mut parser = Parser::default();
    let mut result = Ok(());
    let mut line = zeroize::Zeroizing::new(Vec::with_capacity(LINE_LEN_MAX + 1));
    loop {
        match read_line(reader, &mut line).await {
            None | Some(Line::Text("")) => break,
            Some(Line::Text(text)) => result = result.and_then(|()| parser.line(text)),
            Some(Line::Bad(errno)) => result = result.and(Err(errno)),
        }
    }
    Some(result.map(|()| Request::Set(Box::new(parser.finish()))))
}

async fn skip<R: AsyncBufRead + Unpin>(reader: &mut R) -> Option<()> {
    let mut line = Vec::new();
    let mut left = SKIPPED_LINES_MAX;
    while left > 0 {
        match read_line(reader, &mut line).await {
            None | Some(Line::Text("")) => return Some(()),
            Some(Line::Text(_) | Line::Bad(_)) => left -= 1,
        }
    }
    None
}

#[derive(Debug, Eq, PartialEq)]
enum Line<'a> {
    /// Without its line end.
    Text(&'a str),
    /// Too long, or not text.
    Bad(Errno),
}

/// One line; `None` when the client is gone or silent. The last line needs no line end.
async fn read_line<'a, R: AsyncBufRead + Unpin>(reader: &mut R, line: &'a mut Vec<u8>) -> Option<Line<'a>> {
    line.clear();
    let patience = Duration::from_secs(IDLE_SECS_MAX);
    let mut limited = reader.take(LINE_LEN_MAX as u64 + 1);
    let len = timeout(patience, limited.read_until(b'\n', line)).await.ok()?.ok()?;
    if len == 0 {
        return None;
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if len > LINE_LEN_MAX {
        timeout(patience, skip_line(reader)).await.ok()?;
        return Some(Line::Bad(Errno::TOO_BIG));
    }
    Some(str::from_utf8(line).map_or(Line::Bad(Errno::PROTOCOL), Line::Text))
}

async fn skip_line<R: AsyncBufRead + Unpin>(reader: &mut R) {
    loop {
        let Ok(there) = reader.fill_buf().await else { return };
        let (used, end) = match there.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (there.len(), there.is_empty()),
        };
        reader.consume(used);
        if end {
            return;
        }
    }
}

/// Lines of nonsense that are read to their end before the connection is simply closed.
const SKIPPED_LINES_MAX: u32 = 10_000;

#[cfg(test)]
mod tests;
