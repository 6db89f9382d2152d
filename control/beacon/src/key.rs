//! The beacon's key on disk: 32 random bytes that make it the beacon which invites name.
//!
//! **Invariant:** a key that others could read is refused, and a half-written one cannot be: it gets its name when it is whole
//! and on the disk.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use ringmesh_mesh::identity::{KEY_LEN, SigningKey};
use zeroize::Zeroizing;

use crate::problem::Problem;

const FILE: &str = "beacon.key";

/// Makes the directory if it does not exist, and refuses one that others may enter.
pub(crate) fn prepare(directory: &Path) -> Result<(), Problem> {
    let file = |error| Problem::File { path: directory.into(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(file)?;
    let meta = std::fs::metadata(directory).map_err(file)?;
    if meta.mode() & 0o077 == 0 {
        return Ok(());
    }
    let why = "others may enter this directory, which holds the beacon's key; `chmod 700` it".to_owned();
    Err(Problem::Key { path: directory.into(), why })
}

/// Reads the key, or makes one at the first start.
pub(crate) fn load(directory: &Path) -> Result<SigningKey, Problem> {
    let path = directory.join(FILE);
    let file = |error| Problem::File { path: path.clone(), error };
    match File::open(&path) {
        Ok(opened) => read(&path, opened),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = Zeroizing::new([0; KEY_LEN]);
            getrandom::fill(&mut *seed).map_err(|error| file(io::Error::other(error)))?;
            write(directory, &seed).map_err(file)?;
            Ok(SigningKey::from_seed(&seed))
        }
        Err(error) => Err(file(error)),
    }
}

fn read(path: &Path, mut file: File) -> Result<SigningKey, Problem> {
    let bad = |why: &str| Problem::Key { path: path.into(), why: why.into() };
    let failed = |error| Problem::File { path: path.into(), error };
    if file.metadata().map_err(failed)?.mode() & 0o077 != 0 {
        return Err(bad("others may read the beacon's key; `chmod 600` it, or remove it for a new one"));
    }
    let mut seed = Zeroizing::new(Vec::with_capacity(KEY_LEN + 1));
    (&mut file).take(KEY_LEN as u64 + 1).read_to_end(&mut seed).map_err(failed)?;
    let seed: &[u8; KEY_LEN] = seed
        .as_slice()
        .try_into()
        .map_err(|_| bad("this is not a beacon's key; restore it from a backup, or remove it for a new one"))?;
    Ok(SigningKey::from_seed(seed))
}

fn write(directory: &Path, seed: &[u8; KEY_LEN]) -> io::Result<()> {
    let fresh = directory.join("beacon.key.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(seed)?;
    file.sync_all()?;
    std::fs::rename(&fresh, directory.join(FILE))?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
