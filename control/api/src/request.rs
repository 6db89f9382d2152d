//! The questions.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::Status;

/// Longest request or answer without its line end, in bytes: a status with every peer is about 40 MB.
pub const LINE_LEN_MAX: usize = 64 << 20;

/// What is asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum Request {
    /// How the tunnel is.
    Status,
    /// Ask these STUN servers, from the tunnel's own port, how that looks from there; go on asking until other ones are named.
    Stun {
        /// Where they are; of very many only the first few are asked.
        servers: Vec<SocketAddr>,
    },
}

/// How the tunnel's port looks from a server.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Seen {
    /// The server.
    pub server: SocketAddr,
    /// Where our datagrams come from, as it sees them.
    pub address: SocketAddr,
}

/// What comes back.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Stun`]: what was answered so far.
    Stun(Vec<Seen>),
    /// The question was not understood.
    Error(String),
}
