//! This process: hidden from others, and turned into a daemon.
//!
//! A daemon is the same executable started again in a session of its own. The first process waits until the
//! second says over its standard output that the tunnel answers, and passes an error on with its exit code.
//!
//! **Invariant:** nothing is forked without an exec, so no half-copied runtime ever runs.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use rustix::fs::{Mode, OFlags};
use rustix::process::DumpableBehavior;

use crate::problem::{Doing, Problem};

/// What a daemon writes to its standard output when the tunnel answers.
const READY: &str = "ready\n";
/// The executable itself, also when its file was replaced by a newer one meanwhile.
pub(crate) const SELF_EXE: &str = "/proc/self/exe";

/// What `ps` shows for it.
pub(crate) const SHOWN_NAME: &str = "ringmesh";

/// Keeps memory out of core dumps and away from other processes, and new files closed to other users.
pub(crate) fn harden() -> Result<(), Problem> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .doing("making the process undumpable")?;
    rustix::process::umask(Mode::from_raw_mode(0o077));
    Ok(())
}

/// Whether this process has root's rights.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Starts this executable again with `args` as a daemon and waits until it is ready.
///
/// Its error, if it ends before that, goes to our standard error, and its exit code becomes ours.
pub fn daemonize(args: &[String]) -> Result<ExitCode, Problem> {
    let mut child = Command::new(SELF_EXE)
        .arg0(SHOWN_NAME)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .doing("starting the daemon")?;
    let mut said = String::new();
    if let Some(mut output) = child.stdout.take() {
        // The pipe ends when the daemon is ready (it lets go of its output) or dies.
        output.read_to_string(&mut said).doing("waiting for the daemon")?;
    }
    if said == READY {
        return Ok(ExitCode::SUCCESS);
    }
    let status = child.wait().doing("waiting for the daemon")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Starts this executable again with `args` as a daemon, waits until it is ready, and gives its process number.
///
/// # Errors
/// What it said when it ended before that, as one line.
pub fn start_detached(args: &[&str]) -> Result<u32, String> {
    let told = |error: io::Error| error.to_string();
    let mut child = Command::new(SELF_EXE)
        .arg0(SHOWN_NAME)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(told)?;
    let mut said = String::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut said).map_err(told)?;
    }
    if said == READY {
        return Ok(child.id());
    }
    let output = child.wait_with_output().map_err(told)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = said.lines().last().unwrap_or("it ended and gave no reason");
    Err(line.trim_start_matches("ringmesh: ").to_owned())
}

/// In the daemon: leaves the terminal's session and the current directory.
pub(crate) fn detach() -> Result<(), Problem> {
    rustix::process::setsid().doing("leaving the terminal's session")?;
    rustix::process::chdir("/").doing("leaving the current directory")
}

/// Tells systemd how we are, if it started us and wants to know (sd_notify(3)). It is no harm if that does not arrive.
pub(crate) fn tell_systemd(state: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let path = path.to_string_lossy().into_owned();
    let address = match path.strip_prefix('@') {
        Some(name) => rustix::net::SocketAddrUnix::new_abstract_name(name.as_bytes()),
        None => rustix::net::SocketAddrUnix::new(path.as_str()),
    };
    let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::DGRAM, None);
    if let (Ok(address), Ok(socket)) = (address, socket) {
        let _ = rustix::net::sendto(&socket, state.as_bytes(), rustix::net::SendFlags::NOSIGNAL, &address);
    }
}

/// In the daemon: tells the waiting process that the tunnel answers and lets go of the terminal.
pub(crate) fn tell_ready() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    tell_ready_and_log(null)
}

/// The same; what is logged from then on goes to `log`.
pub(crate) fn tell_ready_and_log(log: impl AsFd) -> io::Result<()> {
    let mut output = io::stdout().lock();
    output.write_all(READY.as_bytes())?;
    output.flush()?;
    rustix::stdio::dup2_stderr(&log)?;
    // Last: this is what the waiting process notices.
    rustix::stdio::dup2_stdout(&log)?;
    Ok(())
}
