//! Completion scripts and manual pages, out of the one definition of the flags.

use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;

use crate::flags::Flags;
use crate::{fail, print};

/// Prints the completion script.
pub(crate) fn completion(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Flags::command(), "ringmesh", &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Prints the main page, or writes all of them.
pub(crate) fn man(directory: Option<&Path>) -> ExitCode {
    if let Some(directory) = directory {
        let written = clap_mangen::generate_to(Flags::command(), directory);
        return written.map_or_else(|error| fail(1, &error), |()| ExitCode::SUCCESS);
    }
    let mut page = Vec::new();
    match clap_mangen::Man::new(Flags::command()).render(&mut page) {
        Ok(()) => print(&String::from_utf8_lossy(&page)),
        Err(error) => fail(1, &error),
    }
}
