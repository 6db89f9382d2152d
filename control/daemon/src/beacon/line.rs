//! One connection to a beacon, until it has let us in.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::beacon::{
    Answer, FRAME_HEADER_LEN, Greeting, Hello, Refusal, ToDevice, Welcome, frame, frame_len,
};
use ringmesh_mesh::identity::{CircleId, SigningKey};
use ringmesh_mesh::limits::FRAME_MAX;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{HowToEnter, tls};

/// How long coming in may take, from the name's lookup to the welcome.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoLine {
    #[error("the beacon {0} cannot be reached: {1}")]
    Unreachable(String, io::Error),
    #[error("the beacon {0} does not answer")]
    Silent(String),
    #[error("{0} does not speak as a beacon does: {1}")]
    NoBeacon(String, String),
    #[error(
        "the beacon {url} shows the key {shown}…, not {pinned}…: it was set up anew, or somebody stands in between; \
         nothing was told to it"
    )]
    OtherKey { url: String, shown: String, pinned: String },
    #[error("{0}: {1}")]
    Refused(String, Refusal),
    #[error("the beacon {0} ended the connection")]
    Ended(String),
}

/// A connection on which the beacon has let us in.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) greeting: Greeting,
    pub(super) welcome: Welcome,
}

/// Connects and enters.
pub(super) async fn open(
    url: &BeaconUrl,
    identity: &SigningKey,
    circle: CircleId,
    entry: &HowToEnter,
) -> Result<Line, NoLine> {
    let name = url.authority();
    timeout(PATIENCE, enter(url, identity, circle, entry)).await.unwrap_or(Err(NoLine::Silent(name)))
}

async fn enter(
    url: &BeaconUrl,
    identity: &SigningKey,
    circle: CircleId,
    entry: &HowToEnter,
) -> Result<Line, NoLine> {
    let name = url.authority();
    let odd = |why: &dyn std::fmt::Display| NoLine::NoBeacon(name.clone(), why.to_string());
    let ended = |_: io::Error| NoLine::Ended(name.clone());
    let tcp = reach(url).await.map_err(|error| NoLine::Unreachable(name.clone(), error))?;
    let server = ServerName::try_from(url.host.to_string()).map_err(|error| odd(&error))?;
    let config = tls::config(url.key.is_some()).map_err(|error| odd(&error))?;
    let mut stream = TlsConnector::from(config).connect(server, tcp).await.map_err(|error| odd(&error))?;
    let binding = tls::binding(stream.get_ref().1).ok_or_else(|| odd(&"no keying material"))?;

    let bytes = read_frame(&mut stream).await.map_err(ended)?;
    let greeting = Greeting::decode(&bytes).map_err(|error| odd(&error))?;
    if let Some(pinned) = url.key.filter(|pinned| *pinned != greeting.beacon) {
        let (shown, pinned) = (greeting.beacon.short(), pinned.short());
        return Err(NoLine::OtherKey { url: name, shown, pinned });
    }
    if !greeting.holds(&binding) {
        return Err(odd(&"its signature does not hold; somebody stands in between"));
    }
    let channel = (&binding, &greeting.beacon);
    let hello = match entry {
        HowToEnter::Member { founder, proof } => {
            Hello::member(identity, channel, circle, *founder, proof.clone())
        }
        HowToEnter::Invited(invite) => Hello::invited(identity, channel, circle, invite),
    };
    stream.write_all(&frame(&hello.to_bytes())).await.map_err(ended)?;
    stream.flush().await.map_err(ended)?;
    let bytes = read_frame(&mut stream).await.map_err(ended)?;
    match ToDevice::decode(&bytes).map_err(|error| odd(&error))? {
        ToDevice::Answer(Answer::Welcome(welcome)) => Ok(Line { stream, greeting, welcome }),
        ToDevice::Answer(Answer::Refused(refusal)) => Err(NoLine::Refused(name, refusal)),
        ToDevice::Answer(_) | ToDevice::Push(_) => Err(odd(&"it answers what was not asked")),
    }
}

/// A TCP connection to the first address of the host that takes one.
async fn reach(url: &BeaconUrl) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((&*url.host, url.port)).await?.collect();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(PATIENCE / 3, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failed = error,
            Err(_) => failed = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed)
}

/// The next frame. Not to be dropped half way: what was read of it would be lost.
pub(super) async fn read_frame(reading: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut header = [0; FRAME_HEADER_LEN];
    reading.read_exact(&mut header).await?;
    let len = frame_len(header, FRAME_MAX).ok_or(io::ErrorKind::InvalidData)?;
    let mut message = Vec::new();
    reading.take(len as u64).read_to_end(&mut message).await?;
    if message.len() == len { Ok(message) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
