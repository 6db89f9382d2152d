//! A uid that nothing else uses.
//!
//! Processes of one uid may kill and, where nothing forbids it, trace each other, and share limits that the kernel counts
//! per uid. So it is never `nobody`, and never the uid of another data plane.
//!
//! The range lies where no allocator of accounts, services, containers or namespaces takes its numbers from (systemd's
//! table, UIDS-GIDS, calls it unused). In a user namespace that maps less, a small unused range below the service uids serves.
//!
//! **Invariant:** the chosen uid is mapped, has no account, no subordinate range, and no running process.

use super::{PrivilegeError, unreadable};
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;

/// Chooses a uid, `wanted` if that is free.
pub(super) fn choose(ifname: &str, wanted: u32) -> Result<u32, PrivilegeError> {
    let taken = Taken::read()?;
    // The number of the process keeps two data planes apart that start at once, with the same name in two namespaces.
    let seed = hash(ifname.bytes().chain(std::process::id().to_le_bytes()));
    pick(seed, wanted, &taken).ok_or_else(|| PrivilegeError::NoFreeUid(taken.mapped_count()))
}

/// Who uses which uid.
#[derive(Default)]
struct Taken {
    accounts: BTreeSet<u32>,
    subordinate: Vec<Range<u64>>,
    running: BTreeSet<u32>,
    mapped: Vec<Range<u64>>,
}

impl Taken {
    fn read() -> Result<Self, PrivilegeError> {
        let map = fs::read_to_string(UID_MAP).map_err(unreadable(UID_MAP))?;
        // A machine may have no such file; then it names nobody.
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let subordinate = fs::read_to_string("/etc/subuid").unwrap_or_default();
        Ok(Self {
            accounts: accounts.lines().filter_map(account).collect(),
            subordinate: subordinate.lines().filter_map(subordinate_range).collect(),
            running: running()?,
            mapped: map.lines().filter_map(mapped_range).collect(),
        })
    }

    fn is_free(&self, uid: u32) -> bool {
        let within = |ranges: &[Range<u64>]| ranges.iter().any(|range| range.contains(&uid.into()));
        uid != 0
            && uid != u32::MAX
            && within(&self.mapped)
            && !within(&self.subordinate)
            && !self.accounts.contains(&uid)
            && !self.running.contains(&uid)
    }

    fn mapped_count(&self) -> u64 {
        self.mapped.iter().map(|range| range.end - range.start).sum()
    }
}

/// The first free one of: what was wanted, some of the high range, all of the low one.
fn pick(seed: u64, wanted: u32, taken: &Taken) -> Option<u32> {
    let within = |range: Range<u32>, step: u64| {
        let len = u64::from(range.end - range.start);
        range.start + ((seed % len + step) % len) as u32
    };
    let high = (0..HIGH_TRIES).map(|step| within(HIGH, step));
    let low = (0..u64::from(LOW.end - LOW.start)).map(|step| within(LOW, step));
    std::iter::once(wanted).chain(high).chain(low).find(|&uid| taken.is_free(uid))
}

/// The uid in a line of passwd(5).
fn account(line: &str) -> Option<u32> {
    line.split(':').nth(2)?.parse().ok()
}

/// The uids in a line of subuid(5).
fn subordinate_range(line: &str) -> Option<Range<u64>> {
    let mut numbers = line.split(':').skip(1).map(str::parse::<u64>);
    let (first, count) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(first..first.saturating_add(count))
}

/// The uids in a line of a uid map (user_namespaces(7)): first inside, first outside, count.
fn mapped_range(line: &str) -> Option<Range<u64>> {
    let mut numbers = line.split_whitespace().map(str::parse::<u64>);
    let (first, _outside, count) = (numbers.next()?.ok()?, numbers.next()?, numbers.next()?.ok()?);
    Some(first..first.saturating_add(count))
}

/// Every uid that a process has now.
fn running() -> Result<BTreeSet<u32>, PrivilegeError> {
    let processes = fs::read_dir(PROC).map_err(unreadable(PROC))?;
    let statuses = processes
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        // One that has ended meanwhile has no uid any more.
        .filter_map(|entry| fs::read_to_string(entry.path().join("status")).ok());
    Ok(statuses.flat_map(|status| uids_of(&status)).collect())
}

/// Real, effective, saved and file system uid in a status file.
fn uids_of(status: &str) -> Vec<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
    line.split_whitespace().filter_map(|uid| uid.parse().ok()).collect()
}

/// FNV-1a: spreads short names; nothing rests on its strength.
fn hash(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

const PROC: &str = "/proc";
const UID_MAP: &str = "/proc/self/uid_map";

/// Sixteen million of the numbers from 1,879,048,192 to 2,147,352,575, which nobody hands out.
const HIGH: Range<u32> = 2_000_000_000..2_016_777_216;
/// Above systemd's home directories, below its dynamic users.
const LOW: Range<u32> = 60_578..61_184;
/// So many neighbours are not all in use.
const HIGH_TRIES: u64 = 1_024;

#[cfg(test)]
mod tests;
