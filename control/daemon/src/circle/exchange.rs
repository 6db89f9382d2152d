//! What members say to each other through the mesh: records, and the circle key in parcels. TCP on the mesh address, in frames.
//!
//! ```text
//! length 4 (big-endian, of what follows) │ kind 1 │ content …        kind 1: a message of mesh::sync, 2: a parcel, 3: a key's id and removals
//! ```
//!
//! The tunnel has authenticated the sender: a connection comes from the mesh address of one peer, over our own interface. What it
//! says is nevertheless only believed as far as signatures go.
//!
//! **Invariant:** bounded connections in sum and per peer, bounded frames, and a peer that does not read is not waited for.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::time::Duration;

use ringmesh_mesh::sealed::KeyId;
use ringmesh_mesh::sealed::parcel::Parcel;
use ringmesh_mesh::sync::Message;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The TCP port on mesh addresses.
pub(crate) const EXCHANGE_PORT: u16 = 25519;
/// Longest content of a frame, in bytes.
const FRAME_MAX: usize = 60 << 10;
/// Frames that wait to be sent to one peer; one that lets more pile up is disconnected and begins anew.
const QUEUE_MAX: usize = 64;
/// Longest time for connecting, and for a frame to be taken.
const PATIENCE: Duration = Duration::from_secs(8);
/// A connection on which nothing was said for this long ends.
const IDLE: Duration = Duration::from_secs(180);

/// One frame.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "few live at a time, and none for long")]
pub(crate) enum Frame {
    /// About records.
    Sync(Message),
    /// The circle key.
    Parcel(Parcel),
    /// Which circle key the sender seals with, and how many removals it knows of; none yet.
    Key(Option<(KeyId, u32)>),
}

/// What happened on a connection.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "few live at a time, and none for long")]
pub(crate) enum News {
    /// It is there.
    Opened {
        /// Names the connection.
        link: u64,
        /// The mesh address of the other side.
        peer: Ipv6Addr,
        /// What is to be sent.
        out: mpsc::Sender<Frame>,
    },
    /// The other side said something.
    Said {
        /// The connection.
        link: u64,
        /// What.
        frame: Frame,
    },
    /// It is gone, or could not be made.
    Closed {
        /// The connection.
        link: u64,
        /// The mesh address of the other side.
        peer: Ipv6Addr,
    },
}

impl Frame {
    fn to_bytes(&self) -> Vec<u8> {
        let (kind, content) = match self {
            Self::Sync(message) => (1, message.to_bytes()),
            Self::Parcel(parcel) => (2, parcel.to_bytes()),
            Self::Key(None) => (3, vec![]),
            Self::Key(Some((id, removals))) => (3, [&id.0[..], &removals.to_be_bytes()].concat()),
        };
        let len = u32::try_from(content.len() + 1).unwrap_or(u32::MAX);
        [&len.to_be_bytes()[..], &[kind], &content].concat()
    }

    /// Reads kind and content.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, content) = bytes.split_first()?;
        match (kind, content) {
            (1, content) => Message::decode(content).ok().map(Self::Sync),
            (2, content) => Parcel::decode(content).ok().map(Self::Parcel),
            (3, []) => Some(Self::Key(None)),
            (3, content) => {
                let (id, removals) = content.split_first_chunk()?;
                Some(Self::Key(Some((KeyId(*id), u32::from_be_bytes(removals.try_into().ok()?)))))
            }
            _ => None,
        }
    }
}

/// Where connections come from and begin: the mesh address, on the tunnel's interface and no other.
#[derive(Debug)]
pub(super) struct Exchange {
    own: Ipv6Addr,
    ifname: String,
    news: mpsc::Sender<News>,
    listening: JoinHandle<()>,
    next: u64,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Exchange {
    /// Begins to listen. The interface must be there; when it is made anew, so must this be.
    pub(super) fn open(own: Ipv6Addr, ifname: &str, news: mpsc::Sender<News>) -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::STREAM.cloexec().nonblocking(), Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_freebind_v6(true)?;
        socket.bind_device(Some(ifname.as_bytes()))?;
        socket.bind(&SocketAddrV6::new(own, EXCHANGE_PORT, 0, 0).into())?;
        socket.listen(16)?;
        let listener = TcpListener::from_std(socket.into())?;
        let listening = tokio::spawn(listen(listener, news.clone()));
        Ok(Self { own, ifname: ifname.to_owned(), news, listening, next: 0 })
    }

    /// Begins a connection; the news tell what becomes of it. Gives its number.
    pub(super) fn connect(&mut self, peer: Ipv6Addr) -> u64 {
        // Even numbers for those that we began; the listener counts the odd ones.
        self.next += 2;
        let (link, own, ifname, news) = (self.next, self.own, self.ifname.clone(), self.news.clone());
        tokio::spawn(async move {
            match timeout(PATIENCE, dial(own, &ifname, peer)).await {
                Ok(Ok(stream)) => converse(link, peer, stream, &news).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "no connection"),
                Err(_) => tracing::debug!(%peer, "no connection in time"),
            }
            let _ = news.send(News::Closed { link, peer }).await;
        });
        link
    }
}

async fn dial(own: Ipv6Addr, ifname: &str, peer: Ipv6Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v6()?;
    SockRef::from(&socket).bind_device(Some(ifname.as_bytes()))?;
    socket.bind(SocketAddrV6::new(own, 0, 0, 0).into())?;
    socket.connect(SocketAddrV6::new(peer, EXCHANGE_PORT, 0, 0).into()).await
}

async fn listen(listener: TcpListener, news: mpsc::Sender<News>) {
    let mut link = 1;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                let std::net::IpAddr::V6(peer) = from.ip() else { continue };
                link += 2;
                let news = news.clone();
                tokio::spawn(async move {
                    converse(link, peer, stream, &news).await;
                    let _ = news.send(News::Closed { link, peer }).await;
                });
            }
            Err(error) => {
                tracing::debug!(%error, "accepting a member's connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Both directions until one ends. The loop refuses a connection by dropping its end of `out`.
async fn converse(link: u64, peer: Ipv6Addr, stream: TcpStream, news: &mpsc::Sender<News>) {
    let _ = stream.set_nodelay(true);
    let (mut reading, mut writing) = stream.into_split();
    let (out, mut to_send) = mpsc::channel(QUEUE_MAX);
    if news.send(News::Opened { link, peer, out }).await.is_err() {
        return;
    }
    let read = async {
        while let Ok(Some(frame)) = timeout(IDLE, read_frame(&mut reading)).await {
            if news.send(News::Said { link, frame }).await.is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some(frame) = to_send.recv().await {
            if write_frame(&mut writing, &frame).await.is_none() {
                return;
            }
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

async fn read_frame(reading: &mut OwnedReadHalf) -> Option<Frame> {
    let len =
        usize::try_from(reading.read_u32().await.ok()?).ok().filter(|len| (1..=FRAME_MAX).contains(len))?;
    let mut bytes = vec![0; len];
    reading.read_exact(&mut bytes).await.ok()?;
    Frame::decode(&bytes)
}

async fn write_frame(writing: &mut OwnedWriteHalf, frame: &Frame) -> Option<()> {
    timeout(PATIENCE, writing.write_all(&frame.to_bytes())).await.ok()?.ok()
}

#[cfg(test)]
mod tests;
