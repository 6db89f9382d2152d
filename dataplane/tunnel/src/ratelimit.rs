//! How many handshakes one source may start while we are under load.
//!
//! One bucket per IPv4 address or IPv6 /64 (paper, section 5.3; a /64 is what one customer gets). Only sources
//! that have shown a valid cookie come here, so addresses cannot be made up. A bucket is one number, the time
//! until which it is spent: it refills by the clock alone and nothing ever has to visit it.
//!
//! The table is fixed. A newcomer takes the place of whatever in its row is closest to a full bucket.
//!
//! **Invariant:** one source's spending never lowers another's. There is no global budget that an attacker
//! could use up for everybody.

use std::net::IpAddr;
use std::time::Duration;

use ringmesh_wire::Endpoint;

use crate::hash::{self, HASH_LEN};
use crate::limits::{HANDSHAKES_BURST, HANDSHAKES_PER_SECOND, SOURCES_MAX};

/// The time that one handshake costs.
const COST: Duration = Duration::from_nanos(1_000_000_000 / HANDSHAKES_PER_SECOND as u64);
/// How far ahead of the clock a bucket may be spent.
const DEPTH: Duration = COST.saturating_mul(HANDSHAKES_BURST);
/// Buckets that a source may land in.
const ROW: usize = 8;
const ROWS: usize = SOURCES_MAX / ROW;
const _: () = assert!(ROWS.is_power_of_two() && ROWS <= 1 << 16, "a row's number is the low bits of 16");

#[derive(Clone, Copy, Default)]
struct Bucket {
    /// A keyed hash of the source; attackers cannot aim at a row or at another's bucket.
    source: u64,
    /// Spent until this time. In the past: full, and free for anybody.
    spent_until: Duration,
}

/// The buckets of all sources. Empty until the first use.
pub(crate) struct RateLimiter {
    key: [u8; HASH_LEN],
    buckets: Vec<[Bucket; ROW]>,
}

impl RateLimiter {
    pub(crate) fn new(key: [u8; HASH_LEN]) -> Self {
        Self { key, buckets: Vec::new() }
    }

    /// Takes one handshake out of the bucket of `from`; `false` when it has none left.
    pub(crate) fn allow(&mut self, from: &Endpoint, now: Duration) -> bool {
        let (row, source) = self.place(from);
        self.buckets.resize(ROWS, [Bucket::default(); ROW]);
        let row = &mut self.buckets[row];
        let at = row.iter().position(|bucket| bucket.source == source).unwrap_or_else(|| most_idle(row));
        let bucket = &mut row[at];
        if bucket.source != source {
            *bucket = Bucket { source, spent_until: now };
        }
        let spent_until = bucket.spent_until.max(now) + COST;
        let allowed = spent_until - now <= DEPTH;
        if allowed {
            bucket.spent_until = spent_until;
        }
        allowed
    }

    /// Row and name of the source that `from` belongs to.
    fn place(&self, from: &Endpoint) -> (usize, u64) {
        let source = match from {
            Endpoint::Udp(path) => self.hash(b"udp", path.remote.ip(), &[]),
            // Everybody behind a relay has its address; the channel tells them apart.
            Endpoint::Turn { server, channel } => {
                self.hash(b"turn", server.remote.ip(), &channel.to_be_bytes())
            }
            Endpoint::Control { token } => hash::mac(&self.key, &[b"control", &token.to_be_bytes()]),
        };
        let [a, b, c, d, e, f, g, h, low, high, ..] = source;
        let row = usize::from(u16::from_le_bytes([low, high])) % ROWS;
        (row, u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    fn hash(&self, kind: &[u8], ip: IpAddr, rest: &[u8]) -> [u8; hash::MAC_LEN] {
        match ip.to_canonical() {
            IpAddr::V4(ip) => hash::mac(&self.key, &[kind, b"4", &ip.octets(), rest]),
            IpAddr::V6(ip) => hash::mac(&self.key, &[kind, b"6", &ip.octets()[..8], rest]),
        }
    }
}

fn most_idle(row: &[Bucket; ROW]) -> usize {
    (0..ROW).min_by_key(|&at| row[at].spent_until).unwrap_or_default()
}

#[cfg(test)]
mod tests;
