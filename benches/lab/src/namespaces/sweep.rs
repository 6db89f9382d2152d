//! Removing: at the end of an experiment, at a signal, and what a killed run left behind.

use super::{NAMESPACE_DIR, dir_of, ip, names, path_of};
use crate::clock;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

/// Where the implementations put the sockets of the `wg` interface, and we our own files. /var/run is
/// /run on every distribution of today, but not in every container.
const SOCKET_DIRS: [&str; 3] = ["/var/run/wireguard", "/run/wireguard", "/run/ringmesh"];
/// How long killed processes may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(3);
/// After so many looks that find nobody, nobody more comes.
const EMPTY_LOOKS: u32 = 3;

/// Removes what runs of the laboratory left behind that were killed, and says how many namespaces.
pub fn sweep() -> usize {
    let stale: Vec<String> = entries(NAMESPACE_DIR)
        .into_iter()
        .filter(|name| names::maker_of_namespace(name).is_some_and(is_dead))
        .collect();
    stale.iter().for_each(|name| remove_namespace(name));
    remove_sockets(|name| names::maker_of_interface(name).is_some_and(is_dead));
    stale.len()
}

/// Ends every process inside a namespace and removes it with its files; one that is not there is no error.
pub(crate) fn remove_namespace(name: &str) {
    if let Ok(data) = fs::metadata(path_of(name)) {
        // Again and again, because a process may start another while it is being killed,
        // and one that is on its way in is not inside yet.
        let mut empty = 0;
        clock::until(KILL_LIMIT, || {
            let inside = processes_inside(data.ino());
            inside.iter().copied().for_each(kill);
            empty = if inside.is_empty() { empty + 1 } else { 0 };
            (empty >= EMPTY_LOOKS).then_some(())
        });
        // A namespace that somebody else holds lives on without its name; nothing better can be done.
        let _kept_by_others = ip(&["netns", "del", name], "");
    }
    let _never_made = fs::remove_dir_all(dir_of(name));
}

/// A namespace that stays one and the same, whatever becomes of its name: the kernel gives its number to no other meanwhile.
pub(crate) struct Kept(File);

impl Kept {
    /// The namespace that has this name now.
    pub(crate) fn of(name: &str) -> Option<Self> {
        File::open(path_of(name)).ok().map(Self)
    }

    /// Kills the processes inside; says whether there was any.
    pub(crate) fn kill_inside(&self) -> bool {
        let inside = self.0.metadata().map(|data| processes_inside(data.ino())).unwrap_or_default();
        inside.iter().copied().for_each(kill);
        !inside.is_empty()
    }
}

/// Whether there is a namespace of this name.
pub(crate) fn is_namespace(name: &str) -> bool {
    path_of(name).exists()
}

/// Kills the processes that this one has started; says whether there was any.
pub(crate) fn kill_children() -> bool {
    let own = std::process::id().to_string();
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Behind the name, which may be anything: the state and the parent. One that has ended waits to be asked how.
        let fields = stat.rsplit_once(") ").map(|(_, fields)| fields.split(' ').collect::<Vec<_>>());
        fields.is_some_and(|fields| fields.get(1) == Some(&own.as_str()) && fields[0] != "Z")
    };
    let children: Vec<u32> =
        entries("/proc").iter().filter_map(|name| name.parse().ok()).filter(is_child).collect();
    children.iter().copied().for_each(kill);
    !children.is_empty()
}

/// Removes the socket files whose names `chosen` picks.
pub(crate) fn remove_sockets(chosen: impl Fn(&str) -> bool) {
    for dir in SOCKET_DIRS {
        for name in entries(dir).into_iter().filter(|name| chosen(name)) {
            let _gone_already = fs::remove_file(format!("{dir}/{name}"));
        }
    }
}

/// The processes whose network namespace has this inode.
pub(crate) fn processes_inside(inode: u64) -> Vec<u32> {
    let inside =
        |pid: &u32| fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|data| data.ino() == inode);
    entries("/proc").iter().filter_map(|name| name.parse().ok()).filter(inside).collect()
}

fn kill(pid: u32) {
    if let Some(pid) = pid_of(pid) {
        let _gone_already = kill_process(pid, Signal::KILL);
    }
}

fn is_dead(pid: u32) -> bool {
    pid_of(pid).is_none_or(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

fn pid_of(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// The names in a directory; none if it cannot be read.
fn entries(dir: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}
