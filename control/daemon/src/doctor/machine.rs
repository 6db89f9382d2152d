//! The machine: rights, devices, the kernel, tools and limits.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::process::{Command, Stdio};

use ringmesh_api::doctor::Check;

use crate::os::process::is_root;

/// Locked memory that a data plane of two workers takes, in bytes.
const LOCKED_MIN: u64 = 64 << 20;
/// What the tunnel's sockets want to hold, in bytes.
const BUFFER_MIN: u64 = 4 << 20;
/// Numbers of capabilities (capabilities(7)).
const CAP_NET_ADMIN: u32 = 12;
const CAP_IPC_LOCK: u32 = 14;

/// All checks of this file.
pub(super) fn checks(kernel: &Result<(), String>) -> Vec<Check> {
    let text = |path: &str| fs::read_to_string(path).ok();
    let number = |path: &str| text(path).and_then(|text| text.trim().parse().ok());
    let limits = text("/proc/self/limits").unwrap_or_default();
    let status = text("/proc/self/status").unwrap_or_default();
    vec![
        root(is_root()),
        tun(),
        io_uring(text("/proc/sys/kernel/io_uring_disabled").as_deref(), kernel),
        nftables(),
        locked_memory(locked_limit(&limits), has_capability(&status, CAP_IPC_LOCK)),
        buffers(
            number("/proc/sys/net/core/rmem_max"),
            number("/proc/sys/net/core/wmem_max"),
            has_capability(&status, CAP_NET_ADMIN),
        ),
    ]
}

fn root(is_root: bool) -> Check {
    let subject = "root";
    if is_root {
        Check::ok(subject, "this is root, so everything can be looked at")
    } else {
        Check::warning(
            subject,
            "this is not root, so some things cannot be looked at, and no tunnel can be made",
            "run it with sudo",
        )
    }
}

fn tun() -> Check {
    let subject = "tun";
    let path = "/dev/net/tun";
    let fix = "load the module with `modprobe tun`; in a container, give it the device /dev/net/tun";
    match fs::metadata(path) {
        Err(error) => Check::problem(subject, format!("{path} cannot be used: {error}"), fix),
        Ok(meta) if !meta.file_type().is_char_device() => {
            Check::problem(subject, format!("{path} is no device"), fix)
        }
        Ok(_) => match fs::OpenOptions::new().read(true).write(true).open(path) {
            Ok(_) => Check::ok(subject, format!("{path} is there and opens")),
            Err(error) if is_root() => Check::problem(subject, format!("{path} does not open: {error}"), fix),
            Err(_) => Check::warning(
                subject,
                format!("{path} is there, and only root can try it"),
                "run it with sudo",
            ),
        },
    }
}

/// `setting` is the sysctl, none on kernels before 6.6; `kernel` what the data plane found when it tried.
fn io_uring(setting: Option<&str>, kernel: &Result<(), String>) -> Check {
    let subject = "io_uring";
    match (setting.map(str::trim), kernel) {
        (Some("2"), _) => Check::problem(
            subject,
            "io_uring is switched off on this machine (kernel.io_uring_disabled is 2), and the data plane needs it",
            "`sysctl kernel.io_uring_disabled=0`, and look for who sets it in /etc/sysctl.d",
        ),
        (_, Err(lack)) => Check::problem(
            subject,
            format!("the kernel lacks something that the data plane needs: {lack}"),
            "use Linux 6.1 or newer; in a container, let its seccomp profile allow io_uring",
        ),
        // Processes with CAP_SYS_ADMIN may; ours have it when they make their rings.
        (_, Ok(())) => Check::ok(subject, "io_uring works"),
    }
}

fn nftables() -> Check {
    let run = Command::new("nft").args(["list", "tables"]).stdin(Stdio::null()).output();
    let run = run.map(|output| {
        let said = String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned();
        (output.status.success(), said)
    });
    judge_nftables(&run.map_err(|error| error.kind()), is_root())
}

fn judge_nftables(run: &Result<(bool, String), std::io::ErrorKind>, is_root: bool) -> Check {
    let subject = "nftables";
    match run {
        Ok((true, _)) => Check::ok(subject, "nft works, so permissions can be enforced"),
        Ok((false, _)) if !is_root => {
            Check::warning(subject, "nft is there, and only root can try it", "run it with sudo")
        }
        Ok((false, said)) => Check::problem(
            subject,
            format!("nft does not work, so permissions cannot be enforced: {said}"),
            "load the module with `modprobe nf_tables`, or use a kernel that has it",
        ),
        Err(std::io::ErrorKind::NotFound) => Check::problem(
            subject,
            "nft is missing, so permissions cannot be enforced",
            "install the package nftables",
        ),
        Err(kind) => Check::problem(
            subject,
            format!("nft cannot be started, so permissions cannot be enforced: {kind}"),
            "install the package nftables anew",
        ),
    }
}

/// The soft limit out of `/proc/PID/limits`, in bytes.
fn locked_limit(limits: &str) -> u64 {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max locked memory"));
    let soft = line.and_then(|line| line.split_whitespace().next());
    soft.map_or(u64::MAX, |soft| soft.parse().unwrap_or(u64::MAX))
}

/// Whether a process has a capability in force, by `/proc/PID/status`.
fn has_capability(status: &str, number: u32) -> bool {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
    set >> number & 1 == 1
}

fn locked_memory(limit: u64, exempt: bool) -> Check {
    let subject = "locked memory";
    if exempt || limit >= LOCKED_MIN {
        let why = if exempt { "root is not bound by the limit" } else { "the limit is high enough" };
        Check::ok(subject, format!("keys can be kept out of swap: {why}"))
    } else {
        Check::warning(
            subject,
            format!("only {} KiB of memory can be locked, and this user is bound by that limit", limit >> 10),
            "run it as root, or raise it: `LimitMEMLOCK=infinity` in the unit, `--ulimit memlock=-1` for a container",
        )
    }
}

fn buffers(receive: Option<u64>, send: Option<u64>, exempt: bool) -> Check {
    let subject = "socket buffers";
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= BUFFER_MIN);
    if exempt || enough(receive) && enough(send) {
        let why = if exempt { "root is not bound by the limits" } else { "the limits are high enough" };
        Check::ok(subject, format!("sockets can hold what comes in bursts: {why}"))
    } else {
        Check::warning(
            subject,
            "sockets cannot hold what comes in bursts: net.core.rmem_max or wmem_max is below 4 MiB, and this user is bound by it",
            format!(
                "`sysctl net.core.rmem_max={BUFFER_MIN} net.core.wmem_max={BUFFER_MIN}`, or run it as root"
            ),
        )
    }
}

#[cfg(test)]
mod tests;
