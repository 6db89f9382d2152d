//! What can keep a beacon from running, in one line, with what to do about it.
#![expect(clippy::wildcard_enum_match_arm, reason = "of all kinds of error some have an advice")]

use std::io;
use std::path::PathBuf;

/// Why a beacon could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A flag makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The port is in use or not ours to open.
    #[error("cannot listen on {address}: {error}{}", hint(error))]
    Listen {
        /// Address and port.
        address: std::net::SocketAddr,
        /// The system's answer.
        error: io::Error,
    },
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        error: io::Error,
    },
    /// The key's file or directory can be read by others, or is no key.
    #[error("{}: {why}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// The certificate or its key is not usable.
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
    /// The database cannot be used.
    #[error("{}: {why}", path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A system call failed that has no better explanation.
    #[error("{what}: {error}")]
    Os {
        /// What was being done.
        what: &'static str,
        /// The system's answer.
        error: io::Error,
    },
}

impl Problem {
    /// The exit code: 2 wrong use, 1 anything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Listen { .. }
            | Self::File { .. }
            | Self::Key { .. }
            | Self::Certificate(_)
            | Self::Database { .. }
            | Self::Os { .. } => 1,
        }
    }
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; ports below 1024 need root or CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrInUse => "; another program has the port, choose one with --listen",
        _ => "",
    }
}
