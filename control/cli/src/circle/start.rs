//! Starting the daemon for `up` and `join`, when nobody has; waiting for its end.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use ringmesh_api::circle::look::CircleStatus;
use ringmesh_api::circle::{Code, Nothing, Refusal};
use ringmesh_daemon::circle::STATE_VARIABLE;
use ringmesh_daemon::ifname::RUN_VARIABLE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::ask::Daemon;
use super::terminal;

const UNIT: &str = "ringmesh.service";
/// There exactly when systemd runs this machine (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";

/// Makes sure that a daemon answers; gives a sentence about what was done for it.
pub(super) fn ensure(daemon: &Daemon) -> Result<Option<String>, Refusal> {
    let Err(refusal) = daemon.ask::<_, CircleStatus>("status", &Nothing {}) else { return Ok(None) };
    if refusal.code != Code::NotRunning {
        return Err(refusal);
    }
    ringmesh_daemon::check_root().map_err(|_| {
        Refusal::new(Code::NotAllowed, "the daemon is not running, and only root can start it")
            .fix("run it with sudo")
    })?;
    let started = terminal::while_showing("starting the daemon", || {
        if has_unit() { start_unit() } else { start_process(daemon) }
    });
    // Somebody else may have started one in the same moment: then ours has ended, and no harm is done.
    match daemon.ask::<_, CircleStatus>("status", &Nothing {}) {
        Ok(_) => Ok(started.ok()),
        Err(silent) => Err(started.err().unwrap_or(silent)),
    }
}

/// How long a daemon that has said that it ends may take.
const END_SECS: i64 = 10;

/// The daemon's process, so that its end can be seen, whatever gets its number afterwards.
pub(super) fn process(daemon: &Daemon) -> Result<OwnedFd, Refusal> {
    let status: CircleStatus = daemon.ask("status", &Nothing {})?;
    let pid = i32::try_from(status.pid).ok().and_then(Pid::from_raw);
    let process = pid.ok_or(Errno::SRCH).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    process.map_err(|errno| Refusal::new(Code::System, format!("the daemon's process is not there: {errno}")))
}

/// Waits until the process has ended: only then can another daemon be started.
pub(super) fn wait_for_end(process: &OwnedFd) -> Result<(), Refusal> {
    let limit = Timespec { tv_sec: END_SECS, tv_nsec: 0 };
    let mut looked = [PollFd::new(process, PollFlags::IN)];
    match poll(&mut looked, Some(&limit)) {
        Ok(1..) => Ok(()),
        Ok(0) | Err(_) => {
            Err(Refusal::new(Code::Timeout, "the daemon has said that it ends, and still runs")
                .fix("its log tells more, and `kill` ends it"))
        }
    }
}

/// A daemon with directories of its own is none that a unit knows of.
fn has_unit() -> bool {
    let moved = [STATE_VARIABLE, RUN_VARIABLE].iter().any(|name| std::env::var_os(name).is_some());
    let there = || systemctl("cat").is_ok_and(|output| output.status.success());
    !moved && Path::new(SYSTEMD).is_dir() && there()
}

fn systemctl(verb: &str) -> std::io::Result<std::process::Output> {
    Command::new("systemctl").args([verb, UNIT]).stdin(Stdio::null()).output()
}

fn start_unit() -> Result<String, Refusal> {
    let failed = |why: String| {
        Refusal::new(Code::System, format!("systemd did not start {UNIT}: {why}"))
            .fix("`journalctl -u ringmesh` tells why")
    };
    let output = systemctl("start").map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok("The daemon did not run; systemd has started it (ringmesh.service).".to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(failed(said.lines().next().unwrap_or("it gave no reason").to_owned()))
}

fn start_process(daemon: &Daemon) -> Result<String, Refusal> {
    let started = ringmesh_daemon::start_detached(&["daemon", "--detached"]);
    let pid =
        started.map_err(|why| Refusal::new(Code::System, format!("the daemon did not start: {why}")))?;
    Ok(format!(
        "The daemon did not run; it was started as process {pid} (its log: {}).",
        daemon.paths.log().display()
    ))
}
