//! What /proc tells of the processes under test.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use ringmesh_lab::namespaces::Namespace;
use rustix::process::{Pid, Signal, kill_process};

/// The pid of the data plane in `host`, if there is one.
pub fn data_plane(host: &Namespace) -> Option<u32> {
    host.processes().into_iter().find(|pid| has_argument(*pid, "dataplane"))
}

/// Kills a process with SIGKILL.
///
/// # Panics
/// When there is none with this pid.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// Lets every thread of a process stand still (SIGSTOP).
///
/// # Panics
/// When there is none with this pid.
pub fn stop(pid: u32) {
    signal(pid, Signal::STOP);
}

fn signal(pid: u32, signal: Signal) {
    let raw = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(raw, signal).unwrap_or_else(|error| panic!("{signal:?} to {pid}: {error}"));
}

/// Whether a process with this pid lives (a zombie does not).
pub fn is_alive(pid: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name in parentheses may hold anything; the state follows the last one.
    status.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The inodes of the UDP sockets bound to `port` in the namespace of process `pid`.
pub fn udp_inodes(pid: u32, port: u16) -> BTreeSet<u64> {
    let wanted = format!(":{port:04X}");
    let tables = ["udp", "udp6"].map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")));
    let lines: Vec<String> = tables.into_iter().flatten().flat_map(|text| lines_of(&text)).collect();
    let fields = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let bound = fields.filter(|fields| fields.get(1).is_some_and(|local| local.ends_with(&wanted)));
    bound.filter_map(|fields| fields.get(9)?.parse().ok()).collect()
}

/// The memory files that process `pid` has mapped, each as a path through which root may open it: the process itself
/// may have closed its descriptor.
pub fn memory_files(pid: u32) -> Vec<PathBuf> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
    let files = maps.lines().filter(|line| line.contains("/memfd:"));
    let ranges = files.filter_map(|line| line.split_whitespace().next());
    ranges.map(|range| PathBuf::from(format!("/proc/{pid}/map_files/{range}"))).collect()
}

/// Resident memory of a process in bytes; zero when it is gone.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1_024
}

fn has_argument(pid: u32, wanted: &str) -> bool {
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    arguments.split(|byte| *byte == 0).skip(1).any(|argument| argument == wanted.as_bytes())
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().skip(1).map(str::to_owned).collect()
}
