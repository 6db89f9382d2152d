//! `/etc/resolv.conf` on the disk: taken over, and given back.
//!
//! What was there is copied into our state directory first, as what it was: a file, a link, or nothing. Only then ours takes its place. So
//! after any death one of three things is so: nothing was changed, or ours stands there and the copy is whole, or what was there is back
//! and the copy is left over. [`give_back`] ends each of them well, and the next start of the daemon calls it.
//!
//! **Invariant:** a file that is not exactly what we wrote is never touched.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, StatxAttributes, StatxFlags};

use super::resolv_conf::{self, Settings, Whose};

/// Longest file that is looked at, in bytes.
const LEN_MAX: u64 = 64 << 10;
/// Names the directory that stands for `/etc`, for several daemons on one machine.
pub(crate) const ETC_VARIABLE: &str = "RINGMESH_ETC";

/// The file of this machine.
pub(crate) fn etc(file: &str) -> PathBuf {
    std::env::var_os(ETC_VARIABLE).map_or_else(|| "/etc".into(), PathBuf::from).join(file)
}

/// The file, and where its former content is kept.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    target: PathBuf,
    /// A copy of the file or link that was there.
    before: PathBuf,
    /// Stands for a copy where there was nothing.
    absent: PathBuf,
}

/// What became of the file when it was to be given back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GivenBack {
    /// It was not ours, and nothing was kept.
    NotTaken,
    /// What was there before is there again.
    Restored,
    /// Somebody else has put a file there meanwhile; it stays, and ours is forgotten.
    Replaced,
    /// Somebody has edited ours; it stays, and so does the copy.
    Edited,
    /// Ours is there, and the copy is gone.
    Lost,
}

/// What there was.
#[derive(Debug, Eq, PartialEq)]
enum Entry {
    Nothing,
    Link(PathBuf),
    Text { content: Vec<u8>, mode: u32, owner: (u32, u32) },
}

impl Files {
    /// `resolv.conf` in the system's directory, its copy in the directory of our state.
    pub(crate) fn new(target: PathBuf, state: &Path) -> Self {
        Self {
            target,
            before: state.join("resolv.conf.before"),
            absent: state.join("resolv.conf.was-absent"),
        }
    }

    /// The file.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The copy of what was there.
    pub(crate) fn kept(&self) -> &Path {
        &self.before
    }

    /// What the file says now, links followed.
    pub(crate) fn content(&self) -> io::Result<Vec<u8>> {
        read(&self.target)
    }

    /// Where the file is a link to.
    pub(crate) fn link(&self) -> Option<String> {
        std::fs::read_link(&self.target).ok().map(|to| to.to_string_lossy().into_owned())
    }

    /// Whose the file is now.
    pub(crate) fn whose(&self) -> Whose {
        match entry(&self.target) {
            Ok(Entry::Text { content, .. }) => resolv_conf::whose(&content),
            Ok(Entry::Nothing | Entry::Link(_)) | Err(_) => Whose::Other,
        }
    }

    /// Whether ours stands there, with a copy of what was before.
    pub(crate) fn is_taken(&self) -> bool {
        self.whose() == Whose::Ours && self.has_copy()
    }

    fn has_copy(&self) -> bool {
        self.before.symlink_metadata().is_ok() || self.absent.exists()
    }

    /// What the system said before us, also while ours stands there; a link's target is read anew, so changes to it are seen.
    pub(crate) fn settings_before(&self) -> Settings {
        let path = if self.is_taken() { &self.before } else { &self.target };
        // A copied link may be relative to where it came from.
        let path = match std::fs::read_link(path) {
            Ok(to) => self.target.parent().unwrap_or(Path::new("/")).join(to),
            Err(_) => path.clone(),
        };
        let content = read(&path).unwrap_or_default();
        if resolv_conf::whose(&content) == Whose::Edited {
            return Settings::default();
        }
        resolv_conf::read(&String::from_utf8_lossy(&content))
    }

    /// Puts ours in the place of what is there, after that was copied. Ours is replaced by a newer one of ours.
    ///
    /// # Errors
    /// What the system says; the file is what it was then.
    pub(crate) fn take(&self, ours: &str) -> io::Result<()> {
        if !self.is_taken() {
            self.copy_aside()?;
        } else if self.content()? == ours.as_bytes() {
            return Ok(());
        }
        self.put(&Entry::Text { content: ours.into(), mode: 0o644, owner: (0, 0) })
    }

    /// Gives the file back, if it is ours.
    ///
    /// # Errors
    /// What the system says; the next call tries again.
    pub(crate) fn give_back(&self) -> io::Result<GivenBack> {
        let outcome = match (self.whose(), self.has_copy()) {
            (Whose::Edited, true) => return Ok(GivenBack::Edited),
            (Whose::Other, true) if self.was_never_taken()? => GivenBack::NotTaken,
            (Whose::Other, true) => GivenBack::Replaced,
            (Whose::Other, false) => return Ok(GivenBack::NotTaken),
            (Whose::Ours | Whose::Edited, false) => {
                // An empty file says nothing, so nothing is lost with it.
                let empty = self.content().is_ok_and(|content| content.is_empty());
                return Ok(if empty { GivenBack::NotTaken } else { GivenBack::Lost });
            }
            (Whose::Ours, true) => {
                let before = if self.absent.exists() { Entry::Nothing } else { entry(&self.before)? };
                self.put(&before)?;
                GivenBack::Restored
            }
        };
        self.forget_copy()?;
        Ok(outcome)
    }

    /// Whether a death came between copying and taking, or between giving back and forgetting the copy.
    fn was_never_taken(&self) -> io::Result<bool> {
        let before = if self.absent.exists() { Entry::Nothing } else { entry(&self.before)? };
        Ok(entry(&self.target)? == before)
    }

    fn forget_copy(&self) -> io::Result<()> {
        for copy in [&self.before, &self.absent] {
            match std::fs::remove_file(copy) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        sync_dir(&self.before)
    }

    fn copy_aside(&self) -> io::Result<()> {
        let there = entry(&self.target)?;
        self.forget_copy()?;
        match &there {
            Entry::Nothing => {
                replace(&self.absent, &Entry::Text { content: vec![], mode: 0o600, owner: (0, 0) })
            }
            Entry::Link(_) | Entry::Text { .. } => replace(&self.before, &there),
        }
    }

    /// Puts an entry in the file's place, in one step where the file is not a mount of its own (as in containers).
    fn put(&self, new: &Entry) -> io::Result<()> {
        if is_mounted(&self.target) { overwrite(&self.target, new) } else { replace(&self.target, new) }
    }
}

/// Whether a file is a mount of its own: nothing can be renamed over it, and its directory is not the one that it lies in.
pub(crate) fn is_mounted(path: &Path) -> bool {
    let stat = rustix::fs::statx(rustix::fs::CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::TYPE);
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut content = Vec::new();
    File::open(path)?.take(LEN_MAX).read_to_end(&mut content)?;
    Ok(content)
}

fn entry(path: &Path) -> io::Result<Entry> {
    let meta = match path.symlink_metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Entry::Nothing),
        Err(error) => return Err(error),
    };
    if meta.is_symlink() {
        return Ok(Entry::Link(std::fs::read_link(path)?));
    }
    if !meta.is_file() || meta.len() > LEN_MAX {
        return Err(io::Error::other("it is no ordinary file"));
    }
    Ok(Entry::Text { content: read(path)?, mode: meta.mode() & 0o7777, owner: (meta.uid(), meta.gid()) })
}

/// Makes the new entry beside the old one, brings it to the disk, and renames it over.
fn replace(path: &Path, new: &Entry) -> io::Result<()> {
    let beside =
        path.with_file_name(format!(".{}.ringmesh", path.file_name().unwrap_or_default().to_string_lossy()));
    let _ = std::fs::remove_file(&beside);
    let made = match new {
        Entry::Nothing => {
            std::fs::remove_file(path)?;
            return sync_dir(path);
        }
        Entry::Link(to) => symlink(to, &beside),
        Entry::Text { content, mode, owner } => write_new(&beside, content, *mode, *owner),
    };
    let done = made.and_then(|()| std::fs::rename(&beside, path)).and_then(|()| sync_dir(path));
    if done.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    done
}

fn write_new(path: &Path, content: &[u8], mode: u32, owner: (u32, u32)) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    let meta = file.metadata()?;
    if (meta.uid(), meta.gid()) != owner {
        std::os::unix::fs::fchown(&file, Some(owner.0), Some(owner.1))?;
    }
    // Past the umask: everybody reads this file.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Writes into the file that is there, in one call. A death before that leaves it empty, which is known as ours.
fn overwrite(path: &Path, new: &Entry) -> io::Result<()> {
    let content = match new {
        Entry::Text { content, .. } => content.as_slice(),
        Entry::Nothing => b"",
        Entry::Link(_) => return Err(io::Error::other("a mounted file cannot become a link")),
    };
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests;
