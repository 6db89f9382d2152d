//! Where a private key comes from. One seam for all of them; today, a file.
//!
//! A key file is 0600, in a directory that is 0700, and both belong to the user that runs the daemon. Looser ones are refused: a
//! key that others could read must be taken for theirs. A new key replaces the file in one step, so that there is always a whole one.
//!
//! **Invariant:** a secret is never an argument, never logged, and wiped when it is dropped.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Longest secret, in bytes: an invite's code with all its beacons.
const SECRET_MAX: u64 = 4096;

/// Where one secret is kept.
#[derive(Clone, Debug)]
pub(crate) enum SecretSource {
    /// In a file.
    File(PathBuf),
}

/// Why a secret could not be had or kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadSecret {
    /// Others than its owner may read or change the file or its directory.
    #[error("{} is open to others (mode {mode:03o}); make it yours alone with `chmod {wanted:03o} {}`", path.display(), path.display())]
    Loose {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What it should be.
        wanted: u32,
    },
    /// It belongs to another user.
    #[error("{} belongs to another user than the one that runs the daemon", .0.display())]
    Foreign(PathBuf),
    /// It is not what was written.
    #[error("{} holds no key", .0.display())]
    Broken(PathBuf),
    /// The system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

impl SecretSource {
    /// The secret; none if there is none yet.
    ///
    /// # Errors
    /// [`BadSecret`] also when others may read it.
    pub(crate) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, BadSecret> {
        let Self::File(path) = self;
        let io = |error| BadSecret::Io { path: path.clone(), error };
        let flags = rustix::fs::OFlags::NOFOLLOW.bits() as i32;
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        check(path, &file, 0o600)?;
        let dir = path.parent().unwrap_or(Path::new("/"));
        check(dir, &File::open(dir).map_err(io)?, 0o700)?;
        let mut secret = Zeroizing::new(Vec::with_capacity(SECRET_MAX as usize));
        file.take(SECRET_MAX).read_to_end(&mut secret).map_err(io)?;
        Ok(Some(secret))
    }

    /// A key of 32 bytes; none if there is none yet.
    ///
    /// # Errors
    /// As [`SecretSource::read`].
    pub(crate) fn key(&self) -> Result<Option<Zeroizing<[u8; 32]>>, BadSecret> {
        let Self::File(path) = self;
        let Some(secret) = self.read()? else { return Ok(None) };
        let key = secret.as_slice().try_into().map_err(|_| BadSecret::Broken(path.clone()))?;
        Ok(Some(Zeroizing::new(key)))
    }

    /// Keeps a secret, in place of the one before. When this returns it is on the disk.
    ///
    /// # Errors
    /// [`BadSecret`]; then the one before is still there.
    pub(crate) fn write(&self, secret: &[u8]) -> Result<(), BadSecret> {
        let Self::File(path) = self;
        let new = path.with_extension("new");
        replace(path, &new, secret).map_err(|error| {
            let _ = std::fs::remove_file(&new);
            BadSecret::Io { path: path.clone(), error }
        })
    }

    /// Forgets the secret.
    pub(crate) fn remove(&self) {
        let Self::File(path) = self;
        let _ = std::fs::remove_file(path);
    }
}

fn replace(path: &Path, new: &Path, secret: &[u8]) -> io::Result<()> {
    let _ = std::fs::remove_file(new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(secret)?;
    file.sync_all()?;
    std::fs::rename(new, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Makes a directory for secrets, and looks whether it is one.
///
/// # Errors
/// [`BadSecret`] also when it exists and is open to others.
pub(crate) fn make_dir(path: &Path) -> Result<(), BadSecret> {
    let io = |error| BadSecret::Io { path: path.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io)?;
    check(path, &File::open(path).map_err(io)?, 0o700)
}

fn check(path: &Path, file: &File, wanted: u32) -> Result<(), BadSecret> {
    let meta = file.metadata().map_err(|error| BadSecret::Io { path: path.to_owned(), error })?;
    let mode = meta.mode() & 0o777;
    if meta.uid() != rustix::process::geteuid().as_raw() {
        Err(BadSecret::Foreign(path.to_owned()))
    } else if mode & 0o077 != 0 {
        Err(BadSecret::Loose { path: path.to_owned(), mode, wanted })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
