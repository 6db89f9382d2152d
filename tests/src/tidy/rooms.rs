//! The rooms: files in which something is allowed that is denied everywhere else, each with its reason.
//!
//! A room that no longer needs its permission is a complaint too; so the list stays true.

use super::Source;

/// A file, or a folder that ends in `/`, and why it is allowed there.
pub type Room = (&'static str, &'static str);

/// Where `unsafe` may stand.
pub const UNSAFE: &[Room] = &[];

/// Where a clock may be read or a thread may sleep; the lint `disallowed_methods` names both.
pub const CLOCKS: &[Room] = &[];

/// Complaints about `unsafe` outside `rooms`, about a room without any, and a room without its reason.
pub fn check_unsafe(sources: &[Source], rooms: &[Room]) -> Vec<String> {
    check(sources, rooms, "unsafe code", |source| {
        [
            source.complaints("unsafe", "no room of it"),
            source.complaints("allow(unsafe_code)", "no room of it"),
        ]
        .concat()
    })
}

/// Complaints about clocks read outside `rooms`.
pub fn check_clocks(sources: &[Source], rooms: &[Room]) -> Vec<String> {
    let words = ["clippy::disallowed_methods"];
    check(sources, rooms, "a clock", |source| {
        words.iter().flat_map(|word| source.complaints(word, "no room of clocks")).collect()
    })
}

fn check(
    sources: &[Source],
    rooms: &[Room],
    what: &str,
    find: impl Fn(&Source) -> Vec<String>,
) -> Vec<String> {
    let mut used = vec![false; rooms.len()];
    let mut complaints = Vec::new();
    for source in sources {
        let found = find(source);
        let room = rooms.iter().position(|(path, _)| holds(path, &source.path));
        match room {
            Some(room) => used[room] |= !found.is_empty(),
            None => complaints.extend(found),
        }
    }
    for ((path, reason), used) in rooms.iter().zip(used) {
        if !used {
            complaints.push(format!("{path}: listed as a room of {what}, and has none"));
        }
        if reason.split_whitespace().count() < 3 {
            complaints.push(format!("{path}: a room of {what} without a reason"));
        }
    }
    complaints
}

fn holds(room: &str, path: &str) -> bool {
    if room.ends_with('/') { path.starts_with(room) } else { path == room }
}
