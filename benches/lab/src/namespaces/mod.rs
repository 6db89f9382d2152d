//! Two hosts in a box: network namespaces joined by a veth pair, gone when dropped.
//!
//! A process belongs to a namespace when it was started there; so the laboratory enters it in a
//! thread of its own (setns counts per thread) and starts the child from there. Everything made here
//! is known to [`crate::guard`], which removes it also when the user presses Ctrl-C.
//!
//! **Invariant:** what has no pid of a dead process in its name is never touched by [`sweep`].

mod link;
mod names;
mod sweep;

pub use link::{Link, LinkPlan};
pub use names::Side;
pub(crate) use names::{namespace, next_number};
pub use sweep::sweep;
pub(crate) use sweep::{
    Kept, is_namespace, kill_children, processes_inside, remove_namespace, remove_sockets,
};

use crate::{Error, Result, guard};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// Where `ip netns` keeps its namespaces.
const NAMESPACE_DIR: &str = "/run/netns";

/// A network namespace of ours; dropping it ends every process inside and removes it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes a namespace with its loopback up.
    ///
    /// # Errors
    /// Without privileges, or without `ip`.
    pub fn create(name: String) -> Result<Self> {
        guard::hold_namespace(&name);
        ip(&["netns", "add", &name], "")?;
        let path = path_of(&name);
        let file = File::open(&path).map_err(|error| Error::io(path.display().to_string(), error))?;
        let namespace = Self { name, file };
        namespace.ip("link set lo up\n")?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where processes inside may keep files: a directory that nobody has made yet, and that goes with the namespace.
    pub fn dir(&self) -> PathBuf {
        dir_of(&self.name)
    }

    /// Runs `work` in a thread inside the namespace and waits for it.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or the thread panicked.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let inside = || {
            move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
                .map_err(|errno| Error::io(format!("cannot enter {}", self.name), errno))?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|_| Err(Error::Traffic(format!("a thread inside {} panicked", self.name))))
    }

    /// Starts a process inside the namespace, in a process group of its own: a Ctrl-C at the terminal
    /// goes to us alone, and we end the children in order.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.process_group(0);
        self.enter(|| command.spawn())?.map_err(|error| Error::io(format!("cannot start {program}"), error))
    }

    /// Runs lines of `ip -batch` inside the namespace.
    ///
    /// # Errors
    /// With the last line that `ip` said.
    pub fn ip(&self, batch: &str) -> Result<()> {
        ip(&["-n", &self.name, "-batch", "-"], batch)
    }

    /// Every process inside, children of the laboratory's traffic included.
    pub fn processes(&self) -> Vec<u32> {
        self.file.metadata().map(|data| processes_inside(data.ino())).unwrap_or_default()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        remove_namespace(&self.name);
        guard::release_namespace(&self.name);
    }
}

fn dir_of(name: &str) -> PathBuf {
    std::env::temp_dir().join(name)
}

fn path_of(name: &str) -> PathBuf {
    Path::new(NAMESPACE_DIR).join(name)
}

/// Runs `ip`, feeding it `batch`.
pub(crate) fn ip(args: &[&str], batch: &str) -> Result<()> {
    let failed = |answer: String| Error::Command { command: format!("ip {}", args.join(" ")), answer };
    let mut command = Command::new(crate::needs::IP);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // An `ip` that gave up early has its say below.
        let _closed_early = stdin.write_all(batch.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(said.lines().next().unwrap_or("it said nothing").trim().to_owned()))
}

#[cfg(test)]
mod tests;
