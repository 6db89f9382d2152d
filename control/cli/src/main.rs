//! The `ringmesh` executable: every process of Ringmesh is this file, started with another subcommand.
//!
//! Under the name `ringmesh-wg` it takes what `wg-quick` gives to a userspace implementation: an interface name.
//!
//! **Invariant:** nothing is decided here: flags in, one call, an exit code out.

mod beacon;
mod circle;
mod flags;
mod pages;
mod render;
mod status;
mod tunnel;

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use ringmesh_daemon::circle::{Paths, Place, run_daemon};
use ringmesh_lab::{Executables, bench, demo, traffic};

use flags::{Command, DaemonFlags, Flags, WgFlags};

fn main() -> ExitCode {
    let name = std::env::args_os().next();
    if name.as_deref().and_then(|path| Path::new(path).file_name()) == Some(OsStr::new("ringmesh-wg")) {
        return tunnel::run(&WgFlags::parse().tunnel());
    }
    match Flags::parse().command {
        Command::Tunnel(flags) => tunnel::run(&flags),
        Command::Daemon(flags) => daemon(&flags),
        Command::Circle(verb) => circle::run(&verb),
        Command::Status(flags) => status::run(&flags),
        Command::Beacon(options) => beacon::run(&options),
        Command::Demo(args) => in_lab(|files| demo::run(&args, files)),
        Command::Bench(args) => in_lab(|files| bench::run(&args, files)),
        Command::Completion { shell } => pages::completion(shell),
        Command::Man { directory } => pages::man(directory.as_deref()),
        Command::Dataplane { link_fd } => {
            log("warn");
            ringmesh_worker::run_dataplane(link_fd)
        }
        Command::Traffic(args) => traffic::run(&args),
    }
}

/// Runs the daemon until it is told to end.
fn daemon(flags: &DaemonFlags) -> ExitCode {
    log("info");
    let place = if flags.detached { Place::Detached } else { Place::Foreground };
    match run_daemon(Paths::from_env(), place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => fail(problem.exit_code(), &problem),
    }
}

fn in_lab(run: impl FnOnce(&Executables) -> ExitCode) -> ExitCode {
    match Executables::own() {
        Ok(files) => run(&files),
        Err(error) => fail(1, &error),
    }
}

/// Logs to standard error, as much as RINGMESH_LOG or else `level` says.
fn log(level: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("RINGMESH_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}

/// Prints one line and gives the exit code.
fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    // When even standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "ringmesh: {error}");
    ExitCode::from(code)
}

/// Prints text to standard output; a reader that went away early (`| head`) is no failure.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => fail(1, &error),
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}
