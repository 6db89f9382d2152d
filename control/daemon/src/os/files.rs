//! Directories, locks and socket files.
//!
//! **Invariant:** one control process per name. It holds the name's lock file for its whole life; the kernel
//! gives the lock back at any death, so nothing ever has to guess whether a file is stale.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::ifname::{IfName, run_dir, wg_dir};
use crate::problem::{Doing, Problem};

/// Makes both directories where they are missing. Nobody but root may write to ours; the group `ringmesh`, if the daemon has given
/// it the directory, may enter, and finds one socket there that it may use.
pub(crate) fn make_dirs() -> Result<(), Problem> {
    let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
    make(&wg_dir()).doing("making the directory of wg sockets")?;
    let run = run_dir();
    make(&run).doing("making the directory of our sockets")?;
    let mode = std::fs::metadata(&run).doing("looking at the directory of our sockets")?.permissions().mode();
    std::fs::set_permissions(&run, Permissions::from_mode(mode & 0o750))
        .doing("closing the directory of our sockets")
}

/// The lock of one interface name; the file goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of `name`, or tells which process has it.
    ///
    /// A holder whose link or socket file is gone already is about to end, so it is waited for: after `ip link delete wg0` the
    /// name can be started again at once.
    pub(crate) async fn take(name: &IfName) -> Result<Self, Problem> {
        let path = name.lock_file();
        let mut tries = 0;
        loop {
            tries += 1;
            match lock_file(&path)? {
                Locked::Ours(file) => return Ok(Self { path, _file: file }),
                // Its owner removed the file between our opening and locking it: the next one is the lock.
                Locked::Vanished if tries < TRIES_MAX => {}
                Locked::Held(_) if tries < TRIES_MAX && is_ending(name) => tokio::time::sleep(PAUSE).await,
                Locked::Held(by) => return Err(held(name, by)),
                Locked::Vanished => return Err(held(name, None)),
            }
        }
    }
}

/// Whether the tunnel of this name has lost what makes it one.
fn is_ending(name: &IfName) -> bool {
    super::tun::named_index(name.as_str()).is_none() || !name.wg_socket().exists()
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Still locked here, so nobody else can believe to own the file that vanishes.
        let _ = std::fs::remove_file(&self.path);
    }
}

enum Locked {
    Ours(File),
    /// By the process with this number, if it could be read.
    Held(Option<u32>),
    Vanished,
}

fn lock_file(path: &Path) -> Result<Locked, Problem> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .doing("opening the lock file")?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Locked::Held(read_pid(&file))),
        Err(errno) => return Err(Problem::Os { what: "locking the interface name", error: errno.into() }),
    }
    let ours = file.metadata().doing("reading the lock file")?.ino();
    if std::fs::metadata(path).map_or(true, |there| there.ino() != ours) {
        return Ok(Locked::Vanished);
    }
    file.set_len(0).doing("writing the lock file")?;
    writeln!(file, "{}", std::process::id()).doing("writing the lock file")?;
    Ok(Locked::Ours(file))
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn held(name: &IfName, pid: Option<u32>) -> Problem {
    let by = match pid {
        Some(pid) => format!("a running ringmesh tunnel (process {pid})"),
        None => "a running ringmesh tunnel".to_owned(),
    };
    let fix = format!("it is up already: `ringmesh status {name}` shows it, `ip link delete {name}` ends it");
    Problem::NameTaken { name: name.to_string(), by, fix }
}

/// A listening socket file that is removed when this is dropped, if it is still the one we made.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    inode: u64,
}

impl SocketFile {
    /// Binds `path`, over a file that nobody listens on any more. The caller's umask must keep others out.
    pub(crate) fn listen(path: PathBuf, name: &IfName) -> Result<(UnixListener, Self), Problem> {
        if path.exists() {
            if UnixStream::connect(&path).is_ok() {
                return Err(Problem::NameTaken {
                    name: name.to_string(),
                    by: format!("another program that answers on {}", path.display()),
                    fix: "choose another name or end that program".to_owned(),
                });
            }
            std::fs::remove_file(&path).doing("removing a stale socket file")?;
        }
        let listener = UnixListener::bind(&path).doing("making the socket file")?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).doing("closing the socket file")?;
        listener.set_nonblocking(true).doing("setting up the socket")?;
        let inode = std::fs::metadata(&path).doing("reading the socket file")?.ino();
        Ok((listener, Self { path, inode }))
    }

    /// Whether the file at our path is still ours.
    pub(crate) fn is_there(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|there| there.ino() == self.inode)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_there() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Together four seconds: a data plane has two to end by itself.
const TRIES_MAX: u32 = 200;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);

#[cfg(test)]
mod tests;
