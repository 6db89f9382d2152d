//! Byte streams over TCP, the client's side; [`super::sink`] is the other.
//!
//! Both run on tokio-uring: a bulk stream is what it carries well, and one thread does for all streams of a side, which leaves
//! the cores to the tunnel.

use super::numbered::Counted;
use super::plan::{Limit, Tcp};
use super::report::{Line, Progress, TcpReport};
use super::{TCP_PORT, at, emit, pattern, sockets};
use crate::{Error, Result, clock};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::rc::Rc;
use std::time::Duration;
use tokio_uring::net::TcpStream;

/// After this time without a sign of life a stream has failed; far more than any restart takes.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// How often progress is shown.
const SHOW_INTERVAL: Duration = Duration::from_millis(250);
/// Bytes that one read takes at most.
const READ_LEN: usize = 256 * 1024;
/// What a request begins with.
const MAGIC: &[u8; 8] = b"lab-tcp1";
/// Bytes of a request.
pub(super) const REQUEST_LEN: usize = 40;
/// Bytes of a receipt.
const RECEIPT_LEN: usize = 16;

/// What a client wants of the sink.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Request {
    /// Take the stream `seed` until it ends, then give a receipt.
    Upload { seed: u64 },
    /// Send the stream `seed` for some milliseconds, at this many bytes per second (0: as fast as it goes).
    DownloadMillis { seed: u64, millis: u64, pace: u64 },
    /// Send that many bytes of the stream `seed`.
    DownloadBytes { seed: u64, bytes: u64, pace: u64 },
    /// Say what has arrived of a run of numbered datagrams.
    Count { run: u64 },
}

impl Request {
    pub(super) fn emit(self) -> [u8; REQUEST_LEN] {
        let fields = match self {
            Self::Upload { seed } => [1, seed, 0, 0],
            Self::DownloadMillis { seed, millis, pace } => [2, seed, millis, pace],
            Self::DownloadBytes { seed, bytes, pace } => [3, seed, bytes, pace],
            Self::Count { run } => [4, run, 0, 0],
        };
        let mut out = [0; REQUEST_LEN];
        out[..8].copy_from_slice(MAGIC);
        for (field, value) in out[8..].chunks_exact_mut(8).zip(fields) {
            field.copy_from_slice(&u64::to_be_bytes(value));
        }
        out
    }

    pub(super) fn parse(bytes: &[u8; REQUEST_LEN]) -> Option<Self> {
        let field = |at: usize| Some(u64::from_be_bytes(*bytes[8 + 8 * at..].first_chunk()?));
        let (kind, one, two, pace) = (field(0)?, field(1)?, field(2)?, field(3)?);
        match kind {
            _ if bytes[..8] != *MAGIC => None,
            1 => Some(Self::Upload { seed: one }),
            2 => Some(Self::DownloadMillis { seed: one, millis: two, pace }),
            3 => Some(Self::DownloadBytes { seed: one, bytes: two, pace }),
            4 => Some(Self::Count { run: one }),
            _ => None,
        }
    }
}

/// What the receiving side found: bytes, and the first one that was wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Receipt {
    pub(super) bytes: u64,
    pub(super) wrong_at: Option<u64>,
}

impl Receipt {
    pub(super) fn emit(self) -> Vec<u8> {
        let wrong_at = self.wrong_at.unwrap_or(u64::MAX);
        [self.bytes.to_be_bytes(), wrong_at.to_be_bytes()].concat()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (bytes, rest) = bytes.split_first_chunk::<8>()?;
        let wrong_at = u64::from_be_bytes(*rest.first_chunk()?);
        Some(Self { bytes: u64::from_be_bytes(*bytes), wrong_at: (wrong_at != u64::MAX).then_some(wrong_at) })
    }

    /// The bytes, if all were right and there are as many as `expected` (where that is known).
    fn accept(self, expected: Option<u64>) -> io::Result<u64> {
        let wrong = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        match (self.wrong_at, expected) {
            (Some(at), _) => wrong(format!("the byte at {at} is not the one that was sent")),
            (None, Some(expected)) if expected != self.bytes => {
                wrong(format!("{} bytes arrived of {expected}", self.bytes))
            }
            (None, _) => Ok(self.bytes),
        }
    }
}

/// A tokio-uring runtime, or why there is none.
pub(super) fn runtime() -> Result<tokio_uring::Runtime> {
    tokio_uring::Runtime::new(&tokio_uring::builder()).map_err(|error| {
        Error::Needs(format!(
            "the traffic generator needs io_uring, which this system refuses ({error}); see \
             /proc/sys/kernel/io_uring_disabled, or the seccomp profile of this container"
        ))
    })
}

/// Runs all streams of a plan to their end.
pub(super) fn client(plan: &Tcp) -> Result<TcpReport> {
    let base = getrandom::u64().map_err(|error| Error::Needs(format!("no randomness: {error}")))?;
    let runtime = runtime()?;
    runtime.block_on(async {
        let moved = Rc::new(Cell::new(0));
        let start = clock::now();
        let streams: Vec<_> = (0..u64::from(plan.streams.max(1)))
            .map(|number| {
                tokio_uring::spawn(again_and_again(plan.clone(), base ^ (number << 48), moved.clone()))
            })
            .collect();
        let shown = tokio_uring::spawn(show(moved));
        let mut report = TcpReport::default();
        for stream in streams {
            let ended =
                stream.await.map_err(|error| Error::Traffic(format!("a stream panicked: {error}")))?;
            report.bytes += ended.bytes;
            report.completed += ended.completed;
            report.failures.extend(ended.failures);
        }
        report.secs = clock::now().saturating_sub(start).as_secs_f64();
        shown.abort();
        Ok(report)
    })
}

async fn show(moved: Rc<Cell<u64>>) {
    let mut ticks = tokio::time::interval(SHOW_INTERVAL);
    let start = clock::now();
    let mut before = (start, 0);
    loop {
        ticks.tick().await;
        let now = (clock::now(), moved.get());
        let secs = now.0.saturating_sub(before.0).as_secs_f64();
        if secs > 0.0 && now.1 > 0 {
            let bits_per_sec = (now.1 - before.1) as f64 * 8.0 / secs;
            let secs = now.0.saturating_sub(start).as_secs_f64();
            emit(&Line::Progress(Progress { secs, bits_per_sec, packets_per_sec: 0.0 }));
        }
        before = now;
    }
}

/// One stream, and new ones after it as long as the plan repeats.
async fn again_and_again(plan: Tcp, mut seed: u64, moved: Rc<Cell<u64>>) -> TcpReport {
    let deadline = clock::now() + Duration::from_millis(plan.repeat_millis);
    let mut report = TcpReport::default();
    loop {
        match stream(&plan, seed, &moved).await {
            Ok(bytes) => {
                report.bytes += bytes;
                report.completed += 1;
            }
            Err(error) => report.failures.push(error.to_string()),
        }
        seed = seed.wrapping_add(1);
        if clock::now() >= deadline {
            return report;
        }
    }
}

async fn stream(plan: &Tcp, seed: u64, moved: &Cell<u64>) -> io::Result<u64> {
    let stream = TcpStream::from_std(connect(at(plan.to, TCP_PORT))?);
    stream.set_nodelay(plan.write_sizes.is_some())?;
    let pace = plan.pace_bytes_per_sec;
    sockets::pace(&stream, pace)?;
    let request = match (plan.reverse, plan.limit) {
        (false, _) => Request::Upload { seed },
        (true, Limit::Millis(millis)) => Request::DownloadMillis { seed, millis, pace },
        (true, Limit::Bytes(bytes)) => Request::DownloadBytes { seed, bytes, pace },
    };
    stream.write_all(request.emit().to_vec()).await.0?;
    if plan.reverse {
        let expected = match plan.limit {
            Limit::Bytes(bytes) => Some(bytes),
            Limit::Millis(_) => None,
        };
        return take(&stream, seed, moved).await?.accept(expected);
    }
    let sent = give(&stream, seed, plan.limit, plan.write_sizes, moved).await?;
    let (answer, receipt) = read_all(&stream, RECEIPT_LEN).await;
    answer?;
    let receipt = Receipt::parse(&receipt).ok_or(io::ErrorKind::UnexpectedEof)?;
    receipt.accept(Some(sent))
}

/// Sends the stream `seed` until its limit, then closes that direction; says how much it was.
pub(super) async fn give(
    stream: &TcpStream,
    seed: u64,
    limit: Limit,
    sizes: Option<(u32, u32)>,
    moved: &Cell<u64>,
) -> io::Result<u64> {
    let start = clock::now();
    let mut sent = 0;
    let (smallest, largest) = sizes.unwrap_or((u32::MAX, u32::MAX));
    let mut size = smallest.max(1);
    loop {
        let room = match limit {
            Limit::Bytes(bytes) => bytes - sent,
            Limit::Millis(millis) if clock::now() >= start + Duration::from_millis(millis) => 0,
            Limit::Millis(_) => u64::MAX,
        };
        if room == 0 {
            break;
        }
        let len = usize::try_from(room.min(u64::from(size))).unwrap_or(usize::MAX);
        let piece = pattern::piece(seed, sent, len);
        stream.write_all(piece).await.0?;
        sent += piece.len() as u64;
        moved.set(moved.get() + piece.len() as u64);
        size = if size >= largest { smallest.max(1) } else { size + 1 };
    }
    stream.shutdown(Shutdown::Write)?;
    Ok(sent)
}

/// Reads a stream to its end and compares every byte.
pub(super) async fn take(stream: &TcpStream, seed: u64, moved: &Cell<u64>) -> io::Result<Receipt> {
    let mut buffer = vec![0; READ_LEN];
    let mut receipt = Receipt { bytes: 0, wrong_at: None };
    loop {
        let (len, back) = stream.read(buffer).await;
        buffer = back;
        let len = len?;
        if len == 0 {
            return Ok(receipt);
        }
        if receipt.wrong_at.is_none() {
            receipt.wrong_at = pattern::first_difference(seed, receipt.bytes, &buffer[..len]);
        }
        receipt.bytes += len as u64;
        moved.set(moved.get() + len as u64);
    }
}

/// Reads exactly `len` bytes, or fails with what came.
pub(super) async fn read_all(stream: &TcpStream, len: usize) -> (io::Result<()>, Vec<u8>) {
    let mut read = Vec::new();
    while read.len() < len {
        let (got, buffer) = stream.read(vec![0; len - read.len()]).await;
        match got {
            Ok(0) => return (Err(io::ErrorKind::UnexpectedEof.into()), read),
            Ok(got) => read.extend_from_slice(&buffer[..got]),
            Err(error) => return (Err(error), read),
        }
    }
    (Ok(()), read)
}

/// Asks the sink what has arrived of a run of numbered datagrams; nothing of an unknown run.
pub(super) fn counted(sink: IpAddr, run: u64) -> Result<Counted> {
    let failed = |error| Error::io("cannot ask the sink for its count", error);
    let mut stream: std::net::TcpStream = connect(at(sink, TCP_PORT)).map_err(failed)?;
    stream.set_read_timeout(Some(SILENCE_LIMIT)).map_err(failed)?;
    stream.write_all(&Request::Count { run }.emit()).map_err(failed)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(failed)?;
    serde_json::from_str(&text)
        .map_err(|error| Error::Traffic(format!("the sink's count makes no sense: {error}")))
}

/// A connection that ends by itself when the other side is silent for too long.
fn connect(to: SocketAddr) -> io::Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
    bound_silence(&socket)?;
    socket.connect_timeout(&to.into(), SILENCE_LIMIT)?;
    Ok(socket.into())
}

/// Lets the kernel end a connection over which nothing comes for too long, in either direction.
pub(super) fn bound_silence(socket: &Socket) -> io::Result<()> {
    let probes = TcpKeepalive::new().with_time(SILENCE_LIMIT / 6).with_interval(SILENCE_LIMIT / 6);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(SILENCE_LIMIT))
}

#[cfg(test)]
mod tests;
