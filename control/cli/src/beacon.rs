//! `ringmesh beacon`.

use std::process::ExitCode;

use ringmesh_beacon::Options;

use crate::{fail, log, print};

/// Runs a beacon until it is told to end. The one line on standard output is its address, for people and scripts.
pub(crate) fn run(options: &Options) -> ExitCode {
    log("info");
    let ready = |url: &_| {
        print(&format!("{url}\n"));
    };
    match ringmesh_beacon::run(options, ready) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(problem.exit_code(), &problem),
    }
}
