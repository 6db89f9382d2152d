//! What the numbers were made on.

use crate::clock;
use serde::{Deserialize, Serialize};
use std::fs;

/// The machine, as a record names it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Host {
    /// The processor's name for itself.
    pub processor: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// Whether this is a virtual machine, as far as it shows.
    pub is_virtual: bool,
    /// The distribution.
    pub system: String,
    /// When, in UTC.
    pub date: String,
}

impl Host {
    /// This machine, now.
    pub fn here() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (processor, memory, release) =
            (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/etc/os-release"));
        let kibibytes = field(&memory, "MemTotal", ':').trim_end_matches(" kB").parse::<u64>().unwrap_or(0);
        Self {
            processor: field(&processor, "model name", ':'),
            cores: cores(),
            memory_bytes: kibibytes * 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            is_virtual: field(&processor, "flags", ':').split(' ').any(|flag| flag == "hypervisor"),
            system: field(&release, "PRETTY_NAME", '='),
            date: clock::date(clock::unix_secs()),
        }
    }

    /// One line for people.
    pub fn line(&self) -> String {
        let kind = if self.is_virtual { ", virtual" } else { "" };
        let gibibytes = self.memory_bytes as f64 / f64::from(1 << 30);
        format!(
            "{}, {} cores{kind}, {gibibytes:.0} GiB, Linux {}, {}, {}",
            self.processor, self.cores, self.kernel, self.system, self.date
        )
    }
}

/// Cores that this process may use; at least 1.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The value of the first line `key … separator value`; "unknown" if there is none.
fn field(text: &str, key: &str, separator: char) -> String {
    let value = text.lines().find_map(|line| {
        let (name, value) = line.split_once(separator)?;
        (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
    });
    value.unwrap_or_else(|| "unknown".to_owned())
}
