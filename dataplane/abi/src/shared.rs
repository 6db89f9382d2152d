//! The two sides of the memory.
//!
//! Control creates it and sends its fd; one data plane attaches. Each side holds its ends of the five rings:
//!
//! | ring | from | to | when it is full |
//! | --- | --- | --- | --- |
//! | command | control | data plane | [`Full`]: control sends it later |
//! | completion | data plane | control | the next command is not taken before there is room |
//! | event | data plane | control | lost and counted: the rows tell the truth |
//! | punt | data plane | control | lost and counted, like any datagram |
//! | inject | control | data plane | refused to its caller |
//!
//! To sleep, a side asks `may_sleep` and waits for its [`Bell`](crate::Bell) only if the answer is yes; after waking it calls
//! `woke`. After giving the other side something (once per batch) it asks whether the other sleeps and strikes
//! that one's bell. A scribbled announcement can lose a wake-up, so nobody should sleep longer than some seconds at a time.
//!
//! Every `poll_*` takes one thing. The other side can fill a ring as fast as it is emptied, so callers bound what
//! they take in one turn.
//!
//! **Invariant:** a side uses only private copies of its own indices, and checks whatever it reads. All that the other
//! side can do is to make this one refuse things, which is counted.

use crate::command::CommandSlot;
use crate::fault::Point;
use crate::layout::{Capacities, Header, Layout, Place, RingName};
use crate::region::{Region, create_sealed, sealed_len};
use crate::ring::{Consumer, Indices, Memory, Producer, Slot};
use crate::rows::Published;
use crate::sync::AtomicU64;
use crate::{
    Claim, Command, Completion, Datagram, Endpoint, PeerStats, PlaneEvent, PlaneStats, Reason, Refused, Rows,
    Status, WORKERS_MAX, WorkerStats,
};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// There is no room in the ring now.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the ring is full")]
pub struct Full;

/// A ring in a mapped region.
struct RingMemory {
    region: Arc<Region>,
    place: Place,
}

impl RingMemory {
    fn producer(region: &Arc<Region>, layout: &Layout, name: RingName) -> Producer<Self> {
        let place = layout.ring(name);
        Producer::new(Self { region: Arc::clone(region), place }, place.shape)
    }

    fn consumer(region: &Arc<Region>, layout: &Layout, name: RingName) -> Consumer<Self> {
        let place = layout.ring(name);
        Consumer::new(Self { region: Arc::clone(region), place }, place.shape)
    }
}

impl Memory for RingMemory {
    fn indices(&self) -> &Indices {
        self.region.view(self.place.indices)
    }

    fn slots(&self) -> &[AtomicU64] {
        self.region.views(self.place.slots, self.place.shape.words_total())
    }
}

/// Control's side.
pub struct ControlSide {
    region: Arc<Region>,
    rows: Rows,
    generation: u64,
    commands: Producer<RingMemory>,
    injects: Producer<RingMemory>,
    completions: Consumer<RingMemory>,
    events: Consumer<RingMemory>,
    punts: Consumer<RingMemory>,
    next_id: u64,
    refused: u64,
}

impl ControlSide {
    /// Makes fresh memory of a new generation for `workers` workers (1 to [`WORKERS_MAX`]). The fd goes to the data plane.
    ///
    /// # Errors
    /// `InvalidInput` for another number of workers; else what the kernel answers.
    pub fn create(workers: u32) -> io::Result<(Self, OwnedFd)> {
        if !(1..=WORKERS_MAX).contains(&workers) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "workers out of range"));
        }
        let capacities = Capacities::of_device(workers);
        let total = Layout::of(capacities).total;
        let fd = create_sealed(total)?;
        let region = Region::map(&fd, total).map_err(io::Error::other)?;
        Ok((Self::on(Arc::new(region), capacities, new_generation()?), fd))
    }

    fn on(region: Arc<Region>, capacities: Capacities, generation: u64) -> Self {
        let layout = Layout::of(capacities);
        region.view::<Header>(0).fill(&capacities, generation);
        Self {
            rows: Rows::new(Arc::clone(&region), layout),
            generation,
            commands: RingMemory::producer(&region, &layout, RingName::Command),
            injects: RingMemory::producer(&region, &layout, RingName::Inject),
            completions: RingMemory::consumer(&region, &layout, RingName::Completion),
            events: RingMemory::consumer(&region, &layout, RingName::Event),
            punts: RingMemory::consumer(&region, &layout, RingName::Punt),
            next_id: 1,
            refused: 0,
            region,
        }
    }

    /// The number of this memory; it goes into [`crate::ToPlane::Start`] or [`crate::ToPlane::Attach`].
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Puts a command into the ring; the id comes back in its completion.
    ///
    /// # Errors
    /// [`Full`]: try again after some completions.
    pub fn submit(&mut self, command: &Command) -> Result<u64, Full> {
        let id = self.next_id;
        let mut bytes = CommandSlot::new();
        command.encode(id, &mut bytes);
        Point::ControlSubmitting.pass();
        if !self.commands.push(|slot| slot.write(0, &bytes.0)) {
            return Err(Full);
        }
        Point::ControlSubmitted.pass();
        self.next_id += 1;
        Ok(id)
    }

    /// Gives the data plane a datagram to send to `to`.
    ///
    /// # Errors
    /// [`Full`] when the ring is, or when the payload is longer than [`crate::punt::DATAGRAM_MAX`].
    pub fn inject(&mut self, to: &Endpoint, payload: &[u8]) -> Result<(), Full> {
        let fits = payload.len() <= crate::punt::DATAGRAM_MAX;
        (fits && self.injects.push(|slot| Datagram::write(slot, to, payload))).then_some(()).ok_or(Full)
    }

    /// The next answer to a command.
    pub fn poll_completion(&mut self) -> Option<Result<Completion, Refused>> {
        let ids = self.next_id;
        let taken = self.completions.pop(|slot| {
            let done = Completion::decode(&copy(slot))?;
            Claim::new(done.id).within(1, ids - 1, "completion id")?;
            Ok(done)
        });
        self.counted(taken)
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Result<PlaneEvent, Refused>> {
        let taken = self.events.pop(|slot| PlaneEvent::decode(&copy(slot)));
        self.counted(taken)
    }

    /// The next punted datagram.
    pub fn poll_punt(&mut self) -> Option<Result<Datagram, Refused>> {
        let taken = self.punts.pop(Datagram::read);
        self.counted(taken)
    }

    /// A peer's row as it is now; `None` when there is no such row, or it was being written, or makes no sense.
    #[must_use]
    pub fn peer(&self, slot: u32) -> Option<PeerStats> {
        self.rows.observe_peer(slot)
    }

    /// A worker's row as it is now; `None` when there are not so many.
    #[must_use]
    pub fn worker(&self, worker: u32) -> Option<WorkerStats> {
        self.rows.observe_worker(worker)
    }

    /// Workers that have a row.
    #[must_use]
    pub const fn worker_count(&self) -> u32 {
        self.rows.worker_count()
    }

    /// The data plane's row as it is now.
    #[must_use]
    pub fn plane(&self) -> PlaneStats {
        self.rows.observe_plane()
    }

    /// Values from the data plane that were refused so far.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
            + self.commands.refused()
            + self.injects.refused()
            + self.completions.refused()
            + self.events.refused()
            + self.punts.refused()
    }

    /// Announces sleep; false: something waits, stay awake.
    pub fn may_sleep(&mut self) -> bool {
        self.completions.publish();
        self.events.publish();
        self.punts.publish();
        self.header().control_doze.announce();
        let idle = self.completions.waiting() == 0 && self.events.waiting() == 0 && self.punts.waiting() == 0;
        if !idle {
            self.woke();
        }
        idle
    }

    /// Takes the announcement back, after waking for whatever reason.
    pub fn woke(&self) {
        self.header().control_doze.wake();
    }

    /// After a batch of submits and injects, and after [`Full`]: whether the data plane's bell must be struck.
    #[must_use]
    pub fn plane_sleeps(&self) -> bool {
        self.header().plane_doze.must_be_woken()
    }

    fn header(&self) -> &Header {
        self.region.view(0)
    }

    fn counted<T>(&mut self, taken: Option<Result<T, Refused>>) -> Option<Result<T, Refused>> {
        self.refused += u64::from(matches!(taken, Some(Err(_))));
        taken
    }
}

/// The data plane's side: the ring ends for its slow thread, and the rows for everybody.
pub struct PlaneSide {
    region: Arc<Region>,
    rows: Arc<Rows>,
    commands: Consumer<RingMemory>,
    injects: Consumer<RingMemory>,
    completions: Producer<RingMemory>,
    events: Producer<RingMemory>,
    punts: Producer<RingMemory>,
    /// Commands taken and not answered yet: each has a claim on a place among the completions.
    open: u32,
    refused: u64,
    events_lost: u64,
    punts_lost: u64,
    /// Something was put into a ring since control's sleep was last asked after.
    news: bool,
}

impl PlaneSide {
    /// Attaches to memory that control made, whose generation it has announced over the socket.
    ///
    /// # Errors
    /// Says which of seals, size, version, generation or capacities is wrong, or that another process was here before.
    pub fn attach(fd: &OwnedFd, generation: u64) -> Result<Self, Refused> {
        let actual = sealed_len(std::os::fd::AsFd::as_fd(fd))?;
        let head = Region::map(fd, size_of::<Header>())?;
        let capacities = head.view::<Header>(0).claim(generation)?;
        let claimed = Layout::of(capacities).total;
        if actual != claimed as u64 {
            return Err(Refused::Size { claimed: claimed as u64, actual });
        }
        Self::on(Arc::new(Region::map(fd, claimed)?), capacities)
    }

    fn on(region: Arc<Region>, capacities: Capacities) -> Result<Self, Refused> {
        let layout = Layout::of(capacities);
        if !region.view::<Header>(0).take() {
            return Err(Refused::AlreadyAttached);
        }
        Ok(Self {
            rows: Arc::new(Rows::new(Arc::clone(&region), layout)),
            commands: RingMemory::consumer(&region, &layout, RingName::Command),
            injects: RingMemory::consumer(&region, &layout, RingName::Inject),
            completions: RingMemory::producer(&region, &layout, RingName::Completion),
            events: RingMemory::producer(&region, &layout, RingName::Event),
            punts: RingMemory::producer(&region, &layout, RingName::Punt),
            open: 0,
            refused: 0,
            events_lost: 0,
            punts_lost: 0,
            news: false,
            region,
        })
    }

    /// The rows, for the worker threads too.
    #[must_use]
    pub const fn rows(&self) -> &Arc<Rows> {
        &self.rows
    }

    /// The next command; its slot is wiped. Each needs one [`Self::complete`], except refused ones, which are answered here.
    ///
    /// None is taken while there is no room for its completion beside those of the commands that are still open.
    pub fn poll_command(&mut self) -> Option<Result<(u64, Command), Refused>> {
        if self.completions.free() <= self.open {
            return None;
        }
        let mut bytes = CommandSlot::new();
        self.commands.pop(|slot| {
            slot.read(0, &mut bytes.0);
            Point::PlaneSlotRead.pass();
            slot.wipe();
        })?;
        let decoded = Command::decode(&bytes);
        self.open += 1;
        if decoded.is_err() {
            self.complete(bytes.id(), Status::Refused(Reason::Malformed));
        }
        Some(decoded).map(|taken| self.counted(taken))
    }

    /// Answers a command.
    pub fn complete(&mut self, id: u64, status: Status) {
        self.open = self.open.saturating_sub(1);
        self.news = true;
        let bytes = Completion { id, status }.encode();
        // Room was there when the command was taken; only a scribbled index can have taken it away.
        if !self.completions.push(|slot| slot.write(0, &bytes)) {
            self.refused += 1;
        }
    }

    /// Tells control that something happened; false: the ring was full, the event is lost and counted.
    pub fn event(&mut self, event: PlaneEvent) -> bool {
        self.news = true;
        let told = self.events.push(|slot| slot.write(0, &event.encode()));
        count_lost(told, &mut self.events_lost, &self.rows.plane().events_lost)
    }

    /// Hands control a datagram; false: no room or too long, it is lost and counted.
    pub fn punt(&mut self, from: &Endpoint, payload: &[u8]) -> bool {
        self.news = true;
        let fits = payload.len() <= crate::punt::DATAGRAM_MAX;
        let told = fits && self.punts.push(|slot| Datagram::write(slot, from, payload));
        count_lost(told, &mut self.punts_lost, &self.rows.plane().punts_lost)
    }

    /// The next datagram that control wants sent.
    pub fn poll_inject(&mut self) -> Option<Result<Datagram, Refused>> {
        let taken = self.injects.pop(Datagram::read)?;
        Some(self.counted(taken))
    }

    /// Values from control that were refused so far.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
            + self.commands.refused()
            + self.injects.refused()
            + self.completions.refused()
            + self.events.refused()
            + self.punts.refused()
    }

    /// Announces sleep; false: something waits, stay awake.
    pub fn may_sleep(&mut self) -> bool {
        self.rows.plane().refused.set(self.refused());
        self.commands.publish();
        self.injects.publish();
        self.header().plane_doze.announce();
        // A command that waits for room in the completion ring is not in our power: control's pop will wake us.
        let idle = self.injects.waiting() == 0
            && (self.commands.waiting() == 0 || self.completions.free() <= self.open);
        if !idle {
            self.woke();
        }
        idle
    }

    /// Takes the announcement back, after waking for whatever reason.
    pub fn woke(&self) {
        self.header().plane_doze.wake();
    }

    /// After a batch of completions, events and punts: whether control's bell must be struck. Not when there were
    /// none: two sides that woke each other for nothing would never sleep.
    #[must_use]
    pub fn control_sleeps(&mut self) -> bool {
        std::mem::take(&mut self.news) && self.header().control_doze.must_be_woken()
    }

    fn header(&self) -> &Header {
        self.region.view(0)
    }

    fn counted<T>(&mut self, taken: Result<T, Refused>) -> Result<T, Refused> {
        if taken.is_err() {
            self.refused += 1;
            self.rows.plane().refused.set(self.refused());
        }
        taken
    }
}

/// The private copy of a small slot.
fn copy<const N: usize>(slot: Slot<'_>) -> [u8; N] {
    let mut bytes = [0; N];
    slot.read(0, &mut bytes);
    bytes
}

fn count_lost(told: bool, lost: &mut u64, row: &Published) -> bool {
    if !told {
        *lost += 1;
        row.set(*lost);
    }
    told
}

/// Unpredictable, so a stale announcement never fits by chance; never zero, which is what fresh memory holds.
fn new_generation() -> io::Result<u64> {
    let mut bytes = [0; 8];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if got == bytes.len() {
        Ok(u64::from_le_bytes(bytes) | 1)
    } else {
        Err(io::ErrorKind::Interrupted.into())
    }
}

#[cfg(test)]
mod tests;
