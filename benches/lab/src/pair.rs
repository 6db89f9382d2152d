//! Two devices with a tunnel between them, of any two implementations.

use crate::implementations::{
    DeviceConfig, Implementation, Keypair, PeerConfig, Setting, Tunnel, random_key,
};
use crate::measure::process::{self, Usage};
use crate::namespaces::{Link, LinkPlan, Namespace, Side};
use crate::traffic::{Outcome, Ping, Plan, Progress, Run};
use crate::{Error, Executables, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The port that each device listens on.
pub const PORT: u16 = 51_820;
/// The inner MTU where nothing else is asked for: what fits 1,500 bytes outside over IPv6.
pub const INNER_MTU: u32 = 1_420;
/// How long a handshake may take before a tunnel counts as not working.
const UP_LIMIT: Duration = Duration::from_secs(15);

/// One implementation with one setting.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The program.
    pub implementation: Implementation,
    /// How it is run.
    pub setting: Setting,
}

impl Choice {
    /// `boringtun-cli -t 1`.
    pub fn label(&self) -> String {
        format!("{} {}", self.implementation.kind.name(), self.setting.label).trim().to_owned()
    }
}

/// What stands at the two ends and between them.
#[derive(Clone, Debug)]
pub struct PairPlan {
    /// The device that knows the other's endpoint at first.
    pub a: Choice,
    /// The device that waits.
    pub b: Choice,
    /// Whether IPv6 carries the tunnel.
    pub outer_v6: bool,
    /// Whether both share a key besides.
    pub preshared: bool,
    /// The tunnel's MTU.
    pub mtu: u32,
    /// The wire.
    pub link: LinkPlan,
}

impl PairPlan {
    /// The same choice at both ends, over IPv4, without a pre-shared key.
    pub fn of(choice: &Choice) -> Self {
        Self {
            a: choice.clone(),
            b: choice.clone(),
            outer_v6: false,
            preshared: false,
            mtu: INNER_MTU,
            link: LinkPlan::default(),
        }
    }
}

/// Two hosts with a running tunnel and a traffic sink in each.
#[derive(Debug)]
pub struct Pair {
    // Dropped in this order: traffic, tunnels, then what they lived in.
    _sinks: [Run; 2],
    tunnels: [Tunnel; 2],
    keys: [Keypair; 2],
    link: Link,
    executables: Executables,
    outer_v6: bool,
}

impl Pair {
    /// Starts everything and waits until the first packet has crossed the tunnel.
    ///
    /// # Errors
    /// When a device does not start, refuses its configuration, or no packet gets through in time.
    pub fn start(plan: &PairPlan, executables: &Executables) -> Result<Self> {
        let link = Link::create(&plan.link)?;
        let tunnel = |side: Side, choice: &Choice| {
            Tunnel::start(&choice.implementation, &choice.setting, link.side(side), &link.interface(side))
        };
        let tunnels = [tunnel(Side::A, &plan.a)?, tunnel(Side::B, &plan.b)?];
        let keys = [Keypair::generate()?, Keypair::generate()?];
        let preshared = if plan.preshared { Some(random_key()?) } else { None };
        for side in [Side::B, Side::A] {
            let (own, other) = (index(side), index(side.other()));
            let knows = (side == Side::A).then(|| outer(side.other(), plan.outer_v6));
            tunnels[own].configure(&device(side, &keys[own], keys[other].public(), preshared, knows))?;
            bring_up(link.side(side), side, tunnels[own].interface(), plan.mtu)?;
        }
        let sinks = [sink(link.side(Side::A), executables)?, sink(link.side(Side::B), executables)?];
        let pair = Self {
            _sinks: sinks,
            tunnels,
            keys,
            link,
            executables: executables.clone(),
            outer_v6: plan.outer_v6,
        };
        pair.wait_until_up(UP_LIMIT)?;
        Ok(pair)
    }

    /// Waits until an echo has come back through the tunnel.
    ///
    /// # Errors
    /// When none has within `limit`.
    pub fn wait_until_up(&self, limit: Duration) -> Result<()> {
        let ping = Ping {
            to: inner(Side::B, false),
            interval_us: 100_000,
            count: u32::try_from(limit.as_millis() / 100).unwrap_or(u32::MAX),
            size: 64,
            until_first: true,
        };
        let came = self.run(Side::A, &Plan::Ping(ping), &mut |_| ());
        match came {
            Ok(Outcome::Ping(report)) if report.received > 0 => Ok(()),
            Ok(_) => Err(Error::Tunnel(format!(
                "no packet crossed the tunnel in {} s ({})",
                limit.as_secs(),
                self.logs()
            ))),
            Err(error) => Err(error),
        }
    }

    /// Runs traffic that begins on one side and waits for its result.
    ///
    /// # Errors
    /// When the traffic process fails.
    pub fn run(&self, side: Side, plan: &Plan, on_progress: &mut dyn FnMut(&Progress)) -> Result<Outcome> {
        self.begin(side, plan)?.finish(on_progress)
    }

    /// Starts traffic on one side and lets it run.
    ///
    /// # Errors
    /// When the traffic process cannot be started.
    pub fn begin(&self, side: Side, plan: &Plan) -> Result<Run> {
        Run::start(&self.executables.traffic, self.link.side(side), plan)
    }

    /// A device's address inside the tunnel: 10.78.0.1 and .2, or fd78::1 and ::2.
    pub const fn address(side: Side, v6: bool) -> IpAddr {
        inner(side, v6)
    }

    /// One of the two hosts.
    pub const fn host(&self, side: Side) -> &Namespace {
        self.link.side(side)
    }

    /// One of the two devices.
    pub const fn tunnel(&self, side: Side) -> &Tunnel {
        &self.tunnels[index(side)]
    }

    /// A device's public key.
    pub fn public_key(&self, side: Side) -> [u8; 32] {
        self.keys[index(side)].public()
    }

    /// One of the two devices and its host, to kill and start it.
    pub const fn tunnel_mut(&mut self, side: Side) -> (&mut Tunnel, &Namespace) {
        (&mut self.tunnels[index(side)], self.link.side(side))
    }

    /// The address and port at which the other side reaches this one at first.
    pub const fn endpoint(&self, side: Side) -> SocketAddr {
        outer(side, self.outer_v6)
    }

    /// The processes of the tunnel on one side: everything in the namespace that is not our traffic.
    pub fn processes(&self, side: Side) -> Vec<u32> {
        self.link.side(side).processes().into_iter().filter(|pid| !process::is_traffic(*pid)).collect()
    }

    /// Processor time and memory of both ends' processes together, so far.
    pub fn usage(&self) -> Usage {
        let both = [Side::A, Side::B].into_iter().flat_map(|side| self.processes(side));
        both.map(process::usage).fold(Usage::default(), |sum, one| sum + one)
    }

    fn logs(&self) -> String {
        let [a, b] = [Side::A, Side::B].map(|side| {
            let tunnel = self.tunnel(side);
            format!("{}: {}", tunnel.implementation().kind.name(), tunnel.log_tail())
        });
        format!("{a}; {b}")
    }
}

const fn index(side: Side) -> usize {
    match side {
        Side::A => 0,
        Side::B => 1,
    }
}

const fn inner(side: Side, v6: bool) -> IpAddr {
    match v6 {
        false => IpAddr::V4(Ipv4Addr::new(10, 78, 0, side.number())),
        true => IpAddr::V6(Ipv6Addr::new(0xfd78, 0, 0, 0, 0, 0, 0, side.number() as u16)),
    }
}

const fn outer(side: Side, v6: bool) -> SocketAddr {
    SocketAddr::new(Link::address(side, v6), PORT)
}

fn device(
    side: Side,
    own: &Keypair,
    other: [u8; 32],
    preshared_key: Option<[u8; 32]>,
    endpoint: Option<SocketAddr>,
) -> DeviceConfig {
    let [v4, v6] = [false, true].map(|v6| inner(side.other(), v6));
    let peer = PeerConfig {
        public_key: other,
        preshared_key,
        endpoint,
        replace_allowed_ips: true,
        allowed_ips: vec![format!("{v4}/32"), format!("{v6}/128")],
        ..PeerConfig::default()
    };
    DeviceConfig {
        private_key: Some(own.private()),
        listen_port: Some(PORT),
        replace_peers: true,
        peers: vec![peer],
    }
}

fn bring_up(host: &Namespace, side: Side, interface: &str, mtu: u32) -> Result<()> {
    let (v4, v6) = (inner(side, false), inner(side, true));
    host.ip(&format!(
        "addr add {v4}/24 dev {interface}\naddr add {v6}/64 dev {interface} nodad\n\
         link set {interface} mtu {mtu} up\n"
    ))
}

fn sink(host: &Namespace, executables: &Executables) -> Result<Run> {
    let mut run = Run::start(&executables.traffic, host, &Plan::Sink)?;
    run.wait_ready()?;
    Ok(run)
}
