//! Reads the real tree for the rules: its sources, its manifests, what cargo says of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::Source;

/// Folders that hold code of ours.
const FOLDERS: &[&str] = &["dataplane", "control", "benches", "fuzz", "tests"];

/// The root of the tree.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Every Rust source of ours, sorted by path.
pub fn sources() -> Vec<Source> {
    let named = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    files(&named).into_iter().map(|(path, text)| Source::new(path, text)).collect()
}

/// Every member's manifest: path and text.
pub fn manifests() -> Vec<(String, String)> {
    files(&|path| path.file_name().is_some_and(|name| name == "Cargo.toml"))
}

/// What `cargo metadata --no-deps` says.
///
/// # Panics
/// When cargo cannot be run or does not answer with JSON: the tree is broken, and so is the test.
pub fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version=1", "--no-deps", "--offline"]).current_dir(root());
    let output = command.output().expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

/// A page of the root, for example `ARCHITECTURE.md`.
///
/// # Panics
/// When it is not there.
pub fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn files(wanted: &dyn Fn(&Path) -> bool) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    let mut folders: Vec<_> = FOLDERS.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                let skipped = ["target", "corpus", "artifacts", "coverage"].map(|name| path.ends_with(name));
                if !skipped.contains(&true) {
                    folders.push(path);
                }
            } else if wanted(&path) {
                let text =
                    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned();
                found.push((name, text));
            }
        }
    }
    found.sort();
    found
}
