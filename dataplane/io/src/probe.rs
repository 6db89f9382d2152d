//! What the kernel offers, asked before anything is built on it.
//!
//! A data plane without io_uring cannot start; who sees that should read one line that says why and
//! what to do, not an errno. What is only slower without is reported as a fallback by the port.
//!
//! **Invariant:** probing leaves nothing behind and needs no privilege.
#![forbid(unsafe_code)]

use crate::ring::OPERATIONS;
use io_uring::{IoUring, Probe as Operations, opcode};
use std::fmt;
use std::io;

/// What this kernel can do for a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Probe {
    /// One request reads many packets (Linux 6.7).
    pub read_multishot: bool,
    /// Completion work runs only inside the worker's waits (Linux 6.1).
    pub defer_taskrun: bool,
}

/// Why a port cannot be made on this machine.
#[derive(Debug)]
pub enum Missing {
    /// The kernel was built without io_uring, or a filter hides it.
    IoUring,
    /// io_uring is there, and forbidden to this process.
    Forbidden,
    /// Too little memory may be locked for a ring.
    Memory,
    /// An operation that a worker cannot do without.
    Operation,
    /// Anything else that the kernel said.
    Other(io::Error),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IoUring => f.write_str(
                "this kernel has no io_uring; Linux 6.0 or newer built with CONFIG_IO_URING is needed \
                 (in a container: allow io_uring_setup, io_uring_enter and io_uring_register)",
            ),
            Self::Forbidden => f.write_str(
                "io_uring is forbidden to this process; set it free with `sysctl kernel.io_uring_disabled=0`, or \
                 in a container allow io_uring_setup, io_uring_enter and io_uring_register",
            ),
            Self::Memory => f.write_str("too little memory may be locked for a ring; raise it with `ulimit -l`"),
            Self::Operation => {
                f.write_str("this kernel's io_uring is too old; Linux 6.0 or newer is needed")
            }
            Self::Other(error) => write!(f, "io_uring does not start: {error}"),
        }
    }
}

impl std::error::Error for Missing {}

impl From<io::Error> for Missing {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOSYS) => Self::IoUring,
            Some(libc::EPERM | libc::EACCES) => Self::Forbidden,
            Some(libc::ENOMEM) => Self::Memory,
            _ => Self::Other(error),
        }
    }
}

/// Asks the kernel.
///
/// # Errors
///
/// What keeps a port from being made here.
pub fn probe() -> Result<Probe, Missing> {
    let ring = IoUring::new(8)?;
    let mut operations = Operations::new();
    ring.submitter().register_probe(&mut operations)?;
    let optional = opcode::ReadMulti::CODE;
    let has = |operation: &u8| operations.is_supported(*operation);
    // SEND_ZC came together with the multishot receive and the single issuer, which cannot be asked for.
    if !OPERATIONS.iter().filter(|operation| **operation != optional).all(has) || !has(&opcode::SendZc::CODE)
    {
        return Err(Missing::Operation);
    }
    let mut builder: io_uring::Builder = IoUring::builder();
    let deferring = builder.setup_single_issuer().setup_defer_taskrun().build(8).is_ok();
    Ok(Probe { read_multishot: has(&optional), defer_taskrun: deferring })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_is_one_line_that_says_what_to_do() {
        let cases = [
            (libc::ENOSYS, "CONFIG_IO_URING"),
            (libc::EPERM, "kernel.io_uring_disabled"),
            (libc::ENOMEM, "ulimit -l"),
            (libc::EMFILE, "Too many open files"),
        ];
        for (errno, hint) in cases {
            let text = Missing::from(io::Error::from_raw_os_error(errno)).to_string();
            assert!(text.contains(hint) && !text.contains('\n') && !text.contains("  "), "{text}");
        }
    }

    /// The ports of this crate's other tests need what the probe asks for.
    #[test]
    fn what_the_probe_finds_is_there() {
        let probe = probe().expect("the tests run where io_uring does");
        let multishot = IoUring::new(8).expect("a ring");
        assert!(multishot.params().is_feature_ext_arg());
        assert_eq!(probe, super::probe().expect("twice the same"));
    }
}
