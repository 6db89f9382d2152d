//! Counts instructions without a hardware counter, which virtual machines seldom have: a child is led through its
//! work step by step.
//!
//! The count is exact and the same on every run, for any kernel of the AEAD (valgrind knows no AVX-512), and says
//! nothing about time. A string instruction counts once, however long its string is.
#![allow(unsafe_code)] // fork and ptrace have no safe interface

use std::io;
use std::ptr::null_mut;

/// Where a child stood before one of its instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The instruction's address.
    pub(crate) at: u64,
    /// The stack pointer.
    pub(crate) stack: u64,
}

/// Runs `work` in a child and shows every instruction of it to `see`.
///
/// The child is a copy of this process: nothing that `work` does is seen here afterwards.
///
/// # Errors
/// When the system allows no ptrace, or the work fails.
pub(crate) fn walk(work: impl FnOnce() -> io::Result<()>, mut see: impl FnMut(Step)) -> io::Result<()> {
    // Waking a process on another core takes ten times as long, and every step wakes two.
    let cores = stay_on(None)?;
    // SAFETY: this process has one thread when it comes here, so the child may do whatever its parent could.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(io::Error::last_os_error());
    }
    if child == 0 {
        // SAFETY: neither call takes memory of ours.
        let traced = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>()) };
        // SAFETY: as above.
        unsafe { libc::raise(libc::SIGSTOP) };
        let done = traced == 0 && work().is_ok();
        // SAFETY: ends the child at once, and runs nothing of its parent's.
        unsafe { libc::_exit(if done { DONE } else { 1 }) }
    }
    let ended = lead(child, &mut see);
    stay_on(Some(cores))?;
    ended
}

/// Shows a child's instructions until it ends.
fn lead(child: libc::pid_t, see: &mut impl FnMut(Step)) -> io::Result<()> {
    let mut before = 0;
    while wait(child)? {
        let step = registers(child)?;
        if step.at != before {
            see(step);
        }
        before = step.at;
        // SAFETY: the child is stopped and traced by this thread.
        let resumed =
            unsafe { libc::ptrace(libc::PTRACE_SINGLESTEP, child, null_mut::<u8>(), null_mut::<u8>()) };
        if resumed != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Binds this thread to `cores`, or to the core that it runs on; gives those that it was bound to.
fn stay_on(cores: Option<libc::cpu_set_t>) -> io::Result<libc::cpu_set_t> {
    // SAFETY: a set of cores is an array of bits, for which zeros are a value.
    let [mut before, mut wanted]: [libc::cpu_set_t; 2] = unsafe { std::mem::zeroed() };
    let len = size_of::<libc::cpu_set_t>();
    // SAFETY: the set is ours to write, and as long as it says.
    let asked = unsafe { libc::sched_getaffinity(0, len, &raw mut before) };
    match cores {
        Some(cores) => wanted = cores,
        // SAFETY: a core's number is far below the set's length.
        None => unsafe { libc::CPU_SET(libc::sched_getcpu().try_into().unwrap_or(0), &mut wanted) },
    }
    // SAFETY: the set is only read, and as long as it says.
    let bound = unsafe { libc::sched_setaffinity(0, len, &raw const wanted) };
    if asked == 0 && bound == 0 { Ok(before) } else { Err(io::Error::last_os_error()) }
}

/// Waits until the child stands; `false`: it has done its work.
fn wait(child: libc::pid_t) -> io::Result<bool> {
    let mut status = 0;
    // SAFETY: `status` is ours to write.
    if unsafe { libc::waitpid(child, &raw mut status, 0) } != child {
        return Err(io::Error::last_os_error());
    }
    match libc::WIFSTOPPED(status) {
        true => Ok(true),
        false if libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == DONE => Ok(false),
        false => Err(io::Error::other(format!("the child ended with status {status:#x}"))),
    }
}

#[cfg(target_arch = "x86_64")]
fn registers(child: libc::pid_t) -> io::Result<Step> {
    let mut registers = std::mem::MaybeUninit::<libc::user_regs_struct>::uninit();
    // SAFETY: the child is stopped and traced by this thread; the kernel writes one whole structure.
    let read = unsafe { libc::ptrace(libc::PTRACE_GETREGS, child, null_mut::<u8>(), registers.as_mut_ptr()) };
    if read != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has filled it.
    let registers = unsafe { registers.assume_init() };
    Ok(Step { at: registers.rip, stack: registers.rsp })
}

#[cfg(not(target_arch = "x86_64"))]
fn registers(_child: libc::pid_t) -> io::Result<Step> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "steps are read on x86-64 only"))
}

/// The child's exit code when its work went well.
const DONE: i32 = 42;
