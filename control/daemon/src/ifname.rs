//! The name of an interface, checked once.

use std::fmt;
use std::path::PathBuf;

/// The kernel's IFNAMSIZ is 16 with its final zero.
pub const NAME_LEN_MAX: usize = 15;

/// A name that the kernel takes for an interface and that is safe inside a path.
///
/// Having one tells: 1 to 15 bytes out of `a-z A-Z 0-9 _ = + . -` (what `wg-quick` takes), and neither `.` nor
/// `..`. It does not tell whether such an interface exists.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct IfName(String);

/// Why a text is no interface name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadName {
    /// Nothing at all.
    #[error("an interface name is missing; try `ringmesh tunnel wg0`")]
    Empty,
    /// More than [`NAME_LEN_MAX`] bytes.
    #[error("the interface name `{0}` is too long: Linux allows 15 characters")]
    TooLong(String),
    /// A character that Linux, `wg-quick` or a path cannot take.
    #[error(
        "the interface name `{0}` has a character that is not allowed; use letters, digits and _ = + . -"
    )]
    BadCharacter(String),
}

impl IfName {
    /// Checks `name`.
    ///
    /// # Errors
    /// [`BadName`] says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, BadName> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"_=+.-".contains(&byte);
        match name {
            "" => Err(BadName::Empty),
            long if long.len() > NAME_LEN_MAX => Err(BadName::TooLong(shown(long))),
            "." | ".." => Err(BadName::BadCharacter(name.to_owned())),
            // A leading dash would be taken for a flag by every tool that is given the name.
            bad if bad.starts_with('-') || !bad.bytes().all(good) => Err(BadName::BadCharacter(shown(bad))),
            good => Ok(Self(good.to_owned())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The socket of the `wg` userspace interface.
    pub fn wg_socket(&self) -> PathBuf {
        wg_dir().join(format!("{self}.sock"))
    }

    /// The socket on which a data plane waits for a new control process.
    pub fn plane_socket(&self) -> PathBuf {
        run_dir().join(format!("{self}.plane.sock"))
    }

    /// The socket of the local API.
    pub fn api_socket(&self) -> PathBuf {
        run_dir().join(format!("{self}.api.sock"))
    }

    /// The file that the one control process of this name holds locked.
    pub fn lock_file(&self) -> PathBuf {
        run_dir().join(format!("{self}.lock"))
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text as an error line may show it: short, on one line, without control characters.
fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

/// Names a directory that stands for [`RUN_DIR`], so that several daemons can run on one machine, each in a network namespace of its
/// own. The sockets of `wg` are then in `wireguard` below it.
pub const RUN_VARIABLE: &str = "RINGMESH_RUN";

/// Where `wg` looks for sockets, unless [`RUN_VARIABLE`] says otherwise.
pub const WG_DIR: &str = "/var/run/wireguard";
/// Our own sockets and locks, unless [`RUN_VARIABLE`] says otherwise.
pub const RUN_DIR: &str = "/run/ringmesh";

/// The directory of the `wg` sockets.
pub fn wg_dir() -> PathBuf {
    std::env::var_os(RUN_VARIABLE).map_or_else(|| WG_DIR.into(), |run| PathBuf::from(run).join("wireguard"))
}

/// The directory of our own sockets and locks.
pub fn run_dir() -> PathBuf {
    std::env::var_os(RUN_VARIABLE).map_or_else(|| RUN_DIR.into(), PathBuf::from)
}

#[cfg(test)]
mod tests;
