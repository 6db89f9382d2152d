//! `ringmesh bench --soak`: two of our own devices under traffic, while everything that may happen to them happens.
//!
//! Kills, roams and reconfigurations follow from one printed seed. Streams with known bytes run in both directions, one after the
//! other, and so do numbered datagrams; at the end a verdict says whether all of it was as it should be.

mod chaos;
mod verdict;

pub use chaos::{Deed, Done};
pub use verdict::{Flow, Gap, Memory, Verdict};

use crate::namespaces::{Namespace, Side};
use crate::pair::{Choice, Pair, PairPlan};
use crate::progress::Screen;
use crate::table;
use crate::traffic::{Limit, Outcome, Plan, Run, Tcp, Udp};
use crate::{Error, Executables, Result, clock};
use chaos::Chaos;
use std::thread;
use std::time::Duration;

/// Bytes of one stream; at [`PACE_BYTES_PER_SEC`] one lasts several kills.
const STREAM_LEN: u64 = 96 << 20;
/// The pace of each stream. Unpaced, streams fill every queue until one overflows, and the datagrams beside them
/// would be lost as on any full link; the soak looks for losses that have no such excuse.
const PACE_BYTES_PER_SEC: u64 = 12_500_000;
/// Streams in each direction at once.
const STREAMS: u32 = 2;
/// Numbered datagrams per second in each direction, and their size.
const DATAGRAMS_PPS: f64 = 1_000.0;
const DATAGRAM_SIZE: u32 = 200;
/// How often memory is looked at.
const MEMORY_INTERVAL: Duration = Duration::from_secs(2);
/// How long a tunnel may take to carry packets again at the end.
const RECOVERY_LIMIT: Duration = Duration::from_secs(10);

/// What a soak does.
#[derive(Clone, Debug)]
pub struct SoakPlan {
    choice: Choice,
    length: Duration,
    seed: u64,
}

impl SoakPlan {
    /// A soak of `minutes` with this seed, or one that nobody has tried.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(choice: Choice, minutes: f64, seed: Option<u64>) -> Result<Self> {
        let random = || getrandom::u64().map_err(|error| Error::Needs(format!("no randomness: {error}")));
        let seed = seed.map_or_else(random, Ok)?;
        Ok(Self { choice, length: Duration::from_secs_f64(minutes * 60.0), seed })
    }
}

/// Runs a soak to its end.
///
/// # Errors
/// When it cannot begin. What goes wrong later stands in the verdict.
pub fn run(plan: &SoakPlan, executables: &Executables, screen: &mut Screen) -> Result<Verdict> {
    screen.line(&format!("soak of {:.1} minutes, --seed {}", plan.length.as_secs_f64() / 60.0, plan.seed));
    screen.begin("start");
    let mut pair = Pair::start(&PairPlan::of(&plan.choice), executables)?;
    for side in [Side::A, Side::B] {
        keep_second_address(pair.host(side))?;
    }
    let flows = begin_flows(&pair, plan.length)?;
    let waiting: Vec<_> =
        flows.into_iter().map(|run| thread::spawn(move || run.finish(&mut |_| ()))).collect();

    let start = clock::now();
    let mut chaos = Chaos::new(plan.seed, start);
    let mut memory = Vec::new();
    let mut trouble = Vec::new();
    screen.begin("under fire");
    while clock::now() < start + plan.length {
        match chaos.step(&mut pair, start + plan.length) {
            Ok(Some(deed)) => screen.line(&deed.line(start)),
            Ok(None) => {}
            Err(error) => {
                trouble.push(error.to_string());
                break;
            }
        }
        if memory.len() as u128 * MEMORY_INTERVAL.as_millis() <= (clock::now() - start).as_millis() {
            let bytes = pair.usage().pss_bytes;
            screen.note(&format!("{} of memory", table::bytes(bytes)));
            memory.push(bytes);
        }
    }
    screen.begin("waiting for the last streams");
    if trouble.is_empty()
        && let Err(error) = pair.wait_until_up(RECOVERY_LIMIT)
    {
        trouble.push(format!("after the soak: {error}"));
    }
    let mut outcomes = Vec::new();
    for flow in waiting {
        match flow.join() {
            Ok(Ok(outcome)) => outcomes.push(outcome),
            Ok(Err(error)) => trouble.push(error.to_string()),
            Err(_) => trouble.push("a thread that waited for traffic panicked".to_owned()),
        }
    }
    Ok(Verdict::of(plan.seed, (start, plan.length), chaos.into_done(), &outcomes, &memory, trouble))
}

/// Lets an address that was added second live on when the first is taken away.
fn keep_second_address(host: &Namespace) -> Result<()> {
    let file = "/proc/sys/net/ipv4/conf/all/promote_secondaries";
    host.enter(|| std::fs::write(file, "1"))?.map_err(|error| Error::io(file, error))
}

/// Streams and datagrams in both directions, all begun on the side that sends the datagrams.
fn begin_flows(pair: &Pair, length: Duration) -> Result<Vec<Run>> {
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let to_b = Pair::address(Side::B, false);
    let streams = |reverse| {
        Plan::Tcp(Tcp {
            streams: STREAMS,
            reverse,
            limit: Limit::Bytes(STREAM_LEN),
            repeat_millis: millis,
            pace_bytes_per_sec: PACE_BYTES_PER_SEC,
            ..Tcp::upload(to_b, 0)
        })
    };
    let datagrams =
        |to| Plan::Udp(Udp { to, size: DATAGRAM_SIZE, rate_pps: DATAGRAMS_PPS, millis, per_send: 1 });
    [
        (Side::A, streams(false)),
        (Side::A, streams(true)),
        (Side::A, datagrams(to_b)),
        (Side::B, datagrams(Pair::address(Side::A, false))),
    ]
    .iter()
    .map(|(side, plan)| pair.begin(*side, plan))
    .collect()
}

/// The outcomes as the verdict wants them: streams together, datagrams by direction.
fn sorted(outcomes: &[Outcome]) -> (Vec<&crate::traffic::TcpReport>, Vec<&crate::traffic::UdpReport>) {
    let mut streams = Vec::new();
    let mut datagrams = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Tcp(report) => streams.push(report),
            Outcome::Udp(report) => datagrams.push(report),
            Outcome::Served | Outcome::Ping(_) | Outcome::Sweep(_) | Outcome::Flood(_) => {}
        }
    }
    (streams, datagrams)
}
