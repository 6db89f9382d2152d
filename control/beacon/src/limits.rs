//! Every bound of a beacon, and the buckets that hold rates.
//!
//! Strangers may connect, so each bound is per source or in sum; what needs no bound of its own says so at its place.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Connections at once, in sum.
pub(crate) const CONNECTIONS_MAX: usize = 4096;
/// Connections at once from one source: a household, an office.
pub(crate) const CONNECTIONS_PER_SOURCE_MAX: usize = 128;
/// How long a stranger may take until its hello is read.
pub(crate) const HELLO_TIME: Duration = Duration::from_secs(10);
/// How long a frame may take from its first byte to its last, and a write until it is taken.
pub(crate) const FRAME_TIME: Duration = Duration::from_secs(30);
/// New connections a second from one source, on average and at once.
pub(crate) const CONNECTS: Rate = Rate { per_sec: 4, burst: 256 };
/// New circles from one source, in tenths of an hour's worth: one in six minutes, ten at once.
pub(crate) const FOUNDINGS: Rate = Rate { per_sec: 1, burst: 3600 };
/// What a new circle costs of [`FOUNDINGS`].
pub(crate) const FOUNDING_COST: u64 = 360;
/// Requests a second on one connection.
pub(crate) const REQUESTS: Rate = Rate { per_sec: 50, burst: 500 };
/// Bytes a second on one connection.
pub(crate) const BYTES: Rate = Rate { per_sec: 1 << 20, burst: 8 << 20 };
/// STUN answers a second to one source, and in sum.
pub(crate) const STUN_PER_SOURCE: Rate = Rate { per_sec: 20, burst: 40 };
/// See [`STUN_PER_SOURCE`].
pub(crate) const STUN: Rate = Rate { per_sec: 5000, burst: 5000 };
/// Sources that are remembered. Beyond it, all are forgotten: a rate is then broken once, memory never.
pub(crate) const SOURCES_MAX: usize = 16_384;
/// Answers that wait to be written on one connection; the next request waits for them.
pub(crate) const ANSWERS_MAX: usize = 4;
/// Pushes that wait on one connection; a device that takes fewer is cut off and comes again.
pub(crate) const PUSHES_MAX: usize = 512;
/// Requests that wait for the database, in sum.
pub(crate) const JOBS_MAX: usize = 256;
/// Requests that are brought to the disk together.
pub(crate) const JOBS_AT_ONCE: usize = 128;

/// Devices on the roll of one circle, those removed among them.
pub(crate) const ROLL_MAX: u64 = 32_768;
/// Invites that one circle offers at a time.
pub(crate) const OFFERS_MAX: u64 = 256;
/// Parcels that wait for one device, one per sender; the oldest goes.
pub(crate) const PARCELS_PER_DEVICE_MAX: u64 = 16;
/// What an entry costs beside its bytes, so that many small ones fill the box too.
pub(crate) const ENTRY_COST: u64 = 256;
/// Part of the box that one device which is no admin may fill: an eighth; one that has just joined a sixty-fourth.
pub(crate) const MEMBER_SHARE: u64 = 8;
/// See [`MEMBER_SHARE`].
pub(crate) const JOINER_SHARE: u64 = 64;
/// After how long a box that was never used is dropped, in seconds.
pub(crate) const UNUSED_SECS_MAX: u64 = 86_400;
/// How long what belongs to an invite is kept after its end, in seconds.
pub(crate) const ROOM_SECS_MAX: u64 = 30 * 86_400;

/// So many a second on average, so many at once after a rest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) per_sec: u64,
    pub(crate) burst: u64,
}

/// What is left of a rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    /// In thousandths, so that slow rates gain something in every millisecond.
    left: u64,
    at: Duration,
}

impl Bucket {
    pub(crate) fn new(rate: Rate, now: Duration) -> Self {
        Self { rate, left: rate.burst * 1000, at: now }
    }

    /// Takes `cost` at the steady time `now`, if there is so much.
    pub(crate) fn take(&mut self, cost: u64, now: Duration) -> bool {
        self.refill(now);
        let enough = self.left >= cost.saturating_mul(1000);
        if enough {
            self.left -= cost * 1000;
        }
        enough
    }

    /// How long to wait before `cost` can be taken.
    pub(crate) fn wait(&mut self, cost: u64, now: Duration) -> Duration {
        self.refill(now);
        let lacks = cost.min(self.rate.burst).saturating_mul(1000).saturating_sub(self.left);
        Duration::from_millis(lacks.div_ceil(self.rate.per_sec))
    }

    fn refill(&mut self, now: Duration) {
        let millis = u64::try_from(now.saturating_sub(self.at).as_millis()).unwrap_or(u64::MAX);
        if millis > 0 {
            self.left = self.left.saturating_add(millis.saturating_mul(self.rate.per_sec));
            self.left = self.left.min(self.rate.burst * 1000);
            self.at = now;
        }
    }
}

/// A bucket for each source.
#[derive(Debug)]
pub(crate) struct Buckets {
    rate: Rate,
    sources: BTreeMap<IpAddr, Bucket>,
}

impl Buckets {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, sources: BTreeMap::new() }
    }

    /// Takes `cost` for a source, if it has so much left.
    pub(crate) fn take(&mut self, source: IpAddr, cost: u64, now: Duration) -> bool {
        self.of(source, now).take(cost, now)
    }

    /// Whether a source has so much left.
    pub(crate) fn has(&mut self, source: IpAddr, cost: u64, now: Duration) -> bool {
        self.of(source, now).wait(cost, now).is_zero()
    }

    fn of(&mut self, source: IpAddr, now: Duration) -> &mut Bucket {
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&source) {
            self.sources.clear();
        }
        let rate = self.rate;
        self.sources.entry(source).or_insert_with(|| Bucket::new(rate, now))
    }
}

/// What counts as one source: an IPv4 address, or the 64 bits of IPv6 that one host can choose within.
pub(crate) fn source(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(bits.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests;
