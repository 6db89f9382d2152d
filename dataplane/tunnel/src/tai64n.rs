//! The handshake's timestamps, and the clock that can never lock its own device out.
//!
//! A responder accepts an initiation only if its timestamp is strictly greater than all before it (paper,
//! section 5.1). A device whose wall clock is unset at boot, or is set back, would then be refused by every
//! peer until its clock has caught up. So our own stamps take the wall clock when it is ahead, and otherwise
//! go on counting from the greatest that we have given out.
//!
//! **Invariant:** the stamps that one `StampClock` gives out increase strictly, whatever the wall does.

use std::time::Duration;

/// A point in time as the initiation carries it: TAI64N, 8 bytes of seconds and 4 of nanoseconds, big
/// endian, so that the order of the bytes is the order in time.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tai64N([u8; Self::LEN]);

impl Tai64N {
    /// Bytes on the network.
    pub const LEN: usize = 12;
    /// The label of 1970-01-01 00:00:00 UTC: 2^62 and the ten leap seconds that TAI was ahead by then.
    const EPOCH: u64 = 0x4000_0000_0000_000a;
    const NANOS_PER_SEC: u32 = 1_000_000_000;

    /// From the wall clock: seconds since 1970 and nanoseconds of the second.
    pub fn from_unix(secs: u64, nanos: u32) -> Self {
        Self::from_parts(Self::EPOCH.saturating_add(secs), nanos.min(Self::NANOS_PER_SEC - 1))
    }

    /// From the network or from storage. Every value is allowed: it is only ever compared.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// As the initiation carries it.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        self.0
    }

    /// The first whole second since 1970 that is not before it; 0 for what is before 1970.
    pub fn unix_secs_rounded_up(self) -> u64 {
        let (secs, nanos) = self.parts();
        match secs.checked_sub(Self::EPOCH) {
            Some(secs) => secs.saturating_add(u64::from(nanos > 0)),
            None => 0,
        }
    }

    fn from_parts(secs: u64, nanos: u32) -> Self {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&secs.to_be_bytes());
        bytes[8..].copy_from_slice(&nanos.to_be_bytes());
        Self(bytes)
    }

    fn parts(self) -> (u64, u32) {
        let secs = self.0[..8].iter().fold(0, |secs, byte| secs << 8 | u64::from(*byte));
        let nanos = self.0[8..].iter().fold(0, |nanos, byte| nanos << 8 | u32::from(*byte));
        (secs, nanos)
    }

    /// The smallest stamp greater than this one; the greatest of all stays itself.
    fn successor(self) -> Self {
        let (secs, nanos) = self.parts();
        match nanos {
            nanos if nanos < Self::NANOS_PER_SEC - 1 => Self::from_parts(secs, nanos + 1),
            _ if secs < u64::MAX => Self::from_parts(secs + 1, 0),
            _ => self,
        }
    }

    fn plus(self, span: Duration) -> Self {
        let (secs, nanos) = self.parts();
        let nanos = nanos.min(Self::NANOS_PER_SEC - 1) + span.subsec_nanos();
        let carry = u64::from(nanos / Self::NANOS_PER_SEC);
        let secs = secs.saturating_add(span.as_secs()).saturating_add(carry);
        Self::from_parts(secs, nanos % Self::NANOS_PER_SEC)
    }

    /// Coarsened to 2^24 ns (17 ms): a precise clock would tell everybody on the path how our machine's
    /// oscillator drifts, and two initiations are never that close together.
    fn coarse(self) -> Self {
        let (secs, nanos) = self.parts();
        Self::from_parts(secs, nanos & !((1 << 24) - 1))
    }
}

/// Gives out our own stamps.
pub(crate) struct StampClock {
    newest: Tai64N,
    /// When the wall was last told to us, and what it said.
    anchor: Option<(Duration, Tai64N)>,
}

impl StampClock {
    /// `newest` is the greatest stamp that this identity has given out before, or anything smaller.
    pub(crate) fn new(newest: Tai64N) -> Self {
        Self { newest, anchor: None }
    }

    /// Notes what the wall says at `now` (since boot).
    pub(crate) fn observe(&mut self, now: Duration, wall: Tai64N) {
        self.anchor = Some((now, wall));
    }

    /// The next stamp, for an initiation that leaves at `now` (since boot).
    pub(crate) fn stamp(&mut self, now: Duration) -> Tai64N {
        let wall = self.anchor.map(|(then, wall)| wall.plus(now.saturating_sub(then)).coarse());
        self.newest = self.newest.successor().max(wall.unwrap_or_default());
        self.newest
    }

    /// From now on every stamp is greater than this one too.
    pub(crate) fn raise(&mut self, stamp: Tai64N) {
        self.newest = self.newest.max(stamp);
    }

    /// The greatest stamp that was given out.
    pub(crate) fn newest(&self) -> Tai64N {
        self.newest
    }
}

#[cfg(test)]
mod tests;
