//! When something must happen to a peer that no packet asks for (paper, section 6).
//!
//! The worker that owns a peer only *stamps* what it did, in [`Stamps`]: a few relaxed stores per batch. The
//! slow half reads the stamps when a deadline has come and finds out whether it still holds. So traffic costs
//! no timer operation, and a deadline that traffic has overtaken costs one look.
//!
//! A peer with an open obligation (data that nobody answered, data that we have not acknowledged) is
//! *watched*: it is looked at again after at most [`KEEPALIVE_TIMEOUT`], the shortest delay that a stamp can
//! begin, so nothing that begins between two looks is ever late. Without an obligation it is not watched and
//! costs nothing, however many such peers there are; its next packet makes [`Stamps::take_watch`] true once,
//! and the worker tells the slow half.
//!
//! **Invariant:** a stamp has one writer, the owner worker. Nothing here waits or locks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::limits::{FORGET_AFTER, KEEPALIVE_TIMEOUT, REJECT_AFTER_TIME, UNANSWERED_AFTER};

/// When what happened to a peer's packets: nanoseconds since boot, 0 for never. A cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Stamps {
    /// The first data that was sent after the last authentic packet came.
    unanswered_since: AtomicU64,
    /// The first data that came after the last packet was sent.
    unacknowledged_since: AtomicU64,
    data_sent: AtomicU64,
    data_received: AtomicU64,
    /// The last authentic packet of any kind, in either direction.
    traversed: AtomicU64,
    watched: AtomicBool,
}

impl Stamps {
    /// Of a peer that nothing has happened to.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads something of it, to have it near when it is written.
    pub fn read_ahead(&self) {
        std::hint::black_box(self.traversed.load(Relaxed));
    }

    /// Packets left at `now` (since boot); `data` when not all of them were keepalives. For the owner worker.
    pub fn on_sent(&self, now: Duration, data: bool) {
        let now = nanos(now);
        self.traversed.store(now, Relaxed);
        self.unacknowledged_since.store(0, Relaxed);
        if data {
            self.data_sent.store(now, Relaxed);
            begin(&self.unanswered_since, now);
        }
    }

    /// Authentic packets came at `now` (since boot); `data` when not all of them were keepalives. For the owner
    /// worker.
    pub fn on_received(&self, now: Duration, data: bool) {
        let now = nanos(now);
        self.traversed.store(now, Relaxed);
        self.unanswered_since.store(0, Relaxed);
        if data {
            self.data_received.store(now, Relaxed);
            begin(&self.unacknowledged_since, now);
        }
    }

    /// Whether the slow half must be told that the peer is active. To be called after each of the two above;
    /// true once per period of activity. For the owner worker.
    #[must_use]
    pub fn take_watch(&self) -> bool {
        !self.watched.load(Relaxed) && !self.watched.swap(true, Relaxed)
    }

    /// The slow half sees no obligation and stops looking. A worker that stamps at the same moment may still see
    /// itself watched; that is why the slow half looks once more after [`SETTLE`].
    fn unwatch(&self) -> bool {
        self.watched.swap(false, Relaxed)
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            unanswered_since: at(&self.unanswered_since),
            unacknowledged_since: at(&self.unacknowledged_since),
            data_sent: at(&self.data_sent),
            data_received: at(&self.data_received),
            traversed: at(&self.traversed),
        }
    }
}

/// Longer by orders of magnitude than any processor keeps a store from the others.
const SETTLE: Duration = Duration::from_secs(1);

fn begin(stamp: &AtomicU64, now: u64) {
    if stamp.load(Relaxed) == 0 {
        stamp.store(now, Relaxed);
    }
}

fn at(stamp: &AtomicU64) -> Option<Duration> {
    Some(stamp.load(Relaxed)).filter(|nanos| *nanos != 0).map(Duration::from_nanos)
}

/// The moment of boot itself counts as one nanosecond later, since 0 means never.
fn nanos(now: Duration) -> u64 {
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX).max(1)
}

/// The stamps at one look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Traffic {
    unanswered_since: Option<Duration>,
    unacknowledged_since: Option<Duration>,
    data_sent: Option<Duration>,
    data_received: Option<Duration>,
    traversed: Option<Duration>,
}

/// What may be due at a peer. The order is that in which they are attended to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Due {
    /// The last session began [`FORGET_AFTER`] ago: wipe all keys (section 6.3).
    Forget,
    /// The handshake in flight got no response: another one, or the end of it (section 6.4).
    Retry,
    /// Data that was sent got no answer: a new handshake (section 6.2).
    Silence,
    /// Data that came was not acknowledged by anything we sent: a keepalive (section 6.5).
    Acknowledge,
    /// Nothing passed for the interval that was configured: a keepalive.
    Persistent,
    /// The peer is watched and is to be looked at again.
    Look,
}

impl Due {
    pub(crate) const ALL: [Self; 6] =
        [Self::Forget, Self::Retry, Self::Silence, Self::Acknowledge, Self::Persistent, Self::Look];

    /// For people who wonder why the slow half woke up.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Forget => "keys are to be wiped",
            Self::Retry => "handshake without response",
            Self::Silence => "data without answer",
            Self::Acknowledge => "passive keepalive",
            Self::Persistent => "persistent keepalive",
            Self::Look => "peer is watched",
        }
    }
}

/// What the slow half remembers about one peer, besides the stamps. All times since boot.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Timers {
    /// The interval of persistent keepalives; `None` is off.
    pub(crate) persistent: Option<Duration>,
    /// The next persistent keepalive does not wait: the interval or the endpoint was just set.
    pub(crate) persistent_now: bool,
    /// When the handshake in flight is to be tried again; `None` when there is none.
    pub(crate) retry_at: Option<Duration>,
    /// When the newest session began; `None` when there is none.
    pub(crate) session_born: Option<Duration>,
    /// Added to the wait for an answer, so that two silent peers do not begin at the same moment.
    pub(crate) jitter: Duration,
    /// Silence before this time is settled: a handshake message came, or we have acted on it.
    answered_at: Option<Duration>,
    /// What came before this time is acknowledged: a handshake message left, or we asked for a keepalive.
    acknowledged_at: Option<Duration>,
    /// The last handshake message in either direction, or the last persistent keepalive that we asked for.
    traversed_at: Option<Duration>,
    look_at: Option<Duration>,
}

impl Timers {
    /// A handshake message left, or a keepalive was asked for.
    pub(crate) fn on_sent(&mut self, now: Duration) {
        self.acknowledged_at = Some(now);
        self.traversed_at = Some(now);
        self.persistent_now = false;
    }

    /// An authentic handshake message came.
    pub(crate) fn on_received(&mut self, now: Duration) {
        self.answered_at = Some(now);
        self.traversed_at = Some(now);
    }

    /// Silence until `now` has been acted upon; only data that is sent later counts again.
    pub(crate) fn settle_silence(&mut self, now: Duration) {
        self.answered_at = Some(now);
    }

    /// A persistent keepalive could not be sent: wait for the next interval.
    pub(crate) fn skip_persistent(&mut self, now: Duration) {
        self.traversed_at = Some(now);
        self.persistent_now = false;
    }

    /// Decides whether the peer stays watched. To be called at every look and activity note.
    pub(crate) fn look(&mut self, stamps: &Stamps, now: Duration) {
        let traffic = stamps.traffic();
        let obliged = self.unanswered(&traffic).is_some() || self.unacknowledged(&traffic).is_some();
        self.look_at =
            if obliged { Some(now + KEEPALIVE_TIMEOUT) } else { stamps.unwatch().then_some(now + SETTLE) };
    }

    /// When `due` is to be attended to, as things stand; `None` for never.
    pub(crate) fn deadline(&self, due: Due, stamps: &Stamps) -> Option<Duration> {
        self.deadline_of(due, &stamps.traffic())
    }

    /// The first deadline of all, and what it is for.
    pub(crate) fn next(&self, stamps: &Stamps) -> Option<(Duration, Due)> {
        let traffic = stamps.traffic();
        Due::ALL.iter().filter_map(|&due| Some((self.deadline_of(due, &traffic)?, due))).min()
    }

    fn deadline_of(&self, due: Due, traffic: &Traffic) -> Option<Duration> {
        match due {
            Due::Forget => Some(self.session_born? + FORGET_AFTER),
            Due::Retry => self.retry_at,
            Due::Silence if self.retry_at.is_some() => None,
            Due::Silence => Some(self.unanswered(traffic)? + UNANSWERED_AFTER + self.jitter),
            Due::Acknowledge => Some(self.unacknowledged(traffic)? + KEEPALIVE_TIMEOUT),
            Due::Persistent if self.persistent_now => self.persistent.map(|_| Duration::ZERO),
            Due::Persistent => {
                let last = traffic.traversed.max(self.traversed_at);
                self.persistent.map(|interval| last.map_or(Duration::ZERO, |last| last + interval))
            }
            Due::Look => self.look_at,
        }
    }

    fn unanswered(&self, traffic: &Traffic) -> Option<Duration> {
        open_since(traffic.unanswered_since, traffic.data_sent, self.answered_at)
    }

    /// A session that can carry no keepalive any more obliges to none.
    fn unacknowledged(&self, traffic: &Traffic) -> Option<Duration> {
        let since = open_since(traffic.unacknowledged_since, traffic.data_received, self.acknowledged_at)?;
        self.session_born.filter(|born| since < *born + REJECT_AFTER_TIME).map(|_| since)
    }
}

/// Since when an obligation is open, when all before `settled` has been met. The stamps tell the first and the
/// last event; with `settled` between them, the first one that counts may have come at once after it.
fn open_since(
    first: Option<Duration>,
    last: Option<Duration>,
    settled: Option<Duration>,
) -> Option<Duration> {
    let first = first?;
    let Some(settled) = settled else { return Some(first) };
    last.filter(|last| *last > settled).map(|_| first.max(settled))
}

#[cfg(test)]
mod tests;
