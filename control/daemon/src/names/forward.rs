//! Other names: asked of those that the system asked before us.
//!
//! Each question goes out from a port of its own, with a number and a spelling of the name drawn at random, and only the very answer to
//! it counts: somebody who cannot see it would have to guess all three (RFC 5452, and the spelling known as 0x20). A long answer is asked
//! for again over TCP, which is also what is done with a server that changes the spelling.
//!
//! **Invariant:** the number of questions under way is bounded, and each of them ends after [`PATIENCE`].

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::message::{HEADER_LEN, Question, edns, fitted};
use super::rebind::{self, Reply};
use super::zone::Zone;

/// Longest time for one question in all; programs ask again after five seconds.
const PATIENCE: Duration = Duration::from_millis(4500);
/// Longest wait for one server to answer over UDP.
const SERVER_PATIENCE: Duration = Duration::from_millis(1500);
/// Longest datagram that is read, in bytes.
const DATAGRAM_MAX: usize = 4096;
/// Datagrams that are no answer to ours and are read nevertheless while one is waited for.
const STRAY_MAX: usize = 32;

/// Those that we ask, in order.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    servers: Vec<SocketAddr>,
    /// Who answered last: asked first, so that a dead one is waited for once and not at every name.
    preferred: AtomicUsize,
}

impl Upstreams {
    /// These servers, which are not empty.
    pub(crate) fn new(servers: Vec<SocketAddr>) -> Self {
        Self { servers, preferred: AtomicUsize::new(0) }
    }

    /// The servers.
    pub(crate) fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// Asks until somebody answers. Always gives an answer for the asker, of at most `answer_max` bytes.
    pub(crate) async fn answer(&self, question: &Question, zone: &Zone, answer_max: usize) -> Vec<u8> {
        let Ok(Some(answer)) = timeout(PATIENCE, self.ask(question)).await else {
            return question.fail(ResponseCode::ServFail);
        };
        // What cannot be read cannot be looked at, so it is not passed on.
        match Message::from_vec(&answer) {
            Err(_) => question.fail(ResponseCode::ServFail),
            Ok(read) if rebind::leads_inside(&read, zone) => {
                tracing::warn!(name = %question.query.name, "a name of others leads into the mesh; refused");
                question.fail(rebind::REBINDING)
            }
            Ok(_) => match wire(question, question.id, Spelling::Theirs) {
                Some(theirs) => {
                    let spelled =
                        theirs.get(HEADER_LEN..HEADER_LEN + question_len(question)).unwrap_or_default();
                    fitted(rebind::restored(answer, question.id, spelled), answer_max)
                }
                None => question.fail(ResponseCode::ServFail),
            },
        }
    }

    async fn ask(&self, question: &Question) -> Option<Vec<u8>> {
        let first = self.preferred.load(Ordering::Relaxed);
        for step in 0..self.servers.len() {
            let number = (first + step) % self.servers.len();
            let server = self.servers[number];
            if let Ok(Some(answer)) = ask_one(question, server).await {
                self.preferred.store(number, Ordering::Relaxed);
                return Some(answer);
            }
        }
        None
    }
}

/// Bytes of the question in a message: the name, and four for type and class.
fn question_len(question: &Question) -> usize {
    question.query.name.iter().map(|label| label.len() + 1).sum::<usize>() + 1 + 4
}

/// How the name is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Spelling {
    /// As the asker wrote it.
    Theirs,
    /// Each letter large or small at random.
    Random,
    /// What every server gives back as it is.
    Small,
}

fn wire(question: &Question, id: u16, spelling: Spelling) -> Option<Vec<u8>> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = question.recursion_desired;
    message.metadata.checking_disabled = question.checking_disabled;
    message.metadata.authentic_data = question.authentic_data;
    let mut query = question.query.clone();
    match spelling {
        Spelling::Theirs => {}
        Spelling::Random => query.name.randomize_label_case(),
        Spelling::Small => query.name = query.name.to_lowercase(),
    }
    message.add_query(query);
    if let Some(dnssec_ok) = question.dnssec_ok {
        message.set_edns(edns(dnssec_ok));
    }
    message.to_vec().ok()
}

fn random_id() -> io::Result<u16> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    Ok(u16::from_be_bytes(id))
}

/// One server's answer; none if it has none to give.
async fn ask_one(question: &Question, server: SocketAddr) -> io::Result<Option<Vec<u8>>> {
    let Some(asked) = wire(question, random_id()?, Spelling::Random) else { return Ok(None) };
    match timeout(SERVER_PATIENCE, ask_udp(&asked, server)).await?? {
        (Reply::Answer, came) => Ok(Some(came)),
        (Reply::Truncated | Reply::Respelled, _) => {
            let Some(asked) = wire(question, random_id()?, Spelling::Small) else { return Ok(None) };
            ask_tcp(&asked, server).await
        }
        (Reply::Failed | Reply::Foreign, _) => Ok(None),
    }
}

/// The kernel draws the port; a connected socket takes datagrams of this server alone.
async fn ask_udp(asked: &[u8], server: SocketAddr) -> io::Result<(Reply, Vec<u8>)> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(asked).await?;
    let mut buffer = vec![0; DATAGRAM_MAX];
    for _ in 0..STRAY_MAX {
        let len = socket.recv(&mut buffer).await?;
        let reply = rebind::judge(asked, &buffer[..len]);
        if reply != Reply::Foreign {
            buffer.truncate(len);
            return Ok((reply, buffer));
        }
    }
    Ok((Reply::Foreign, vec![]))
}

async fn ask_tcp(asked: &[u8], server: SocketAddr) -> io::Result<Option<Vec<u8>>> {
    let mut stream = TcpStream::connect(server).await?;
    let len = u16::try_from(asked.len()).unwrap_or(u16::MAX);
    stream.write_all(&[&len.to_be_bytes()[..], asked].concat()).await?;
    let len = stream.read_u16().await?;
    let mut came = vec![0; usize::from(len)];
    stream.read_exact(&mut came).await?;
    Ok((rebind::judge(asked, &came) == Reply::Answer).then_some(came))
}

#[cfg(test)]
mod tests;
