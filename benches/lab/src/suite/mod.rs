//! The measurements, one after the other, on one pair: the same for every implementation.
//!
//! Nothing is measured while something else of ours runs, but for the round trips under load, which are the point of their stage.

mod adversity;
mod metric;
mod profile;
mod stage;

pub use metric::{Flooded, FlowNumber, Metric};
pub use profile::{FlowPlan, Profile};
pub use stage::Stage;

use crate::measure::process::{self, Usage};
use crate::namespaces::Side;
use crate::pair::Pair;
use crate::progress::Screen;
use crate::table;
use crate::traffic::{Limit, Outcome, Ping, PingReport, Plan, Search, Tcp, TcpReport, Udp, UdpReport};
use crate::{Error, Result, clock};
use clap::ValueEnum;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The share of datagrams that may be lost at "the highest rate".
const LOSS_MAX: f64 = 0.01;
/// Datagrams per second at which every search begins.
const FIRST_RATE_PPS: f64 = 20_000.0;
/// Datagrams per send of an application that uses segment offload; 16 of 1,360 bytes, as QUIC stacks send.
const SEGMENTS: u32 = 16;
/// Their size: fits the inner MTU of 1,420 with room for IPv6.
const SEGMENT_SIZE: u32 = 1_360;
/// Microseconds between two probes.
const PROBE_INTERVAL_US: u64 = 5_000;
/// How long streams run before a flow is watched beside them, and on after it: their slow start is over by then.
const STREAM_LEAD_MILLIS: u64 = 500;
/// Bytes of a probe: what a game or a keystroke in SSH needs.
const PROBE_SIZE: u32 = 64;

/// How much is measured.
#[derive(Clone, Debug)]
pub struct SuitePlan {
    /// Which stages.
    pub stages: BTreeSet<Stage>,
    /// Milliseconds of each TCP stream.
    pub tcp_millis: u64,
    /// Streams of the stage with several.
    pub streams: u32,
    /// Probes of the idle round trip.
    pub probes: u32,
    /// UDP payload sizes whose highest rate is searched.
    pub udp_sizes: Vec<u32>,
    /// Milliseconds of one trial of a search.
    pub trial_millis: u64,
    /// Milliseconds of the run that confirms it.
    pub confirm_millis: u64,
    /// The flow that is watched alone and beside streams.
    pub flow: FlowPlan,
}

impl SuitePlan {
    /// For comparisons: `secs` per stream.
    pub fn full(secs: f64) -> Self {
        Self {
            stages: Stage::value_variants().iter().copied().collect(),
            tcp_millis: (secs * 1_000.0) as u64,
            streams: 4,
            probes: 400,
            udp_sizes: vec![64, 512, 1_372],
            trial_millis: 400,
            confirm_millis: 1_500,
            flow: FlowPlan::game(secs),
        }
    }

    /// For a first look: under half a minute.
    pub fn quick() -> Self {
        Self {
            stages: [Stage::Idle, Stage::Tcp, Stage::Udp].into(),
            tcp_millis: 2_500,
            probes: 200,
            trial_millis: 250,
            confirm_millis: 600,
            ..Self::full(2.5)
        }
    }

    /// The same measurements of other stages.
    #[must_use]
    pub fn only(self, stages: &[Stage]) -> Self {
        Self { stages: stages.iter().copied().collect(), ..self }
    }
}

/// What one run of the suite gave.
pub type Values = BTreeMap<Metric, f64>;

/// Runs every stage.
///
/// # Errors
/// When a stage cannot be run to its end, or a byte arrives wrong.
pub fn run(pair: &Pair, plan: &SuitePlan, screen: &mut Screen) -> Result<Values> {
    let mut suite = Suite { pair, plan, screen, values: Values::new() };
    for stage in &plan.stages {
        suite.stage(*stage)?;
    }
    suite.values.insert(Metric::Memory, pair.usage().pss_bytes);
    Ok(suite.values)
}

struct Suite<'a> {
    pair: &'a Pair,
    plan: &'a SuitePlan,
    screen: &'a mut Screen,
    values: Values,
}

impl Suite<'_> {
    fn stage(&mut self, stage: Stage) -> Result<()> {
        match stage {
            Stage::Idle => self.idle_round_trips(),
            Stage::Tcp => self.streams(),
            Stage::Streams => self.many_streams(),
            Stage::Yield => self.given_up(),
            Stage::Udp => self.plan.udp_sizes.iter().try_for_each(|size| self.highest_rate(*size)),
            Stage::Flood => self.flooded(),
            Stage::Segmented => self.segmented(),
            Stage::Jitter => self.jitter(),
            Stage::Flow => {
                self.flow(&self.plan.flow, false)?;
                self.flow_beside_streams(&self.plan.flow)
            }
            Stage::Handshakes => self.handshakes(),
        }
    }

    fn idle_round_trips(&mut self) -> Result<()> {
        self.screen.begin("round trips, idle");
        let report = self.ping(self.plan.probes)?.finish(&mut |_| ()).and_then(expect_ping)?;
        self.keep_round_trips(&report, Metric::RttIdleP50, Metric::RttIdleP99);
        Ok(())
    }

    /// Both directions alone, then a stream with round trips beside it.
    fn streams(&mut self) -> Result<()> {
        let before = Cost::now(self.pair);
        self.screen.begin("TCP from A to B");
        let up = self.tcp(&self.upload())?;
        self.keep(Metric::TcpUp, up.bits_per_sec());
        self.screen.begin("TCP from B to A");
        let down = self.tcp(&Tcp { reverse: true, ..self.upload() })?;
        self.keep(Metric::TcpDown, down.bits_per_sec());
        let gigabytes = (up.bytes + down.bytes) as f64 / 1e9;
        let cost = Cost::now(self.pair).since(before);
        self.screen.begin("round trips beside TCP from A to B");
        let pinging = self.ping(self.probes_of_a_stream())?;
        self.tcp(&self.upload())?;
        let loaded = pinging.finish(&mut |_| ()).and_then(expect_ping)?;
        self.keep_round_trips(&loaded, Metric::RttLoadP50, Metric::RttLoadP99);
        self.values.insert(Metric::PathLoadP50, loaded.tunnel.p50_us);
        self.values.insert(Metric::PathLoadP99, loaded.tunnel.p99_us);
        self.values.insert(Metric::CpuPerGb, cost.usage.cpu_secs() / gigabytes);
        self.values.insert(Metric::SoftirqPerGb, cost.softirq_secs / gigabytes);
        Ok(())
    }

    fn many_streams(&mut self) -> Result<()> {
        self.screen.begin(format!("TCP, {} streams", self.plan.streams));
        let many = self.tcp(&Tcp { streams: self.plan.streams, ..self.upload() })?;
        self.keep(Metric::TcpMany, many.bits_per_sec());
        Ok(())
    }

    /// A stream without, with, with and without probes beside it: what slowed the machine down slowed both.
    fn given_up(&mut self) -> Result<()> {
        self.screen.begin("TCP with and without probes");
        let [mut without, mut with] = [0.0, 0.0];
        for probed in [false, true, true, false] {
            let probes = if probed { self.probes_of_a_stream() } else { 0 };
            let pinging = (probes > 0).then(|| self.ping(probes)).transpose()?;
            let bits = self.tcp(&self.upload())?.bits_per_sec();
            *(if probed { &mut with } else { &mut without }) += bits;
            if let Some(pinging) = pinging {
                pinging.finish(&mut |_| ()).and_then(expect_ping)?;
            }
        }
        self.keep(Metric::TcpProbed, with / without);
        Ok(())
    }

    /// Probes that begin with a stream and end shortly before it.
    fn probes_of_a_stream(&self) -> u32 {
        u32::try_from(self.plan.tcp_millis * 900 / PROBE_INTERVAL_US).unwrap_or(u32::MAX)
    }

    fn highest_rate(&mut self, size: u32) -> Result<()> {
        self.screen.begin(format!("UDP, {size} B, highest rate"));
        let report = self.search(size, 1)?;
        self.keep_rate(Metric::UdpRate(size), &report, report.packets_per_sec());
        Ok(())
    }

    fn segmented(&mut self) -> Result<()> {
        self.screen.begin("UDP with segment offload, highest rate");
        let report = self.search(SEGMENT_SIZE, SEGMENTS)?;
        self.keep_rate(Metric::UdpSegmented, &report, report.bits_per_sec());
        Ok(())
    }

    fn jitter(&mut self) -> Result<()> {
        let Some((size, rate)) = self.largest_rate()? else { return Ok(()) };
        self.screen.begin("UDP at half the highest rate");
        let udp = Udp {
            to: Pair::address(Side::B, false),
            size,
            rate_pps: rate / 2.0,
            millis: self.plan.confirm_millis,
            per_send: 1,
        };
        let outcome = self.traffic(&Plan::Udp(udp))?;
        self.keep(Metric::Jitter, expect_udp(outcome)?.jitter_us);
        Ok(())
    }

    /// The largest size of datagrams and its highest rate, which is searched unless it is known.
    fn largest_rate(&mut self) -> Result<Option<(u32, f64)>> {
        let Some(size) = self.plan.udp_sizes.last().copied() else { return Ok(None) };
        if !self.values.contains_key(&Metric::UdpRate(size)) {
            self.highest_rate(size)?;
        }
        Ok(self.values.get(&Metric::UdpRate(size)).map(|rate| (size, *rate)))
    }

    /// One flow for its time: datagrams one way and round trips, both at its pace.
    fn flow(&mut self, flow: &FlowPlan, beside: bool) -> Result<()> {
        self.screen.begin(if beside { "the same beside streams" } else { "paced flow, alone" });
        let (to, size) = (Pair::address(Side::B, false), flow.size);
        let (rate, millis) = (u64::from(flow.rate_pps), flow.millis);
        let count = u32::try_from(rate * millis / 1_000).unwrap_or(u32::MAX);
        let ping = Ping { to, interval_us: 1_000_000 / rate, count, size, until_first: false };
        let pinging = self.pair.begin(Side::A, &Plan::Ping(ping))?;
        let udp = Udp { to, size, rate_pps: rate as f64, millis, per_send: 1 };
        let report = expect_udp(self.traffic(&Plan::Udp(udp))?)?;
        let PingReport { delay, tunnel, .. } = pinging.finish(&mut |_| ()).and_then(expect_ping)?;
        let numbers = [
            (FlowNumber::RttP50, delay.p50_us),
            (FlowNumber::RttP99, delay.p99_us),
            (FlowNumber::PathP50, tunnel.p50_us),
            (FlowNumber::PathP99, tunnel.p99_us),
            (FlowNumber::Variation, report.delay.p99_us - report.delay.p50_us),
            (FlowNumber::Delivered, 1.0 - report.loss()),
        ];
        let shown = numbers.map(|(what, value)| format!("{} {}", what.title(), what.show(value)));
        self.screen.end(&shown.join(", "));
        self.values.extend(numbers.map(|(what, value)| (Metric::Flow { what, beside }, value)));
        Ok(())
    }

    fn flow_beside_streams(&mut self, flow: &FlowPlan) -> Result<()> {
        // The streams begin before the flow and end after it.
        let lasting = Limit::Millis(flow.millis + 2 * STREAM_LEAD_MILLIS);
        let streams = |streams, reverse| Tcp { streams, reverse, limit: lasting, ..self.upload() };
        let plans = [streams(flow.uploads, false), streams(flow.downloads, true)];
        let begin = |plan: &Tcp| self.pair.begin(Side::A, &Plan::Tcp(plan.clone()));
        let runs: Vec<_> = plans.iter().filter(|plan| plan.streams > 0).map(begin).collect::<Result<_>>()?;
        clock::pause_until(clock::now() + Duration::from_millis(STREAM_LEAD_MILLIS));
        self.flow(flow, true)?;
        self.screen.begin("those streams, together");
        let mut bits = 0.0;
        for run in runs {
            bits += unbroken(run.finish(&mut |_| ())?)?.bits_per_sec();
        }
        self.keep(Metric::TcpBeside, bits);
        Ok(())
    }

    fn upload(&self) -> Tcp {
        Tcp::upload(Pair::address(Side::B, false), self.plan.tcp_millis)
    }

    fn tcp(&self, plan: &Tcp) -> Result<TcpReport> {
        unbroken(self.traffic(&Plan::Tcp(plan.clone()))?)
    }

    fn search(&self, size: u32, per_send: u32) -> Result<UdpReport> {
        let to = Pair::address(Side::B, false);
        let trial = Udp { to, size, rate_pps: FIRST_RATE_PPS, millis: self.plan.trial_millis, per_send };
        let search = Search { trial, loss_max: LOSS_MAX, confirm_millis: self.plan.confirm_millis };
        expect_udp(self.traffic(&Plan::Search(search))?)
    }

    fn ping(&self, count: u32) -> Result<crate::traffic::Run> {
        let to = Pair::address(Side::B, false);
        let ping = Ping { to, interval_us: PROBE_INTERVAL_US, count, size: PROBE_SIZE, until_first: false };
        self.pair.begin(Side::A, &Plan::Ping(ping))
    }

    fn traffic(&self, plan: &Plan) -> Result<Outcome> {
        self.pair.run(Side::A, plan, &mut |progress| self.screen.update(progress))
    }

    fn keep(&mut self, metric: Metric, value: f64) {
        self.screen.end(&metric.show(value));
        self.values.insert(metric, value);
    }

    /// A search that found no rate at which the loss is low enough has no number.
    fn keep_rate(&mut self, metric: Metric, report: &UdpReport, value: f64) {
        if report.loss() <= LOSS_MAX {
            return self.keep(metric, value);
        }
        self.screen.end(&format!("none: {:.1} % lost at {}", report.loss() * 100.0, metric.show(value)));
    }

    fn keep_round_trips(&mut self, report: &PingReport, p50: Metric, p99: Metric) {
        let delay = report.delay;
        let [middle, high] = [delay.p50_us, delay.p99_us].map(table::micros);
        self.screen
            .end(&format!("p50 {middle}, p99 {high}, {} of {} answered", report.received, report.sent));
        self.values.insert(p50, delay.p50_us);
        self.values.insert(p99, delay.p99_us);
    }
}

/// What has been spent so far.
#[derive(Clone, Copy, Debug)]
struct Cost {
    usage: Usage,
    softirq_secs: f64,
}

impl Cost {
    fn now(pair: &Pair) -> Self {
        Self { usage: pair.usage(), softirq_secs: process::softirq_secs() }
    }

    fn since(self, before: Self) -> Self {
        Self { usage: self.usage - before.usage, softirq_secs: self.softirq_secs - before.softirq_secs }
    }
}

fn expect_ping(outcome: Outcome) -> Result<PingReport> {
    match outcome {
        Outcome::Ping(report) if report.received > 0 => Ok(report),
        Outcome::Ping(_) => Err(Error::Tunnel("no probe was answered".to_owned())),
        Outcome::Served | Outcome::Tcp(_) | Outcome::Udp(_) | Outcome::Sweep(_) | Outcome::Flood(_) => {
            Err(senseless())
        }
    }
}

fn unbroken(outcome: Outcome) -> Result<TcpReport> {
    let Outcome::Tcp(report) = outcome else { return Err(senseless()) };
    match report.failures.first() {
        None => Ok(report),
        Some(why) => Err(Error::Traffic(format!("a stream broke: {why}"))),
    }
}

fn expect_udp(outcome: Outcome) -> Result<UdpReport> {
    if let Outcome::Udp(report) = outcome { Ok(report) } else { Err(senseless()) }
}

fn senseless() -> Error {
    Error::Traffic("a traffic process gave the result of another task".to_owned())
}
