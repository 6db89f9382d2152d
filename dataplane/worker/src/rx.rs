//! The way in: recv, classify, open, admit, write.
//!
//! A run of datagrams is opened in place, its packets stay where the kernel put them, and one TUN write carries
//! the joined segments of a flow.
//!
//! **Invariant:** nothing of a packet is believed before `open`; nothing of it reaches the TUN device, and no
//! endpoint moves, before `admit`.

use std::ops::Range;

use arrayvec::ArrayVec;
use ringmesh_io::{Event, Port, Span};
use ringmesh_tunnel::{Drop, PeerId, session::Incoming};
use ringmesh_wire::{
    Endpoint, LocalAddr, UdpPath,
    ip::{self, ecn},
    message::{DATA_HEADER_LEN, DATA_OVERHEAD, DataHeader, Kind, classify},
};

use crate::{
    mail::{LETTER_LEN, Letter},
    parcel::Load,
    peers::{AHEAD_MAX, Report},
    turn::{Arrival, Worker, slice},
};

impl<P: Port> Worker<P> {
    /// Reads a little of all that the first datagram of each of these runs needs to be opened, as
    /// [`Worker::look_ahead`] does for what is sent.
    pub(crate) fn look_ahead_in(&mut self, events: &[Event]) {
        let mut packets = ArrayVec::<(u32, u64), AHEAD_MAX>::new();
        for event in events {
            let Event::Datagrams { span, .. } = *event else { continue };
            let Some(bytes) = slice(self.port.region(), span) else { continue };
            if classify(bytes) != Kind::Data {
                continue;
            }
            let Some(DataHeader { receiver, counter }) = DataHeader::parse(bytes) else { continue };
            if packets.last().is_none_or(|&(last, _)| last != receiver)
                && packets.try_push((receiver, counter)).is_err()
            {
                break;
            }
        }
        if packets.len() > 1 {
            self.peers.read_ahead_in(&packets);
        }
    }

    /// Recv and classify: takes a run of datagrams apart into stretches of one session, or of none.
    pub(crate) fn datagrams(&mut self, span: Span, arrival: &Arrival) {
        let end = (span.start + span.len) as usize;
        let mut at = span.start as usize;
        // An empty datagram is one too, and ends as what it is.
        if span.len == 0 {
            return self.counters.drop(Drop::Malformed, 1);
        }
        let step = (arrival.segment as usize).max(1);
        while at < end {
            let first = at..(at + step).min(end);
            match self.data_index(first.clone()) {
                Some(index) => {
                    let mut stretch = first;
                    while stretch.end < end && stretch.len() < step * RUN_MAX {
                        let following = stretch.end..(stretch.end + step).min(end);
                        if self.data_index(following.clone()) != Some(index) {
                            break;
                        }
                        stretch.end = following.end;
                    }
                    at = stretch.end;
                    self.data(index, stretch, arrival);
                }
                None => {
                    at = first.end;
                    self.letter(first, arrival);
                }
            }
        }
    }

    /// The receiver index, if these bytes have the form of a data message.
    fn data_index(&mut self, range: Range<usize>) -> Option<u32> {
        let bytes = self.port.region().get(range)?;
        (classify(bytes) == Kind::Data)
            .then(|| DataHeader::parse(bytes).map(|header| header.receiver))
            .flatten()
    }

    /// A stretch of data messages for one receiver index.
    fn data(&mut self, index: u32, stretch: Range<usize>, arrival: &Arrival) {
        let step = (arrival.segment as usize).max(1);
        let datagrams = stretch.len().div_ceil(step) as u64;
        // The low byte is a hint that a stranger may have written: it only chooses who looks into its own table.
        let owner = (index & 0xff) as u8;
        if owner != self.number && owner < self.snapshot.workers {
            let Arrival { segment, from, local, tos, socket, .. } = *arrival;
            let span = Span { start: stretch.start as u32, len: stretch.len() as u32 };
            return self.hand_over(
                owner,
                Load::Datagrams { segment, from, local, tos, socket },
                span,
                datagrams,
            );
        }
        match self.peers.by_index(index) {
            Some(id) => self.open(id, index, stretch, arrival),
            None => self.counters.drop(Drop::UnknownIndex, datagrams),
        }
    }

    /// Open and admit: authenticates a stretch in place and takes each packet on its way.
    fn open(&mut self, id: PeerId, index: u32, stretch: Range<usize>, arrival: &Arrival) {
        let now = self.now;
        let step = (arrival.segment as usize).max(1);
        let Some(peer) = self.peers.peer_mut(id) else { return };
        let confirms = peer.is_next(index);
        let Some(session) = peer.session_mut(index) else { return };
        let Some(bytes) = self.port.region().get_mut(stretch.clone()) else { return };
        let mut admitted = ArrayVec::<Span, RUN_MAX>::new();
        let mut received = 0;
        let mut packets = 0;
        {
            let mut incoming = ArrayVec::<Incoming<'_>, RUN_MAX>::new();
            for message in bytes.chunks_mut(step) {
                let Some(header) = DataHeader::parse(message) else { continue };
                let Some(text) = message.get_mut(DATA_HEADER_LEN..) else { continue };
                incoming.push(Incoming::new(header.counter, text));
            }
            session.open_batch(&mut incoming, now);
            // Drained where it lies: taking it apart by value would copy all of its room first.
            for (i, one) in incoming.drain(..).enumerate() {
                match one.outcome.and_then(|opened| session.admit(opened)) {
                    Ok(len) => {
                        received += (len + DATA_OVERHEAD) as u64;
                        packets += u64::from(len > 0);
                        let start = stretch.start + i * step + DATA_HEADER_LEN;
                        admitted.push(Span { start: start as u32, len: len as u32 });
                    }
                    Err(how) => self.counters.drop(how, 1),
                }
            }
        }
        if admitted.is_empty() {
            return;
        }
        let renew = session.wants_rekey_on_receive(now);
        peer.rx_bytes += received;
        peer.rx_packets += packets;
        peer.stamps.on_received(now, packets > 0);
        let watch = peer.stamps.take_watch();
        self.touched_now(id);
        self.roam(id, arrival);
        if confirms {
            self.peers.confirm(id);
            self.ready.push_back(id);
            self.report(id, Report::Confirmed(index));
        }
        if renew {
            self.ask_for_session(id);
        }
        if watch {
            self.report(id, Report::Active);
        }
        let mut congested = self.is_congested(&stretch, arrival);
        for span in admitted.drain(..) {
            let marks = congested && self.is_tcp(span);
            congested &= !marks;
            self.deliver(id, span, if marks { arrival.tos | ecn::CE } else { arrival.tos });
        }
    }

    /// Whether one packet of this stretch is to be marked, as a router whose queue stands would mark it: our socket
    /// is the path's last queue. Only bulk is asked to slow down.
    fn is_congested(&mut self, stretch: &Range<usize>, arrival: &Arrival) -> bool {
        let Some(waited) = arrival.waited.filter(|_| stretch.len() >= BULK_LEN) else { return false };
        self.codel.is_due(waited.saturating_sub(self.gathered), self.now)
    }

    /// Whether this is TCP. Other senders may not listen to a single loss, and would only lose.
    fn is_tcp(&mut self, span: Span) -> bool {
        slice(self.port.region(), span).and_then(ip::peek).is_some_and(|header| header.protocol == ip::TCP)
    }

    /// An authenticated packet moves the endpoint (paper, section 6.5 and section 2.1 on roaming).
    fn roam(&mut self, id: PeerId, arrival: &Arrival) {
        let endpoint = source(arrival);
        let Some(peer) = self.peers.peer_mut(id) else { return };
        if peer.endpoint != Some(endpoint) {
            peer.endpoint = Some(endpoint);
            self.report(id, Report::Roamed);
        }
    }

    /// Admit, second half, and write: the inner packet must be whole and its source must belong to the peer.
    fn deliver(&mut self, id: PeerId, span: Span, outer_tos: u8) {
        if span.len == 0 {
            return self.counters.drop(Drop::Keepalive, 1);
        }
        let region = self.port.region();
        let range = span.start as usize..(span.start + span.len) as usize;
        let Some(packet) = region.get_mut(range) else { return };
        let Some(header) = ip::peek(packet) else { return self.counters.drop(Drop::Malformed, 1) };
        if self.snapshot.routes.lookup(header.src) != Some(id) {
            return self.counters.drop(Drop::SourceNotAllowed, 1);
        }
        self.gather.learn(header.protocol, self.now);
        match ecn::on_decapsulate(outer_tos, header.tos) {
            ecn::Decap::Keep => {}
            ecn::Decap::Set(tos) => ip::set_tos(packet, tos),
            ecn::Decap::Drop => return self.counters.drop(Drop::Congested, 1),
        }
        let packet = Span { start: span.start, len: header.len as u32 };
        let writes = &mut self.writes;
        self.joiner
            .push(region, packet, &mut |vnet, pieces: &[Span], packets| writes.push(vnet, pieces, packets));
    }

    /// A handshake message goes to the slow thread, anything else to control: each through its own bounded queue.
    fn letter(&mut self, range: Range<usize>, arrival: &Arrival) {
        let Some(bytes) = self.port.region().get(range) else { return };
        let kind = classify(bytes);
        let mut letter = Letter { from: source(arrival), bytes: ArrayVec::new() };
        if bytes.len() > LETTER_LEN || letter.bytes.try_extend_from_slice(bytes).is_err() {
            return self.counters.drop(Drop::Malformed, 1);
        }
        let slow = &self.office.slow;
        let sent = match kind {
            Kind::Initiation | Kind::Response | Kind::CookieReply => slow.handshakes.push(letter),
            Kind::Data | Kind::Other => slow.punts.push(letter),
        };
        let ending = match (&sent, kind) {
            (Err(_), Kind::Other) => Some(Drop::PuntFull),
            (Err(_), _) => Some(Drop::Overloaded),
            (Ok(()), Kind::Other) => Some(Drop::Punted),
            (Ok(()), Kind::Initiation | Kind::Response | Kind::CookieReply | Kind::Data) => None,
        };
        slow.bell.ring();
        if let Some(how) = ending {
            self.counters.drop(how, 1);
        }
    }
}

/// Where a run came from, as an endpoint that answers go to.
pub(crate) fn source(arrival: &Arrival) -> Endpoint {
    Endpoint::Udp(UdpPath {
        remote: arrival.from,
        local: arrival.local.map(|(ip, ifindex)| LocalAddr { ip, ifindex }),
        socket: arrival.socket,
    })
}

/// What belongs to a bulk transfer: as many bytes of one run as interactive traffic does not send at once.
const BULK_LEN: usize = 1_000;
/// Datagrams of one GRO run: `UDP_GRO_CNT_MAX` of the kernel.
const RUN_MAX: usize = 64;

#[cfg(test)]
mod tests;
