//! The side that answers: takes and gives streams, counts numbered datagrams, echoes probes.

use super::numbered::{Counted, HEADER_LEN, Header, Tally};
use super::plan::Limit;
use super::report::{Line, Outcome};
use super::tcp::{self, REQUEST_LEN, Request};
use super::{ECHO_PORT, NUMBERED_GRO_PORT, NUMBERED_PORT, PROBE_PORT, TCP_PORT, echo, emit, sockets};
use crate::{Error, Result};
use socket2::{Domain, Protocol, Socket, Type};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv6Addr, Shutdown, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use tokio_uring::net::{TcpListener, TcpStream};

/// Runs that are remembered; the oldest goes when another begins.
const RUNS_MAX: usize = 64;
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// What has arrived of each run, with the order in which they began.
#[derive(Debug, Default)]
struct Runs {
    tallies: BTreeMap<u64, (u64, Tally)>,
    begun: u64,
}

impl Runs {
    fn count(&mut self, header: Header, arrived: Duration) {
        let begun = self.begun;
        let (_, tally) = self.tallies.entry(header.run).or_insert_with(|| (begun, Tally::new()));
        tally.count(header, arrived);
        self.begun += 1;
        if self.tallies.len() > RUNS_MAX {
            let oldest = self.tallies.iter().min_by_key(|(_, (begun, _))| *begun).map(|(run, _)| *run);
            oldest.and_then(|run| self.tallies.remove(&run));
        }
    }

    fn counted(&self, run: u64) -> Counted {
        self.tallies.get(&run).map(|(_, tally)| tally.counted()).unwrap_or_default()
    }
}

/// Serves until the process ends.
pub(super) fn serve() -> Result<Outcome> {
    let runs = Arc::new(Mutex::new(Runs::default()));
    let (numbered, joined, echo) =
        (sockets::bound(NUMBERED_PORT)?, sockets::bound(NUMBERED_GRO_PORT)?, sockets::bound(ECHO_PORT)?);
    sockets::join(&joined)?;
    for socket in [numbered, joined] {
        sockets::stamp(&socket)?;
        let runs = Arc::clone(&runs);
        thread::spawn(move || count_for_ever(&socket, &runs));
    }
    thread::spawn(move || echo_for_ever(&echo));
    let probes = sockets::bound(PROBE_PORT)?;
    sockets::stamp(&probes)?;
    thread::spawn(move || echo::answer_for_ever(&probes));
    let listener =
        listen().map_err(|error| Error::io(format!("cannot listen on TCP port {TCP_PORT}"), error))?;
    let runtime = tcp::runtime()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener);
        emit(&Line::Ready);
        loop {
            let accepted = listener.accept().await;
            let (stream, _) = accepted.map_err(|error| Error::io("cannot accept a stream", error))?;
            // A stream that breaks is told by its client, which has no receipt.
            let runs = Arc::clone(&runs);
            tokio_uring::spawn(async move {
                let _told_by_its_client = answer(&stream, &runs).await;
            });
        }
    })
}

fn listen() -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_only_v6(false)?;
    // Accepted sockets inherit it.
    tcp::bound_silence(&socket)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, TCP_PORT)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

async fn answer(stream: &TcpStream, runs: &Mutex<Runs>) -> io::Result<()> {
    let (read, bytes) = tcp::read_all(stream, REQUEST_LEN).await;
    read?;
    let request = bytes.first_chunk().and_then(Request::parse).ok_or(io::ErrorKind::InvalidData)?;
    let ignored = Cell::new(0);
    match request {
        Request::Upload { seed } => {
            let receipt = tcp::take(stream, seed, &ignored).await?;
            stream.write_all(receipt.emit()).await.0?;
        }
        Request::DownloadMillis { seed, millis, pace } => {
            sockets::pace(stream, pace)?;
            tcp::give(stream, seed, Limit::Millis(millis), None, &ignored).await?;
        }
        Request::DownloadBytes { seed, bytes, pace } => {
            sockets::pace(stream, pace)?;
            tcp::give(stream, seed, Limit::Bytes(bytes), None, &ignored).await?;
        }
        Request::Count { run } => {
            let counted = runs.lock().unwrap_or_else(PoisonError::into_inner).counted(run);
            stream.write_all(serde_json::to_vec(&counted)?).await.0?;
        }
    }
    // The client closes after it has read to the end; closing first could cut off what is still on its way.
    stream.shutdown(Shutdown::Write)?;
    let _closed = stream.read(vec![0; 1]).await;
    Ok(())
}

fn count_for_ever(socket: &UdpSocket, runs: &Mutex<Runs>) {
    let mut buffer = vec![0; u16::MAX.into()];
    loop {
        // Only ICMP errors come here, and a receiving socket has no use for them.
        let Ok(received) = sockets::receive(socket, &mut buffer) else { continue };
        let mut runs = runs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = &buffer[..received.len];
        while let Some(header) = Header::parse(rest) {
            runs.count(header, received.arrived);
            rest = &rest[(header.size as usize).max(HEADER_LEN).min(rest.len())..];
        }
    }
}

fn echo_for_ever(socket: &UdpSocket) {
    let mut buffer = vec![0; u16::MAX.into()];
    loop {
        let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
        // An answer that the system refuses is a lost one.
        let _lost = socket.send_to(&buffer[..len], from);
    }
}
