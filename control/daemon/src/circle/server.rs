//! The local API: HTTP and JSON on a unix socket, one question per request.
//!
//! The socket belongs to root and, if there is one, to the group `ringmesh`; nobody else can connect, so whoever is not root is of
//! that group. The kernel says who connected.
//!
//! **Invariant:** only local processes can ask: there is no socket on any network.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path as Verb, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::IncomingStream;
use ringmesh_api::circle::{Code, QUESTION_LEN_MAX, Refusal, Reply};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::ask::{Answer, Ask, Caller};
use super::event::Event;

/// The group whose members may use the socket.
const GROUP: &str = "ringmesh";

#[derive(Clone, Copy, Debug)]
struct Peer(Caller);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let root = stream.io().peer_cred().is_ok_and(|cred| cred.uid() == 0);
        Self(if root { Caller::Root } else { Caller::Group })
    }
}

/// Makes the socket file, over one that nobody listens on any more.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    if path.exists() {
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    let group = std::fs::read_to_string("/etc/group").ok().and_then(|table| group_of(&table, GROUP));
    if let (Some(gid), Some(dir)) = (group, path.parent()) {
        std::os::unix::fs::chown(dir, None, Some(gid))?;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o750))?;
        std::os::unix::fs::chown(path, None, Some(gid))?;
    }
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// The number of a group in the text of `/etc/group`.
fn group_of(table: &str, name: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

/// How long answers that were given may take to be read, at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// The server, which runs beside the loop.
pub(super) struct Server {
    ends: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Serves from now on; questions go to `events`.
    pub(super) fn start(listener: UnixListener, events: mpsc::Sender<Event>) -> Self {
        let (ends, ended) = oneshot::channel();
        Self { ends, task: tokio::spawn(serve(listener, events, ended)) }
    }

    /// Takes no question any more, and waits until the answers that were given have been read.
    pub(super) async fn end(self) {
        let _ = self.ends.send(());
        let _ = timeout(FAREWELL, self.task).await;
    }
}

async fn serve(listener: UnixListener, events: mpsc::Sender<Event>, ended: oneshot::Receiver<()>) {
    let app = Router::new()
        .route("/v1/{verb}", post(ask))
        .fallback(async || reply(Err(Refusal::new(Code::Usage, "questions are POST /v1/VERB"))))
        .layer(DefaultBodyLimit::max(QUESTION_LEN_MAX))
        .with_state(events);
    let service = app.into_make_service_with_connect_info::<Peer>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        let _ = ended.await;
    });
    if let Err(error) = serving.await {
        tracing::error!(%error, "the local API has ended");
    }
}

async fn ask(
    Verb(verb): Verb<String>,
    ConnectInfo(Peer(caller)): ConnectInfo<Peer>,
    State(events): State<mpsc::Sender<Event>>,
    body: Bytes,
) -> Response {
    reply(converse(&verb, caller, &events, &body).await)
}

async fn converse(verb: &str, caller: Caller, events: &mpsc::Sender<Event>, body: &[u8]) -> Answer {
    let ask = Ask::read(verb, body)?;
    ask.check(caller)?;
    let (sender, answer) = oneshot::channel();
    let going = || Refusal::new(Code::System, "the daemon is ending");
    events.send(Event::Asked(Box::new(ask), caller, sender)).await.map_err(|_| going())?;
    answer.await.map_err(|_| going())?
}

fn reply(answer: Answer) -> Response {
    let status = match &answer {
        Ok(_) => StatusCode::OK,
        Err(refusal) => match refusal.code {
            Code::Usage => StatusCode::BAD_REQUEST,
            Code::NotAllowed | Code::NotAdmin => StatusCode::FORBIDDEN,
            Code::Unknown => StatusCode::NOT_FOUND,
            Code::NotUp | Code::Exists | Code::Invite => StatusCode::CONFLICT,
            Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Code::Storage | Code::System | Code::NotRunning | Code::Declined => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        },
    };
    let reply = match answer {
        Ok(value) => Reply::Ok(value),
        Err(refusal) => Reply::Error(refusal),
    };
    (status, axum::Json(reply)).into_response()
}

#[cfg(test)]
mod tests;
