//! What the data-plane process gives up at its start, and the proof that it is gone.
//!
//! The process parses what the whole Internet sends it, so it should be worth nothing to whoever takes it over:
//! a uid that owns nothing, no capability, no new ones by executing anything, and only the system calls that a
//! running data plane makes. What it keeps are the files it was given.
//!
//! In this order, each step while the privilege that it needs is still there:
//!
//! 1. no dumps: not dumpable, core limit zero, so that neither the kernel nor a debugger of the same user writes keys out;
//! 2. locked memory: keys live in the heap, so whatever is touched stays out of swap;
//! 3. a uid of its own (`uid`), no group, no capability in any set, no new privileges;
//! 4. workers start and enable their rings;
//! 5. the filter (`filter`) over all threads, then the proof (`proof`), read back from the kernel.
//!
//! **Invariant:** [`Hardening`] names only what the kernel said afterwards, never what we have asked for.

mod filter;
mod proof;
mod uid;

use ringmesh_abi::Hardening;
use rustix::io::Errno;
use rustix::mm::MlockAllFlags;
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};
use std::fs::File;

use proof::Status;

/// Why the process could not be confined. Nothing has been received from the network by then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrivilegeError {
    /// Threads that run already would keep their capabilities.
    #[error("privileges are to be given up by a single thread, and there are {0}")]
    Threads(u64),
    /// Every uid that was tried belongs to somebody.
    #[error("no unused uid was found; the user namespace maps {0} of them")]
    NoFreeUid(u64),
    /// The kernel refused a step.
    #[error("cannot {what}: {errno}")]
    Refused {
        /// The step.
        what: &'static str,
        /// Its answer.
        errno: Errno,
    },
    /// A file below /proc or /etc could not be read.
    #[error("cannot read {what}: {error}")]
    Unreadable {
        /// The file.
        what: &'static str,
        /// Why not.
        error: std::io::Error,
    },
    /// The filter was not taken.
    #[error("cannot filter system calls: {0}")]
    Filter(String),
}

/// Names a step in its error.
fn step<T>(what: &'static str, done: Result<T, Errno>) -> Result<T, PrivilegeError> {
    done.map_err(|errno| PrivilegeError::Refused { what, errno })
}

/// A process that has given up its privileges, and is not filtered yet.
pub(crate) struct Unprivileged {
    uid: u32,
    /// What [`lock_memory`] said.
    locks_memory: bool,
    /// `/proc/self/status`, opened while opening was possible; every read tells the present.
    status: File,
}

impl Unprivileged {
    /// Gives up privileges: steps 1 to 3. Call it as root, with a single thread, when every ring is made.
    ///
    /// `wanted_uid` is tried first; 0 leaves the choice to us.
    ///
    /// # Errors
    /// [`PrivilegeError`]; the process must end then, since only a part of it may be done.
    pub(crate) fn become_nobody(ifname: &str, wanted_uid: u32) -> Result<Self, PrivilegeError> {
        let status = File::open(STATUS).map_err(unreadable(STATUS))?;
        let threads = Status::read(&status)?.number("Threads");
        if threads != Some(1) {
            return Err(PrivilegeError::Threads(threads.unwrap_or(0)));
        }
        forbid_dumps()?;
        let locks_memory = lock_memory();
        let uid = uid::choose(ifname, wanted_uid)?;
        drop_bounding_set();
        become_uid(uid)?;
        drop_capabilities()?;
        // A change of uid has put the system's default in its place.
        forbid_dumps()?;
        step("give up new privileges", rustix::thread::set_no_new_privs(true))?;
        Ok(Self { uid, locks_memory, status })
    }

    /// The uid that the process has now.
    pub(crate) const fn uid(&self) -> u32 {
        self.uid
    }

    /// Filters the system calls of all threads and says what holds: step 5. Rings are enabled before.
    ///
    /// # Errors
    /// [`PrivilegeError::Filter`] when the kernel does not take the filter.
    pub(crate) fn confine(self) -> Result<Hardening, PrivilegeError> {
        // A panic says what and where. To say from where, it would open files, and die of that.
        std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
        filter::apply_to_all_threads()?;
        let dumpable = rustix::process::dumpable_behavior();
        let status = Status::read(&self.status)?;
        Ok(proof::of(&status, self.uid, dumpable == Ok(DumpableBehavior::NotDumpable), self.locks_memory))
    }
}

/// Step 1. The limit holds for pipes to crash handlers too, which `NotDumpable` alone would leave to a system setting.
fn forbid_dumps() -> Result<(), PrivilegeError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    step("forbid core dumps", rustix::process::setrlimit(Resource::Core, none))?;
    step("become undumpable", rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable))
}

/// Step 2. Pages are locked as they are touched, so sparse tables stay sparse.
///
/// Only without a limit is memory of the future locked too: with one, a later allocation would fail and end the
/// process. Where the limit cannot be lifted (a container without CAP_SYS_RESOURCE), the heap is stretched
/// beforehand and locked as it is: sessions and long-term keys are allocated in it by this thread.
fn lock_memory() -> bool {
    let no_limit = Rlimit { current: None, maximum: None };
    let now = MlockAllFlags::CURRENT | MlockAllFlags::ONFAULT;
    if rustix::process::setrlimit(Resource::Memlock, no_limit).is_ok() {
        return rustix::mm::mlockall(now | MlockAllFlags::FUTURE).is_ok();
    }
    stretch_heap();
    rustix::mm::mlockall(now).is_ok()
}

/// Makes the heap of this thread as large as it will need to be, untouched.
#[allow(unsafe_code)] // The allocator's parameters have no safe interface.
fn stretch_heap() {
    // SAFETY: both calls only set parameters of the allocator, under its own lock.
    unsafe {
        libc::mallopt(libc::M_TOP_PAD, HEAP_LEN);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * HEAP_LEN);
    }
    // Together more than the heap has left, each less than what would be mapped on its own: so the heap grows, by the
    // pad as well. Nothing is written, so no page is touched for it.
    drop(std::hint::black_box([(); 16].map(|()| Vec::<u8>::with_capacity(120 << 10))));
}

/// Room for some ten thousand sessions of about 3 KiB.
const HEAP_LEN: libc::c_int = 32 << 20;

/// No capability can come back through a file that is executed. Without CAP_SETPCAP (a container) this is refused; then
/// no-new-privileges and the filter hold alone, and the proof says so.
fn drop_bounding_set() {
    for capability in CapabilitySet::all().iter() {
        // Numbers that this kernel does not know are refused too, and mean nothing to it.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
}

/// Step 3: real, effective and saved ids at once, and no supplementary group.
fn become_uid(uid: u32) -> Result<(), PrivilegeError> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    step("leave all groups", rustix::thread::set_thread_groups(&[]))?;
    step("change the group", rustix::thread::set_thread_res_gid(group, group, group))?;
    step("change the user", rustix::thread::set_thread_res_uid(user, user, user))
}

fn drop_capabilities() -> Result<(), PrivilegeError> {
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    step("drop ambient capabilities", rustix::thread::clear_ambient_capability_set())?;
    step("drop capabilities", rustix::thread::set_capabilities(None, none))
}

fn unreadable(what: &'static str) -> impl FnOnce(std::io::Error) -> PrivilegeError {
    move |error| PrivilegeError::Unreadable { what, error }
}

const STATUS: &str = "/proc/self/status";

#[cfg(test)]
mod tests;
