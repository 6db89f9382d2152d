//! What circles have on the disk, and the clock beside it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ringmesh_api::doctor::Check;
use ringmesh_mesh::time::{Span, Utc};

use crate::circle::stored::{Database, Stored};
use crate::os::clock::wall_secs;

/// Less free space than this is worth a word, and less than that is too little for the next change, in bytes.
const FREE_LOW: u64 = 64 << 20;
const FREE_MIN: u64 = 4 << 20;
/// A clock this far away from what others or the past say is wrong, in seconds.
const CLOCK_OFF_MAX: u64 = 300;
/// When this was written: the clock of a machine that runs it cannot say less. 1 November 2026.
const WRITTEN_SECS: u64 = 1_793_491_200;

/// The circles in a state directory, read and not changed.
pub(super) fn read(state: &Path) -> Vec<Stored> {
    let Ok(entries) = fs::read_dir(state) else { return vec![] };
    let dirs =
        entries.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut circles: Vec<Stored> = dirs.filter_map(|dir| Stored::read(&dir.path())).collect();
    circles.sort_by(|a, b| a.circle.cmp(&b.circle));
    circles
}

/// All checks of this file.
pub(super) fn checks(state: &Path, circles: &[Stored]) -> Vec<Check> {
    let mut checks = vec![directory(state), space(state, free(state))];
    checks.extend(circles.iter().map(database));
    let newest = circles.iter().filter_map(|circle| circle.newest_secs).max();
    let mark = circles.iter().map(|circle| circle.mark_secs).max().unwrap_or(0);
    checks.push(clock(wall_secs(), mark, newest.unwrap_or(0)));
    checks
}

fn directory(state: &Path) -> Check {
    let subject = "state";
    let loose = match fs::symlink_metadata(state) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Check::ok(subject, format!("{} is not there yet; the daemon makes it", state.display()));
        }
        Err(error) => {
            return Check::warning(
                subject,
                format!("{} cannot be looked at: {error}", state.display()),
                "run it with sudo",
            );
        }
        Ok(_) => first_loose(state),
    };
    match loose {
        None => Check::ok(subject, format!("{} and the keys in it are closed to others", state.display())),
        Some((path, mode, wanted)) => Check::problem(
            subject,
            format!("{} is open to others (mode {mode:03o}), so the daemon does not use it", path.display()),
            format!(
                "`chmod {wanted:03o} {}`; if others could log in meanwhile, take the keys for known: leave the circle and join anew",
                path.display()
            ),
        ),
    }
}

/// The first file or directory that others may read or change: it, its mode, and what that should be.
fn first_loose(state: &Path) -> Option<(PathBuf, u32, u32)> {
    let dirs = fs::read_dir(state).into_iter().flatten().filter_map(Result::ok);
    let circles: Vec<PathBuf> = dirs.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    let files = circles.iter().flat_map(|dir| fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok));
    let files: Vec<PathBuf> = files.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
    let all = [(state.to_owned(), 0o700)].into_iter();
    let all = all
        .chain(circles.into_iter().map(|dir| (dir, 0o700)))
        .chain(files.into_iter().map(|file| (file, 0o600)));
    all.filter_map(|(path, wanted)| Some((fs::symlink_metadata(&path).ok()?.mode() & 0o777, path, wanted)))
        .find(|(mode, _, _)| mode & 0o077 != 0)
        .map(|(mode, path, wanted)| (path, mode, wanted))
}

/// Free bytes where the state lies, or would lie.
fn free(state: &Path) -> Option<u64> {
    let there = state.ancestors().find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

fn space(state: &Path, free: Option<u64>) -> Check {
    let subject = "disk space";
    let fix = "delete something there; until then nothing of the circle can be changed";
    match free {
        Some(free) if free < FREE_MIN => Check::problem(
            subject,
            format!("the disk of {} is full ({} KiB free)", state.display(), free >> 10),
            fix,
        ),
        Some(free) if free < FREE_LOW => Check::warning(
            subject,
            format!("the disk of {} is nearly full ({} MiB free)", state.display(), free >> 20),
            fix,
        ),
        Some(_) => Check::ok(subject, format!("there is room on the disk of {}", state.display())),
        None => Check::warning(
            subject,
            format!("the disk of {} cannot be looked at", state.display()),
            "run it with sudo",
        ),
    }
}

fn database(stored: &Stored) -> Check {
    let subject = "database";
    let (circle, path) = (&stored.circle, stored.path.display());
    match &stored.database {
        Database::Whole => Check::ok(subject, format!("the database of the circle {circle} is whole")),
        Database::Missing => Check::warning(
            subject,
            format!(
                "{path} is missing; somebody began to found or join the circle {circle} and was cut short"
            ),
            format!(
                "found or join it again, or delete {}",
                stored.path.parent().unwrap_or(Path::new("/")).display()
            ),
        ),
        Database::Damaged(why) => Check::problem(
            subject,
            format!("the database of the circle {circle} is damaged ({why})"),
            "start the daemon, `sudo ringmesh up`: it moves the file aside, and gets the circle back from its other devices and beacons",
        ),
        Database::Newer => Check::problem(
            subject,
            format!("the database of the circle {circle} was written by a newer version of Ringmesh"),
            "install that version or a later one",
        ),
        Database::Unreadable(why) => Check::warning(
            subject,
            format!("the database of the circle {circle} cannot be looked at: {why}"),
            "run it with sudo",
        ),
    }
}

/// `mark` is the greatest time that this device has seen, `newest` the greatest that any device has signed; 0 for none.
fn clock(now: u64, mark: u64, newest: u64) -> Check {
    let subject = "clock";
    let fix = "set the clock: `timedatectl set-ntp true`, or `date`";
    if now < WRITTEN_SECS {
        return Check::problem(subject, format!("the clock says {}, and that is over", Utc(now)), fix);
    }
    let behind = mark.saturating_sub(now);
    if behind > CLOCK_OFF_MAX {
        return Check::problem(
            subject,
            format!(
                "the clock is {} behind a time that this device has seen; what had ended stays ended",
                Span(behind)
            ),
            fix,
        );
    }
    let ahead = newest.saturating_sub(now);
    if ahead > CLOCK_OFF_MAX {
        return Check::warning(
            subject,
            format!(
                "something was signed {} in the future: its author's clock or this one is wrong",
                Span(ahead)
            ),
            fix,
        );
    }
    Check::ok(subject, format!("the clock says {}, which agrees with what was signed", Utc(now)))
}

#[cfg(test)]
mod tests;
