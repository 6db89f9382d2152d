//! Traffic: generators and a sink, each a child process inside a namespace.
//!
//! The laboratory starts its own executable again as `lab-traffic PLAN`, where PLAN is one JSON value;
//! the child writes one JSON line per event to its standard output and ends when its standard input closes, so
//! that it cannot outlive whoever started it.
//!
//! **Invariant:** nothing that arrives is believed: every byte of a TCP stream is compared with what must have been sent,
//! every datagram carries its number, and a run that did not finish has no result.

mod child;
mod echo;
mod flood;
mod initiation;
mod numbered;
mod pattern;
mod plan;
mod report;
mod scatter;
mod search;
mod sink;
mod sockets;
mod sweep;
mod tcp;
mod udp;

pub use child::Run;
pub use flood::SPOOFED;
pub use plan::{Flood, Flooding, Limit, Ping, Plan, Scatter, Search, Sweep, Tcp, Udp};
pub use report::{
    Delays, FloodReport, Outcome, PingReport, Progress, Slot, SweepReport, TcpReport, UdpReport,
};

use crate::{Error, Result};
use report::Line;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

/// The name of the hidden subcommand that [`run`] stands behind.
pub const SUBCOMMAND: &str = "lab-traffic";

/// The port of the byte streams. Fixed numbers do, because the namespaces are ours alone.
const TCP_PORT: u16 = 7_001;
/// The port that counts numbered datagrams.
const NUMBERED_PORT: u16 = 7_002;
/// The same for an application that receives with UDP_GRO, as QUIC stacks do.
const NUMBERED_GRO_PORT: u16 = 7_003;
/// The port that sends every datagram back.
const ECHO_PORT: u16 = 7_004;
/// The port that answers probes, and says when it did.
const PROBE_PORT: u16 = 7_006;
/// A port that nothing listens on.
pub const CLOSED_PORT: u16 = 7_005;

/// `lab-traffic PLAN`: for the laboratory itself, not for people.
#[derive(Clone, Debug, clap::Args)]
pub struct TrafficArgs {
    /// A plan as JSON.
    plan: String,
}

/// Runs one plan to its end; what `ringmesh lab-traffic` does.
pub fn run(args: &TrafficArgs) -> ExitCode {
    end_with_stdin();
    let outcome = serde_json::from_str(&args.plan)
        .map_err(|error| Error::Traffic(format!("the plan makes no sense: {error}")))
        .and_then(|plan| execute(&plan));
    match outcome {
        Ok(outcome) => {
            emit(&Line::Done(outcome));
            ExitCode::SUCCESS
        }
        Err(error) => {
            emit(&Line::Failed(error.to_string()));
            ExitCode::FAILURE
        }
    }
}

fn execute(plan: &Plan) -> Result<Outcome> {
    match plan {
        Plan::Sink => sink::serve(),
        Plan::Tcp(plan) => tcp::client(plan).map(Outcome::Tcp),
        Plan::Udp(plan) => udp::numbered(plan, &mut show).map(Outcome::Udp),
        Plan::Search(plan) => search::highest_rate(plan, &mut show).map(Outcome::Udp),
        Plan::Ping(plan) => echo::ping(plan).map(Outcome::Ping),
        Plan::Sweep(plan) => sweep::every_size(plan).map(Outcome::Sweep),
        Plan::Flood(plan) => flood::flood(plan).map(Outcome::Flood),
        Plan::Scatter(plan) => scatter::send(plan).map(Outcome::Udp),
    }
}

fn show(progress: &Progress) {
    emit(&Line::Progress(*progress));
}

/// Writes one line for the laboratory. If nobody reads, the process has no purpose left.
fn emit(line: &Line) {
    let Ok(mut text) = serde_json::to_string(line) else { return };
    text.push('\n');
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Ends this process when whoever started it is gone, however it went.
fn end_with_stdin() {
    std::thread::spawn(|| {
        let _closed = std::io::stdin().lock().read(&mut [0]);
        std::process::exit(1);
    });
}

/// The address of one of the sink's ports.
const fn at(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip, port)
}
