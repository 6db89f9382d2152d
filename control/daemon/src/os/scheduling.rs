//! Which of the data plane's threads go before applications.
//!
//! A thread in that place has the lowest real-time priority (SCHED_RR 1, sched(7)), because niceness counts only inside the
//! session or control group that shares a core with others. Whatever floods it, the kernel keeps a twentieth of each
//! core for everybody else. Where real-time priorities are refused (control groups without a share of them), niceness
//! is what is left.
//!
//! **Invariant:** only a thread of the given process is touched.
#![allow(unsafe_code)] // sched_setscheduler has no safe interface.

use std::io;

use rustix::process::Pid;

/// Lets the thread of process `pid` that is called `name` go before applications, or again beside them.
///
/// # Errors
/// `NotFound` when there is no such thread; what the kernel answers.
pub(crate) fn prefer(pid: Pid, name: &str, on: bool) -> io::Result<()> {
    let thread = thread_called(pid, name)?;
    if on {
        set(thread, libc::SCHED_RR, PRIORITY)
            .or_else(|_| Ok(rustix::process::setpriority_process(Some(thread), NICENESS)?))
    } else {
        set(thread, libc::SCHED_OTHER, 0)?;
        Ok(rustix::process::setpriority_process(Some(thread), 0)?)
    }
}

fn thread_called(pid: Pid, name: &str) -> io::Result<Pid> {
    for entry in std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()))? {
        let entry = entry?;
        // A thread that has just ended has no name any more, and is not the one.
        let called = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if called.trim_end() == name
            && let Some(thread) =
                entry.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw)
        {
            return Ok(thread);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

fn set(thread: Pid, policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: priority };
    // SAFETY: the kernel reads the parameter during the call only; the number of a thread that is gone is an error.
    let answer = unsafe { libc::sched_setscheduler(thread.as_raw_pid(), policy, &raw const param) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The lowest there is: all other real-time threads go first.
const PRIORITY: libc::c_int = 1;
/// Seventy times the share of an ordinary thread (sched(7)).
const NICENESS: i32 = -19;

#[cfg(test)]
mod tests;
