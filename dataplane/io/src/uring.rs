//! The port over io_uring: one ring, two TUN queues, the sockets and an eventfd.
//!
//! It is made in two steps, so that the process can give up its privileges between them:
//! [`UringPort::prepare`] makes memory and ring and limits what the ring may do;
//! [`Prepared::enable`] starts it in the worker's own thread. After that nothing is allocated.
//!
//! A turn arms what is not armed, launches the sends that are due, and enters the kernel: first to submit,
//! taking what completes meanwhile, and once more to wait if nothing happened. One enter that waits for
//! everything would need a timer, since a send may be blocked, and costs a quarter more in a ping-pong.
//!
//! **Invariant:** requests only point into memory that this value owns and drops after the ring.
#![allow(unsafe_code, reason = "the ring keeps pointers to the buffers")]

use crate::buffers::Buffers;
use crate::clock::boottime;
use crate::crowd::Crowd;
use crate::limits::{Limits, PAUSE_MILLIS, SINGLE_READS};
use crate::ring::{Batch, Ring, socket_place};
use crate::slots::Slots;
use crate::source::Source;
use crate::token::Token;
use crate::tun::{Tun, VNET_MAX};
use crate::udp::{Receives, Sends, Socket, Ticket};
use crate::wake::Wake;
use crate::{
    BufId, Destination, Event, Fallback, Features, Port, Queue, SEGMENTS_MAX, SlotId, Span, VnetHdr,
};
use io_uring::cqueue;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// The files of one worker. All must be blocking: io_uring answers EAGAIN for others instead of waiting.
#[derive(Debug)]
pub struct PortFds {
    /// Two TUN queues of one device, with a virtio header: by their [numbers](Queue), bulk and quick.
    pub tun: [OwnedFd; 2],
    /// UDP sockets, by their numbers; IPv4, or IPv6 for both families.
    pub sockets: Vec<OwnedFd>,
    /// An eventfd; writing to it wakes the worker.
    pub wake: OwnedFd,
    /// What these files were set to.
    pub offloads: Offloads,
}

/// What was switched on for a worker's files before it got them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offloads {
    /// Bytes of the virtio header on the TUN queue (TUNSETVNETHDRSZ): 10 or 12.
    pub vnet_len: u8,
    /// TUN_F_CSUM.
    pub tun_csum: bool,
    /// TUN_F_TSO4 and TUN_F_TSO6.
    pub tun_tso: bool,
    /// TUN_F_USO4 and TUN_F_USO6.
    pub tun_uso: bool,
    /// Sends may hold several segments (UDP_SEGMENT), until the kernel says otherwise.
    pub udp_gso: bool,
    /// UDP_GRO is set on the sockets.
    pub udp_gro: bool,
}

/// A port that is complete but does not run yet.
pub struct Prepared(UringPort);

impl Prepared {
    /// What will be in use.
    pub fn features(&self) -> Features {
        self.0.features()
    }

    /// Starts the port. To be called in the thread that will use it, and no other.
    ///
    /// # Errors
    ///
    /// The kernel refuses to enable the ring.
    pub fn enable(self) -> io::Result<UringPort> {
        self.0.ring.enable()?;
        Ok(self.0)
    }
}

/// The kernel's edge of one worker, over io_uring.
pub struct UringPort {
    // First, so that it is dropped before the memory its requests point to.
    ring: Ring,
    buffers: Buffers,
    slots: Slots,
    tun: Tun,
    wake: Wake,
    sockets: Box<[Socket]>,
    /// One more than the highest number of a socket that was ever there.
    sockets_used: usize,
    receives: Receives,
    sends: Sends,
    /// Events found outside of a turn.
    early: Vec<Event>,
    /// When paused sources are tried again.
    pause_until: Option<Duration>,
    /// For how long the next turn may wait.
    patience: Option<Duration>,
    /// For how long the next turn looks before it sleeps.
    vigil: Option<Duration>,
    /// For how long the next turn lets completions gather.
    gathering: Option<Duration>,
    crowd: Crowd,
    offloads: Offloads,
    limits: Limits,
    deferred: bool,
    restricted: bool,
}

impl UringPort {
    /// Makes everything that the port will ever use.
    ///
    /// # Errors
    ///
    /// The kernel refuses a ring ([`probe`](crate::probe) can say why), memory is short, or a file
    /// or a limit is not as it must be.
    pub fn prepare(fds: PortFds, limits: Limits) -> io::Result<Prepared> {
        limits.check()?;
        check(&fds, &limits)?;
        let PortFds { tun, sockets, wake, offloads } = fds;
        let vnet_len = usize::from(offloads.vnet_len);
        let (ring, fallback) = Ring::new(&limits)?;
        let without = limits.without;
        let mut port = Self {
            ring,
            buffers: Buffers::new(&limits, Tun::head(vnet_len))?,
            slots: Slots::new(limits.slots)?,
            tun: Tun::new(tun, vnet_len, offloads.tun_uso, !without.read_multishot, !without.tun_nowait),
            wake: Wake::new(wake),
            sockets: (0..limits.sockets).map(|_| Socket::vacant(limits.slots)).collect(),
            sockets_used: 0,
            receives: Receives::new(limits.sockets),
            sends: Sends::new(limits.slots),
            early: Vec::with_capacity(limits.events_max()),
            pause_until: None,
            patience: None,
            vigil: None,
            gathering: None,
            crowd: Crowd::default(),
            offloads,
            limits,
            deferred: fallback.is_none(),
            restricted: false,
        };
        port.early.extend(fallback.map(Event::Fallback));
        for (place, fd) in port.sockets.iter_mut().zip(sockets) {
            place.occupy(fd, receive_source(&limits), offloads.udp_gso)?;
            port.sockets_used += 1;
        }
        port.register()?;
        Ok(Prepared(port))
    }

    fn register(&mut self) -> io::Result<()> {
        let mut fds = Vec::from(self.tun.raw_fds());
        fds.push(self.wake.raw_fd());
        fds.extend(self.sockets.iter().map(Socket::raw_fd));
        self.ring.register_files(&fds)?;
        // SAFETY: the buffers are dropped after the ring, as the order of the fields says.
        unsafe { self.ring.register_buffers(&self.buffers)? };
        self.restricted = !self.limits.without.restrictions && self.ring.restrict();
        if !self.restricted {
            self.early.push(Event::Fallback(Fallback::Restrictions));
        }
        let news = [
            (self.tun.multishot(), Fallback::ReadMultishot),
            (self.recv_multishot(), Fallback::RecvMultishot),
        ];
        self.early.extend(news.iter().filter(|(on, _)| !on).map(|(_, fallback)| Event::Fallback(*fallback)));
        Ok(())
    }

    fn recv_multishot(&self) -> bool {
        self.sockets[..self.sockets_used]
            .iter()
            .filter(|socket| !socket.is_vacant())
            .all(|socket| socket.source().multishot())
    }

    /// Arms and launches everything that can be.
    fn prepare_enter(&mut self) {
        self.resume();
        self.buffers.refill();
        self.tun.arm(&mut self.ring, &self.buffers);
        self.wake.arm(&mut self.ring);
        for (number, socket) in (0..).zip(&mut self.sockets[..self.sockets_used]) {
            self.receives.arm(&mut self.ring, &self.buffers, number, socket);
        }
        self.launch();
    }

    /// Launches what was sent and written.
    fn launch(&mut self) {
        let Self { ring, buffers, slots, sends, early, .. } = self;
        self.tun.settle(ring, buffers, early);
        for (number, socket) in (0..).zip(&mut self.sockets[..self.sockets_used]) {
            sends.launch(ring, slots, number, socket, early);
        }
    }

    /// Ends the pause of paused sources when its time has come.
    fn resume(&mut self) {
        if self.pause_until.is_some_and(|until| boottime() >= until) {
            self.pause_until = None;
            self.sources().for_each(Source::resume);
        }
    }

    fn sources(&mut self) -> impl Iterator<Item = &mut Source> {
        let sockets = self.sockets[..self.sockets_used].iter_mut().map(Socket::source_mut);
        self.tun.sources_mut().chain([self.wake.source_mut()]).chain(sockets)
    }

    /// Enters the kernel to submit, and to wait if `idle` and nothing is about to complete.
    fn enter(&mut self, idle: bool) -> io::Result<()> {
        match self.ring.prompt() as usize {
            0 if idle && self.keep_vigil() => self.ring.enter(0, Some(Duration::ZERO)),
            0 if idle => {
                let limit = self.patience.into_iter().chain(self.pause_left()).min();
                match self.gathering {
                    Some(time) if limit.is_none() => self.ring.gather(time),
                    _ => self.ring.enter(1, limit),
                }
            }
            0 if !self.ring.has_work() => Ok(()),
            prompt => self.ring.enter(prompt, Some(Duration::ZERO)),
        }
    }

    /// Looks for completions without sleeping, if that was asked for. Says whether there are any.
    ///
    /// Everybody else on this processor goes first. What an answer waits for may be among them, and is short. Where one of
    /// them computes for longer, sleep is better: who sleeps is preferred when woken, who yields is not.
    fn keep_vigil(&mut self) -> bool {
        let Some(longest) = self.vigil else { return false };
        let begun = boottime();
        let mut looked = begun;
        while !self.ring.has_news() {
            if self.crowd.is_near(looked) || looked.saturating_sub(begun) >= longest {
                self.vigil = None;
                return false;
            }
            rustix::thread::sched_yield();
            let now = boottime();
            self.crowd.learn(looked, now);
            looked = now;
        }
        true
    }

    fn pause_left(&self) -> Option<Duration> {
        self.pause_until.map(|until| until.saturating_sub(boottime()).max(Duration::from_millis(1)))
    }

    /// Moves all ready completions into events.
    fn reap(&mut self, events: &mut Vec<Event>) {
        let mut batch = Batch::new();
        loop {
            let taken = self.ring.reap(&mut batch);
            for cqe in taken {
                self.handle(cqe, events);
            }
            if taken.len() < Batch::LEN {
                break;
            }
        }
        if self.pause_until.is_none() && self.sources().any(|source| source.is_paused()) {
            self.pause_until = Some(boottime() + Duration::from_millis(PAUSE_MILLIS));
        }
    }

    fn handle(&mut self, cqe: &cqueue::Entry, events: &mut Vec<Event>) {
        match Token::decode(cqe.user_data()) {
            Some(Token::Read { queue, lane }) => {
                self.tun.on_read(cqe, (queue, lane), &mut self.buffers, events);
            }
            Some(Token::Write(index)) => self.tun.on_write(cqe, index, &mut self.buffers, events),
            Some(Token::Recv { socket, lane, generation }) => {
                let ticket = Ticket { socket, lane, generation };
                if let Some(socket) = self.sockets.get_mut(usize::from(socket)) {
                    self.receives.on_recv(cqe, ticket, socket, &mut self.buffers, events);
                }
            }
            Some(Token::Send(index)) => self.on_sent(cqe, index, events),
            Some(Token::Wake) => self.wake.on_read(cqe, events),
            Some(Token::Cancel) | None => {}
        }
    }

    fn on_sent(&mut self, cqe: &cqueue::Entry, index: u16, events: &mut Vec<Event>) {
        let number = self.sends.socket_of(index);
        if let Some(socket) = number.and_then(|number| self.sockets.get_mut(usize::from(number))) {
            self.sends.on_sent(cqe, index, socket, &mut self.slots, events);
        }
    }

    /// Whether something is free again that the caller had been refused.
    fn take_relief(&mut self) -> bool {
        self.slots.take_relief() | self.buffers.take_relief()
    }

    /// Makes room for another write by submitting those that are queued.
    fn make_room(&mut self, pieces: usize) {
        if self.tun.has_room(pieces) && self.ring.reserve(1) {
            return;
        }
        // An error will show again, and be told, in the next turn.
        let Self { ring, buffers, tun, early, .. } = self;
        tun.settle(ring, buffers, early);
        let _ = self.enter(false);
        let mut early = std::mem::take(&mut self.early);
        self.reap(&mut early);
        self.early = early;
    }
}

impl Port for UringPort {
    fn turn(&mut self, wait: bool, events: &mut Vec<Event>) -> io::Result<()> {
        let before = events.len();
        let mut wait = wait;
        let mut rounds = 0;
        loop {
            self.prepare_enter();
            events.append(&mut self.early);
            // What a turn owes: an event, or room for what was refused.
            wait &= events.len() == before && !self.take_relief();
            self.enter(wait)?;
            self.reap(events);
            wait &= events.len() == before && !self.take_relief() && self.patience.is_none();
            let due = self.sockets[..self.sockets_used].iter().any(|socket| socket.outbox().is_ready());
            rounds += 1;
            if !wait && (!due || rounds >= ROUNDS_MAX) {
                self.patience = None;
                self.vigil = None;
                self.gathering = None;
                return Ok(());
            }
        }
    }

    fn region(&mut self) -> &mut [u8] {
        self.buffers.region_mut()
    }

    fn release(&mut self, buf: BufId) {
        self.buffers.release(buf);
    }

    fn borrow(&mut self) -> Option<(BufId, Span)> {
        self.buffers.borrow()
    }

    fn slot(&mut self) -> Option<SlotId> {
        self.slots.take()
    }

    fn parts(&mut self, slot: SlotId) -> (&[u8], &mut [u8]) {
        (self.buffers.region(), self.slots.bytes_mut(slot))
    }

    fn send(&mut self, slot: SlotId, len: usize, segment: usize, to: &Destination) {
        if !self.slots.launch(slot) {
            return;
        }
        let socket = self.sockets.get_mut(usize::from(to.socket));
        if let Err(errno) = self.sends.push(slot, len, segment, to, socket) {
            self.slots.free(slot);
            let datagrams = len.div_ceil(segment.max(1)).max(1) as u32;
            self.early.push(Event::SendFailed { datagrams, errno });
        }
    }

    fn cancel(&mut self, slot: SlotId) {
        self.slots.free(slot);
    }

    fn hurry(&mut self) {
        self.launch();
    }

    fn unsent(&self) -> usize {
        self.sockets[..self.sockets_used].iter().map(Socket::unsent).sum()
    }

    fn wake_after(&mut self, after: Duration) {
        self.patience = Some(after);
    }

    fn linger(&mut self, longest: Duration) {
        self.vigil = Some(longest);
    }

    fn gather(&mut self, time: Duration) {
        self.gathering = Some(time);
    }

    fn is_drained(&self, queue: Queue) -> bool {
        self.tun.is_drained(queue)
    }

    fn write(&mut self, queue: Queue, vnet: VnetHdr, pieces: &[Span], packets: u32) {
        self.make_room(pieces.len());
        let Self { ring, buffers, tun, early, .. } = self;
        if let Err(errno) = tun.write(ring, buffers, queue, vnet, pieces, packets) {
            tun.on_write_error(vnet.gso, packets, errno, early);
        }
    }

    fn max_segments(&self) -> usize {
        SEGMENTS_MAX
    }

    fn features(&self) -> Features {
        let mut sockets = self.sockets[..self.sockets_used].iter().filter(|socket| !socket.is_vacant());
        Features {
            tun_csum: self.offloads.tun_csum,
            tun_tso: self.offloads.tun_tso,
            tun_uso: self.tun.uso(),
            udp_gso: self.offloads.udp_gso && sockets.all(|socket| socket.outbox().gso()),
            udp_gro: self.offloads.udp_gro,
            read_multishot: self.tun.multishot(),
            recv_multishot: self.recv_multishot(),
            defer_taskrun: self.deferred,
            restricted: self.restricted,
            gather: self.ring.gathers(),
        }
    }

    fn set_socket(&mut self, index: u8, fd: OwnedFd) -> io::Result<()> {
        let place = self.sockets.get_mut(usize::from(index)).ok_or(io::ErrorKind::InvalidInput)?;
        let raw = fd.as_raw_fd();
        let before = place.generation();
        let armed = place.source().armed();
        place.occupy(fd, receive_source(&self.limits), self.offloads.udp_gso)?;
        self.sockets_used = self.sockets_used.max(usize::from(index) + 1);
        self.ring.replace_file(socket_place(index), raw)?;
        if armed > 0 {
            self.receives.cancel(&mut self.ring, index, before);
        }
        Ok(())
    }
}

fn receive_source(limits: &Limits) -> Source {
    Source::new(!limits.without.recv_multishot, SINGLE_READS)
}

/// Refuses files that would not work, while somebody is there to hear it.
fn check(fds: &PortFds, limits: &Limits) -> io::Result<()> {
    let refuse = |text| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    for fd in fds.tun.iter().chain([&fds.wake]) {
        if rustix::fs::fcntl_getfl(fd)?.contains(rustix::fs::OFlags::NONBLOCK) {
            return refuse(NONBLOCK_REFUSED);
        }
    }
    if !(VnetHdr::LEN..=VNET_MAX).contains(&usize::from(fds.offloads.vnet_len)) {
        return refuse("the TUN queues' virtio header must have 10 to 12 bytes");
    }
    if fds.sockets.len() > usize::from(limits.sockets) {
        return refuse("more sockets than places");
    }
    Ok(())
}

pub(crate) const NONBLOCK_REFUSED: &str = "the file is set to O_NONBLOCK, io_uring would not wait for it";

/// Chains that one turn may launch one after the other on a socket before the caller gets to work again.
const ROUNDS_MAX: u32 = 16;
