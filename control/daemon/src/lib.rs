//! The control process: owner of the TUN queues, the sockets and the shared memory.
//!
//! Two kinds of process live here: the control process of one tunnel, and the daemon of a device ([`circle`]), which starts and
//! steers tunnels as any user could. In the former, one loop takes one [event](event) at a time and is the only thing that changes state. Around it: [`uapi`], what `wg` says
//! to us; `link`, the data plane as a process and as shared memory; `state`, what the data plane should be and what it has
//! acknowledged; `os`, the kernel; `local`, what `ringmesh status` asks. [`doctor`] looks at the machine from outside.
//!
//! **Invariant:** a tunnel never depends on this process: it may be killed at any instruction and started again while
//! packets flow, and finds in the data plane everything that it had acknowledged.

pub mod beacon;
pub mod circle;
mod control;
pub mod doctor;
mod event;
mod filter;
pub mod ifname;
mod link;
mod local;
mod names;
mod os;
mod problem;
mod state;
pub mod uapi;

pub use control::{Options, run};
pub use local::ask;
pub use os::process::{daemonize, start_detached};
pub use problem::Problem;

/// Whether this process may make a tunnel.
///
/// # Errors
/// [`Problem::NotRoot`].
pub fn check_root() -> Result<(), Problem> {
    if os::process::is_root() { Ok(()) } else { Err(Problem::NotRoot) }
}

/// The smallest and the largest MTU that a tunnel takes, in bytes.
pub const MTU_RANGE: std::ops::RangeInclusive<u16> = os::tun::MTU_MIN..=os::tun::MTU_MAX;
/// The most workers that a tunnel takes.
pub const WORKERS_MAX: u32 = ringmesh_abi::WORKERS_MAX;
