//! Everything that can happen to the daemon.

use ringmesh_mesh::beacon::place::BeaconUrl;
use tokio::sync::oneshot;

use super::ask::{Answer, Ask, Caller};
use super::{exchange, lan};
use crate::beacon::Heard;

/// One thing that happened. The loop takes them one at a time; nothing else changes state.
pub(super) enum Event {
    /// Somebody asks over the local API.
    Asked(Box<Ask>, Caller, oneshot::Sender<Answer>),
    /// A datagram from the LAN.
    Lan(lan::Heard),
    /// Something about a connection through the mesh.
    Exchange(exchange::News),
    /// A beacon has something for us.
    Beacon(BeaconUrl, Heard),
    /// Links or addresses of this machine have changed.
    Interfaces,
    /// Somebody has changed rules of this machine's packet filter.
    Rules,
    /// SIGTERM or SIGINT.
    Signal,
    /// A time that the loop waited for has come.
    Deadline,
}
