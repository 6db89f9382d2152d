//! Taking over a data plane that a control process left behind.
//!
//! It has everything: the fds, the peers and their keys. It says so, gets fresh memory, and tells its state as the commands
//! that would make it.

use std::io::{self, ErrorKind, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use ringmesh_abi::fault::Point;
use ringmesh_abi::message::HelloFds;
use ringmesh_abi::{Bell, ControlSide, FromPlane, Link, LinkError, Listener, PEERS_MAX, Refused, ToPlane};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketAddrUnix, SocketFlags,
    SocketType, sockopt,
};
use rustix::process::Pid;

use super::{ANSWER_PATIENCE, Kit, Plane, Process, hear_soon};
use crate::os::clock;
use crate::os::tun::Tun;
use crate::os::udp::Sockets;
use crate::os::watched::{Watched, watched};
use crate::state::State;
use crate::uapi::parse::ALLOWED_IPS_MAX;

/// A data plane that was found running.
pub(crate) struct Attached {
    /// It.
    pub(crate) plane: Plane,
    /// The fds that it handed back.
    pub(crate) kit: Kit,
    /// Its state, acknowledged by being told.
    pub(crate) state: State,
}

/// Attaches to the data plane behind `path`. `None`: none runs, or it was of another version and has been ended.
pub(crate) async fn attach(path: &Path, quiet: bool) -> Result<Option<Attached>, LinkError> {
    let link = match connect(path) {
        Ok(link) => link,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    // The data plane greets when it is asked: not before its greeting can be attested, and not whoever only connects.
    link.send(&ToPlane::Dump, &[])?;
    Point::ControlAttachAsked.pass();
    let link = watched(link)?;
    let pid = sender(&link).await?;
    sockopt::set_socket_passcred(link.get_ref().0.as_fd(), false)?;
    let mut process = Process::of_pid(pid)?;
    let (hello, fds) = match hear_soon(&link).await {
        Ok(received) => received,
        Err(LinkError::Refused(Refused::Version { theirs })) => {
            tracing::warn!(theirs, "the running data plane is of another version and is replaced");
            replace(&link, &mut process).await;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    take_over(link, process, (hello, fds), quiet).await.map(Some)
}

/// Connects, with every message attested from the first one on.
fn connect(path: &Path) -> io::Result<Link> {
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_passcred(&socket, true)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(Link::from(socket))
}

async fn take_over(
    link: Watched<Link>,
    process: Process,
    (hello, fds): (FromPlane, Vec<OwnedFd>),
    quiet: bool,
) -> Result<Attached, LinkError> {
    let FromPlane::Hello { workers, sockets, offloads, .. } = hello else { return Err(nonsense("greeting")) };
    Point::ControlAttachGreeted.pass();
    let fds = HelloFds::sort(workers, sockets, fds).ok_or(nonsense("greeting"))?;
    let (memory, memory_fd) = ControlSide::create(u32::from(workers))?;
    let (bell, plane_bell) = (Bell::new()?, Bell::new()?);
    let message = ToPlane::Attach { generation: memory.generation() };
    link.get_ref().0.send(&message, &[memory_fd.as_fd(), plane_bell.as_fd(), bell.as_fd()])?;
    Point::ControlAttachSent.pass();
    let state = hear_state(&link).await?;
    Point::ControlAttachHeard.pass();
    let kit = Kit {
        tun: Tun::adopt(fds.tun, offloads),
        sockets: Sockets::adopt(fds.sockets)?,
        listener: Listener::from(fds.listener),
        quiet,
    };
    let bell = watched(bell)?;
    let plane = Plane {
        memory,
        bell,
        plane_bell,
        link,
        process,
        moves: Default::default(),
        since: clock::boottime(),
    };
    Ok(Attached { plane, kit, state })
}

/// Everything up to `End`. A data plane that never comes to an end is not listened to for ever.
async fn hear_state(link: &Watched<Link>) -> Result<State, LinkError> {
    let mut state = State::new(0);
    for _ in 0..STATE_LEN_MAX {
        match hear_soon(link).await? {
            (FromPlane::State(command), _) => {
                state.apply(&command);
                Point::ControlAttachHalf.pass();
            }
            (FromPlane::End, _) => return Ok(state),
            // Sockets beyond the first set are the data plane's to keep.
            (FromPlane::Sockets { .. }, _) => {}
            (FromPlane::Failed { text }, _) => return Err(io::Error::other(text).into()),
            (FromPlane::Ready | FromPlane::Hello { .. } | FromPlane::Moved, _) => {
                return Err(nonsense("state"));
            }
        }
    }
    Err(nonsense("state"))
}

/// Who sends on the other end, as the kernel attests it. The message itself stays in the queue.
async fn sender(link: &Watched<Link>) -> Result<Pid, LinkError> {
    let wait = tokio::time::timeout(ANSWER_PATIENCE, link.readable());
    let _ready = wait.await.map_err(|_| LinkError::Io(ErrorKind::TimedOut.into()))??;
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); PEEK_LEN];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
    rustix::net::recvmsg(link.get_ref().0.as_fd(), &mut [IoSliceMut::new(&mut byte)], &mut control, flags)?;
    // All of them are taken out: rustix 1.1.6 loses its alignment when a drain is left half way.
    let mut senders = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmCredentials(credentials) = message {
            senders.push(credentials.pid);
        }
    }
    senders.pop().ok_or(nonsense("sender"))
}

async fn replace(link: &Watched<Link>, process: &mut Process) {
    let _ = link.get_ref().0.try_send(&ToPlane::Stop, &[]);
    if tokio::time::timeout(super::STOP_PATIENCE, process.ended()).await.is_err() {
        process.kill();
        process.ended().await;
    }
}

fn nonsense(what: &'static str) -> LinkError {
    LinkError::Refused(Refused::Field(what))
}

/// The device, every peer, every range; and as much again for a data plane that has more to say.
const STATE_LEN_MAX: usize = 2 * (1 + PEERS_MAX as usize + ALLOWED_IPS_MAX);
/// Room for credentials and every descriptor that a greeting can bring; those that are peeked at are closed at once.
const PEEK_LEN: usize = rustix::cmsg_space!(ScmCredentials(1), ScmRights(253));
