//! The port: everything that a worker asks of the kernel, as one trait.
//!
//! A worker runs turns. One [`Port::turn`] submits all that was queued since the last one, waits if
//! told to, and hands back what happened as [`Event`]s. Between two turns the worker reads packets
//! where they lie in the [region](Port::region), seals into [send slots](Port::slot), and queues
//! sends and writes. One port does this over io_uring, another in memory.
//!
//! **Invariant:** a packet's bytes are named, never passed along: a [`Span`] of the region and the
//! [`BufId`] that keeps it. Whoever got a buffer releases it exactly once, however the packet ends.

use crate::{Span, VnetHdr};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// The length of a send slot in bytes: every UDP payload fits (RFC 768: 65,535 with the header).
pub const SLOT_LEN: usize = 65_536;

/// Segments that one send may hold: the kernel's `UDP_MAX_SEGMENTS` before Linux 6.9 (128 since).
pub const SEGMENTS_MAX: usize = 64;

/// The longest payload of one UDP send in bytes: 65,535 less the IPv4 and UDP headers.
pub const DATAGRAM_MAX: usize = 65_507;

/// Spans that one [`Port::write`] may join. 65,535 bytes make 46 full packets; tiny ones are cut here.
pub const PIECES_MAX: usize = 128;

/// A receive buffer in the caller's hands; to be given back by [`Port::release`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BufId(pub(crate) u16);

/// A send buffer in the caller's hands; ends by [`Port::send`] or [`Port::cancel`].
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SlotId(pub(crate) u16);

/// Which of a worker's two TUN queues. The kernel puts a flow's packets into the queue that its answers are written to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Queue {
    /// For flows that send much: a packet waits there behind super-packets.
    Bulk,
    /// For all others.
    Quick,
}

impl Queue {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Bulk, Self::Quick];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Bulk => Self::Quick,
            Self::Quick => Self::Bulk,
        }
    }
}

/// Where a send goes, and from where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Destination {
    /// The peer's address, never IPv4-mapped.
    pub remote: SocketAddr,
    /// Our source address and interface index; `None` lets the kernel choose. The interface counts only for
    /// link-local addresses; for others the routes decide. A source that went away is left out, once tried.
    pub local: Option<(IpAddr, u32)>,
    /// Which of the port's sockets.
    pub socket: u8,
    /// The outer TOS or traffic class byte: DSCP and ECN (RFC 3168).
    pub tos: u8,
}

/// Something that is turned off because the kernel or a device refused it while running.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Fallback {
    /// Sends of several segments, on one socket; each segment now goes as a message of its own.
    UdpGso,
    /// Writes of UDP super-packets; the caller must join no more.
    TunUso,
    /// One read request that serves many packets; the TUN queue is now read by single requests.
    ReadMultishot,
    /// One receive request that serves many datagrams; now single requests.
    RecvMultishot,
    /// Completions run in the worker's own waits only; now whenever the kernel likes.
    DeferTaskrun,
    /// Ring restrictions: this kernel cannot limit the ring to the operations a worker needs.
    Restrictions,
}

impl Fallback {
    /// Every fallback, in the order of their numbers.
    pub const ALL: [Self; 6] = [
        Self::UdpGso,
        Self::TunUso,
        Self::ReadMultishot,
        Self::RecvMultishot,
        Self::DeferTaskrun,
        Self::Restrictions,
    ];

    /// The name for people and statistics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UdpGso => "udp-gso",
            Self::TunUso => "tun-uso",
            Self::ReadMultishot => "read-multishot",
            Self::RecvMultishot => "recv-multishot",
            Self::DeferTaskrun => "defer-taskrun",
            Self::Restrictions => "ring-restrictions",
        }
    }
}

/// What happened during a turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// A packet, or a super-packet, that this machine sends into the tunnel.
    Packet {
        /// Where it was read.
        queue: Queue,
        /// Holds the packet until released.
        buf: BufId,
        /// How the packet is to be split and checksummed.
        vnet: VnetHdr,
        /// The IP packet, after the virtio header.
        span: Span,
    },
    /// One datagram, or a run of datagrams from one sender that the kernel joined (UDP_GRO).
    Datagrams {
        /// Holds the run until released.
        buf: BufId,
        /// All payloads, end to end; empty for an empty datagram.
        span: Span,
        /// The length of each datagram but the last in bytes, at least 1: `span.len` when there is one.
        segment: u32,
        /// The sender, never IPv4-mapped.
        from: SocketAddr,
        /// Our address and interface index that it arrived at, never IPv4-mapped.
        local: Option<(IpAddr, u32)>,
        /// The outer TOS or traffic class byte.
        tos: u8,
        /// Which of the port's sockets.
        socket: u8,
        /// The wall clock (since 1970) when the kernel got the first of them, if the socket says so.
        arrived: Option<Duration>,
    },
    /// Somebody wrote to this worker's eventfd.
    Woken,
    /// Datagrams that were given to [`Port::send`] and did not leave.
    SendFailed {
        /// How many.
        datagrams: u32,
        /// Why, as a positive errno.
        errno: i32,
    },
    /// Packets that were given to [`Port::write`] and did not arrive.
    WriteFailed {
        /// How many, as counted by the caller of `write`.
        packets: u32,
        /// Why, as a positive errno.
        errno: i32,
    },
    /// Datagrams that the kernel delivered in a shape that we cannot use (cut short, no sender).
    Malformed {
        /// How many deliveries.
        deliveries: u32,
    },
    /// Something was turned off; told once.
    Fallback(Fallback),
    /// The TUN device was deleted. Nothing will be read or written through it any more.
    Gone,
}

/// What a port uses, for status pages. Starts from what it was given and shrinks by [`Fallback`]s.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Features {
    /// The TUN device takes and gives partial checksums (TUN_F_CSUM).
    pub tun_csum: bool,
    /// The TUN device takes and gives TCP super-packets, IPv4 and IPv6 (TUN_F_TSO4, TUN_F_TSO6).
    pub tun_tso: bool,
    /// The TUN device takes and gives UDP super-packets (TUN_F_USO4, TUN_F_USO6).
    pub tun_uso: bool,
    /// Sends of several segments (UDP_SEGMENT), on every socket.
    pub udp_gso: bool,
    /// Receives of several segments (UDP_GRO).
    pub udp_gro: bool,
    /// One request reads many packets, from either TUN queue.
    pub read_multishot: bool,
    /// One request receives many datagrams.
    pub recv_multishot: bool,
    /// Completion work runs only inside the worker's own waits.
    pub defer_taskrun: bool,
    /// The ring accepts only the operations that a worker needs, on registered files.
    pub restricted: bool,
    /// Completions can be let gather (Linux 6.12).
    pub gather: bool,
}

impl Features {
    /// Names of the features, in the order of the bits of [`Features::bits`].
    pub const NAMES: [&'static str; 10] = [
        "tun-csum",
        "tun-tso",
        "tun-uso",
        "udp-gso",
        "udp-gro",
        "read-multishot",
        "recv-multishot",
        "defer-taskrun",
        "restricted",
        "gather",
    ];

    /// The features as bits, lowest first in the order of [`Features::NAMES`].
    pub fn bits(self) -> u32 {
        let all = [
            self.tun_csum,
            self.tun_tso,
            self.tun_uso,
            self.udp_gso,
            self.udp_gro,
            self.read_multishot,
            self.recv_multishot,
            self.defer_taskrun,
            self.restricted,
            self.gather,
        ];
        all.iter().enumerate().fold(0, |bits, (place, on)| bits | u32::from(*on) << place)
    }
}

/// The kernel's edge of one worker.
pub trait Port {
    /// Submits everything queued, waits for at least one event if `wait`, and appends what happened
    /// to `events`: at most as many as there are buffers, sends and writes in flight, plus a few.
    ///
    /// A waiting turn also returns, perhaps without any event, once a slot or a buffer is free after
    /// [`Port::slot`] or [`Port::borrow`] had none to give.
    ///
    /// # Errors
    ///
    /// Only when the ring itself cannot go on; trouble with a packet, a socket or the TUN device
    /// is an event.
    fn turn(&mut self, wait: bool, events: &mut Vec<Event>) -> io::Result<()>;

    /// All receive buffers as one stretch. Only spans that the caller holds mean anything.
    fn region(&mut self) -> &mut [u8];

    /// Gives a buffer back. It is used again once no queued write refers to it.
    fn release(&mut self, buf: BufId);

    /// An empty receive buffer for packets that came by another way, or `None` when all are out.
    /// From here on it is like any other: write out of it, then release it.
    fn borrow(&mut self) -> Option<(BufId, Span)>;

    /// A free send buffer. `None` means that all are in flight: leave packets unread, and turn.
    fn slot(&mut self) -> Option<SlotId>;

    /// The region to read from and the slot's [`SLOT_LEN`] bytes to write to.
    fn parts(&mut self, slot: SlotId) -> (&[u8], &mut [u8]);

    /// Queues the slot's first `len` bytes for sending, as datagrams of `segment` bytes each; only
    /// the last may be shorter. At most [`Port::max_segments`] and [`DATAGRAM_MAX`] bytes.
    ///
    /// Sends of one socket leave in the order of these calls, also when its send buffer is full.
    fn send(&mut self, slot: SlotId, len: usize, segment: usize, to: &Destination);

    /// Gives a slot back unused.
    fn cancel(&mut self, slot: SlotId);

    /// Lets what was sent and written so far leave, as far as it can without waiting: to be called before
    /// bookkeeping that packets need not wait for. The next turn does the same.
    fn hurry(&mut self) {}

    /// Bytes that the kernel has taken from [`Port::send`] and that have not left, of all sockets, with what it spends on
    /// them; 0 where that is not known.
    fn unsent(&self) -> usize {
        0
    }

    /// The next turn, should it wait, waits no longer than this.
    fn wake_after(&mut self, _after: Duration) {}

    /// The next turn, should it wait, first stays awake for up to this long, and no longer than nobody else wants the
    /// processor.
    fn linger(&mut self, _longest: Duration) {}

    /// The next turn, should it wait, lets what comes gather for this long before it ends. Where that is none of the
    /// [`features`](Port::features), it ends with what comes first.
    fn gather(&mut self, _time: Duration) {}

    /// Whether the last turn read all that there was in this queue, so that nothing of a flow is left there if it moves
    /// to the other now.
    fn is_drained(&self, queue: Queue) -> bool;

    /// Queues one write to the TUN device, through `queue`: a packet made of `pieces` of the region (at most
    /// [`PIECES_MAX`]), with its virtio header. `packets` is what a failure will be counted as.
    fn write(&mut self, queue: Queue, vnet: VnetHdr, pieces: &[Span], packets: u32);

    /// Datagrams that one slot may hold. Without UDP_SEGMENT the port sends them one by one.
    fn max_segments(&self) -> usize;

    /// What is in use now.
    fn features(&self) -> Features;

    /// Adds a socket, or puts another one in the place of socket `index`: it keeps the number, and what is
    /// queued for it leaves through the new one.
    ///
    /// # Errors
    ///
    /// No such place, not a blocking UDP socket, or the kernel refuses.
    fn set_socket(&mut self, index: u8, fd: OwnedFd) -> io::Result<()>;
}
