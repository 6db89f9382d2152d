//! `ringmesh bench --scale`: what a device costs that knows very many peers.
//!
//! One tunnel between two devices of ours. Again and again one of them gets many peers that nobody ever hears of, through the
//! `wg` interface as everybody sets them, and loses them again; what it does with its one real peer is measured with and
//! without them in turn, so that what slowed the machine down for a while slowed both.

mod active;
mod verdict;

pub use active::{ActivePlan, ActiveVerdict, run as run_active};
pub use verdict::{Round, Verdict};

use crate::implementations::{DeviceConfig, PeerConfig};
use crate::measure::process;
use crate::namespaces::Side;
use crate::pair::{Choice, Pair, PairPlan};
use crate::progress::Screen;
use crate::traffic::{Outcome, Ping, PingReport, Plan, Tcp};
use crate::{Error, Executables, Result, clock};
use std::net::Ipv4Addr;

/// What is measured.
#[derive(Clone, Debug)]
pub struct ScalePlan {
    /// Our device.
    pub choice: Choice,
    /// Peers that are added.
    pub peers: u32,
    /// How often all of it.
    pub rounds: u32,
    /// Milliseconds of each stream.
    pub millis: u64,
}

/// Peers of one request: the answer to a larger one may take longer than a client waits.
const PEERS_PER_REQUEST: u32 = 5_000;
/// Single peers that are added while round trips are measured, 5 ms apart.
const SINGLES: u32 = 200;
const PROBE_INTERVAL_US: u64 = 5_000;

/// Measures.
///
/// # Errors
/// When the tunnel does not start, refuses its peers, or breaks.
pub fn run(plan: &ScalePlan, executables: &Executables, screen: &mut Screen) -> Result<Verdict> {
    screen.begin("start");
    let pair = Pair::start(&PairPlan::of(&plan.choice), executables)?;
    let mut scale = Scale { pair, plan, unladen: 0.0 };
    // Everything has been used once before anything is compared.
    scale.stream()?;
    scale.unladen = scale.memory();
    let mut rounds = Vec::new();
    for round in 1..=plan.rounds {
        screen.begin(format!("round {round} of {}", plan.rounds));
        rounds.push(scale.round()?);
    }
    Ok(Verdict { peers: plan.peers, loaded_bytes: scale.memory(), rounds })
}

struct Scale<'a> {
    pair: Pair,
    plan: &'a ScalePlan,
    /// Memory before the first of the many peers came. What came with them does not all go with them.
    unladen: f64,
}

impl Scale<'_> {
    fn round(&self) -> Result<Round> {
        let few = self.stream()?;
        let cpu = self.cpu_nanos();
        self.each_request(added)?;
        let set_nanos = self.cpu_nanos() - cpu;
        let grown = self.memory() - self.unladen;
        let many = self.stream()?;
        let singles = self.singles()?;
        self.each_request(|number| PeerConfig { remove: true, ..added(number) })?;
        let peers = f64::from(self.plan.peers);
        Ok(Round {
            bytes_per_peer: grown / peers,
            set_cpu_us: set_nanos / 1e3 / peers,
            few_bits_per_sec: few,
            many_bits_per_sec: many,
            ..singles
        })
    }

    /// Sets all the peers, some thousands at a time.
    fn each_request(&self, peer: impl Fn(u32) -> PeerConfig) -> Result<()> {
        let mut first = 0;
        while first < self.plan.peers {
            let end = (first + PEERS_PER_REQUEST).min(self.plan.peers);
            self.set((first..end).map(&peer).collect())?;
            first = end;
        }
        Ok(())
    }

    fn set(&self, peers: Vec<PeerConfig>) -> Result<()> {
        self.pair.tunnel(Side::A).uapi().set(&DeviceConfig { peers, ..DeviceConfig::default() })
    }

    /// Adds and removes single peers beside round trips, and takes round trips without that for comparison.
    fn singles(&self) -> Result<Round> {
        let cpu = self.cpu_nanos();
        let calm = self.ping()?.finish(&mut |_| ()).and_then(expect_ping)?;
        let pings = self.cpu_nanos() - cpu;
        let cpu = self.cpu_nanos();
        let probing = self.ping()?;
        let begun = clock::now();
        let mut waits = Vec::new();
        for number in 0..SINGLES {
            let asked = clock::now();
            let peer = added(self.plan.peers + number);
            self.set(vec![peer])?;
            waits.push((clock::now() - asked).as_secs_f64() * 1e6);
            clock::pause_until(begun + std::time::Duration::from_micros(PROBE_INTERVAL_US) * (number + 1));
        }
        let busy = probing.finish(&mut |_| ()).and_then(expect_ping)?;
        let cpu = self.cpu_nanos() - cpu - pings;
        self.set(
            (0..SINGLES)
                .map(|number| PeerConfig { remove: true, ..added(self.plan.peers + number) })
                .collect(),
        )?;
        waits.sort_by(f64::total_cmp);
        Ok(Round {
            add_wait_us: waits.get(waits.len() / 2).copied().unwrap_or(0.0),
            add_cpu_us: cpu / 1e3 / f64::from(SINGLES),
            calm_p99_us: calm.delay.p99_us,
            busy_p99_us: busy.delay.p99_us,
            ..Round::default()
        })
    }

    fn ping(&self) -> Result<crate::traffic::Run> {
        let to = Pair::address(Side::B, false);
        let ping = Ping { to, interval_us: PROBE_INTERVAL_US, count: SINGLES, size: 64, until_first: false };
        self.pair.begin(Side::A, &Plan::Ping(ping))
    }

    /// Bits per second of one TCP stream.
    fn stream(&self) -> Result<f64> {
        let tcp = Tcp::upload(Pair::address(Side::B, false), self.plan.millis);
        let Outcome::Tcp(report) = self.pair.run(Side::A, &Plan::Tcp(tcp), &mut |_| ())? else {
            return Err(Error::Traffic("no report of a stream".to_owned()));
        };
        match report.failures.first() {
            None => Ok(report.bits_per_sec()),
            Some(why) => Err(Error::Traffic(format!("a stream broke: {why}"))),
        }
    }

    /// Bytes of both processes of the side that gets the peers, shared pages counted once.
    fn memory(&self) -> f64 {
        self.pair.processes(Side::A).into_iter().map(|pid| process::usage(pid).pss_bytes).sum()
    }

    /// Processor time of all their threads.
    fn cpu_nanos(&self) -> f64 {
        self.pair.processes(Side::A).into_iter().map(process::cpu_nanos).sum()
    }
}

/// A peer that nobody ever hears of. Its key is no point that anybody has the secret of.
fn added(number: u32) -> PeerConfig {
    let mut public_key = [0x5a; 32];
    for (at, byte) in public_key.iter_mut().enumerate().take(16) {
        *byte = (u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 8 * 8)) as u8 ^ at as u8;
    }
    public_key[16..20].copy_from_slice(&number.to_le_bytes());
    let inner = Ipv4Addr::from_bits(0x6440_0000 | number);
    PeerConfig {
        public_key,
        endpoint: Some((Ipv4Addr::new(192, 0, 2, 1), 1_024 + (number % 60_000) as u16).into()),
        allowed_ips: vec![format!("{inner}/32")],
        ..PeerConfig::default()
    }
}

fn expect_ping(outcome: Outcome) -> Result<PingReport> {
    let Outcome::Ping(report) = outcome else {
        return Err(Error::Traffic("no report of round trips".to_owned()));
    };
    Ok(report)
}
