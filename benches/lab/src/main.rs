//! The laboratory by itself, for developing it: everything that `ringmesh demo` and `ringmesh bench` do.

use clap::Parser;
use ringmesh_lab::{Executables, bench, demo, traffic};
use std::process::ExitCode;

/// Compares tunnels that answer to the `wg` userspace interface.
#[derive(Debug, Parser)]
#[command(name = "ringmesh-lab", version)]
enum Command {
    /// Shows a tunnel between two network namespaces.
    Demo(demo::DemoArgs),
    /// Measures tunnels against each other.
    Bench(bench::BenchArgs),
    /// One traffic process.
    #[command(name = traffic::SUBCOMMAND, hide = true)]
    Traffic(traffic::TrafficArgs),
}

fn main() -> ExitCode {
    let command = Command::parse();
    let executables = match Executables::beside() {
        Ok(executables) => executables,
        Err(error) => {
            eprintln!("ringmesh-lab: {error}");
            return ExitCode::FAILURE;
        }
    };
    match command {
        Command::Demo(args) => demo::run(&args, &executables),
        Command::Bench(args) => bench::run(&args, &executables),
        Command::Traffic(args) => traffic::run(&args),
    }
}
