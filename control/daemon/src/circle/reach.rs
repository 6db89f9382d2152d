//! Where another device may be reached, and which of its addresses to try next.
//!
//! A WireGuard handshake is the only proof that an address works. So addresses are tried in turn, the likeliest first; once one works, the tunnel itself follows the peer wherever it goes.
//!
//! **Invariant:** pure; the time is an argument.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ringmesh_mesh::sealed::signal::Candidate;

/// Seconds after which a session is over (WireGuard's Reject-After-Time).
pub(super) const ALIVE_SECS: u64 = 180;
/// How long one address is tried, where the tunnel sends its handshake at once: longer than any round trip worth having.
const TRY: Duration = Duration::from_secs(2);
/// The same after every address was tried twice.
const SLOW_TRY: Duration = Duration::from_secs(20);

/// What is known about where a device is.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// The newest signal's number.
    serial: u64,
    /// In the order in which they are tried.
    candidates: Vec<SocketAddr>,
    /// The next one to try.
    next: usize,
    tries: usize,
    tried_at: Option<Duration>,
    /// A better address than the one in use has come.
    prefer: Option<SocketAddr>,
}

/// What a signal brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fresh {
    /// Nothing: it is an old one.
    Old,
    /// The device is where it was.
    Same,
    /// It began anew, or is somewhere else.
    Moved,
}

impl Reach {
    /// Takes in a signal. `observed` is where it came from on the LAN.
    pub(super) fn hear(
        &mut self,
        serial: u64,
        candidates: &[Candidate],
        observed: Option<IpAddr>,
        ours: &[IpAddr],
    ) -> Fresh {
        if serial <= self.serial {
            return Fresh::Old;
        }
        let started = serial >> 32 != self.serial >> 32;
        self.serial = serial;
        let ordered = order(candidates, observed, ours);
        // What the two families observe differs, but both are among the candidates.
        let same = ordered.iter().all(|address| self.candidates.contains(address))
            && ordered.len() == self.candidates.len();
        if same && !started {
            return Fresh::Same;
        }
        let first = ordered.first().copied();
        self.prefer = first.filter(|first| observed == Some(first.ip()));
        (self.candidates, self.next, self.tries, self.tried_at) = (ordered, 0, 0, None);
        Fresh::Moved
    }

    /// Where the device was when we last ran, for as long as nobody knows better.
    pub(super) fn remember(&mut self, endpoint: SocketAddr) {
        if self.candidates.is_empty() {
            self.candidates.push(endpoint);
        }
    }

    /// The known addresses, the next to try first.
    pub(super) fn candidates(&self) -> impl Iterator<Item = SocketAddr> {
        let (tried, next) = self.candidates.split_at(self.next.min(self.candidates.len()));
        next.iter().chain(tried).copied()
    }

    /// Whether anything is known.
    pub(super) fn is_known(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// Where to try now, if it is time to: not while a session is `alive` at `endpoint`, unless there is a better way.
    pub(super) fn poll(
        &mut self,
        now: Duration,
        alive: bool,
        endpoint: Option<SocketAddr>,
    ) -> Option<SocketAddr> {
        if alive {
            self.tries = 0;
            return self.prefer.take().filter(|better| endpoint != Some(*better));
        }
        let patience = if self.tries < 2 * self.candidates.len() { TRY } else { SLOW_TRY };
        if self.tried_at.is_some_and(|at| now < at + patience) {
            return None;
        }
        let address = *self.candidates.get(self.next)?;
        self.next = (self.next + 1) % self.candidates.len();
        self.tries += 1;
        self.tried_at = Some(now);
        self.prefer = None;
        Some(address)
    }
}

/// The likeliest first: what was observed on the LAN; what looks like our own network; by how it was learned.
fn order(candidates: &[Candidate], observed: Option<IpAddr>, ours: &[IpAddr]) -> Vec<SocketAddr> {
    let near = |ip: IpAddr| ours.iter().any(|own| is_near(*own, ip));
    let rank = |candidate: &&Candidate| {
        let ip = candidate.address.ip();
        (observed != Some(ip), !near(ip), candidate.kind, ip.is_ipv6(), candidate.address)
    };
    let mut sorted: Vec<&Candidate> = candidates.iter().collect();
    sorted.sort_by_key(rank);
    let mut addresses: Vec<_> = sorted.into_iter().map(|candidate| candidate.address).collect();
    addresses.dedup();
    addresses
}

/// Whether two addresses look like one LAN: the same /16 or /64. Only an order follows from it.
fn is_near(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..2] == b.octets()[..2],
        (IpAddr::V6(a), IpAddr::V6(b)) => a.octets()[..8] == b.octets()[..8],
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests;
