//! Names that say who made a thing, so that a later run can tell what a killed one left behind.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Every namespace of the laboratory begins with this.
const NAMESPACE_PREFIX: &str = "ringmesh-lab-";
/// Every interface begins with this; short, because Linux allows 15 characters.
const INTERFACE_PREFIX: &str = "rl";

/// The two ends of a wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    /// The first: by habit the one that initiates.
    A,
    /// The second.
    B,
}

impl Side {
    /// `'a'` or `'b'`.
    pub const fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }

    /// 1 for A, 2 for B: the last part of its addresses.
    pub const fn number(self) -> u8 {
        match self {
            Self::A => 1,
            Self::B => 2,
        }
    }

    /// The opposite end.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A number that no other experiment of this process has.
pub(crate) fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The name of a namespace of this process.
pub(crate) fn namespace(number: u32, side: Side) -> String {
    format!("{NAMESPACE_PREFIX}{}-{number}{}", process::id(), side.letter())
}

/// The name of a tunnel interface of this process; at most 15 characters for any pid of Linux (22 bits)
/// and the first 10,000 experiments. Interfaces have a name each although they have a namespace each,
/// because the sockets of the `wg` interface share one directory.
pub(crate) fn interface(number: u32, side: Side) -> String {
    format!("{INTERFACE_PREFIX}{}{}{}", process::id(), side.letter(), number % 10_000)
}

/// The pid in a namespace's name, if the name is one of ours.
pub(crate) fn maker_of_namespace(name: &str) -> Option<u32> {
    let (pid, rest) = name.strip_prefix(NAMESPACE_PREFIX)?.split_once('-')?;
    let digits = rest.strip_suffix(['a', 'b'])?;
    let _number: u32 = digits.parse().ok()?;
    pid.parse().ok()
}

/// The pid in an interface's name (of a socket file, too: everything from the first dot is ignored).
pub(crate) fn maker_of_interface(name: &str) -> Option<u32> {
    let name = name.split('.').next()?.strip_prefix(INTERFACE_PREFIX)?;
    let (pid, number) = name.split_once(['a', 'b'])?;
    let _number: u32 = number.parse().ok()?;
    pid.parse().ok()
}
