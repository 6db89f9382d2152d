//! One connection: TLS, the proof of both keys, then requests in and answers and pushes out.
//!
//! **Invariant:** every wait on the other side has a limit, and everything that it may send has a bound before it is read.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever the session does not answer itself goes to the desk"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringmesh_mesh::beacon::{
    Answer, Binding, FRAME_HEADER_LEN, Greeting, Hello, Push, Refusal, Request, SILENCE_SECS_MAX, ToDevice,
    frame, frame_len,
};
use ringmesh_mesh::identity::SigningKey;
use ringmesh_mesh::limits::{FRAME_MAX, HELLO_MAX};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::clock;
use crate::door::Door;
use crate::hub::Place;
use crate::limits::{ANSWERS_MAX, BYTES, Bucket, FRAME_TIME, HELLO_TIME, REQUESTS, source};
use crate::store::Visitor;
use crate::store::desk::Desk;
use crate::tls;

/// What all connections share.
pub(crate) struct Shared {
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) key: SigningKey,
    pub(crate) desk: Desk,
    pub(crate) door: Door,
}

/// A connection that has entered.
struct Session {
    shared: Arc<Shared>,
    visitor: Visitor,
    place: Place,
}

/// Serves a connection until it ends. Why it ended is of no interest: the device says what is wrong at its end.
pub(crate) async fn serve(shared: Arc<Shared>, stream: TcpStream, from: SocketAddr) {
    // Small messages that are waited for: no delay for the sake of fuller segments.
    let _ = stream.set_nodelay(true);
    let Ok(Some((mut stream, hello))) = timeout(HELLO_TIME, meet(&shared, stream, from)).await else {
        return;
    };
    let may_found = shared.door.may_found(source(from.ip()));
    let (entered, place, pushes) = match shared.desk.enter(hello, may_found).await {
        Ok(came_in) => came_in,
        Err(refusal) => return refuse(&mut stream, refusal).await,
    };
    if entered.founded {
        shared.door.has_founded(source(from.ip()));
    }
    let session = Session { shared, visitor: entered.visitor, place };
    let (reading, mut writing) = tokio::io::split(stream);
    let (answers, to_write) = mpsc::channel(ANSWERS_MAX);
    let welcome = [ToDevice::Answer(Answer::Welcome(entered.welcome))];
    let first = welcome.into_iter().chain(entered.parcels.into_iter().map(ToDevice::Push)).collect();
    // The connection ends when either direction does.
    tokio::select! {
        () = listen(&session, reading, answers) => {}
        () = talk(&mut writing, first, to_write, pushes) => {}
    }
    let _ = timeout(FRAME_TIME, writing.shutdown()).await;
}

type Tls = tokio_rustls::server::TlsStream<TcpStream>;

/// TLS, our greeting, their hello; none if any of it fails.
async fn meet(shared: &Shared, stream: TcpStream, from: SocketAddr) -> Option<(Tls, Hello)> {
    let mut stream = shared.acceptor.accept(stream).await.ok()?;
    let binding = tls::binding(stream.get_ref().1)?;
    let greeting = Greeting::sign(&shared.key, &binding, from, clock::wall_secs());
    stream.write_all(&frame(&greeting.to_bytes())).await.ok()?;
    stream.flush().await.ok()?;
    match read_hello(&mut stream, &binding, shared).await {
        Ok(hello) => Some((stream, hello)),
        Err(None) => None,
        Err(Some(refusal)) => {
            refuse(&mut stream, refusal).await;
            None
        }
    }
}

async fn read_hello(stream: &mut Tls, binding: &Binding, shared: &Shared) -> Result<Hello, Option<Refusal>> {
    let bytes = read_frame(stream, HELLO_MAX).await.ok_or(None)?;
    let hello = Hello::decode(&bytes).map_err(|_| Refusal::Malformed)?;
    if hello.holds(binding, &shared.key.beacon()) { Ok(hello) } else { Err(Some(Refusal::Forged)) }
}

async fn refuse(stream: &mut Tls, refusal: Refusal) {
    let bytes = frame(&ToDevice::Answer(Answer::Refused(refusal)).to_bytes());
    let told = async {
        stream.write_all(&bytes).await?;
        stream.shutdown().await
    };
    let _ = timeout(HELLO_TIME, told).await;
}

/// Reads requests and has them answered, one after the other.
async fn listen(session: &Session, mut reading: impl AsyncRead + Unpin, answers: mpsc::Sender<Answer>) {
    let mut requests = Bucket::new(REQUESTS, clock::steady());
    let mut bytes = Bucket::new(BYTES, clock::steady());
    while let Some(message) = read_patiently(&mut reading).await {
        // Whoever asks too much is not refused, but read more slowly.
        spend(&mut requests, 1).await;
        spend(&mut bytes, message.len() as u64).await;
        // What is no request is refused and gone over: each frame has its own length, and the rates hold for it too.
        let answer = match Request::decode(&message) {
            Ok(request) => session.answer(request).await,
            Err(_) => Answer::Refused(Refusal::Malformed),
        };
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

impl Session {
    async fn answer(&self, request: Request) -> Answer {
        match request {
            Request::Signal { to, sealed } => {
                let passed = self.place.signal(&to, sealed);
                if passed { Answer::Done } else { Answer::Refused(Refusal::NotMember) }
            }
            other => self.shared.desk.ask(self.visitor, other).await,
        }
    }
}

/// Writes what there is to say, until nobody has anything to say any more or the device does not take it.
async fn talk(
    writing: &mut (impl AsyncWrite + Unpin),
    first: Vec<ToDevice>,
    mut answers: mpsc::Receiver<Answer>,
    mut pushes: mpsc::Receiver<Push>,
) {
    for message in first {
        if !write(writing, &message).await {
            return;
        }
    }
    loop {
        let message = tokio::select! {
            Some(answer) = answers.recv() => ToDevice::Answer(answer),
            push = pushes.recv() => match push {
                Some(push) => ToDevice::Push(push),
                // The hub has let go of the device: it was removed, is slow, or is connected elsewhere now.
                None => return,
            },
        };
        if !write(writing, &message).await {
            return;
        }
    }
}

async fn write(writing: &mut (impl AsyncWrite + Unpin), message: &ToDevice) -> bool {
    let bytes = frame(&message.to_bytes());
    let told = async {
        writing.write_all(&bytes).await?;
        writing.flush().await
    };
    matches!(timeout(FRAME_TIME, told).await, Ok(Ok(())))
}

/// The next frame; none at the end, after too long a silence, or when it takes too long.
async fn read_patiently(reading: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let first = timeout(Duration::from_secs(SILENCE_SECS_MAX), reading.read_u8()).await.ok()?.ok()?;
    timeout(FRAME_TIME, async {
        let mut header = [first, 0, 0, 0];
        reading.read_exact(&mut header[1..]).await.ok()?;
        read_body(reading, header, FRAME_MAX).await
    })
    .await
    .ok()?
}

async fn read_frame(reading: &mut (impl AsyncRead + Unpin), max: usize) -> Option<Vec<u8>> {
    let mut header = [0; FRAME_HEADER_LEN];
    reading.read_exact(&mut header).await.ok()?;
    read_body(reading, header, max).await
}

/// The buffer grows with what really comes, so a length that is only claimed costs nothing.
async fn read_body(
    reading: &mut (impl AsyncRead + Unpin),
    header: [u8; FRAME_HEADER_LEN],
    max: usize,
) -> Option<Vec<u8>> {
    let len = frame_len(header, max)?;
    let mut message = Vec::new();
    reading.take(len as u64).read_to_end(&mut message).await.ok()?;
    (message.len() == len).then_some(message)
}

async fn spend(bucket: &mut Bucket, cost: u64) {
    let wait = bucket.wait(cost, clock::steady());
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    bucket.take(cost, clock::steady());
}
