//! `ringmesh bench --join`: how long a new device takes until it pings another one, and what a daemon costs that does nothing.
//!
//! A round is a new LAN and a new circle, with a beacon and without one in turn. The joiner has no daemon when it begins: what is
//! measured is what a person waits for from `ringmesh join` on, until a ping through the tunnel is answered.

mod lan;
mod verdict;

pub use verdict::{Idle, Round, Verdict};

use crate::beacon::Beacon;
use crate::device::Device;
use crate::measure::process;
use crate::progress::Screen;
use crate::{Error, Executables, Result, clock};
use lan::{ADDRESS, Lan};
use serde_json::Value;
use std::time::Duration;

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub struct JoinPlan {
    /// How often, with a beacon and without one each.
    pub rounds: u32,
    /// How long three devices are left alone, in seconds.
    pub idle_secs: f64,
}

/// How long the devices are left alone before it counts: what follows from the last join must be over.
const SETTLING: Duration = Duration::from_secs(15);
/// How long a ping is tried for.
const LIMIT: Duration = Duration::from_secs(60);

/// Measures.
///
/// # Errors
/// When a command fails, or a device gets nowhere.
pub fn run(plan: &JoinPlan, files: &Executables, screen: &mut Screen) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    for number in 1..=plan.rounds {
        for with_beacon in [false, true] {
            let how = if with_beacon { "with a beacon" } else { "without a beacon" };
            screen.begin(format!("round {number} of {}, {how}", plan.rounds));
            let (mut stage, code) = Stage::create(with_beacon, files, 1)?;
            let round = stage.join("beta", &code)?;
            screen.end(&format!("{:.2} s from join to ping", round.ping_secs));
            verdict.rounds_of(with_beacon).push(round);
        }
    }
    screen.begin(format!("three devices at rest for {} s", plan.idle_secs));
    verdict.idle = idle(Duration::from_secs_f64(plan.idle_secs), files)?;
    screen.end("done");
    Ok(verdict)
}

/// A LAN with a circle of one.
struct Stage<'a> {
    // Dropped in this order: processes first, then what they live in.
    devices: Vec<Device>,
    _beacon: Option<Beacon>,
    lan: Lan,
    files: &'a Executables,
}

impl<'a> Stage<'a> {
    /// Founds the circle; also gives the code of an invite for `uses` devices.
    fn create(with_beacon: bool, files: &'a Executables, uses: u32) -> Result<(Self, String)> {
        let mut lan = Lan::create()?;
        let beacon = if with_beacon { Some(Beacon::start(&lan.switch, ADDRESS, files)?) } else { None };
        let founder = Device::create("alpha", lan.plug()?, files)?;
        let url = beacon.as_ref().map(|beacon| format!(" --beacon {}", beacon.url)).unwrap_or_default();
        founder.ask(&format!("up --name alpha --circle home{url}"), "")?;
        let invited = founder.ask(&format!("invite --uses {uses}"), "")?;
        let code = invited["code"].as_str().unwrap_or_default().to_owned();
        Ok((Self { devices: vec![founder], _beacon: beacon, lan, files }, code))
    }

    /// A new device comes, joins, and pings the founder.
    fn join(&mut self, name: &'static str, code: &str) -> Result<Round> {
        let device = Device::create(name, self.lan.plug()?, self.files)?;
        let begun = clock::now();
        let joined = device.ask(&format!("join - --name {name}"), code)?;
        let join_secs = (clock::now() - begun).as_secs_f64();
        if joined["member"] != Value::Bool(true) {
            let why = joined["waits_for"].as_str().unwrap_or("something").to_owned();
            return Err(Error::Tunnel(format!("{name} is not in: it waits for {why}")));
        }
        let pong = clock::until(LIMIT, || device.ask("ping alpha --timeout 10s", "").ok());
        let ping_secs = (clock::now() - begun).as_secs_f64();
        pong.ok_or_else(|| Error::Tunnel(format!("{name} cannot ping alpha")))?;
        self.devices.push(device);
        Ok(Round { join_secs, ping_secs })
    }
}

/// What the daemons of a circle of three cost while nothing happens.
fn idle(look: Duration, files: &Executables) -> Result<Vec<Idle>> {
    let (mut stage, code) = Stage::create(true, files, 2)?;
    stage.join("beta", &code)?;
    stage.join("gamma", &code)?;
    let pids: Vec<u32> = stage.devices.iter().map(daemon).collect::<Result<_>>()?;
    clock::pause_until(clock::now() + SETTLING);
    let before: Vec<f64> = pids.iter().map(|pid| process::cpu_nanos(*pid)).collect();
    let begun = clock::now();
    clock::pause_until(begun + look);
    let cost = |(pid, before): (&u32, f64)| {
        let ran = process::cpu_nanos(*pid) - before;
        let share = ran / (clock::now() - begun).as_nanos() as f64;
        Idle { resident_bytes: process::usage(*pid).rss_bytes, cpu_share: share }
    };
    let idle: Vec<Idle> = pids.iter().zip(before).map(cost).collect();
    match idle.iter().all(|idle| idle.resident_bytes > 0.0) {
        true => Ok(idle),
        false => Err(Error::Tunnel("a daemon has ended while nothing happened".to_owned())),
    }
}

/// The process of a device's daemon.
fn daemon(device: &Device) -> Result<u32> {
    let status = device.ask("status", "")?;
    let pid = status["daemon"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
    pid.ok_or_else(|| Error::Tunnel(format!("the daemon of {} does not answer", device.name)))
}
