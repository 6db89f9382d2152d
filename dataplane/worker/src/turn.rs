//! The loop of one worker: wait once, take all that happened, do all the work, submit once.
//!
//! **Invariant:** no error ends a batch. What fails is one packet, and it is counted.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ringmesh_abi::Rows;
use ringmesh_io::{BufId, Event, Gso, Joiner, Port, Queue, Span, VnetHdr, clock};
use ringmesh_tunnel::{Drop, PeerId};
use ringmesh_wire::ip::{self, ecn};

use crate::{
    codel::{Codel, PROCESSOR},
    counters::Counters,
    fair::{Fair, Waiting},
    flow,
    gather::Gather,
    lanes::Lanes,
    linger::{self, Linger},
    mail::{Note, Order, SlowMail, WorkerMail},
    pace::Pace,
    parcel::{Load, Parcel, Pool},
    peers::{Peers, Report},
    precedence::{Moved, Precedence},
    snapshot::{Snapshot, owner},
    tx::{Heads, Run},
};

/// One core's pipeline. All of its parts are fields; nothing it touches per packet is shared for writing.
pub(crate) struct Worker<P: Port> {
    pub(crate) number: u8,
    pub(crate) port: P,
    pub(crate) now: Duration,
    /// The wall clock, which the kernel stamps arrivals with.
    wall: Duration,
    pub(crate) codel: Codel,
    precedence: Precedence,
    linger: Linger,
    pub(crate) gather: Gather,
    lanes: Lanes,
    /// For how long what is taken now was let gather.
    pub(crate) gathered: Duration,
    /// Bytes of TCP super-packets, both ways.
    tcp_bytes: u64,
    pub(crate) peers: Peers,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) counters: Counters,
    pub(crate) office: Office,
    pub(crate) rows: Arc<Rows>,
    /// The send that is being filled.
    pub(crate) run: Option<Run>,
    pub(crate) heads: Box<Heads>,
    pub(crate) joiner: Joiner,
    pub(crate) writes: Writes,
    /// Packets that were read while no send buffer was free, or while the link was behind.
    pub(crate) fair: Fair<Held>,
    pub(crate) pace: Pace,
    /// Peers whose waiting packets can leave now.
    pub(crate) ready: VecDeque<PeerId>,
    /// Peers of which the slow thread has not been told all.
    debtors: VecDeque<PeerId>,
    /// Peers whose byte counts changed in this turn.
    pub(crate) touched: Vec<PeerId>,
    /// Buffers to give back once this turn's writes are queued.
    used: Vec<BufId>,
    /// A buffer to send waiting packets from. It is ours for good, so that they need not wait for one that only
    /// packets behind them can free.
    desk: Option<(BufId, Span)>,
    ended: bool,
}

/// Everything that joins a worker with the other threads.
#[derive(Clone)]
pub(crate) struct Office {
    pub(crate) slow: Arc<SlowMail>,
    pub(crate) workers: Arc<[WorkerMail]>,
    pub(crate) pool: Arc<Pool>,
}

/// TUN writes that the joiner decided on, kept until the receive region is free to be borrowed again.
#[derive(Default)]
pub(crate) struct Writes {
    pub(crate) pieces: Vec<Span>,
    pub(crate) ends: Vec<(VnetHdr, usize, u32)>,
}

impl Writes {
    pub(crate) fn push(&mut self, vnet: VnetHdr, pieces: &[Span], packets: u32) {
        self.pieces.extend_from_slice(pieces);
        self.ends.push((vnet, self.pieces.len(), packets));
    }
}

impl<P: Port> Worker<P> {
    pub(crate) fn new(
        number: u8,
        mut port: P,
        office: Office,
        snapshot: Arc<Snapshot>,
        rows: Arc<Rows>,
    ) -> Self {
        let desk = port.borrow();
        let features = port.features();
        let joiner = Joiner::new(features.tun_uso);
        Self {
            number,
            port,
            now: Duration::ZERO,
            wall: Duration::ZERO,
            codel: Codel::new(PROCESSOR),
            precedence: Precedence::default(),
            linger: Linger::default(),
            gather: Gather::new(features.gather),
            lanes: Lanes::default(),
            gathered: Duration::ZERO,
            tcp_bytes: 0,
            peers: Peers::default(),
            snapshot,
            counters: Counters::default(),
            office,
            rows,
            run: None,
            heads: Heads::new(),
            joiner,
            writes: Writes { pieces: Vec::with_capacity(4_096), ends: Vec::with_capacity(1_024) },
            fair: Fair::default(),
            pace: Pace::default(),
            ready: VecDeque::with_capacity(1_024),
            debtors: VecDeque::with_capacity(64),
            touched: Vec::with_capacity(256),
            used: Vec::with_capacity(256),
            desk,
            ended: false,
        }
    }

    /// Turns until the link is deleted or the kernel refuses to go on.
    pub(crate) fn run(mut self, precedence: Precedence) {
        self.precedence = precedence;
        let mut events = Vec::with_capacity(EVENTS_MAX);
        while !self.ended {
            if let Err(error) = self.turn(&mut events) {
                self.note_last(Note::Failed { worker: self.number, error });
                return;
            }
        }
        self.note_last(Note::LinkGone);
    }

    /// One turn. Sleeps only when nothing is left to do.
    ///
    /// # Errors
    /// What the kernel answers when the ring itself fails.
    pub(crate) fn turn(&mut self, events: &mut Vec<Event>) -> io::Result<()> {
        let sleep = self.fall_asleep();
        self.port.turn(sleep, events)?;
        self.bell().on_wake();
        self.now = clock::boottime();
        let (secs, nanos) = clock::wall();
        self.wall = Duration::new(secs, nanos);
        self.counters.turns += 1;

        self.take_orders();
        self.settle_debts();
        self.take_waiting();
        // What others hand over was read before what we read now, should a flow have just moved to our queue.
        self.take_parcels();
        self.look_ahead(events);
        self.look_ahead_in(events);
        self.take_quick(events);
        for event in events.drain(..) {
            self.handle_event(event);
        }
        self.take_waiting();

        self.flush_run();
        self.flush_joined();
        self.port.hurry();
        self.look_below();
        self.give_back();
        self.ask_for_precedence();
        self.linger.learn(self.now, &self.counters);
        self.publish();
        Ok(())
    }

    /// Announces sleep and looks once more. `false`: there is work, do not wait. What could not leave in this turn
    /// waits for a send buffer, parcels that found no room for a receive buffer, and the port wakes us for either; the slow
    /// thread does when there is room for what it has not been told.
    fn fall_asleep(&mut self) -> bool {
        self.bell().on_sleep();
        if !self.debtors.is_empty() {
            self.office.slow.expect_room();
            self.settle_debts();
        }
        let idle = self.mail().orders.is_empty() && !self.can_unpack();
        if !idle {
            self.bell().on_wake();
        }
        self.gathered = Duration::ZERO;
        if self.pace.is_held() && !(self.fair.is_empty() && self.ready.is_empty()) {
            self.port.wake_after(self.pace.rest());
        } else if idle && self.precedence.is_held() {
            if let Some(time) = self.gather.time(self.now) {
                self.gathered = time;
                self.port.gather(time);
            }
        } else if idle && self.linger.is_worth_it() {
            self.port.linger(linger::LONGEST);
        }
        idle
    }

    /// Takes what was read from the quick queue, and lets it leave before bulk is sealed and opened. A bare acknowledgement
    /// goes with the rest: a send of its own would cost more than the moment is worth.
    fn take_quick(&mut self, events: &mut Vec<Event>) {
        let (mut first, mut hurries) = (true, false);
        for event in events.iter() {
            let Event::Packet { queue, span, .. } = *event else { continue };
            let Some(packet) = slice(self.port.region(), span) else { continue };
            first &= !self.lanes.on_read(queue, packet, self.now);
            hurries = hurries || queue == Queue::Quick && !flow::is_acknowledgement(packet);
        }
        if !first {
            return;
        }
        for event in events.extract_if(.., |event| matches!(event, Event::Packet { queue: Queue::Quick, .. }))
        {
            self.handle_event(event);
        }
        if hurries && !events.is_empty() {
            self.flush_run();
            self.port.hurry();
        }
    }

    fn ask_for_precedence(&mut self) {
        let Counters { reads, receives, .. } = self.counters;
        let moved = Moved { bytes: self.tcp_bytes, deliveries: reads + receives };
        if let Some(wanted) = self.precedence.look(self.now, moved) {
            self.note(Note::Precedence { worker: self.number, wanted });
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Packet { buf, vnet, span, .. } => {
                self.counters.reads += 1;
                self.tcp_bytes += tcp_bytes(vnet, span.len.into());
                self.gather.outward(span.len);
                self.packet(buf, vnet, span);
            }
            Event::Datagrams { buf, span, segment, from, local, tos, socket, arrived } => {
                self.counters.receives += 1;
                self.gather.inward(span.len);
                let waited = arrived.and_then(|arrived| self.wall.checked_sub(arrived));
                self.run_of_datagrams(buf, span, &Arrival { segment, from, local, tos, socket, waited });
            }
            Event::Woken => {}
            Event::SendFailed { datagrams, .. } => self.counters.drop(Drop::SendFailed, u64::from(datagrams)),
            Event::WriteFailed { packets, .. } => self.counters.drop(Drop::TunFull, u64::from(packets)),
            Event::Malformed { deliveries } => self.counters.drop(Drop::Malformed, u64::from(deliveries)),
            Event::Fallback(what) => {
                self.counters.fallbacks += 1;
                self.joiner.set_udp(self.port.features().tun_uso);
                self.note(Note::Fallback { worker: self.number, what });
            }
            Event::Gone => self.ended = true,
        }
    }

    /// A packet to send, behind those of its flow that wait already; its buffer goes home when the packet is sealed.
    fn packet(&mut self, buf: BufId, vnet: VnetHdr, span: Span) {
        let free = self.fair.is_empty() && self.ready.is_empty();
        let done = match if free { self.transmit(vnet, span, 0) } else { Sealed::NoSlot { done: 0 } } {
            Sealed::Done => return self.port.release(buf),
            Sealed::NoSlot { done } => done,
        };
        let now = self.now;
        let Some(packet) = slice(self.port.region(), span) else { return self.port.release(buf) };
        self.fair.push(Held { buf, vnet, span }, packet, done, now);
        if self.pace.is_held() && self.fair.len() > WAITING_MAX {
            self.lose_fattest();
        }
    }

    /// Others must still be read, so the flow that has most in the way loses what it sent first.
    fn lose_fattest(&mut self) {
        let Some(place) = self.fair.fattest() else { return };
        if let Some(one) = self.fair.get(place) {
            self.fair.remove(place);
            self.port.release(one.item.buf);
            self.counters.drop(Drop::QueueFull, 1);
        }
    }

    /// Datagrams stay where they are until what they carry has been written.
    fn run_of_datagrams(&mut self, buf: BufId, span: Span, arrival: &Arrival) {
        self.datagrams(span, arrival);
        self.used.push(buf);
    }

    /// Sends what waits: what waited for a session came before what waits for a send buffer or the link.
    fn take_waiting(&mut self) {
        self.take_ready();
        if self.ready.is_empty() {
            self.take_fair();
        }
    }

    fn take_fair(&mut self) {
        self.look_below();
        while let Some((place, one)) = self.fair.next().and_then(|place| Some((place, self.fair.get(place)?)))
        {
            if self.pace.room(0) == 0 {
                return;
            }
            let done = if self.pace.is_held() && self.fair.is_due(place, self.now) {
                self.slow_down(&one)
            } else {
                one.done
            };
            let before = self.counters.tx_bytes;
            let sealed = self.transmit(one.item.vnet, one.item.span, done);
            let bytes = (self.counters.tx_bytes - before) as usize;
            match sealed {
                Sealed::NoSlot { done } => {
                    self.fair.advance(place, bytes, done);
                    if bytes == 0 {
                        return;
                    }
                }
                Sealed::Done => {
                    self.fair.advance(place, bytes, 0);
                    self.fair.remove(place);
                    self.port.release(one.item.buf);
                }
            }
        }
    }

    /// Tells the sender of a packet that its queue stands: by a mark where the flow knows ECN (RFC 3168), else by the
    /// loss of one segment. Says how many segments are done then.
    fn slow_down(&mut self, one: &Waiting<Held>) -> usize {
        let span = one.item.span;
        let range = span.start as usize..(span.start + span.len) as usize;
        let Some(packet) = self.port.region().get_mut(range) else { return one.done };
        let tos = ip::tos_of(packet);
        if tos & ecn::CE != 0 {
            ip::set_tos(packet, tos | ecn::CE);
            return one.done;
        }
        self.counters.drop(Drop::Congested, 1);
        one.done + 1
    }

    /// Asks the kernel how much of what it got has not left yet, when that is due.
    fn look_below(&mut self) {
        if self.pace.wants_look(self.now) {
            let unsent = self.port.unsent();
            self.pace.look(self.now, unsent);
        }
    }

    fn take_orders(&mut self) {
        while let Some(order) = self.mail().orders.pop() {
            self.handle_order(order);
        }
    }

    fn handle_order(&mut self, order: Order) {
        match order {
            Order::Peer { id, peer } => {
                let waited = self.peers.insert(id, peer, &self.office.pool);
                self.counters.drop(Drop::GivenUp, waited);
                // Here and not when a packet comes: room for every peer at once.
                self.debtors.reserve(self.peers.slots());
            }
            Order::ForgetPeer { id } => {
                let waited = self.peers.remove(id, &self.office.pool);
                self.counters.drop(Drop::GivenUp, waited);
            }
            Order::Endpoint { id, endpoint } => {
                if let Some(peer) = self.peers.peer_mut(id) {
                    peer.endpoint = endpoint;
                }
            }
            Order::Install { id, session, place } => {
                let local_index = session.local_index();
                if self.peers.install(id, session, place) {
                    self.report(id, Report::Installed(local_index));
                    if place == ringmesh_tunnel::device::Place::Current {
                        self.ready.push_back(id);
                    }
                }
            }
            Order::ForgetSession { id, local_index } => self.peers.forget_session(id, local_index),
            Order::Keepalive { id } => self.keepalive(id),
            Order::GiveUp { id } => self.give_up(id),
            Order::Snapshot(snapshot) => self.snapshot = snapshot,
            Order::Rows(rows) => {
                self.rows = rows;
                self.touched.clear();
                self.touched.extend(self.peers.iter().map(|(id, _)| id));
            }
            Order::Socket { index, fd } => {
                if let Err(error) = self.port.set_socket(index, fd) {
                    return self.note_last(Note::Failed { worker: self.number, error });
                }
                self.mail().moves.fetch_add(1, Ordering::Release);
                self.office.slow.bell.ring();
            }
        }
    }

    fn give_up(&mut self, id: PeerId) {
        let Some(peer) = self.peers.peer_mut(id) else { return };
        while let Some(parcel) = peer.staged.pop() {
            self.counters.drop(Drop::GivenUp, 1);
            self.office.pool.give(parcel);
        }
    }

    /// Parcels from other workers, treated as if they had arrived here.
    fn take_parcels(&mut self) {
        while !self.mail().parcels.is_empty() {
            let Some((buf, room)) = self.port.borrow() else { return };
            let Some(parcel) = self.mail().parcels.pop() else {
                self.port.release(buf);
                return;
            };
            self.unpack(buf, room, parcel);
        }
    }

    /// Whether a parcel waits and there is a buffer for it.
    fn can_unpack(&mut self) -> bool {
        if self.mail().parcels.is_empty() {
            return false;
        }
        // Asked of the port itself: only a buffer that it had to refuse makes it wake us.
        let spare = self.port.borrow().map(|(buf, _)| self.port.release(buf));
        spare.is_some()
    }

    /// Sends what waited for a session, as far as send buffers reach; the rest stays ready.
    fn take_ready(&mut self) {
        while let Some(&id) = self.ready.front() {
            // Counted once: what finds the session ended again goes to the end of the queue.
            let waiting = self.peers.peer_mut(id).map_or(0, |peer| peer.staged.len());
            for _ in 0..waiting {
                let Some(mut parcel) = self.peers.peer_mut(id).and_then(|peer| peer.staged.pop()) else {
                    break;
                };
                match (self.send_parcel(&parcel), self.peers.peer_mut(id)) {
                    (Sealed::NoSlot { done }, Some(peer)) => {
                        parcel.done = done;
                        return peer.staged.push_front(parcel);
                    }
                    (Sealed::NoSlot { .. }, None) | (Sealed::Done, _) => self.office.pool.give(parcel),
                }
            }
            self.ready.pop_front();
        }
    }

    /// Sends a packet that waited for a session.
    fn send_parcel(&mut self, parcel: &Parcel) -> Sealed {
        let (Some((_, room)), Load::Packet { vnet }) = (self.desk, parcel.load) else {
            return self.lost(Drop::QueueFull);
        };
        let span = self.lay_out(room, parcel);
        self.transmit(vnet, span, parcel.done)
    }

    /// Copies a parcel into an empty receive buffer and handles it like one that was read here.
    fn unpack(&mut self, buf: BufId, room: Span, parcel: Box<Parcel>) {
        let span = self.lay_out(room, &parcel);
        let load = parcel.load;
        self.office.pool.give(parcel);
        match load {
            Load::Packet { vnet } => self.packet(buf, vnet, span),
            Load::Datagrams { segment, from, local, tos, socket } => {
                let arrival = Arrival { segment, from, local, tos, socket, waited: None };
                self.run_of_datagrams(buf, span, &arrival);
            }
        }
    }

    fn lay_out(&mut self, room: Span, parcel: &Parcel) -> Span {
        let bytes = parcel.bytes();
        let start = room.start as usize;
        let fits = bytes.len() <= room.len as usize;
        if let Some(target) = self.port.region().get_mut(start..start + bytes.len()).filter(|_| fits) {
            target.copy_from_slice(bytes);
        }
        // A parcel is no longer than a receive buffer, so the length fits.
        Span { start: room.start, len: if fits { bytes.len() as u32 } else { 0 } }
    }

    /// Copies `span` into a parcel for the worker that owns the peer.
    pub(crate) fn hand_over(&mut self, to: u8, load: Load, span: Span, packets: u64) {
        let Some(mut parcel) = self.office.pool.take() else {
            self.counters.drop(Drop::HandoffFull, packets);
            return;
        };
        let Some(bytes) = slice(self.port.region(), span) else { return self.office.pool.give(parcel) };
        let filled = parcel.fill(load, bytes);
        let sent = match self.office.workers.get(to as usize) {
            Some(mail) if filled => mail.parcels.push(parcel).inspect(|()| mail.bell.ring()),
            Some(_) | None => Err(parcel),
        };
        match sent {
            Ok(()) => self.counters.handed_over += packets,
            Err(parcel) => {
                self.office.pool.give(parcel);
                self.counters.drop(Drop::HandoffFull, packets);
            }
        }
    }

    pub(crate) fn owner(&self, peer: PeerId) -> u8 {
        owner(peer, self.snapshot.workers)
    }

    fn flush_joined(&mut self) {
        let writes = &mut self.writes;
        self.joiner.flush(self.port.region(), &mut |vnet, pieces: &[Span], packets| {
            writes.push(vnet, pieces, packets)
        });
        self.queue_writes();
    }

    /// Gives what the joiner decided on to the port.
    pub(crate) fn queue_writes(&mut self) {
        let drained = Queue::ALL.map(|queue| self.port.is_drained(queue));
        let mut start = 0;
        for &(vnet, end, packets) in &self.writes.ends {
            let pieces = self.writes.pieces.get(start..end).unwrap_or_default();
            self.counters.rx_packets += u64::from(packets);
            let bytes = pieces.iter().map(|piece| u64::from(piece.len)).sum();
            self.counters.rx_bytes += bytes;
            self.tcp_bytes += tcp_bytes(vnet, bytes);
            self.counters.writes += 1;
            let head = pieces.first().and_then(|head| slice(self.port.region(), *head)).unwrap_or_default();
            let queue = self.lanes.choose(head, self.now, |queue| drained[queue as usize]);
            self.port.write(queue, vnet, pieces, packets);
            start = end;
        }
        self.writes.ends.clear();
        self.writes.pieces.clear();
    }

    fn give_back(&mut self) {
        for buf in self.used.drain(..) {
            self.port.release(buf);
        }
    }

    /// Tells the slow thread what it must know of a peer. What finds no room is told in a later turn.
    pub(crate) fn report(&mut self, id: PeerId, what: Report) {
        let Some(peer) = self.peers.peer_mut(id) else { return };
        if peer.owed.add(what) {
            self.debtors.push_back(id);
            self.settle_debts();
        }
    }

    /// Tells the slow thread what is owed to it, as far as its mail has room.
    fn settle_debts(&mut self) {
        while let Some(&id) = self.debtors.front() {
            while let Some(peer) = self.peers.peer_mut(id) {
                let endpoint = peer.endpoint;
                let Some(what) = peer.owed.take() else { break };
                let note = match (what, endpoint) {
                    (Report::Installed(local_index), _) => Note::Installed { id, local_index },
                    (Report::Confirmed(local_index), _) => Note::Confirmed { id, local_index },
                    (Report::Roamed, Some(endpoint)) => Note::Roamed { id, endpoint },
                    (Report::Roamed, None) => continue,
                    (Report::Active, _) => Note::Active { id },
                };
                if !self.note(note) {
                    if let Some(peer) = self.peers.peer_mut(id) {
                        peer.owed.add(what);
                    }
                    return;
                }
            }
            self.debtors.pop_front();
        }
    }

    /// Tells the slow thread; says whether there was room.
    pub(crate) fn note(&self, note: Note) -> bool {
        let sent = self.office.slow.notes.push(note).is_ok();
        self.office.slow.bell.ring();
        sent
    }

    /// The last word of an ending worker must arrive: it makes room for itself.
    fn note_last(&self, note: Note) {
        let _ = self.office.slow.notes.force_push(note);
        self.office.slow.bell.ring();
    }

    fn mail(&self) -> &WorkerMail {
        &self.office.workers[self.number as usize]
    }

    fn bell(&self) -> &crate::mail::Bell {
        &self.mail().bell
    }

    fn publish(&mut self) {
        if let Some(row) = self.rows.worker(u32::from(self.number)) {
            self.counters.publish(row, self.port.features());
        }
        for id in self.touched.drain(..) {
            if let (Some(peer), Some(row)) = (self.peers.peer_mut(id), self.rows.peer(id.0)) {
                row.rx_bytes.set(peer.rx_bytes);
                row.tx_bytes.set(peer.tx_bytes);
                row.rx_packets.set(peer.rx_packets);
                row.tx_packets.set(peer.tx_packets);
            }
        }
    }
}

/// How a run of datagrams came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) segment: u32,
    pub(crate) from: std::net::SocketAddr,
    pub(crate) local: Option<(std::net::IpAddr, u32)>,
    pub(crate) tos: u8,
    pub(crate) socket: u8,
    /// For how long the run waited in the socket, if the kernel says so.
    pub(crate) waited: Option<Duration>,
}

/// A packet that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    buf: BufId,
    vnet: VnetHdr,
    span: Span,
}

/// Whether a packet from the TUN device has been dealt with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sealed {
    /// Sealed, staged, handed over or dropped: its buffer is free.
    Done,
    /// Every send buffer is in flight, or the link is behind: try again from segment `done` on.
    NoSlot { done: usize },
}

/// The bytes of a super-packet if it is TCP.
const fn tcp_bytes(vnet: VnetHdr, bytes: u64) -> u64 {
    if matches!(vnet.gso, Gso::Tcp4 | Gso::Tcp6) { bytes } else { 0 }
}

/// The bytes of a span, or nothing if it lies outside.
pub(crate) fn slice(region: &[u8], span: Span) -> Option<&[u8]> {
    region.get(span.start as usize..span.start as usize + span.len as usize)
}

/// Packets that may wait while the link is behind: most of a worker's buffers, so that some are left to read others.
const WAITING_MAX: usize = 28;
/// Events of one turn that the vector has room for from the start.
const EVENTS_MAX: usize = 512;

#[cfg(test)]
mod tests;
