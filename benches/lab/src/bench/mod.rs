//! `ringmesh bench`: the same measurements against every implementation on this machine.
//!
//! Rounds are interleaved: every implementation with every setting once, then all of them again, so that what slows
//! the machine down for a while slows all of them down. Each run begins with new namespaces and processes.

mod record;
mod results;

pub use results::{Entry, Results};

use crate::implementations::{Implementation, Kind, Setting};
use crate::measure::host::{self, Host};
use crate::namespaces::{self, LinkPlan};
use crate::pair::{Choice, Pair, PairPlan};
use crate::progress::Screen;
use crate::soak;
use crate::suite::{self, Profile, Stage, SuitePlan, Values};
use crate::{Error, Executables, Result, guard, needs};
use crate::{join, scale};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures tunnels against each other in network namespaces of this machine; leaves nothing behind.
#[derive(Clone, Debug, clap::Args)]
pub struct BenchArgs {
    /// Implementations to compare with, separated by commas [default: all that are found].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    against: Option<Vec<String>>,
    /// How often everything is measured [default: 3, 1 with --quick, 5 with --join].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: Option<u32>,
    /// Seconds of each TCP stream.
    #[arg(long, value_name = "SECS", default_value_t = 3.0)]
    seconds: f64,
    /// One round of fewer and shorter measurements.
    #[arg(long)]
    quick: bool,
    /// Measure what one kind of use notices, instead of the general table.
    #[arg(long, value_enum, value_name = "USE", conflicts_with_all = ["quick", "soak", "scale"])]
    profile: Option<Profile>,
    /// Measure only these stages, separated by commas.
    #[arg(long, value_enum, value_name = "STAGES", value_delimiter = ',', conflicts_with_all = ["soak", "scale"])]
    only: Vec<Stage>,
    /// Print one JSON value instead of progress and a table.
    #[arg(long)]
    json: bool,
    /// Also write the result to this file, with hardware, kernel and versions: Markdown if it ends in .md, else JSON.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Cut super-packets before they reach the wire between the namespaces, as a network card without offloads.
    #[arg(long)]
    no_offloads: bool,
    /// Workers of our own devices [default: one per core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: Option<u32>,
    /// What stands in the first column, to be compared with the rest.
    #[arg(long, value_name = "NAME", hide = true, default_value = "ringmesh")]
    baseline: String,
    /// Instead: two of our own devices under traffic, with random kills, roams and reconfigurations.
    #[arg(long)]
    soak: bool,
    /// Instead: what one of our own devices costs that knows very many peers.
    #[arg(long, conflicts_with = "soak")]
    scale: bool,
    /// Peers of --scale.
    #[arg(long, value_name = "N", default_value_t = 100_000, requires = "scale", value_parser = clap::value_parser!(u32).range(1..=130_000))]
    peers: u32,
    /// With --scale, instead of silent peers: what a packet costs with sessions to so many.
    #[arg(long, value_name = "N", requires = "scale", conflicts_with = "peers", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    active: Option<u32>,
    /// Instead: how long a new device takes until it pings another one, and what an idle daemon costs.
    #[arg(long, conflicts_with_all = ["soak", "scale", "quick", "profile", "only", "record"])]
    join: bool,
    /// Seconds for which --join leaves three devices alone.
    #[arg(long, value_name = "SECS", default_value_t = 60.0, requires = "join")]
    idle: f64,
    /// Minutes of the soak.
    #[arg(long, value_name = "N", default_value_t = 10.0, requires = "soak")]
    minutes: f64,
    /// Repeat the soak with this seed.
    #[arg(long, value_name = "NUMBER", requires = "soak")]
    seed: Option<u64>,
}

/// Runs the comparison or the soak; what `ringmesh bench` does.
pub fn run(args: &BenchArgs, executables: &Executables) -> ExitCode {
    let mut screen = Screen::new(args.json);
    let outcome = start(args, executables, &mut screen);
    drop(screen);
    match outcome {
        Ok((text, passed)) => {
            // Whoever closed the output wants no more of it.
            let _closed = std::io::stdout().write_all(text.as_bytes());
            if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "ringmesh bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The text to print, and whether all went well.
fn start(args: &BenchArgs, executables: &Executables, screen: &mut Screen) -> Result<(String, bool)> {
    match args.join {
        true => needs::check_with("ringmesh bench --join", &[("nft", "nftables")])?,
        false => needs::check("ringmesh bench")?,
    }
    sensible(args)?;
    let eraser = screen.eraser();
    guard::on_signals(move || {
        eraser();
        let _closed = writeln!(std::io::stderr(), "interrupted; namespaces and processes are removed");
    });
    namespaces::sweep();
    if args.soak {
        let own = choice_of(Kind::Ringmesh, args, executables)?;
        let plan = soak::SoakPlan::new(own, args.minutes, args.seed)?;
        let verdict = soak::run(&plan, executables, screen)?;
        let text = if args.json { json(&verdict)? } else { verdict.text() };
        return Ok((text, verdict.passed()));
    }
    if args.scale {
        let choice = choice_of(Kind::Ringmesh, args, executables)?;
        let rounds = args.rounds.unwrap_or(if args.quick { 1 } else { 3 });
        if let Some(peers) = args.active {
            let plan = scale::ActivePlan { choice, peers, rounds };
            let verdict = scale::run_active(&plan, executables, screen)?;
            let text = if args.json { json(&verdict)? } else { verdict.text() };
            return Ok((text, true));
        }
        let plan =
            scale::ScalePlan { choice, peers: args.peers, rounds, millis: (args.seconds * 1e3) as u64 };
        let verdict = scale::run(&plan, executables, screen)?;
        let text = if args.json { json(&verdict)? } else { verdict.text() };
        return Ok((text, true));
    }
    if args.join {
        let plan = join::JoinPlan { rounds: args.rounds.unwrap_or(5), idle_secs: args.idle };
        let verdict = join::run(&plan, executables, screen)?;
        let text = if args.json { json(&verdict)? } else { verdict.text() };
        return Ok((text, verdict.passed()));
    }
    let results = compare(args, executables, screen)?;
    if let Some(file) = &args.record {
        record::write(file, &results)?;
    }
    let text = if args.json { json(&results)? } else { results.text() };
    Ok((text, results.is_complete()))
}

fn sensible(args: &BenchArgs) -> Result<()> {
    let positive = |number: f64, largest: f64| number.is_finite() && number > 0.0 && number <= largest;
    let numbers = [
        ("--seconds", args.seconds, 3_600.0),
        ("--minutes", args.minutes, 100_000.0),
        ("--idle", args.idle, 3_600.0),
    ];
    match numbers.into_iter().find(|(_, number, largest)| !positive(*number, *largest)) {
        Some((flag, _, largest)) => {
            Err(Error::Needs(format!("{flag} takes a number above 0, up to {largest}")))
        }
        None => Ok(()),
    }
}

fn compare(args: &BenchArgs, executables: &Executables, screen: &mut Screen) -> Result<Results> {
    let plan = match args.profile {
        Some(profile) => profile.plan(args.seconds),
        None if args.quick => SuitePlan::quick(),
        None => SuitePlan::full(args.seconds),
    };
    let plan = if args.only.is_empty() { plan } else { plan.only(&args.only) };
    let rounds = args.rounds.unwrap_or(if args.quick { 1 } else { 3 });
    let choices = choices(args, executables)?;
    let mut results = Results::new(Host::here(), !args.no_offloads, choices.iter().map(Entry::of).collect());
    for round in 1..=rounds {
        let mut turn: Vec<_> = choices.iter().zip(&mut results.entries).collect();
        // Whoever comes first in one round, and after whom, is another in the next.
        turn.rotate_left((round as usize - 1) % choices.len());
        for (choice, entry) in turn {
            screen.line(&format!("\nround {round} of {rounds}: {}", choice.label()));
            let outcome = once(choice, args, &plan, executables, screen);
            if let Err(error) = &outcome {
                screen.line(&format!("{} failed: {error}", choice.label()));
            }
            entry.keep(outcome);
        }
    }
    Ok(results)
}

fn once(
    choice: &Choice,
    args: &BenchArgs,
    plan: &SuitePlan,
    executables: &Executables,
    screen: &mut Screen,
) -> Result<Values> {
    let link = LinkPlan { offloads: !args.no_offloads, ..LinkPlan::default() };
    screen.begin("start");
    let pair = Pair::start(&PairPlan { link, ..PairPlan::of(choice) }, executables)?;
    suite::run(&pair, plan, screen)
}

/// Everything to measure, the baseline first.
fn choices(args: &BenchArgs, executables: &Executables) -> Result<Vec<Choice>> {
    let baseline = choice_of(kind_named(&args.baseline)?, args, executables)?;
    let others: Vec<Implementation> = match &args.against {
        Some(names) => {
            let found = names.iter().map(|name| found(kind_named(name.trim())?, executables));
            found.collect::<Result<_>>()?
        }
        None => Implementation::find_all(executables.ringmesh.as_deref()),
    };
    let first = baseline.implementation.kind;
    let mut choices = vec![baseline];
    for implementation in others.into_iter().filter(|other| other.kind != first) {
        let settings = implementation.kind.settings(host::cores());
        choices.extend(
            settings.into_iter().map(|setting| Choice { implementation: implementation.clone(), setting }),
        );
    }
    Ok(choices)
}

fn choice_of(kind: Kind, args: &BenchArgs, executables: &Executables) -> Result<Choice> {
    let implementation = found(kind, executables)?;
    let setting = match (kind, args.workers) {
        (Kind::Ringmesh, Some(workers)) => Setting {
            label: format!("--workers {workers}"),
            args: vec!["--workers".to_owned(), workers.to_string()],
            env: vec![],
        },
        _ => Setting::default(),
    };
    Ok(Choice { implementation, setting })
}

fn kind_named(name: &str) -> Result<Kind> {
    let names = Kind::ALL.map(Kind::name).join(", ");
    Kind::named(name).ok_or_else(|| Error::Needs(format!("\"{name}\" is none of {names}")))
}

fn found(kind: Kind, executables: &Executables) -> Result<Implementation> {
    let how = match kind {
        Kind::Ringmesh => "build it with `cargo build --release`",
        Kind::WireguardGo => "install the package wireguard-go",
        Kind::BoringtunCli => "`cargo install boringtun-cli`",
        Kind::Gotatun => "`cargo install gotatun-cli`",
        Kind::Kernel => "load the module wireguard and install wireguard-tools",
    };
    let lacks = || Error::Needs(format!("{} is not on this machine: {how}", kind.name()));
    Implementation::find(kind, executables.ringmesh.as_deref()).ok_or_else(lacks)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Error::Traffic(error.to_string()))?;
    Ok(text + "\n")
}
