//! Everything that can happen to the control process.

use std::net::SocketAddr;

use ringmesh_abi::{FromPlane, LinkError};
use ringmesh_api::{Seen, Status};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::os::links::News;
use crate::uapi::errno::Errno;
use crate::uapi::parse::Set;

/// One thing that happened. The loop takes them one at a time; nothing else changes state.
pub(crate) enum Event {
    /// `wg` wants to know everything.
    Get(oneshot::Sender<Zeroizing<String>>),
    /// `wg` wants something.
    Set(Box<Set>, oneshot::Sender<Result<(), Errno>>),
    /// `ringmesh status` asks.
    Status(oneshot::Sender<Box<Status>>),
    /// The daemon names STUN servers, and wants to know what they see.
    Stun(Vec<SocketAddr>, oneshot::Sender<Vec<Seen>>),
    /// There is something in the rings.
    Bell,
    /// The data plane said something over its socket, or closed it.
    Message(Result<Box<FromPlane>, LinkError>),
    /// The data plane's process has ended.
    PlaneEnded,
    /// The kernel told about our link.
    Link(News),
    /// The socket file of `wg` was removed: the user wants us to end.
    SocketFileGone,
    /// SIGTERM or SIGINT.
    Signal,
    /// A time that the loop waited for has come.
    Deadline,
}
