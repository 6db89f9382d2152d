//! The questions.

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
}

/// What comes back.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// The question was not understood.
    Error(String),
}
