//! The resolver's sockets: UDP and TCP port 53 on this device's mesh addresses.
//!
//! **Invariant:** only this machine is answered. The kernel hands a packet to these sockets if it came in by the loopback interface and
//! no other, which is how a machine talks to its own addresses, whichever interface they are on; a filter at the socket says so. (Binding
//! to that interface would do for IPv4, but IPv6 counts such a packet as one of the interface that has the address.) A peer's question
//! is dropped before anything reads it, and its connection is never answered.
//! **Invariant:** connections, questions under way and the length of each are bounded.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::forward::Upstreams;
use super::message::{self, Verdict};
use super::zone::Zone;

/// The port (RFC 1035, section 4.2).
pub(crate) const PORT: u16 = 53;
/// Questions for others that are under way.
const FORWARDED_MAX: usize = 256;
/// Connections.
const CONNECTIONS_MAX: usize = 32;
/// Questions on one connection.
const QUESTIONS_MAX: usize = 128;
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// Longest question, in bytes.
const QUESTION_MAX: usize = 4096;
/// Failures in a row after which a socket is given up.
const FAILURES_MAX: u32 = 64;

/// What questions are answered from. Both change while the resolver runs.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// Our names.
    pub(crate) zone: watch::Receiver<Arc<Zone>>,
    /// Whom to ask about others; none if nobody should ask us about them.
    pub(crate) upstreams: watch::Receiver<Option<Arc<Upstreams>>>,
}

/// The running resolver; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Resolver {
    desk: Desk,
    tasks: Vec<JoinHandle<()>>,
    /// Where it answers, and where it could not.
    pub(crate) open: Vec<IpAddr>,
    pub(crate) closed: Vec<(IpAddr, io::Error)>,
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Resolver {
    /// Opens the sockets on those addresses where that is possible.
    pub(crate) fn open(addresses: &[IpAddr], sources: &Sources) -> Self {
        let desk = Desk {
            sources: sources.clone(),
            forwarded: Arc::new(Semaphore::new(FORWARDED_MAX)),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        };
        let mut resolver = Self { desk, tasks: Vec::new(), open: Vec::new(), closed: Vec::new() };
        addresses.iter().for_each(|ip| resolver.try_one(*ip));
        resolver
    }

    /// Tries again where it was not possible; what is open stays so.
    pub(crate) fn try_again(&mut self) {
        let closed = std::mem::take(&mut self.closed);
        closed.into_iter().for_each(|(ip, _)| self.try_one(ip));
    }

    fn try_one(&mut self, ip: IpAddr) {
        match sockets(SocketAddr::new(ip, PORT)) {
            Ok((udp, tcp)) => {
                self.tasks.push(tokio::spawn(self.desk.clone().serve_udp(Arc::new(udp))));
                self.tasks.push(tokio::spawn(self.desk.clone().serve_tcp(tcp)));
                self.open.push(ip);
            }
            Err(error) => self.closed.push((ip, error)),
        }
    }

    /// Whether a socket was lost.
    pub(crate) fn has_ended(&self) -> bool {
        self.tasks.iter().any(JoinHandle::is_finished)
    }
}

fn sockets(at: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let udp = socket(at, Type::DGRAM, Protocol::UDP)?;
    let tcp = socket(at, Type::STREAM, Protocol::TCP)?;
    tcp.listen(i32::try_from(CONNECTIONS_MAX).unwrap_or(i32::MAX))?;
    Ok((UdpSocket::from_std(udp.into())?, TcpListener::from_std(tcp.into())?))
}

fn socket(at: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), kind.cloexec().nonblocking(), Some(protocol))?;
    // Before the first packet can come.
    socket.attach_filter(&ONLY_LOOPBACK)?;
    // An address that was given to the interface a moment ago is not usable at once over IPv6.
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
        socket.set_freebind_v6(true)?;
    } else {
        socket.set_freebind_v4(true)?;
    }
    // Connections of a resolver that was killed a moment ago would hold the port otherwise. UDP sockets know no such state, and two
    // of them would share the port without a word.
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

/// Classic BPF: loads the number of the interface that a packet came in by, takes the whole packet if that is loopback's, else nothing.
/// Loopback is the first interface of every network namespace.
const ONLY_LOOPBACK: [SockFilter; 4] = [
    SockFilter::new((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, ARRIVED_BY),
    SockFilter::new((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, 1, LOOPBACK),
    SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, u32::MAX),
    SockFilter::new((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0),
];
const ARRIVED_BY: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_IFINDEX) as u32;
const LOOPBACK: u32 = 1;

/// What every socket's task needs.
#[derive(Clone, Debug)]
struct Desk {
    sources: Sources,
    forwarded: Arc<Semaphore>,
    connections: Arc<Semaphore>,
}

impl Desk {
    fn zone(&self) -> Arc<Zone> {
        Arc::clone(&self.sources.zone.borrow())
    }

    /// What to answer now, or the answer that is still to come.
    fn look(&self, question: &[u8]) -> Option<Result<Vec<u8>, Errand>> {
        let zone = self.zone();
        match message::answer(&zone, question) {
            Verdict::Drop => None,
            Verdict::Answer(answer) => Some(Ok(answer)),
            Verdict::Forward(question) => {
                let upstreams = self.sources.upstreams.borrow().clone();
                let Some(upstreams) = upstreams else {
                    return Some(Ok(question.fail(ResponseCode::Refused)));
                };
                Some(Err(Errand { question, zone, upstreams }))
            }
        }
    }

    async fn serve_udp(self, socket: Arc<UdpSocket>) {
        let mut buffer = vec![0; QUESTION_MAX];
        let mut failures = 0;
        while failures < FAILURES_MAX {
            let (len, from) = match socket.recv_from(&mut buffer).await {
                Ok(came) => came,
                Err(error) => {
                    tracing::debug!(%error, "the resolver's socket");
                    failures += 1;
                    continue;
                }
            };
            failures = 0;
            let errand = match self.look(&buffer[..len]) {
                None => continue,
                Some(Ok(answer)) => {
                    let _ = socket.send_to(&answer, from).await;
                    continue;
                }
                Some(Err(errand)) => errand,
            };
            match Arc::clone(&self.forwarded).try_acquire_owned() {
                Err(_) => _ = socket.send_to(&errand.question.fail(ResponseCode::ServFail), from).await,
                Ok(room) => {
                    let socket = Arc::clone(&socket);
                    tokio::spawn(async move {
                        let answer = errand.run(errand.question.answer_max).await;
                        let _ = socket.send_to(&answer, from).await;
                        drop(room);
                    });
                }
            }
        }
    }

    async fn serve_tcp(self, listener: TcpListener) {
        let mut failures = 0;
        while failures < FAILURES_MAX {
            match listener.accept().await {
                Ok((stream, _)) => {
                    failures = 0;
                    // One too many is closed at once.
                    let Ok(room) = Arc::clone(&self.connections).try_acquire_owned() else { continue };
                    let desk = self.clone();
                    tokio::spawn(async move {
                        // An asker that went away needs nothing more.
                        let _ = desk.converse(stream).await;
                        drop(room);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "the resolver's listener");
                    failures += 1;
                    // Out of descriptors, perhaps: not again at once.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        for _ in 0..QUESTIONS_MAX {
            let mut question = Vec::new();
            timeout(IDLE, async {
                let len = usize::from(stream.read_u16().await?);
                if len > QUESTION_MAX {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                question.resize(len, 0);
                stream.read_exact(&mut question).await.map(drop)
            })
            .await??;
            let answer = match self.look(&question) {
                None => return Ok(()),
                Some(Ok(answer)) => answer,
                Some(Err(errand)) => match self.forwarded.try_acquire() {
                    Ok(_room) => errand.run(usize::from(u16::MAX)).await,
                    Err(_) => errand.question.fail(ResponseCode::ServFail),
                },
            };
            let len = u16::try_from(answer.len()).map_err(io::Error::other)?;
            timeout(IDLE, stream.write_all(&[&len.to_be_bytes()[..], &answer].concat())).await??;
        }
        Ok(())
    }
}

/// A question that others must be asked about.
struct Errand {
    question: message::Question,
    zone: Arc<Zone>,
    upstreams: Arc<Upstreams>,
}

impl Errand {
    async fn run(&self, answer_max: usize) -> Vec<u8> {
        self.upstreams.answer(&self.question, &self.zone, answer_max).await
    }
}

#[cfg(test)]
mod tests;
