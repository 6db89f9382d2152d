//! What can keep a tunnel from starting, in one line, with what to do about it.

use std::io;

use crate::ifname::BadName;

/// The exit code of who finds the name of its interface taken.
pub(crate) const NAME_TAKEN: u8 = 4;

/// Why the control process could not start or had to end.
///
/// Each text is one line that says what happened and what to do; [`Problem::exit_code`] is what a script sees.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A flag or a name makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The name is no interface name.
    #[error("{0}")]
    BadName(#[from] BadName),
    /// Root is needed and we are not.
    #[error("a tunnel needs root (it makes a network interface): run it with sudo")]
    NotRoot,
    /// `/dev/net/tun` is missing or not usable.
    #[error("{0}")]
    NoTun(String),
    /// Another interface or process has the name.
    #[error("the name `{name}` is taken by {by}; {fix}")]
    NameTaken {
        /// The name.
        name: String,
        /// By what.
        by: String,
        /// What to do.
        fix: String,
    },
    /// The kernel lacks something that we cannot do without.
    #[error("{0}")]
    Kernel(String),
    /// The data plane does not come up.
    #[error("the data plane did not start: {0}")]
    Plane(String),
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
    /// The exit code: 2 wrong use, 3 not root, 4 name taken, 5 the kernel or `/dev/net/tun` lacks something,
    /// 1 anything else.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::BadName(_) => 2,
            Self::NotRoot => 3,
            Self::NameTaken { .. } => NAME_TAKEN,
            Self::NoTun(_) | Self::Kernel(_) => 5,
            Self::Plane(_) | Self::Os { .. } => 1,
        }
    }
}

/// Adds to an error what was being done.
pub(crate) trait Doing<T> {
    /// The result with its error told as [`Problem::Os`].
    fn doing(self, what: &'static str) -> Result<T, Problem>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &'static str) -> Result<T, Problem> {
        self.map_err(|error| Problem::Os { what, error: error.into() })
    }
}
