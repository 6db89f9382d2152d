//! The shape of a file: its length, its first line, its tests, and the words that must not stay in it.

use super::{Source, rooms};

/// More lines than this are two nouns in one file.
pub const LINES_MAX: usize = 700;

/// Shorter modules may have their tests one level up, with what they are a part of.
const TESTS_FROM_LINES: usize = 60;

const UNFINISHED: &[(&str, &str)] =
    &[("todo!", "finish it"), ("unimplemented!", "finish it"), ("dbg!", "left over")];

/// Complaints about one source by itself.
pub fn check(source: &Source) -> Vec<String> {
    let mut complaints: Vec<_> =
        UNFINISHED.iter().flat_map(|(word, why)| source.complaints(word, why)).collect();
    complaints.extend(ignored(source));
    let lines = source.text.lines().count();
    if lines > LINES_MAX {
        complaints.push(format!("{}: {lines} lines, more than {LINES_MAX}: split it by nouns", source.path));
    }
    let says =
        source.text.starts_with("//!") || source.text.starts_with("#!") || source.path.ends_with("/tests.rs");
    if !says {
        complaints.push(format!("{}: does not begin by saying what it is (`//!`)", source.path));
    }
    if is_crate_root(&source.path) && !source.is_test() && !source.text.contains("**Invariant") {
        complaints.push(format!("{}: a crate without an **Invariant**", source.path));
    }
    complaints
}

/// Tests that never run say nothing; the second process of a test is none by itself, and says so.
fn ignored(source: &Source) -> impl Iterator<Item = String> {
    let lines = (1..).zip(source.code.lines().zip(source.text.lines()));
    let found =
        lines.filter(|(_, (code, text))| code.contains("#[ignore") && !text.contains("\"started by "));
    found.map(|(number, _)| {
        format!("{}:{number}: `#[ignore`: a test that never runs says nothing", source.path)
    })
}

/// Complaints about shipped modules that no test file beside them knows. `excused` names files, and folders that
/// end in `/`, which are tested through something bigger, each with what that is.
pub fn check_tested(sources: &[Source], excused: &[(&str, &str)]) -> Vec<String> {
    let untested = |source: &&Source| {
        !source.is_test()
            && !is_crate_root(&source.path)
            && source.path.contains("/src/")
            && source.text.lines().count() >= TESTS_FROM_LINES
            && !excused.iter().any(|(path, _)| rooms::holds(path, &source.path))
            && !has_tests(source, sources)
    };
    let needed = |path: &str| {
        sources.iter().any(|source| {
            rooms::holds(path, &source.path) && !source.is_test() && !has_tests(source, sources)
        })
    };
    let stale = excused.iter().filter(|(path, _)| !needed(path));
    let untested =
        sources.iter().filter(untested).map(|source| format!("{}: has no tests beside it", source.path));
    untested
        .chain(stale.map(|(path, _)| format!("{path}: excused from tests, and has them or is gone")))
        .collect()
}

/// Its own test module, or the one of the folder that it is a part of (`noise/hash.rs` by `noise/tests.rs`).
/// The crate's own folder does not count as such.
fn has_tests(source: &Source, sources: &[Source]) -> bool {
    let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let beside = format!("{folder}/tests.rs");
    let beside_folder = format!("{folder}/tests/");
    source.code.contains("#[cfg(test)]")
        || source.code.contains("cfg(all(test")
        || (!folder.ends_with("/src")
            && sources.iter().any(|other| other.path == beside || other.path.starts_with(&beside_folder)))
}

fn is_crate_root(path: &str) -> bool {
    path.ends_with("/src/lib.rs")
}
