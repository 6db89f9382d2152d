//! Where the daemon keeps what.
//!
//! ```text
//! /var/lib/ringmesh/          0700   lock
//! /var/lib/ringmesh/CIRCLE/   0700   circle.db  device.key  wireguard.key  invite.code (while joining)
//! /run/ringmesh/                     ringmesh.sock, and the sockets of tunnels
//! ```
//!
//! `RINGMESH_STATE` and `RINGMESH_RUN` move the two, for several daemons on one machine.

use std::path::PathBuf;

use ringmesh_mesh::name::Label;

use crate::ifname::{IfName, run_dir};

/// Names a directory that stands for `/var/lib/ringmesh`.
pub const STATE_VARIABLE: &str = "RINGMESH_STATE";
const STATE_DIR: &str = "/var/lib/ringmesh";
/// What every circle's interface begins with.
const IFNAME_PREFIX: &str = "rm-";
/// Of a circle's name, so that the whole is at most as long as Linux takes.
const IFNAME_CHARS: usize = 12;

/// The two directories that everything else lies below.
#[derive(Clone, Debug)]
pub struct Paths {
    /// What must outlive a restart of the machine.
    pub state: PathBuf,
    /// What must not.
    pub run: PathBuf,
}

impl Paths {
    /// As the environment says.
    #[must_use]
    pub fn from_env() -> Self {
        let state = std::env::var_os(STATE_VARIABLE).map_or_else(|| STATE_DIR.into(), PathBuf::from);
        Self { state, run: run_dir() }
    }

    /// The socket of the local API.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.run.join("ringmesh.sock")
    }

    /// The file that the one daemon holds locked.
    pub(super) fn lock(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// What a daemon without a terminal logs to.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.run.join("daemon.log")
    }

    /// The directory of one circle.
    pub(super) fn circle(&self, name: &Label) -> PathBuf {
        self.state.join(name.as_str())
    }
}

/// The interface of a circle.
pub(super) fn ifname(circle: &Label) -> IfName {
    let name: String = circle.as_str().chars().take(IFNAME_CHARS).collect();
    IfName::new(&format!("{IFNAME_PREFIX}{name}"))
        .expect("a label has only characters that an interface may have")
}

/// Whether an interface is a circle's own, by its name.
pub(super) fn is_ours(ifname: &str) -> bool {
    ifname.starts_with(IFNAME_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_circle_has_an_interface_name() {
        let long = "a-very-long-name-for-a-circle-0123456789";
        for (circle, expect) in [("home", "rm-home"), (long, "rm-a-very-long-"), ("a", "rm-a")] {
            assert_eq!(ifname(&circle.parse().expect("a label")).as_str(), expect);
            assert!(is_ours(expect));
        }
        assert!(!is_ours("eth0"));
    }
}
