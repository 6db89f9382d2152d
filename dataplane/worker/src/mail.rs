//! The queues between the threads, and who wakes whom.
//!
//! The slow thread sends *orders* to workers; workers send *notes* to the slow thread and hand *parcels* to each
//! other. Every queue is bounded. A thread that is about to sleep says so first and then looks once more; whoever
//! puts something into its queue looks after that, so a wake-up is never lost and a busy thread is never woken.
//!
//! **Invariant:** a full queue is an answer, not a wait: nothing here blocks.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use arrayvec::ArrayVec;
use crossbeam::queue::ArrayQueue;
use ringmesh_abi::Rows;
use ringmesh_tunnel::{PeerId, device::Place, session::Session};
use ringmesh_wire::Endpoint;
use rustix::event::EventfdFlags;

use crate::{parcel::Parcel, peers::Peer, snapshot::Snapshot};

/// From the slow thread to the worker that owns the peer.
pub(crate) enum Order {
    /// A new peer, or one whose sessions start afresh.
    Peer { id: PeerId, peer: Box<Peer> },
    /// The peer is gone: everything it has is wiped.
    ForgetPeer { id: PeerId },
    /// Where the peer is now, as a handshake or the user said.
    Endpoint { id: PeerId, endpoint: Option<Endpoint> },
    /// A fresh session. The worker answers [`Note::Installed`] once it can open packets with it.
    Install { id: PeerId, session: Box<Session>, place: Place },
    /// Sessions that ended: one, or all of the peer's.
    ForgetSession { id: PeerId, local_index: Option<u32> },
    /// Send an empty data packet.
    Keepalive { id: PeerId },
    /// No session came about: drop what waits for it.
    GiveUp { id: PeerId },
    /// The new peers and routes.
    Snapshot(Arc<Snapshot>),
    /// A new control process brought new memory: publish there from now on.
    Rows(Arc<Rows>),
    /// A socket on a new port takes the place of the old one. The worker counts it in [`WorkerMail::moves`].
    Socket { index: u8, fd: OwnedFd },
}

/// From a worker to the slow thread.
pub(crate) enum Note {
    /// There is data for the peer and no session to seal it, or the session is due for renewal.
    WantSession { id: PeerId },
    /// The session can open packets now.
    Installed { id: PeerId, local_index: u32 },
    /// The first data packet of a session that the peer began.
    Confirmed { id: PeerId, local_index: u32 },
    /// An authenticated packet came from elsewhere.
    Roamed { id: PeerId, endpoint: Endpoint },
    /// A peer that was left alone has traffic again.
    Active { id: PeerId },
    /// The kernel refused something that was in use until now.
    Fallback { worker: u8, what: ringmesh_io::Fallback },
    /// The worker should go before applications, or no longer.
    Precedence { worker: u8, wanted: bool },
    /// The TUN link was deleted.
    LinkGone,
    /// The worker ended because of an error that it cannot mend.
    Failed { worker: u8, error: std::io::Error },
}

/// A handshake message, or what is no WireGuard at all.
pub(crate) struct Letter {
    pub(crate) from: Endpoint,
    pub(crate) bytes: ArrayVec<u8, LETTER_LEN>,
}

/// An eventfd with the flag that says whether its owner sleeps.
pub(crate) struct Bell {
    asleep: AtomicBool,
    event: OwnedFd,
}

impl Bell {
    /// For an owner that polls, and drains it by [`Bell::drain`].
    ///
    /// # Errors
    /// What `eventfd` answers.
    pub(crate) fn for_poll() -> rustix::io::Result<Self> {
        Self::new(EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
    }

    /// For an owner whose ring reads it. It must block: io_uring answers EAGAIN instead of waiting for others.
    ///
    /// # Errors
    /// What `eventfd` answers.
    pub(crate) fn for_ring() -> rustix::io::Result<Self> {
        Self::new(EventfdFlags::CLOEXEC)
    }

    fn new(flags: EventfdFlags) -> rustix::io::Result<Self> {
        Ok(Self { asleep: AtomicBool::new(false), event: rustix::event::eventfd(0, flags)? })
    }

    /// The owner is about to sleep; it must look into its queues once more after this.
    pub(crate) fn on_sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The owner is awake and will look into its queues.
    pub(crate) fn on_wake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes the owner if it sleeps. Called after something was put into its queue.
    pub(crate) fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed) {
            // A counter that is full wakes as well as one that was just raised.
            let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// Takes the wake-ups away, so that the next poll waits again.
    pub(crate) fn drain(&self) {
        let mut count = [0; 8];
        let _ = rustix::io::read(&self.event, &mut count);
    }

    pub(crate) fn event(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// What others may put before a worker.
pub(crate) struct WorkerMail {
    pub(crate) bell: Bell,
    pub(crate) orders: ArrayQueue<Order>,
    pub(crate) parcels: ArrayQueue<Box<Parcel>>,
    /// Sockets that the worker has changed over to so far.
    pub(crate) moves: AtomicU64,
}

impl WorkerMail {
    /// # Errors
    /// What `eventfd` answers.
    pub(crate) fn new() -> rustix::io::Result<Self> {
        Ok(Self {
            bell: Bell::for_ring()?,
            orders: ArrayQueue::new(ORDERS_MAX),
            parcels: ArrayQueue::new(HANDED_OVER_MAX),
            moves: AtomicU64::new(0),
        })
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.orders.is_empty() && self.parcels.is_empty()
    }
}

/// What workers may put before the slow thread.
pub(crate) struct SlowMail {
    pub(crate) bell: Bell,
    pub(crate) notes: ArrayQueue<Note>,
    /// Handshakes have a queue of their own: a flood of them fills it and nothing else.
    pub(crate) handshakes: ArrayQueue<Letter>,
    pub(crate) punts: ArrayQueue<Letter>,
    /// A worker sleeps with notes that found no room.
    wants_room: AtomicBool,
}

impl SlowMail {
    /// # Errors
    /// What `eventfd` answers.
    pub(crate) fn new() -> rustix::io::Result<Self> {
        Ok(Self {
            bell: Bell::for_poll()?,
            notes: ArrayQueue::new(NOTES_MAX),
            handshakes: ArrayQueue::new(HANDSHAKES_MAX),
            punts: ArrayQueue::new(PUNTS_MAX),
            wants_room: AtomicBool::new(false),
        })
    }

    /// For a worker that has notes left and is about to sleep: it tries once more after this, and is then woken.
    pub(crate) fn expect_room(&self) {
        self.wants_room.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// For the slow thread after it has taken notes: whether a worker waits for that. True once.
    pub(crate) fn take_wants_room(&self) -> bool {
        fence(Ordering::SeqCst);
        self.wants_room.load(Ordering::Relaxed) && self.wants_room.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.notes.is_empty() && self.handshakes.is_empty() && self.punts.is_empty()
    }
}

/// Longest letter: a punted STUN message or a TURN answer of one Ethernet frame; handshakes are far shorter.
pub(crate) const LETTER_LEN: usize = 1_500;
/// Orders of one burst of configuration; the slow thread keeps what does not fit and tries again.
const ORDERS_MAX: usize = 1_024;
/// Parcels on their way to one worker.
const HANDED_OVER_MAX: usize = 256;
/// Notes of all workers. What finds no room stays with the worker, once for each peer and kind.
const NOTES_MAX: usize = 4_096;
/// Handshakes that wait for the slow thread: at some 10,000 a second this is a tenth of a second.
const HANDSHAKES_MAX: usize = 1_024;
/// Datagrams for control that wait for the slow thread.
const PUNTS_MAX: usize = 64;

#[cfg(test)]
mod tests;
