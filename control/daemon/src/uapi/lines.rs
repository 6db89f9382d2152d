//! Lines of a stream, in memory that is wiped.
//!
//! **Invariant:** keys pass through here as text, so the one buffer is wiped when it goes, and no line is ever copied.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::errno::Errno;
use super::parse::LINE_LEN_MAX;

/// One line.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Line<'a> {
    /// Without its line end.
    Text(&'a str),
    /// Too long, or not text.
    Bad(Errno),
}

/// Reads lines from `R`.
pub(crate) struct Lines<R> {
    reader: R,
    buffer: Zeroizing<Vec<u8>>,
    start: usize,
    end: usize,
    patience: Duration,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// A stream that is given up after `patience` without a byte.
    pub(crate) fn new(reader: R, patience: Duration) -> Self {
        Self { reader, buffer: Zeroizing::new(vec![0; BUFFER_LEN]), start: 0, end: 0, patience }
    }

    /// The next line; `None` when the stream ended, broke or fell silent. The last line needs no line end.
    pub(crate) async fn next(&mut self) -> Option<Line<'_>> {
        let mut skipping = false;
        loop {
            let there = &self.buffer[self.start..self.end];
            if let Some(len) = there.iter().position(|byte| *byte == b'\n') {
                let line = self.start..self.start + len;
                self.start += len + 1;
                return Some(read(&self.buffer[line], skipping));
            }
            if there.len() > LINE_LEN_MAX {
                // Only that it was too long is kept of it.
                skipping = true;
                (self.start, self.end) = (0, 0);
            }
            if !self.fill().await? {
                let rest = std::mem::replace(&mut self.start, self.end)..self.end;
                return (skipping || !rest.is_empty()).then(|| read(&self.buffer[rest], skipping));
            }
        }
    }

    /// Reads more behind what is there; false at the end of the stream.
    async fn fill(&mut self) -> Option<bool> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let free = &mut self.buffer[self.end..];
        let len = timeout(self.patience, self.reader.read(free)).await.ok()?.ok()?;
        self.end += len;
        Some(len > 0)
    }
}

fn read(line: &[u8], skipping: bool) -> Line<'_> {
    if skipping || line.len() > LINE_LEN_MAX {
        return Line::Bad(Errno::TOO_BIG);
    }
    str::from_utf8(line).map_or(Line::Bad(Errno::PROTOCOL), Line::Text)
}

/// Several lines at a time, and always more than the longest one.
const BUFFER_LEN: usize = 8 * LINE_LEN_MAX;

#[cfg(test)]
mod tests;
