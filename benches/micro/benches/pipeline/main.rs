//! A worker's turn over the simulated network: what a packet costs on its way out and in, without a kernel.
//!
//! *Instructions* are exact, the same on every run, and told by verb; so a regression of a percent shows on any
//! machine, however busy, without a network. *Times* are criterion's, of whole turns, with packets per second beside: they include what
//! the simulated network copies (its instructions stand in a row of their own), so compare them with each other and
//! with earlier ones, not with a wire.
//!
//! `cargo bench -p ringmesh-benches --bench pipeline` shows both, `… -- instructions` the first alone.

mod stepper;
mod traffic;
mod verbs;

use std::cell::RefCell;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput};
use ringmesh_crypto::Kernel;

use crate::traffic::{Case, Fed, Traffic};
use crate::verbs::{Counted, Counter, Names, Verb};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments.iter().find(|word| !word.starts_with('-'));
    let counts = arguments.iter().any(|word| word == "--bench");
    if counts
        && filter.is_none_or(|word| word == "instructions")
        && let Err(error) = show_instructions()
    {
        eprintln!("no instructions: {error}");
        return ExitCode::FAILURE;
    }
    if filter.is_some_and(|word| word == "instructions") {
        return ExitCode::SUCCESS;
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for kernel in Kernel::available() {
        ringmesh_crypto::force(kernel);
        Case::ALL.into_iter().for_each(|case| times(&mut criterion, kernel, case));
    }
    criterion.final_summary();
    ExitCode::SUCCESS
}

fn show_instructions() -> io::Result<()> {
    let mut names = Names::load()?;
    io::stdout().write_all(by_verb(&mut names)?.as_bytes())?;
    io::stdout().write_all(by_kernel(&mut names)?.as_bytes())
}

/// Times of each direction's turns.
fn times(criterion: &mut Criterion, kernel: Kernel, case: Case) {
    let mut group = criterion.benchmark_group(format!("pipeline/{}", kernel.name()));
    group.throughput(Throughput::Elements(case.packets()));
    // Making a turn's work and doing it take turns, and only the doing is measured.
    group.bench_function(format!("out, {case}"), |b| {
        let fed = RefCell::new(Fed::new(case).expect("a simulated world"));
        let prepare = || {
            fed.borrow_mut().discard();
            fed.borrow_mut().feed();
        };
        b.iter_batched(prepare, |()| fed.borrow_mut().send(), BatchSize::PerIteration);
    });
    group.bench_function(format!("in, {case}"), |b| {
        let fed = RefCell::new(Fed::new(case).expect("a simulated world"));
        let prepare = || {
            let mut fed = fed.borrow_mut();
            fed.feed();
            fed.send().expect("a simulated ring does not fail");
            fed.carry();
        };
        b.iter_batched(prepare, |()| fed.borrow_mut().receive(), BatchSize::PerIteration);
    });
    group.finish();
}

/// Instructions per packet by verb, with the kernel that this processor uses.
fn by_verb(names: &mut Names) -> io::Result<String> {
    let counted = Case::ALL.iter().map(|case| count(names, *case)).collect::<io::Result<Vec<_>>>()?;
    let mut text = String::new();
    row(&mut text, "instructions per packet", Case::ALL.iter().map(Case::to_string));
    for (side, way) in ["out", "in"].into_iter().enumerate() {
        row(&mut text, way, cells(&Case::ALL, &counted, side, Counted::ours));
        for verb in [&OUT, &IN][side] {
            let of = |counted: &Counted| counted.of(*verb);
            row(&mut text, &format!("  {}", verb.name()), cells(&Case::ALL, &counted, side, of));
        }
    }
    Ok(text)
}

/// Instructions per packet of each kernel of the AEAD. Without super-packets, which take a minute where a step is slow.
fn by_kernel(names: &mut Names) -> io::Result<String> {
    let cases = Case::ALL
        .into_iter()
        .filter(|case| case.peers == 1 && case.traffic != Traffic::Tcp)
        .collect::<Vec<_>>();
    let mut text = String::new();
    row(&mut text, "AEAD", cases.iter().map(Case::to_string));
    for kernel in Kernel::available() {
        ringmesh_crypto::force(kernel);
        let counted = cases.iter().map(|case| count(names, *case)).collect::<io::Result<Vec<_>>>()?;
        for (side, way) in ["seal", "open"].into_iter().enumerate() {
            let of = |counted: &Counted| counted.of(Verb::Aead);
            row(&mut text, &format!("  {way}, {}", kernel.name()), cells(&cases, &counted, side, of));
        }
    }
    Ok(text)
}

/// One turn of each direction, out first.
fn count(names: &mut Names, case: Case) -> io::Result<[Counted; 2]> {
    let mut fed = Fed::new(case)?;
    fed.feed();
    let mut out = Counter::new(names);
    stepper::walk(|| fed.send(), |step| out.see(step))?;
    let out = out.counted();
    fed.send()?;
    fed.carry();
    let mut inward = Counter::new(names);
    stepper::walk(|| fed.receive(), |step| inward.see(step))?;
    Ok([out, inward.counted()])
}

/// One number of each case, per packet.
fn cells(
    cases: &[Case],
    counted: &[[Counted; 2]],
    side: usize,
    of: impl Fn(&Counted) -> u64,
) -> impl Iterator<Item = String> {
    let per_packet = move |(case, counted): (&Case, &[Counted; 2])| {
        format!("{:.1}", of(&counted[side]) as f64 / case.packets() as f64)
    };
    cases.iter().zip(counted).map(per_packet)
}

fn row(text: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let cells: String = cells.map(|cell| format!("{cell:>24}")).collect();
    text.push_str(&format!("{name:<24}{cells}\n"));
}

const OUT: [Verb; 7] =
    [Verb::Route, Verb::Stage, Verb::Seal, Verb::Aead, Verb::Send, Verb::Turn, Verb::World];
const IN: [Verb; 7] =
    [Verb::Classify, Verb::Open, Verb::Aead, Verb::Admit, Verb::Write, Verb::Turn, Verb::World];
