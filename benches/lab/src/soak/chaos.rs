//! What happens to the two devices, from one seed.
//!
//! **Invariant:** what happens, and to whom, depends on the seed alone; only the moment depends on how long
//! the deed before took. So a seed repeats a soak even on a slower machine.

use crate::implementations::{DeviceConfig, PeerConfig, random_key};
use crate::measure::process;
use crate::namespaces::{Link, Side};
use crate::pair::{INNER_MTU, Pair};
use crate::{Error, Result, clock};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use std::time::Duration;

/// Shortest and longest time between two deeds.
const PAUSE_MILLIS: (u64, u64) = (1_500, 4_000);
/// How long a killed control process stays away at most.
const ABSENCE_MILLIS_MAX: u64 = 1_500;
/// How long a killed data plane may take to be back.
const PLANE_BACK_LIMIT: Duration = Duration::from_secs(5);
/// Peers that are nobody, which come and go.
const STRANGERS_MAX: u64 = 20;

/// Something that happens to a device.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// The control process is killed and started again after so many milliseconds.
    KillControl(u64),
    /// The data plane is killed; control brings it back.
    KillPlane,
    /// Another UDP port.
    RoamPort(u16),
    /// Another address on the wire: 10.77.0.N.
    RoamAddress(u8),
    /// So many peers that are nobody take the place of those before.
    Strangers(u64),
    /// Another persistent keepalive of the real peer, in seconds.
    Keepalive(u16),
    /// The real peer's allowed IPs are replaced by the same and one more.
    AllowedIps(u8),
    /// Another MTU of the tunnel.
    Mtu(u32),
    /// Another pre-shared key, on both sides.
    PresharedKey,
}

/// A deed with its place and time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Done {
    /// By the machine's monotonic clock.
    pub at_millis: u64,
    /// To which device.
    pub side: char,
    /// What.
    pub deed: Deed,
}

impl Done {
    /// One line for people, with the time since `start`.
    pub fn line(&self, start: Duration) -> String {
        let since = Duration::from_millis(self.at_millis).saturating_sub(start);
        format!("{:7.1} s  {}  {:?}", since.as_secs_f64(), self.side, self.deed)
    }
}

/// The dice and what they have done so far.
#[derive(Debug)]
pub(super) struct Chaos {
    dice: Dice,
    next: Duration,
    done: Vec<Done>,
    /// Last part of each device's address on the wire now.
    hosts: [u8; 2],
    strangers: Vec<[u8; 32]>,
}

impl Chaos {
    pub(super) fn new(seed: u64, start: Duration) -> Self {
        let mut dice = Dice(seed);
        let next = start + dice.pause();
        Self {
            dice,
            next,
            done: Vec::new(),
            hosts: [Side::A.number(), Side::B.number()],
            strangers: Vec::new(),
        }
    }

    /// Waits for the next deed and does it; `None` if it would come after the end.
    pub(super) fn step(&mut self, pair: &mut Pair, end: Duration) -> Result<Option<Done>> {
        clock::pause_until(self.next.min(end));
        if self.next >= end {
            return Ok(None);
        }
        let side = if self.dice.below(2) == 0 { Side::A } else { Side::B };
        let deed = self.dice.deed();
        let at_millis = u64::try_from(clock::now().as_millis()).unwrap_or(u64::MAX);
        let done = Done { at_millis, side: side.letter(), deed };
        self.done.push(done);
        self.perform(pair, side, deed)
            .map_err(|error| Error::Tunnel(format!("{deed:?} on {}: {error}", done.side)))?;
        self.next = clock::now() + self.dice.pause();
        Ok(Some(done))
    }

    pub(super) fn into_done(self) -> Vec<Done> {
        self.done
    }

    fn perform(&mut self, pair: &mut Pair, side: Side, deed: Deed) -> Result<()> {
        let real = PeerConfig { public_key: pair.public_key(side.other()), ..PeerConfig::default() };
        let change = |peers: Vec<PeerConfig>| DeviceConfig { peers, ..DeviceConfig::default() };
        match deed {
            Deed::KillControl(millis) => kill_control(pair, side, millis),
            Deed::KillPlane => kill_plane(pair, side),
            Deed::RoamPort(port) => pair
                .tunnel(side)
                .configure(&DeviceConfig { listen_port: Some(port), ..DeviceConfig::default() }),
            Deed::RoamAddress(host) => self.roam(pair, side, host),
            Deed::Strangers(count) => self.replace_strangers(pair, count),
            Deed::Keepalive(secs) => {
                pair.tunnel(side).configure(&change(vec![PeerConfig { keepalive_secs: Some(secs), ..real }]))
            }
            Deed::AllowedIps(net) => {
                let other = side.other();
                let mut ranges = [false, true].map(|v6| Pair::address(other, v6).to_string()).to_vec();
                ranges.push(format!("10.99.{net}.0/24"));
                let peer =
                    PeerConfig { replace_allowed_ips: true, allowed_ips: with_prefixes(ranges), ..real };
                pair.tunnel(side).configure(&change(vec![peer]))
            }
            Deed::Mtu(mtu) => {
                pair.host(side).ip(&format!("link set {} mtu {mtu}\n", pair.tunnel(side).interface()))
            }
            Deed::PresharedKey => {
                let preshared_key = Some(random_key()?);
                [Side::A, Side::B].into_iter().try_for_each(|side| {
                    let public_key = pair.public_key(side.other());
                    let peer = PeerConfig { public_key, preshared_key, ..PeerConfig::default() };
                    pair.tunnel(side).configure(&change(vec![peer]))
                })
            }
        }
    }

    fn roam(&mut self, pair: &Pair, side: Side, host: u8) -> Result<()> {
        let own = usize::from(side.number() - 1);
        // A range of addresses for each side, so that they never meet.
        let host = host / 2 * 2 + 10 + own as u8;
        let before = std::mem::replace(&mut self.hosts[own], host);
        if before == host {
            return Ok(());
        }
        let wire = |host: u8| match Link::address(side, false) {
            std::net::IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                format!("{a}.{b}.{c}.{host}/24")
            }
            std::net::IpAddr::V6(ip) => format!("{ip}/64"),
        };
        pair.host(side).ip(&format!("addr add {} dev wire\naddr del {} dev wire\n", wire(host), wire(before)))
    }

    fn replace_strangers(&mut self, pair: &Pair, count: u64) -> Result<()> {
        let mut peers: Vec<PeerConfig> = std::mem::take(&mut self.strangers)
            .into_iter()
            .map(|public_key| PeerConfig { public_key, remove: true, ..PeerConfig::default() })
            .collect();
        for number in 0..count {
            // From the dice, not from the system: the seed decides.
            let public_key = self.dice.key();
            self.strangers.push(public_key);
            let allowed_ips = vec![format!("10.98.{number}.0/24")];
            peers.push(PeerConfig { public_key, allowed_ips, ..PeerConfig::default() });
        }
        let config = DeviceConfig { peers, ..DeviceConfig::default() };
        [Side::A, Side::B].into_iter().try_for_each(|side| pair.tunnel(side).configure(&config))
    }
}

fn with_prefixes(ranges: Vec<String>) -> Vec<String> {
    let prefix = |range: &str| if range.contains(':') { "128" } else { "32" };
    let whole =
        |range: String| if range.contains('/') { range } else { format!("{range}/{}", prefix(&range)) };
    ranges.into_iter().map(whole).collect()
}

fn kill_control(pair: &mut Pair, side: Side, absent_millis: u64) -> Result<()> {
    let (tunnel, host) = pair.tunnel_mut(side);
    tunnel.kill();
    clock::pause_until(clock::now() + Duration::from_millis(absent_millis));
    tunnel.run(host)
}

fn kill_plane(pair: &Pair, side: Side) -> Result<()> {
    let plane = || {
        let processes = pair.processes(side);
        processes
            .into_iter()
            .find(|pid| process::arguments(*pid).get(1).is_some_and(|word| word == "dataplane"))
    };
    let killed = plane().ok_or_else(|| Error::Tunnel("there is no data plane to kill".to_owned()))?;
    let pid = i32::try_from(killed).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Error::Tunnel(format!("{killed} is no process")))?;
    kill_process(pid, Signal::KILL).map_err(|errno| Error::io("cannot kill the data plane", errno))?;
    let back = clock::until(PLANE_BACK_LIMIT, || plane().filter(|pid| *pid != killed));
    let limit = PLANE_BACK_LIMIT.as_secs();
    back.map(|_pid| ()).ok_or_else(|| Error::Tunnel(format!("no data plane again within {limit} s")))
}

/// splitmix64: every seed is as good as any other.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`, which is small: the bias is below 2⁻⁴⁰.
    const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    const fn pause(&mut self) -> Duration {
        let (shortest, longest) = PAUSE_MILLIS;
        Duration::from_millis(shortest + self.below(longest - shortest))
    }

    fn key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        key.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&self.next().to_le_bytes()));
        key
    }

    fn deed(&mut self) -> Deed {
        let mut number = |bound: u64| self.below(bound);
        match number(12) {
            0 | 1 => Deed::KillControl(number(ABSENCE_MILLIS_MAX)),
            2 | 3 => Deed::KillPlane,
            4 | 5 => Deed::RoamPort(narrow(20_000 + number(40_000))),
            6 => Deed::RoamAddress(narrow(number(200))),
            7 => Deed::Strangers(number(STRANGERS_MAX + 1)),
            8 => Deed::Keepalive(narrow(number(3))),
            9 => Deed::AllowedIps(narrow(number(256))),
            10 => Deed::Mtu(INNER_MTU - narrow::<u32>(number(140))),
            _ => Deed::PresharedKey,
        }
    }
}

/// A number of the dice, which is within its type's range by the bound it was thrown with.
fn narrow<T: TryFrom<u64> + Default>(number: u64) -> T {
    T::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests;
