//! What the kernel says about this process: `/proc/self/status` (proc_pid_status(5)).

use super::{PrivilegeError, STATUS, unreadable};
use ringmesh_abi::Hardening;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// The text of a status file.
pub(super) struct Status(String);

impl Status {
    /// Reads it anew.
    pub(super) fn read(file: &File) -> Result<Self, PrivilegeError> {
        let mut bytes = [0; STATUS_LEN_MAX];
        let len = file.read_at(&mut bytes, 0).map_err(unreadable(STATUS))?;
        Ok(Self(String::from_utf8_lossy(&bytes[..len]).into_owned()))
    }

    /// What stands behind a name.
    fn line(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    }

    /// The first number behind a name.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.line(name)?.split_whitespace().next()?.parse().ok()
    }

    /// Real, effective, saved and file system id are all `id`.
    fn all_are(&self, name: &str, id: u32) -> bool {
        let ids: Vec<_> = self.line(name).unwrap_or_default().split_whitespace().collect();
        ids == [id.to_string().as_str(); 4]
    }

    fn is_empty_set(&self, name: &str) -> bool {
        self.line(name).and_then(|set| u64::from_str_radix(set, 16).ok()) == Some(0)
    }
}

/// The part of [`Hardening`] that is a property of the process.
pub(super) fn of(status: &Status, uid: u32, undumpable: bool, locks_memory: bool) -> Hardening {
    let own_uid =
        status.all_are("Uid", uid) && status.all_are("Gid", uid) && status.line("Groups") == Some("");
    let no_capability =
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].iter().all(|set| status.is_empty_set(set));
    let locked = locks_memory && status.number("VmLck").is_some_and(|kibibytes| kibibytes > 0);
    [
        (Hardening::NO_CAPABILITIES, no_capability),
        (Hardening::OWN_UID, uid != 0 && own_uid),
        (Hardening::NO_NEW_PRIVILEGES, status.number("NoNewPrivs") == Some(1)),
        (Hardening::SECCOMP, status.number("Seccomp") == Some(SECCOMP_MODE_FILTER)),
        (Hardening::NOT_DUMPABLE, undumpable),
        (Hardening::LOCKED_KEYS, locked),
    ]
    .into_iter()
    .filter(|&(_, holds)| holds)
    .fold(Hardening::default(), |all, (bit, _)| all.with(bit))
}

/// As `Seccomp:` shows it.
const SECCOMP_MODE_FILTER: u64 = 2;

/// The file has some 1,500 bytes; more on machines with very many processors, whose masks stand at its end.
const STATUS_LEN_MAX: usize = 8_192;

#[cfg(test)]
mod tests;
