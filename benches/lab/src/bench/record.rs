//! A result on paper: what was found, on what, with what, and what was lost.

use super::Results;
use crate::{Error, Result};
use std::fs;
use std::path::Path;

/// Writes Markdown to a file that ends in `.md`, JSON to any other.
pub(super) fn write(file: &Path, results: &Results) -> Result<()> {
    let is_markdown = file.extension().is_some_and(|extension| extension == "md");
    let text = if is_markdown { markdown(results) } else { super::json(results)? };
    fs::write(file, text).map_err(|error| Error::io(format!("cannot write {}", file.display()), error))
}

fn markdown(results: &Results) -> String {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let notes: Vec<String> = results.notes().iter().map(|note| format!("- {note}\n")).collect();
    format!(
        "# Tunnels compared, {}\n\n`ringmesh {}`\n\n{}\n{}",
        results.host.date,
        command.join(" "),
        results.table().markdown(),
        notes.concat()
    )
}
