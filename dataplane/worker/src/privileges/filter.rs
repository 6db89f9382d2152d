//! The system calls that a running data plane makes; every other one ends the process (seccomp(2)).
//!
//! By the time the filter comes, files are passed in, rings are made, threads run. What is left: turning the rings, waiting,
//! eventfds, the socket of the control process, memory, time. Where a call can do more than that, its arguments are
//! part of the rule.
//!
//! A violation kills the whole process. The kernel writes its number to the audit log, and control sees SIGSYS as the
//! cause of death, starts another data plane, and says so.
//!
//! **Invariant:** no call here opens, creates, connects, executes, traces, signals another process, configures a device or a
//! socket, or makes memory executable.

use super::PrivilegeError;
use libc::c_long;
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompCondition, SeccompFilter, SeccompRule};
use std::collections::BTreeMap;

/// Filters all threads of this process, for good.
pub(super) fn apply_to_all_threads() -> Result<(), PrivilegeError> {
    let program = program().map_err(|error| PrivilegeError::Filter(error.to_string()))?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| PrivilegeError::Filter(error.to_string()))
}

fn program() -> Result<BpfProgram, BackendError> {
    let always = ALWAYS.iter().map(|&call| (call, Vec::new()));
    let rules: BTreeMap<_, _> = always.chain(conditional()?).collect();
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()
}

/// Calls that can do no harm with whatever arguments.
const ALWAYS: &[c_long] = &[
    // The rings: whatever they may do was fixed before they were enabled.
    libc::SYS_io_uring_enter,
    // Waiting, and waking each other.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    // Files that are open: eventfds, the link, the listener, sockets.
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    // Memory that is not executable; see the rules for mmap and mprotect.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Time, randomness, who am I.
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    // Signals of our own and the end.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Calls that are allowed with certain arguments. Each rule of a call is one way to satisfy it.
fn conditional() -> Result<Vec<(c_long, Vec<SeccompRule>)>, BackendError> {
    let not_executable = |argument| {
        SeccompCondition::new(argument, Dword, MaskedEq(libc::PROT_EXEC as u64), 0)
            .and_then(|condition| SeccompRule::new(vec![condition]))
    };
    let whose_credentials = SeccompRule::new(vec![
        SeccompCondition::new(1, Dword, Eq, libc::SOL_SOCKET as u64)?,
        SeccompCondition::new(2, Dword, Eq, libc::SO_PEERCRED as u64)?,
    ])?;
    let account = SeccompRule::new(vec![
        SeccompCondition::new(1, Dword, Eq, libc::SOL_SOCKET as u64)?,
        SeccompCondition::new(2, Dword, Eq, libc::SO_MEMINFO as u64)?,
    ])?;
    let steer = SeccompRule::new(vec![
        SeccompCondition::new(1, Dword, Eq, libc::SOL_SOCKET as u64)?,
        SeccompCondition::new(2, Dword, Eq, libc::SO_ATTACH_REUSEPORT_CBPF as u64)?,
    ])?;
    Ok(vec![
        // Sockets on a new port are steered like the first ones; the program only chooses among our own sockets.
        (libc::SYS_setsockopt, vec![steer]),
        (libc::SYS_mmap, vec![not_executable(2)?]),
        (libc::SYS_mprotect, vec![not_executable(2)?]),
        (libc::SYS_getsockopt, vec![whose_credentials, account]),
        (libc::SYS_io_uring_register, one_of(1, &[REGISTER_FILES_UPDATE, REGISTER_ENABLE_RINGS])?),
        (libc::SYS_fcntl, one_of(1, &FCNTL.map(i64::from))?),
        (libc::SYS_prctl, one_of(0, &[libc::PR_GET_DUMPABLE.into(), PR_GET_AUXV])?),
        // abort() must end in SIGABRT, which says more than SIGSYS.
        (libc::SYS_tgkill, one_of(0, &[std::process::id().into()])?),
    ])
}

/// One rule for each value that an argument may have. All of them are 32 bits wide, and the kernel reads no more.
fn one_of(argument: u8, values: &[i64]) -> Result<Vec<SeccompRule>, BackendError> {
    let rule = |&value: &i64| {
        SeccompCondition::new(argument, Dword, Eq, value.cast_unsigned())
            .and_then(|condition| SeccompRule::new(vec![condition]))
    };
    values.iter().map(rule).collect()
}

/// To look at what the control process passes in, and to copy it for a worker.
const FCNTL: [libc::c_int; 4] = [libc::F_GETFL, libc::F_GETFD, libc::F_GET_SEALS, libc::F_DUPFD_CLOEXEC];

/// How the clock is found without a system call, when it is read for the first time (prctl(2)).
const PR_GET_AUXV: i64 = 0x4155_5856;

/// A new socket takes the place of a registered one (io_uring_register(2)).
const REGISTER_FILES_UPDATE: i64 = 6;
/// A worker that starts late enables its own ring; without io_uring_setup there is no other to enable.
const REGISTER_ENABLE_RINGS: i64 = 12;
