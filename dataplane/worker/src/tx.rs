//! The way out: read, route, stage, seal, send.
//!
//! A super-packet is cut, completed with checksums, padded and encrypted straight into the buffer that one
//! `UDP_SEGMENT` send carries. Consecutive packets for one endpoint join the same send while their sizes allow it
//! (all equal, the last may be shorter), so small packets share sends too and nothing is reordered or waits.
//!
//! **Invariant:** a range of counters is taken only when everything it is for will be sealed.

use arrayvec::ArrayVec;
use ringmesh_crypto::{Seal, TAG_LEN, seal};
use ringmesh_io::{Destination, Event, HEAD_MAX, Port, SLOT_LEN, SlotId, Span, Split, VnetHdr};
use ringmesh_tunnel::{Drop, PeerId, limits::STAGED_MAX, session::Session};
use ringmesh_wire::{
    Endpoint,
    ip::{self, ecn},
    message::{DATA_HEADER_LEN, DATA_OVERHEAD, DataHeader, PADDING},
};

use crate::{
    mail::Note,
    parcel::Load,
    peers::{AHEAD_MAX, Report},
    snapshot::Snapshot,
    turn::{Sealed, Worker, slice},
};

/// The send that is being filled: segments of one size for one endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    slot: SlotId,
    to: Destination,
    len: usize,
    segment: usize,
    count: usize,
    /// A shorter segment was the last.
    closed: bool,
}

impl Run {
    const fn new(slot: SlotId, to: Destination, segment: usize) -> Self {
        Self { slot, to, len: 0, segment, count: 0, closed: false }
    }

    /// Whether a segment of `sealed` bytes may follow.
    fn takes(&self, to: &Destination, sealed: usize, segments_max: usize) -> bool {
        !self.closed
            && sealed <= self.segment
            && self.count < segments_max
            && self.len + sealed <= SEND_LEN_MAX
            && self.to == *to
    }

    const fn add(&mut self, sealed: usize) {
        self.len += sealed;
        self.count += 1;
        self.closed = sealed < self.segment;
    }
}

/// Room for the headers of one send's segments: they are edited here, then encrypted from here.
pub(crate) struct Heads([[u8; HEAD_MAX]; SEGMENTS_MAX]);

impl Heads {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self([[0; HEAD_MAX]; SEGMENTS_MAX]))
    }
}

impl<P: Port> Worker<P> {
    /// Read and route: finds the peer of a packet and takes it on, or hands it to the peer's owner.
    ///
    /// `done` of its segments have left before, when send buffers ran short.
    pub(crate) fn transmit(&mut self, vnet: VnetHdr, span: Span, done: usize) -> Sealed {
        let Some(header) = slice(self.port.region(), span).and_then(ip::peek) else {
            return self.lost(Drop::Malformed);
        };
        let Some(id) = self.snapshot.routes.lookup(header.dst) else { return self.lost(Drop::NoRoute) };
        self.gather.learn(header.protocol, self.now);
        let owner = self.owner(id);
        if owner != self.number {
            self.hand_over(owner, Load::Packet { vnet }, span, 1);
            return Sealed::Done;
        }
        self.stage(id, vnet, span, header.tos, done)
    }

    /// Reads a little of all that the packets of these events need to be sealed, so that the processor fetches it for many at once.
    /// Among thousands of peers none of it is in a cache, and each packet by itself would wait for memory several times in a
    /// row. For packets to one address it costs a look at their headers.
    pub(crate) fn look_ahead(&mut self, events: &[Event]) {
        let (mut last, mut ids) = (None, ArrayVec::<PeerId, AHEAD_MAX>::new());
        for event in events {
            let Event::Packet { span, .. } = *event else { continue };
            let header = slice(self.port.region(), span).and_then(ip::peek);
            let Some(dst) = header.map(|header| header.dst) else { continue };
            if last.replace(dst) != Some(dst)
                && let Some(id) = self.snapshot.routes.lookup(dst)
                && ids.try_push(id).is_err()
            {
                break;
            }
        }
        if ids.len() > 1 {
            self.peers.read_ahead(&ids);
        }
    }

    pub(crate) fn lost(&mut self, how: Drop) -> Sealed {
        self.counters.drop(how, 1);
        Sealed::Done
    }

    /// Stage: takes counters for the segments that send buffers are free for, or lets the packet wait for a session.
    fn stage(&mut self, id: PeerId, vnet: VnetHdr, span: Span, tos: u8, done: usize) -> Sealed {
        let shape = match slice(self.port.region(), span).map(|packet| Split::new(vnet, packet)) {
            Some(Ok(split)) => Shape::of(&split),
            Some(Err(_)) | None => return self.lost(Drop::Malformed),
        };
        if done >= shape.count {
            return Sealed::Done;
        }
        let Some(peer) = self.peers.peer_mut(id) else { return self.wait_for_peer(id, vnet, span, done) };
        let Some(Endpoint::Udp(path)) = peer.endpoint else { return self.lost(Drop::NoEndpoint) };
        let to = Destination {
            remote: path.remote,
            local: path.local.map(|local| (local.ip, local.ifindex)),
            socket: path.socket,
            tos: outer_tos(&self.snapshot, tos),
        };
        if peer.current.as_mut().is_none_or(|session| session.is_expired(self.now)) {
            return self.wait_for_session(id, vnet, span, shape.count, done);
        }
        let (mut slots, end) = self.reserve(&to, &shape, done);
        if end == done {
            return Sealed::NoSlot { done };
        }
        let Some(first) = self.take_counters(id, end - done) else {
            slots.into_iter().for_each(|slot| self.port.cancel(slot));
            return self.wait_for_session(id, vnet, span, shape.count, done);
        };
        let portion = Portion { id, vnet, span, to, shape, first, begin: done, end };
        let mut sealed = done;
        while sealed < end {
            sealed += self.seal_some(&portion, sealed, &mut slots);
        }
        for slot in slots {
            self.port.cancel(slot);
        }
        if end == shape.count { Sealed::Done } else { Sealed::NoSlot { done: end } }
    }

    /// Takes a range of `count` counters from the peer's session and does what sending asks for.
    fn take_counters(&mut self, id: PeerId, count: usize) -> Option<u64> {
        let now = self.now;
        let peer = self.peers.peer_mut(id)?;
        let session = peer.current.as_mut()?;
        let first = session.stage(u32::try_from(count).ok()?, now).ok()?;
        let renew = session.wants_rekey_on_send(now);
        peer.stamps.on_sent(now, true);
        let watch = peer.stamps.take_watch();
        if renew {
            self.ask_for_session(id);
        }
        if watch {
            self.report(id, Report::Active);
        }
        Some(first)
    }

    /// Send buffers for a packet's segments from `done` on, beyond what the open run takes, and where they end: a
    /// packet may have more segments than all buffers hold.
    fn reserve(
        &mut self,
        to: &Destination,
        shape: &Shape,
        done: usize,
    ) -> (ArrayVec<SlotId, SLOTS_MAX>, usize) {
        let mut room = self.run;
        let mut slots = ArrayVec::new();
        let mut end = done;
        let segments_max = self.port.max_segments();
        let mtu = self.snapshot.mtu;
        let last = shape.count.min(done.saturating_add(self.pace.room(shape.sealed_len(done, mtu))));
        while end < last {
            let sealed = shape.sealed_len(end, mtu);
            if !room.is_some_and(|run| run.takes(to, sealed, segments_max)) {
                let Some(slot) = (!slots.is_full()).then(|| self.port.slot()).flatten() else { break };
                slots.push(slot);
                room = Some(Run::new(slot, *to, sealed));
            }
            if let Some(run) = &mut room {
                run.add(sealed);
            }
            end += 1;
        }
        slots.reverse();
        (slots, end)
    }

    /// Seals as many segments as one send takes, from segment `done` on; says how many.
    fn seal_some(
        &mut self,
        portion: &Portion,
        done: usize,
        slots: &mut ArrayVec<SlotId, SLOTS_MAX>,
    ) -> usize {
        let Portion { id, vnet, span, to, shape, first, begin, end } = portion;
        let (mtu, segments_max) = (self.snapshot.mtu, self.port.max_segments());
        let sealed = shape.sealed_len(done, mtu);
        if !self.run.is_some_and(|run| run.takes(to, sealed, segments_max)) {
            self.flush_run();
            // reserve() counted in the same way, so a slot is there; without one the rest is lost, not the batch.
            let Some(slot) = slots.pop() else { return self.lose_rest(end - done) };
            self.run = Some(Run::new(slot, *to, sealed));
        }
        let Some(run) = &mut self.run else { return self.lose_rest(end - done) };
        let Some(peer) = self.peers.peer_mut(*id) else { return self.lose_rest(end - done) };
        let Some(session) = peer.current.as_deref() else { return self.lose_rest(end - done) };
        let (region, out) = self.port.parts(run.slot);
        let Some(Ok(split)) = slice(region, *span).map(|packet| Split::new(*vnet, packet)) else {
            return self.lose_rest(end - done);
        };
        let (_, mut room) = out.split_at_mut(run.len.min(SLOT_LEN));
        let mut jobs = ArrayVec::<Seal<'_>, SEGMENTS_MAX>::new();
        let mut bytes = 0;
        for (i, head) in (done..*end).zip(&mut self.heads.0) {
            let sealed = shape.sealed_len(i, mtu);
            if jobs.is_full() || !run.takes(to, sealed, segments_max) {
                break;
            }
            let (message, rest) = std::mem::take(&mut room).split_at_mut(sealed);
            room = rest;
            let (head_len, body) = split.emit(i, head);
            let counter = first + (i - begin) as u64;
            let text = start_message(session, counter, message);
            jobs.push(Seal {
                key: session.send_key(),
                counter,
                head: head.get(..head_len).unwrap_or_default(),
                body,
                out: text,
            });
            run.add(sealed);
            bytes += sealed;
        }
        seal(&mut jobs);
        let sealed = jobs.len();
        drop(jobs);
        self.pace.on_sent(bytes);
        peer.tx_bytes += bytes as u64;
        peer.tx_packets += sealed as u64;
        self.counters.tx_packets += sealed as u64;
        self.counters.tx_bytes += (bytes - sealed * DATA_OVERHEAD) as u64;
        self.touched_now(*id);
        sealed
    }

    fn lose_rest(&mut self, segments: usize) -> usize {
        self.counters.drop(Drop::SendFailed, segments as u64);
        segments
    }

    /// Lets a packet wait for a session and asks for one. The rest of a packet that has partly left does not wait:
    /// it would leave as a whole once more.
    fn wait_for_session(
        &mut self,
        id: PeerId,
        vnet: VnetHdr,
        span: Span,
        count: usize,
        done: usize,
    ) -> Sealed {
        self.ask_for_session(id);
        if done > 0 {
            self.counters.drop(Drop::Expired, count.saturating_sub(done) as u64);
            return Sealed::Done;
        }
        let Some(mut parcel) = self.office.pool.take() else { return self.lost(Drop::QueueFull) };
        let lost = match (slice(self.port.region(), span), self.peers.peer_mut(id)) {
            (Some(bytes), Some(peer)) if parcel.fill(Load::Packet { vnet }, bytes) => {
                peer.staged.push(parcel, STAGED_MAX)
            }
            (_, _) => Some(parcel),
        };
        if let Some(parcel) = lost {
            self.office.pool.give(parcel);
            self.counters.drop(Drop::QueueFull, 1);
        }
        Sealed::Done
    }

    /// Asks the slow thread for a session, at most every [`ASK_AGAIN_NANOS`]: it has its own patience and retries.
    pub(crate) fn ask_for_session(&mut self, id: PeerId) {
        let now = self.now.as_nanos() as u64;
        let Some(peer) = self.peers.peer_mut(id) else { return };
        if peer.asked_at != 0 && now.saturating_sub(peer.asked_at) < ASK_AGAIN_NANOS {
            return;
        }
        peer.asked_at = now;
        if !self.note(Note::WantSession { id })
            && let Some(peer) = self.peers.peer_mut(id)
        {
            peer.asked_at = 0;
        }
    }

    /// Sends an empty data packet, which a keepalive is. Without a session there is nothing to keep alive.
    pub(crate) fn keepalive(&mut self, id: PeerId) {
        let now = self.now;
        let Some(peer) = self.peers.peer_mut(id) else { return };
        let Some(Endpoint::Udp(path)) = peer.endpoint else { return };
        let to = Destination {
            remote: path.remote,
            local: path.local.map(|local| (local.ip, local.ifindex)),
            socket: path.socket,
            tos: 0,
        };
        let Some(session) = peer.current.as_deref_mut().filter(|session| !session.is_expired(now)) else {
            return;
        };
        let Ok(counter) = session.stage(1, now) else { return };
        self.flush_run();
        let Some(slot) = self.port.slot() else { return self.counters.drop(Drop::SendFailed, 1) };
        let Some(peer) = self.peers.peer_mut(id) else { return self.port.cancel(slot) };
        let Some(session) = peer.current.as_deref() else { return self.port.cancel(slot) };
        let (_, out) = self.port.parts(slot);
        let Some(message) = out.get_mut(..DATA_OVERHEAD) else { return };
        let text = start_message(session, counter, message);
        seal(&mut [Seal { key: session.send_key(), counter, head: &[], body: &[], out: text }]);
        peer.stamps.on_sent(now, false);
        peer.tx_bytes += DATA_OVERHEAD as u64;
        self.touched_now(id);
        self.counters.sends += 1;
        self.port.send(slot, DATA_OVERHEAD, DATA_OVERHEAD, &to);
    }

    /// Send: gives the filled run to the port.
    pub(crate) fn flush_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        if run.count == 0 {
            return self.port.cancel(run.slot);
        }
        self.counters.sends += 1;
        self.port.send(run.slot, run.len, run.segment, &run.to);
    }

    /// Remembers that the peer's byte counts changed; a peer in a row of packets is listed once.
    pub(crate) fn touched_now(&mut self, id: PeerId) {
        if self.touched.last() != Some(&id) {
            self.touched.push(id);
        }
    }
}

/// Consecutive segments of one packet, from `begin` to before `end`, that have counters from `first` on.
struct Portion {
    id: PeerId,
    vnet: VnetHdr,
    span: Span,
    to: Destination,
    shape: Shape,
    first: u64,
    begin: usize,
    end: usize,
}

/// How many segments a packet has and how long they are.
#[derive(Clone, Copy, Debug)]
struct Shape {
    count: usize,
    full: usize,
    last: usize,
}

impl Shape {
    fn of(split: &Split<'_>) -> Self {
        let count = split.count();
        Self { count, full: split.segment_len(0), last: split.segment_len(count.saturating_sub(1)) }
    }

    const fn sealed_len(&self, i: usize, mtu: usize) -> usize {
        padded(if i + 1 == self.count { self.last } else { self.full }, mtu) + DATA_OVERHEAD
    }
}

/// Writes the header and gives the rest, where ciphertext and tag go.
fn start_message<'a>(session: &Session, counter: u64, message: &'a mut [u8]) -> &'a mut [u8] {
    match message.split_first_chunk_mut::<DATA_HEADER_LEN>() {
        Some((header, text)) => {
            DataHeader { receiver: session.remote_index(), counter }.emit(header);
            text
        }
        None => &mut [],
    }
}

/// The length that a packet is padded to: a multiple of 16, but never above the MTU (paper, section 5.4.6).
const fn padded(len: usize, mtu: usize) -> usize {
    let full = len.next_multiple_of(PADDING);
    if full <= mtu {
        full
    } else if len <= mtu {
        mtu
    } else {
        len
    }
}

/// ECN goes outside as RFC 6040 says; the DSCP only when the user wants it seen.
fn outer_tos(snapshot: &Snapshot, inner: u8) -> u8 {
    let dscp = if snapshot.dscp_copy { inner & !0b11 } else { 0 };
    dscp | ecn::on_encapsulate(inner)
}

/// Longest send: what one UDP datagram of IPv4 or IPv6 holds, which bounds a `UDP_SEGMENT` send as well.
const SEND_LEN_MAX: usize = 65_535 - 40 - 8;
/// `UDP_MAX_SEGMENTS` of the kernel.
const SEGMENTS_MAX: usize = 64;
/// Send buffers that are filled from one packet at a time; one with more segments leaves in portions.
const SLOTS_MAX: usize = 16;
/// A tenth of a second: far below the handshake's own retry, far above the rate of packets.
const ASK_AGAIN_NANOS: u64 = 100_000_000;
const _: () = assert!(SEND_LEN_MAX <= SLOT_LEN);
const _: () = assert!(TAG_LEN + DATA_HEADER_LEN == DATA_OVERHEAD);

#[cfg(test)]
mod tests;
