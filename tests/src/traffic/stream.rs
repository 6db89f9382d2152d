//! TCP streams in which every byte is compared with what was sent.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use ringmesh_lab::clock;
use ringmesh_lab::namespaces::Namespace;

use super::{LOOK, Stop, pattern};

/// A stream that moves nothing for so long is a lost one.
const STALL_LIMIT: Duration = Duration::from_secs(15);

/// Bytes per write.
const PIECE: usize = 65_536;

/// Sends `bytes` from `from` to `to`, which has the address `at`, and compares each.
///
/// # Panics
/// When the connection cannot be made, breaks, stalls, or carries other bytes.
pub fn transfer(from: &Namespace, to: &Namespace, at: IpAddr, bytes: u64) {
    let stream = Stream::start(from, to, at, None, Some(bytes));
    let arrived = stream.finish();
    assert_eq!(arrived, bytes, "bytes that arrived at {at}");
}

/// A TCP stream under way; [`Stream::finish`] ends it.
#[derive(Debug)]
pub struct Stream {
    stop: Stop,
    arrived: Arc<AtomicU64>,
    sender: JoinHandle<io::Result<u64>>,
    receiver: JoinHandle<io::Result<()>>,
}

impl Stream {
    /// Connects from `from` to `to`, which has the address `at`, and sends: at most `per_second` bytes in a second, until
    /// `total` bytes have left or the stream is finished.
    ///
    /// # Panics
    /// When the connection cannot be made.
    pub fn start(
        from: &Namespace,
        to: &Namespace,
        at: IpAddr,
        per_second: Option<u64>,
        total: Option<u64>,
    ) -> Self {
        let listener = enter(to, || TcpListener::bind(SocketAddr::new(at, 0)));
        let address = listener.local_addr().expect("an address");
        let outgoing = enter(from, || TcpStream::connect_timeout(&address, STALL_LIMIT));
        let (incoming, _) = listener.accept().unwrap_or_else(|error| panic!("{at}: {error}"));
        outgoing.set_write_timeout(Some(LOOK)).expect("a timeout");
        outgoing.set_read_timeout(Some(STALL_LIMIT)).expect("a timeout");
        incoming.set_read_timeout(Some(STALL_LIMIT)).expect("a timeout");
        let (stop, arrived) = (Stop::default(), Arc::new(AtomicU64::new(0)));
        let (until, counter) = (stop.clone(), Arc::clone(&arrived));
        Self {
            stop,
            arrived,
            sender: std::thread::spawn(move || send(outgoing, per_second, total, &until)),
            receiver: std::thread::spawn(move || receive(incoming, &counter)),
        }
    }

    /// Bytes that have arrived and were right.
    pub fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Waits until `bytes` more have arrived.
    ///
    /// # Panics
    /// When they have not within `limit`.
    pub fn wait_for(&self, bytes: u64, limit: Duration) {
        let wanted = self.arrived() + bytes;
        let came = clock::until(limit, || (self.arrived() >= wanted).then_some(()));
        assert!(
            came.is_some(),
            "the stream does not go on: {} of {wanted} B within {limit:?}",
            self.arrived()
        );
    }

    /// Ends the stream (after its total, if it has one) and gives the bytes that arrived, which are all that were sent.
    ///
    /// # Panics
    /// When the stream broke or stalled, or carried other bytes.
    pub fn finish(self) -> u64 {
        self.end().unwrap_or_else(|why| panic!("{why}"))
    }

    /// As [`Stream::finish`], with what went wrong as an answer.
    ///
    /// # Errors
    /// When the stream broke or stalled.
    ///
    /// # Panics
    /// When it carried other bytes.
    pub fn end(self) -> Result<u64, String> {
        self.stop.now();
        let sent = self.sender.join().expect("the sender ended well");
        let received = self.receiver.join().expect("every byte is as it was sent");
        let arrived = self.arrived.load(Ordering::Relaxed);
        received.map_err(|error| format!("the receiver's stream broke after {arrived} B: {error}"))?;
        let sent =
            sent.map_err(|error| format!("the sender's stream broke, {arrived} B arrived: {error}"))?;
        if sent == arrived { Ok(arrived) } else { Err(format!("{sent} B were sent and {arrived} B arrived")) }
    }
}

fn enter<T: Send>(host: &Namespace, work: impl FnOnce() -> io::Result<T> + Send) -> T {
    let made = host.enter(work).unwrap_or_else(|error| panic!("{error}"));
    made.unwrap_or_else(|error| panic!("{}: {error}", host.name()))
}

fn send(mut stream: TcpStream, per_second: Option<u64>, total: Option<u64>, until: &Stop) -> io::Result<u64> {
    let start = clock::now();
    let mut sent = 0;
    let mut piece = vec![0; PIECE];
    while total.map_or_else(|| !until.is_now(), |total| sent < total) {
        if let Some(per_second) = per_second {
            clock::pause_until(start + Duration::from_secs_f64(sent as f64 / per_second as f64));
        }
        let paced = per_second.map_or(PIECE, |per_second| PIECE.min(per_second as usize / 20 + 1));
        let len = total.map_or(paced, |total| paced.min((total - sent) as usize));
        pattern::fill(0, sent, &mut piece[..len]);
        write(&mut stream, &piece[..len])?;
        sent += len as u64;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    // The receiver closes when it has everything.
    match stream.read(&mut [0; 1])? {
        0 => Ok(sent),
        _ => Err(io::Error::other("the receiver said something")),
    }
}

/// Writes all of `bytes`, however long single writes take, unless nothing moves for [`STALL_LIMIT`].
fn write(stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    let mut deadline = clock::now() + STALL_LIMIT;
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(len) => {
                bytes = &bytes[len..];
                deadline = clock::now() + STALL_LIMIT;
            }
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            Err(_) if clock::now() > deadline => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => {}
        }
    }
    Ok(())
}

fn receive(mut stream: TcpStream, arrived: &AtomicU64) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    loop {
        let at = arrived.load(Ordering::Relaxed);
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            len => {
                assert_eq!(pattern::difference(0, at, &buffer[..len]), None, "the first wrong byte");
                arrived.fetch_add(len as u64, Ordering::Relaxed);
            }
        }
    }
}
