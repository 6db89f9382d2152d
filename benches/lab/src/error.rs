//! What can go wrong in the laboratory, as one line for a person.

use std::io;

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an experiment could not be made. Each displays as one line that needs no further context.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A command that the laboratory ran ended with an error.
    #[error("`{command}` failed: {answer}")]
    Command {
        /// The command, without secrets: those never stand in arguments.
        command: String,
        /// The last thing it said.
        answer: String,
    },
    /// The machine lacks something; the text says what, and how to get it.
    #[error("{0}")]
    Needs(String),
    /// A tunnel did not start, did not answer or ended.
    #[error("{0}")]
    Tunnel(String),
    /// A traffic process failed, or its answer made no sense.
    #[error("{0}")]
    Traffic(String),
}

impl Error {
    /// An operating system error with what was being done.
    pub(crate) fn io(what: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io { what: what.into(), source: source.into() }
    }
}
