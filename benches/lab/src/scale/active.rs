//! `ringmesh bench --scale --active N`: what a packet costs a device that has sessions with very many peers.
//!
//! Whoever plays thousands of peers must have thousands of keys. One of our devices can, one after the other: it gets another
//! private key, makes a session, and goes on to the next, while the device under test keeps each session for three minutes.
//! Then datagrams go to all of these peers in turn, or all to one of them, at the same rate; compared is the processor time of
//! the device under test.
//!
//! It shows the way out: routes, peers, sessions, keys and timers of many peers against those of one. All peers are at one
//! address, so both cases send in equally large runs; the way in it does not show, nor what sending to as many addresses costs
//! the kernel.

use crate::implementations::{DeviceConfig, Keypair, PeerConfig};
use crate::measure::process::cpu_nanos;
use crate::measure::stats::Summary;
use crate::namespaces::Side;
use crate::pair::{Choice, Pair, PairPlan};
use crate::progress::Screen;
use crate::traffic::{Outcome, Plan, Scatter};
use crate::{Error, Executables, Result, clock};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::time::Duration;

/// What is measured.
#[derive(Clone, Debug)]
pub struct ActivePlan {
    /// Our device.
    pub choice: Choice,
    /// Peers with a session.
    pub peers: u32,
    /// How often both cases.
    pub rounds: u32,
}

/// What it gave.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ActiveVerdict {
    /// Peers with a session.
    pub peers: u32,
    /// Handshakes per second, one after the other, with the requests that each of them took.
    pub handshakes_per_sec: f64,
    /// Nanoseconds of processor time for a datagram, in the order of the rounds: to one peer, to all in turn.
    pub rounds: Vec<[f64; 2]>,
}

impl ActiveVerdict {
    /// A line for each number: the median, and the smallest and largest of the rounds.
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} peers with a session ({:.0} handshakes a second, one after the other), {} rounds\n",
            self.peers,
            self.handshakes_per_sec,
            self.rounds.len()
        );
        type Row = (&'static str, fn(&[f64; 2]) -> f64, usize);
        let rows: [Row; 3] = [
            ("processor time for a datagram to one peer, ns", |round| round[0], 0),
            ("the same to all of them in turn, ns", |round| round[1], 0),
            ("all / one", |round| round[1] / round[0], 3),
        ];
        for (name, value, digits) in rows {
            let values: Vec<f64> = self.rounds.iter().map(value).collect();
            if let Some(Summary { median, min, max, .. }) = Summary::of(&values) {
                // Writing to a string does not fail.
                let _infallible =
                    writeln!(text, "{name:52} {median:9.digits$}  ({min:.digits$} to {max:.digits$})");
            }
        }
        text
    }
}

/// The first inner address of the peers.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 80, 0, 0);
/// Datagrams of one measurement, how large, and how many a second: about two thirds of what one core carries.
const PACKETS: u32 = 30_000;
const SIZE: u32 = 1_372;
const RATE_PPS: f64 = 30_000.0;
/// Peers of one request.
const PEERS_PER_REQUEST: usize = 5_000;
/// How long one handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(3);
/// Peers whose data is not answered for fifteen seconds are asked for another handshake; all measurements end before.
const UNANSWERED_LIMIT: Duration = Duration::from_secs(14);
/// Sessions that a device has not made itself are replaced by nobody before this age.
const AGE_LIMIT: Duration = Duration::from_secs(160);

/// Measures.
///
/// # Errors
/// When the tunnel does not start, a handshake does not come about, sessions grow too old meanwhile, or datagrams are lost.
pub fn run(plan: &ActivePlan, executables: &Executables, screen: &mut Screen) -> Result<ActiveVerdict> {
    screen.begin("start");
    let pair = Pair::start(&PairPlan::of(&plan.choice), executables)?;
    let keys = (0..plan.peers).map(|_| Keypair::generate()).collect::<Result<Vec<_>>>()?;
    configure(&pair, &keys)?;
    let begun = clock::now();
    for (number, key) in keys.iter().enumerate() {
        if number % 500 == 0 {
            screen.begin(format!("session {number} of {}", plan.peers));
        }
        become_peer(&pair, key)?;
    }
    let sessions = clock::now();
    // The packet that confirms the last one is still on its way.
    clock::pause_until(sessions + Duration::from_millis(200));
    let mut rounds = Vec::new();
    for round in 1..=plan.rounds {
        screen.begin(format!("round {round} of {}", plan.rounds));
        rounds.push([datagrams(&pair, 1)?, datagrams(&pair, plan.peers)?]);
        let now = clock::now();
        if now > begun + AGE_LIMIT || now > sessions + UNANSWERED_LIMIT {
            return Err(Error::Tunnel("this machine is too slow for so many peers or rounds".to_owned()));
        }
    }
    let handshakes_per_sec = f64::from(plan.peers) / (sessions - begun).as_secs_f64();
    Ok(ActiveVerdict { peers: plan.peers, handshakes_per_sec, rounds })
}

/// Makes the peers known to the device under test, and the way to them to its host.
fn configure(pair: &Pair, keys: &[Keypair]) -> Result<()> {
    let mut peers: Vec<PeerConfig> = (FIRST.to_bits()..)
        .zip(keys)
        .map(|(address, key)| PeerConfig {
            public_key: key.public(),
            allowed_ips: vec![format!("{}/32", Ipv4Addr::from_bits(address))],
            ..PeerConfig::default()
        })
        .collect();
    let tunnel = pair.tunnel(Side::A);
    while !peers.is_empty() {
        let rest = peers.split_off(peers.len().min(PEERS_PER_REQUEST));
        tunnel.uapi().set(&DeviceConfig { peers, ..DeviceConfig::default() })?;
        peers = rest;
    }
    pair.host(Side::A).ip(&format!("route add {FIRST}/12 dev {}\n", tunnel.interface()))
}

/// The other device becomes this peer and makes a session: a persistent keepalive that is turned on begins at once. The first
/// packet that it sends is the one that confirms the session to the device under test.
fn become_peer(pair: &Pair, key: &Keypair) -> Result<()> {
    let uapi = pair.tunnel(Side::B).uapi();
    let before = sent_bytes(pair, Side::B)?;
    let keepalive = |secs| PeerConfig {
        public_key: pair.public_key(Side::A),
        endpoint: Some(pair.endpoint(Side::A)),
        keepalive_secs: Some(secs),
        ..PeerConfig::default()
    };
    uapi.set(&DeviceConfig {
        private_key: Some(key.private()),
        peers: vec![keepalive(0), keepalive(25)],
        ..DeviceConfig::default()
    })?;
    let begun = clock::now();
    while sent_bytes(pair, Side::B)? <= before {
        let now = clock::now();
        if now > begun + HANDSHAKE_LIMIT {
            return Err(Error::Tunnel("a handshake did not come about".to_owned()));
        }
        clock::pause_until(now + Duration::from_micros(300));
    }
    Ok(())
}

/// Processor time of the device under test for each datagram to `addresses` peers in turn, in nanoseconds.
fn datagrams(pair: &Pair, addresses: u32) -> Result<f64> {
    let (sealed, cpu) = (sent_bytes(pair, Side::A)?, used_nanos(pair));
    let scatter = Scatter { first: FIRST, addresses, packets: PACKETS, size: SIZE, rate_pps: RATE_PPS };
    let Outcome::Udp(report) = pair.run(Side::A, &Plan::Scatter(scatter), &mut |_| ())? else {
        return Err(Error::Traffic("no report of datagrams".to_owned()));
    };
    let cpu = used_nanos(pair) - cpu;
    let sealed = (sent_bytes(pair, Side::A)? - sealed) / f64::from(SIZE);
    if sealed < report.sent as f64 * 0.99 {
        return Err(Error::Traffic(format!(
            "of {} datagrams only about {sealed:.0} were sealed",
            report.sent
        )));
    }
    Ok(cpu / report.sent as f64)
}

fn used_nanos(pair: &Pair) -> f64 {
    pair.processes(Side::A).into_iter().map(cpu_nanos).sum()
}

/// Bytes that a device has sent to all its peers in sessions.
fn sent_bytes(pair: &Pair, side: Side) -> Result<f64> {
    let lines = pair.tunnel(side).uapi().state()?;
    Ok(lines
        .iter()
        .filter(|(key, _)| key == "tx_bytes")
        .filter_map(|(_, value)| value.parse::<f64>().ok())
        .sum())
}
