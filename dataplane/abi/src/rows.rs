//! The peer table and the statistics: control reads them without a system call and without asking anybody.
//!
//! A peer's row has two writers, each with a part of its own: the worker that owns the peer stores byte counters
//! (plain stores, cheap enough for every turn), the slow thread publishes the rest behind a seqlock.
//!
//! A row that nothing was published in is not looked at, because even a look would make the kernel fill its page: of
//! 100,000 peers, those that were never heard of cost the shared memory nothing. A bit for each row tells.
//!
//! **Invariant:** the data plane never reads a row back as truth. Its own memory is the truth; scribbling here
//! falsifies a report and nothing else, until the next publication.

use crate::fields::{Reader, Writer};
use crate::layout::Layout;
use crate::region::Region;
use crate::seqlock::Seqlock;
use crate::sync::{AtomicU64, Ordering};
use crate::{Endpoint, Refused};
use std::sync::Arc;

/// Ways a packet can end that a worker's row has room for.
pub const DROPS_MAX: usize = 32;

/// A number that one thread publishes and the other process reads.
#[repr(transparent)]
#[derive(Debug, Default)]
pub struct Published(AtomicU64);

impl Published {
    /// Stores a number (relaxed): one plain store.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One peer in shared memory.
#[repr(C, align(64))]
pub struct PeerRow {
    /// Bytes received from the peer, with WireGuard's overhead, as `wg show` counts them.
    pub rx_bytes: Published,
    /// Bytes sent to the peer, with WireGuard's overhead.
    pub tx_bytes: Published,
    /// Inner packets received.
    pub rx_packets: Published,
    /// Inner packets sent.
    pub tx_packets: Published,
    reserved: [Published; 4],
    state: Seqlock<STATE_WORDS>,
}

const STATE_WORDS: usize = 23;
const _: () = assert!(size_of::<PeerRow>() == 256 && align_of::<PeerRow>() == 64);

/// What the slow thread publishes about a peer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeerState {
    /// Whose row this is; zeros when it is nobody's.
    pub public_key: [u8; 32],
    /// Where packets go now.
    pub endpoint: Endpoint,
    /// Wall clock of the last handshake, in whole seconds since 1970; 0 when there was none.
    pub last_handshake_secs: u64,
    /// The rest of it, in nanoseconds below 1,000,000,000.
    pub last_handshake_nanos: u32,
    /// Greatest TAI64N timestamp of an initiation (the paper, section 5.1).
    pub greatest_timestamp: [u8; 12],
    /// Whether a session is alive.
    pub has_session: bool,
}

impl Default for PeerState {
    fn default() -> Self {
        Self {
            public_key: [0; 32],
            endpoint: Endpoint::None,
            last_handshake_secs: 0,
            last_handshake_nanos: 0,
            greatest_timestamp: [0; 12],
            has_session: false,
        }
    }
}

impl PeerState {
    fn encode(&self) -> [u64; STATE_WORDS] {
        let mut bytes = [0; STATE_WORDS * 8];
        Writer::new(&mut bytes)
            .raw(&self.public_key)
            .raw(&self.endpoint.encode())
            .u64(self.last_handshake_secs)
            .u32(self.last_handshake_nanos)
            .raw(&self.greatest_timestamp)
            .bool(self.has_session);
        let mut words = [0; STATE_WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words
    }

    fn decode(words: &[u64; STATE_WORDS]) -> Result<Self, Refused> {
        let mut bytes = [0; STATE_WORDS * 8];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        let mut fields = Reader::new(&bytes);
        let state = Self {
            public_key: *fields.raw()?,
            endpoint: Endpoint::decode(fields.raw()?)?,
            last_handshake_secs: fields.u64()?,
            last_handshake_nanos: crate::Claim::new(fields.u32()?).below(1_000_000_000, "nanoseconds")?,
            greatest_timestamp: *fields.raw()?,
            has_session: fields.bool("session mark")?,
        };
        fields.rest_is_zero()?;
        Ok(state)
    }
}

/// A peer's row as control read it. Nothing in it is more than a report.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PeerStats {
    /// The slow thread's part, whole.
    pub state: PeerState,
    /// Bytes received, with WireGuard's overhead.
    pub rx_bytes: u64,
    /// Bytes sent, with WireGuard's overhead.
    pub tx_bytes: u64,
    /// Inner packets received.
    pub rx_packets: u64,
    /// Inner packets sent.
    pub tx_packets: u64,
}

impl PeerRow {
    /// Publishes everything but the counters. Only one thread does this for a row.
    pub fn publish(&self, state: &PeerState) {
        self.state.write(&state.encode());
    }

    fn observe(&self) -> Option<PeerStats> {
        let state = PeerState::decode(&self.state.read()?).ok()?;
        Some(PeerStats {
            state,
            rx_bytes: self.rx_bytes.read(),
            tx_bytes: self.tx_bytes.read(),
            rx_packets: self.rx_packets.read(),
            tx_packets: self.tx_packets.read(),
        })
    }
}

/// One worker in shared memory. The worker counts in memory of its own and publishes once per turn.
#[repr(C, align(64))]
pub struct WorkerRow {
    /// Inner packets that came from peers and went to the TUN device.
    pub rx_packets: Published,
    /// Their bytes.
    pub rx_bytes: Published,
    /// Inner packets that came from the TUN device and went to peers.
    pub tx_packets: Published,
    /// Their bytes.
    pub tx_bytes: Published,
    /// Turns of the loop; there is at least one every second or so.
    pub turns: Published,
    /// Completed reads of the TUN queue (packets or super-packets).
    pub reads: Published,
    /// Writes to the TUN queue.
    pub writes: Published,
    /// Completed receives (datagrams or GRO runs).
    pub receives: Published,
    /// Sends (datagrams or GSO runs).
    pub sends: Published,
    /// Times that a feature had to be given up while running.
    pub fallbacks: Published,
    /// Features in use, a bit each, as the data plane numbers them.
    pub features: Published,
    /// Packets handed to the worker that owns their peer.
    pub handed_over: Published,
    /// Packets that ended, by reason.
    pub drops: [Published; DROPS_MAX],
    reserved: [Published; 20],
}

const _: () = assert!(size_of::<WorkerRow>() == 512 && align_of::<WorkerRow>() == 64);

/// A worker's row as control read it; the fields are those of [`WorkerRow`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)] // Each is documented in the row.
pub struct WorkerStats {
    pub rx_packets: u64,
    pub rx_bytes: u64,
    pub tx_packets: u64,
    pub tx_bytes: u64,
    pub turns: u64,
    pub reads: u64,
    pub writes: u64,
    pub receives: u64,
    pub sends: u64,
    pub fallbacks: u64,
    pub features: u64,
    pub handed_over: u64,
    pub drops: [u64; DROPS_MAX],
}

impl WorkerRow {
    fn observe(&self) -> WorkerStats {
        WorkerStats {
            rx_packets: self.rx_packets.read(),
            rx_bytes: self.rx_bytes.read(),
            tx_packets: self.tx_packets.read(),
            tx_bytes: self.tx_bytes.read(),
            turns: self.turns.read(),
            reads: self.reads.read(),
            writes: self.writes.read(),
            receives: self.receives.read(),
            sends: self.sends.read(),
            fallbacks: self.fallbacks.read(),
            features: self.features.read(),
            handed_over: self.handed_over.read(),
            drops: core::array::from_fn(|at| self.drops[at].read()),
        }
    }
}

/// The data plane as a whole, in shared memory.
#[repr(C, align(64))]
pub struct PlaneRow {
    /// Its process id, in its own namespace.
    pub pid: Published,
    /// When it started, in nanoseconds since boot.
    pub start_nanos: Published,
    /// [`Hardening`] that holds.
    pub hardening: Published,
    /// The uid that it runs as.
    pub uid: Published,
    /// Values in the memory that it refused. [`crate::PlaneSide`] publishes this by itself.
    pub refused: Published,
    /// Events that found the ring full. [`crate::PlaneSide`] publishes this by itself.
    pub events_lost: Published,
    /// Punted datagrams that found the ring full or were too long. [`crate::PlaneSide`] publishes this by itself.
    pub punts_lost: Published,
    /// Turns of the slow thread; there is at least one every second.
    pub turns: Published,
    /// Datagrams that the slow thread ended, by reason.
    pub drops: [Published; DROPS_MAX],
    reserved: [Published; 24],
}

const _: () = assert!(size_of::<PlaneRow>() == 512 && align_of::<PlaneRow>() == 64);

/// The data plane's row as control read it; the fields are those of [`PlaneRow`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)] // Each is documented in the row.
pub struct PlaneStats {
    pub pid: u64,
    pub start_nanos: u64,
    pub hardening: Hardening,
    pub uid: u64,
    pub refused: u64,
    pub events_lost: u64,
    pub punts_lost: u64,
    pub turns: u64,
    pub drops: [u64; DROPS_MAX],
}

impl PlaneRow {
    fn observe(&self) -> PlaneStats {
        PlaneStats {
            pid: self.pid.read(),
            start_nanos: self.start_nanos.read(),
            hardening: Hardening::from_bits(self.hardening.read()),
            uid: self.uid.read(),
            refused: self.refused.read(),
            events_lost: self.events_lost.read(),
            punts_lost: self.punts_lost.read(),
            turns: self.turns.read(),
            drops: core::array::from_fn(|at| self.drops[at].read()),
        }
    }
}

/// What protects the rest of the machine from the data-plane process, and its keys from the rest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Hardening(u64);

impl Hardening {
    /// No capability in any set, and none can come back.
    pub const NO_CAPABILITIES: Self = Self(1);
    /// A uid that nothing else uses, and no supplementary group.
    pub const OWN_UID: Self = Self(1 << 1);
    /// No program that it starts could gain privileges.
    pub const NO_NEW_PRIVILEGES: Self = Self(1 << 2);
    /// System calls are filtered.
    pub const SECCOMP: Self = Self(1 << 3);
    /// Its rings do only the listed operations on registered files.
    pub const RESTRICTED_RINGS: Self = Self(1 << 4);
    /// No core dump, and processes of the same user cannot look inside.
    pub const NOT_DUMPABLE: Self = Self(1 << 5);
    /// Memory with keys is never written to swap.
    pub const LOCKED_KEYS: Self = Self(1 << 6);
    /// Long-term keys lie in memory that the kernel itself does not map.
    pub const MEMFD_SECRET: Self = Self(1 << 7);

    /// Every one, with the word that people read.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::NO_CAPABILITIES, "no-capabilities"),
        (Self::OWN_UID, "own-uid"),
        (Self::NO_NEW_PRIVILEGES, "no-new-privileges"),
        (Self::SECCOMP, "seccomp"),
        (Self::RESTRICTED_RINGS, "restricted-rings"),
        (Self::NOT_DUMPABLE, "not-dumpable"),
        (Self::LOCKED_KEYS, "locked-keys"),
        (Self::MEMFD_SECRET, "memfd-secret"),
    ];

    /// From a row; unknown bits are dropped.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits & 0xff)
    }

    /// For a row.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` holds.
    #[must_use]
    pub const fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// All rows of one memory. Workers and the slow thread of the data plane share it in an [`Arc`].
pub struct Rows {
    region: Arc<Region>,
    layout: Layout,
}

impl Rows {
    pub(crate) const fn new(region: Arc<Region>, layout: Layout) -> Self {
        Self { region, layout }
    }

    /// A peer's row, if the table has so many.
    #[must_use]
    pub fn peer(&self, slot: u32) -> Option<&PeerRow> {
        self.peers().get(slot as usize)
    }

    /// Publishes a peer's state; a slot outside the table is ignored, since no command can have named it. Only one
    /// thread does this.
    pub fn publish_peer(&self, slot: u32, state: &PeerState) {
        if let Some(row) = self.peer(slot) {
            row.publish(state);
            if let Some((word, bit)) = self.mark(slot) {
                word.fetch_or(bit, Ordering::Release);
            }
        }
    }

    /// A worker's row, if there are so many.
    #[must_use]
    pub fn worker(&self, worker: u32) -> Option<&WorkerRow> {
        self.workers().get(worker as usize)
    }

    /// The data plane's row.
    #[must_use]
    pub fn plane(&self) -> &PlaneRow {
        self.region.view(self.layout.plane_row)
    }

    /// Workers that have a row.
    #[must_use]
    pub const fn worker_count(&self) -> u32 {
        self.layout.capacities.workers
    }

    pub(crate) fn observe_peer(&self, slot: u32) -> Option<PeerStats> {
        let row = self.peer(slot)?;
        let (word, bit) = self.mark(slot)?;
        if word.load(Ordering::Acquire) & bit == 0 {
            return Some(PeerStats::default());
        }
        row.observe()
    }

    /// Where a row's bit is.
    fn mark(&self, slot: u32) -> Option<(&AtomicU64, u64)> {
        let marks =
            self.region.views::<AtomicU64>(self.layout.peer_marks, self.layout.capacities.mark_words());
        Some((marks.get((slot / u64::BITS) as usize)?, 1 << (slot % u64::BITS)))
    }

    pub(crate) fn observe_worker(&self, worker: u32) -> Option<WorkerStats> {
        self.worker(worker).map(WorkerRow::observe)
    }

    pub(crate) fn observe_plane(&self) -> PlaneStats {
        self.plane().observe()
    }

    fn peers(&self) -> &[PeerRow] {
        self.region.views(self.layout.peer_rows, self.layout.capacities.peers as usize)
    }

    fn workers(&self) -> &[WorkerRow] {
        self.region.views(self.layout.worker_rows, self.layout.capacities.workers as usize)
    }
}

#[cfg(test)]
mod tests;
