//! What processes have cost: processor time and memory, from /proc.

use crate::traffic::SUBCOMMAND;
use serde::{Deserialize, Serialize};
use std::fs;
use std::ops::{Add, Sub};

/// What some processes have used.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Usage {
    /// Seconds in user mode, all threads, ended ones included.
    pub user_secs: f64,
    /// Seconds in the kernel on behalf of the processes.
    pub system_secs: f64,
    /// Resident memory in bytes.
    pub rss_bytes: f64,
    /// Resident memory with what is shared divided by its sharers: the sum over processes counts no page twice.
    pub pss_bytes: f64,
}

impl Usage {
    /// Seconds in either mode.
    pub fn cpu_secs(&self) -> f64 {
        self.user_secs + self.system_secs
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            user_secs: self.user_secs + other.user_secs,
            system_secs: self.system_secs + other.system_secs,
            rss_bytes: self.rss_bytes + other.rss_bytes,
            pss_bytes: self.pss_bytes + other.pss_bytes,
        }
    }
}

impl Sub for Usage {
    type Output = Self;

    /// Times since `before`; memory stays what it is now.
    fn sub(self, before: Self) -> Self {
        Self {
            user_secs: self.user_secs - before.user_secs,
            system_secs: self.system_secs - before.system_secs,
            ..self
        }
    }
}

/// What one process has used; nothing if it is gone.
pub fn usage(pid: u32) -> Usage {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let (user_secs, system_secs) = times(&stat).unwrap_or_default();
    let bytes = |field| kibibytes(&memory, field).unwrap_or(0.0) * 1_024.0;
    Usage { user_secs, system_secs, rss_bytes: bytes("Rss:"), pss_bytes: bytes("Pss:") }
}

/// Nanoseconds that all threads of a process that are there have run (the first number of each schedstat): finer than [`usage`], which
/// counts ticks.
pub fn cpu_nanos(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanos.sum()
}

/// Seconds that all cores together have spent in software interrupts: packets that cross the wire are the kernel's work, and
/// part of it stands here and not with any process.
pub fn softirq_secs() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let ticks = stat.lines().next().and_then(|line| line.split_whitespace().nth(7)?.parse::<f64>().ok());
    ticks.unwrap_or(0.0) / ticks_per_sec()
}

/// Whether a process is a traffic generator of the laboratory.
pub(crate) fn is_traffic(pid: u32) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).nth(1) == Some(SUBCOMMAND.as_bytes())
}

/// The arguments of a process; empty if it is gone.
pub(crate) fn arguments(pid: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// User and system seconds of /proc/PID/stat (proc(5), fields 14 and 15). The name in field 2 may hold anything, also spaces and
/// brackets, so counting begins after its last bracket.
fn times(stat: &str) -> Option<(f64, f64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut secs = || Some(fields.next()?.parse::<f64>().ok()? / ticks_per_sec());
    Some((secs()?, secs()?))
}

fn kibibytes(text: &str, field: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

fn ticks_per_sec() -> f64 {
    rustix::param::clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests;
