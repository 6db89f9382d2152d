//! Whose network and whose files these are.
//!
//! `/proc/PID/net` is the one thing that every process may look at in every other: its files are made anew for each network namespace, so
//! their numbers tell namespaces apart. (`/proc/PID/ns` and `/proc/PID/root` are closed to processes with fewer rights, also root's.)
//!
//! **Invariant:** in doubt, what could be somebody else's is.

use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::file::{ETC_VARIABLE, is_mounted};

/// Whether a process lives in our network namespace.
pub(crate) fn is_ours(process: u32) -> bool {
    let number = |process: &str| metadata(format!("/proc/{process}/net/dev")).map(|meta| meta.ino()).ok();
    number("self").is_some_and(|ours| number(&process.to_string()) == Some(ours))
}

/// Whether a file is, or could be, one that processes use who do not share our network: they could not reach a server of ours.
pub(crate) fn is_shared(file: &Path) -> bool {
    // Who names a directory of its own has decided. The first process stands for everybody who is in no namespace of its own.
    std::env::var_os(ETC_VARIABLE).is_none() && !is_ours(1) && !is_own(file)
}

/// Whether a file is surely another than the one that the first process sees.
fn is_own(file: &Path) -> bool {
    let inside = file.strip_prefix("/").unwrap_or(file);
    let theirs = metadata(Path::new("/proc/1/root").join(inside));
    match (metadata(file), theirs) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) != (theirs.dev(), theirs.ino()),
        // What `ip netns exec` and containers put in its place.
        _ => is_mounted(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_in_its_own_namespace_and_no_other_is_believed_to_be() {
        assert!(is_ours(std::process::id()));
        // Above what the kernel gives to any process.
        assert!(!is_ours(u32::MAX));
        assert!(!is_own(Path::new("/nowhere/resolv.conf")));
    }
}
