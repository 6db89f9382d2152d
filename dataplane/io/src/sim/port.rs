//! A worker's edge in a simulated world.
//!
//! **Invariant:** as over io_uring, a slot is free again only in a later turn, a buffer only after its
//! release, and there are as many of each as the limits say; so back-pressure is simulated too.
#![forbid(unsafe_code)]

use super::World;
use crate::limits::BUFFER_STRIDE;
use crate::slots::Slots;
use crate::{
    BufId, DATAGRAM_MAX, Destination, Event, Features, Limits, Port, Queue, SEGMENTS_MAX, SlotId, Span,
    VnetHdr,
};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A packet, or super-packet, that was written to the TUN device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// The queue that it was written through.
    pub queue: Queue,
    /// Its virtio header.
    pub vnet: VnetHdr,
    /// The packet.
    pub bytes: Vec<u8>,
    /// What its writer counted it as.
    pub packets: u32,
}

/// Wakes a simulated worker, like a write to its eventfd.
#[derive(Clone, Debug)]
pub struct SimWaker(Arc<AtomicBool>);

impl SimWaker {
    /// The port's next turn tells [`Event::Woken`].
    pub fn wake(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Buffers of one kind that are not in the worker's hands; a stack.
type Free = Vec<u16>;

/// A worker's edge in memory.
pub struct SimPort {
    world: World,
    addresses: Vec<SocketAddr>,
    region: Vec<u8>,
    /// Free buffers: for the TUN device (both queues, as many as for bulk), for datagrams, spare.
    free: [Free; 3],
    bounds: [u16; 2],
    held: Vec<bool>,
    slots: Slots,
    /// Slots whose sends end with the next turn.
    sent: Vec<SlotId>,
    fed: VecDeque<(Queue, VnetHdr, Vec<u8>)>,
    written: Vec<Written>,
    written_bytes: u64,
    keep_written: bool,
    early: Vec<Event>,
    woken: Arc<AtomicBool>,
    refusals: (u32, i32),
    gone: bool,
}

impl SimPort {
    pub(super) fn new(world: World, addresses: &[SocketAddr], limits: Limits) -> io::Result<Self> {
        limits.check()?;
        let bounds = [limits.bulk_buffers, limits.bulk_buffers + limits.datagram_buffers];
        let count = bounds[1] + limits.spare_buffers;
        addresses.iter().for_each(|address| world.network().claim(*address));
        Ok(Self {
            world,
            addresses: addresses.to_vec(),
            region: vec![0; usize::from(count) * BUFFER_STRIDE],
            free: [
                (0..bounds[0]).rev().collect(),
                (bounds[0]..bounds[1]).rev().collect(),
                (bounds[1]..count).rev().collect(),
            ],
            bounds,
            held: vec![false; usize::from(count)],
            slots: Slots::new(limits.slots)?,
            sent: Vec::new(),
            fed: VecDeque::new(),
            written: Vec::new(),
            written_bytes: 0,
            keep_written: true,
            early: Vec::new(),
            woken: Arc::default(),
            refusals: (0, 0),
            gone: false,
        })
    }

    /// The address of a socket.
    pub fn address(&self, socket: u8) -> Option<SocketAddr> {
        self.addresses.get(usize::from(socket)).copied()
    }

    /// Moves a socket, as when a device changes networks. What is on its way to the old address is lost.
    pub fn set_address(&mut self, socket: u8, address: SocketAddr) {
        if let Some(place) = self.addresses.get_mut(usize::from(socket)) {
            let mut network = self.world.network();
            network.give_up(*place);
            network.claim(address);
            *place = address;
        }
    }

    /// A program on this machine sends a packet into the tunnel, or the kernel a super-packet.
    pub fn feed(&mut self, vnet: VnetHdr, packet: &[u8]) {
        self.feed_to(Queue::Quick, vnet, packet);
    }

    /// The same, and the kernel puts it into this queue.
    pub fn feed_to(&mut self, queue: Queue, vnet: VnetHdr, packet: &[u8]) {
        self.fed.push_back((queue, vnet, packet.to_vec()));
    }

    /// Packets fed and not read yet.
    pub fn unread(&self) -> usize {
        self.fed.len()
    }

    /// Takes all that was written to the TUN device.
    pub fn take_written(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.written)
    }

    /// Bytes of packets written to the TUN device so far.
    pub const fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// From now on only counts what is written; for measurements.
    pub const fn count_only(&mut self) {
        self.keep_written = false;
    }

    /// What wakes this port from elsewhere.
    pub fn waker(&self) -> SimWaker {
        SimWaker(Arc::clone(&self.woken))
    }

    /// The next `count` sends fail with `errno`.
    pub const fn refuse_sends(&mut self, count: u32, errno: i32) {
        self.refusals = (count, errno);
    }

    /// Deletes the TUN device: tells [`Event::Gone`], and writes fail from now on.
    pub fn delete_tun(&mut self) {
        self.gone = true;
        self.fed.clear();
        self.early.push(Event::Gone);
    }

    fn take_buffer(&mut self, kind: usize) -> Option<(BufId, usize)> {
        let index = self.free[kind].pop()?;
        self.held[usize::from(index)] = true;
        Some((BufId(index), usize::from(index) * BUFFER_STRIDE))
    }

    fn read(&mut self, events: &mut Vec<Event>) {
        while !self.fed.is_empty()
            && let Some((buf, start)) = self.take_buffer(0)
            && let Some((queue, vnet, packet)) = self.fed.pop_front()
        {
            let len = packet.len().min(BUFFER_STRIDE);
            self.region[start..start + len].copy_from_slice(&packet[..len]);
            let span = Span { start: start as u32, len: len as u32 };
            events.push(Event::Packet { queue, buf, vnet, span });
        }
    }

    fn receive(&mut self, socket: usize, events: &mut Vec<Event>) {
        let address = self.addresses[socket];
        while let Some((buf, start)) = self.take_buffer(1) {
            let room = &mut self.region[start..start + BUFFER_STRIDE];
            let Some((flight, len)) = self.world.network().receive(address, room) else {
                return self.release(buf);
            };
            events.push(Event::Datagrams {
                buf,
                span: Span { start: start as u32, len: len as u32 },
                segment: flight.segment.min(len).max(1) as u32,
                from: flight.from,
                local: Some((address.ip(), 1)),
                tos: flight.tos,
                socket: socket as u8,
                arrived: None,
            });
        }
    }

    fn refuse(&mut self, slot: SlotId, len: usize, segment: usize, errno: i32) {
        self.slots.free(slot);
        let datagrams = len.div_ceil(segment.max(1)).max(1) as u32;
        self.early.push(Event::SendFailed { datagrams, errno });
    }

    /// Why a send would fail, as an errno.
    fn refusal(&mut self, len: usize, segment: usize, to: &Destination) -> Option<i32> {
        if self.refusals.0 > 0 {
            self.refusals.0 -= 1;
            return Some(self.refusals.1);
        }
        if len > DATAGRAM_MAX || len.div_ceil(segment.max(1)) > SEGMENTS_MAX {
            return Some(libc::EMSGSIZE);
        }
        self.addresses.get(usize::from(to.socket)).is_none().then_some(libc::EBADF)
    }
}

impl Port for SimPort {
    fn turn(&mut self, _wait: bool, events: &mut Vec<Event>) -> io::Result<()> {
        events.append(&mut self.early);
        while let Some(slot) = self.sent.pop() {
            self.slots.free(slot);
        }
        self.slots.take_relief();
        if self.woken.swap(false, Ordering::AcqRel) {
            events.push(Event::Woken);
        }
        self.read(events);
        (0..self.addresses.len()).for_each(|socket| self.receive(socket, events));
        Ok(())
    }

    fn region(&mut self) -> &mut [u8] {
        &mut self.region
    }

    fn release(&mut self, buf: BufId) {
        let Some(held) = self.held.get_mut(usize::from(buf.0)) else {
            return;
        };
        assert!(std::mem::take(held), "buffer {} was released twice", buf.0);
        let [datagrams, spare] = self.bounds;
        let kind = usize::from(buf.0 >= datagrams) + usize::from(buf.0 >= spare);
        self.free[kind].push(buf.0);
    }

    fn borrow(&mut self) -> Option<(BufId, Span)> {
        let (buf, start) = self.take_buffer(2)?;
        Some((buf, Span { start: start as u32, len: BUFFER_STRIDE as u32 }))
    }

    fn slot(&mut self) -> Option<SlotId> {
        self.slots.take()
    }

    fn parts(&mut self, slot: SlotId) -> (&[u8], &mut [u8]) {
        (&self.region, self.slots.bytes_mut(slot))
    }

    fn send(&mut self, slot: SlotId, len: usize, segment: usize, to: &Destination) {
        if let Some(errno) = self.refusal(len, segment, to) {
            return self.refuse(slot, len, segment, errno);
        }
        let from = self.addresses[usize::from(to.socket)];
        let bytes = &self.slots.bytes_mut(slot)[..len];
        self.world.network().send(from, to.remote, to.tos, bytes, segment);
        self.slots.launch(slot);
        self.sent.push(slot);
    }

    fn cancel(&mut self, slot: SlotId) {
        self.slots.free(slot);
    }

    fn is_drained(&self, _queue: Queue) -> bool {
        self.fed.is_empty()
    }

    fn write(&mut self, queue: Queue, vnet: VnetHdr, pieces: &[Span], packets: u32) {
        if self.gone {
            return self.early.push(Event::WriteFailed { packets, errno: libc::EBADFD });
        }
        self.written_bytes += pieces.iter().map(|piece| u64::from(piece.len)).sum::<u64>();
        if self.keep_written {
            let bytes = pieces.iter().flat_map(|piece| &self.region[piece.range()]).copied().collect();
            self.written.push(Written { queue, vnet, bytes, packets });
        }
    }

    fn max_segments(&self) -> usize {
        SEGMENTS_MAX
    }

    fn features(&self) -> Features {
        Features {
            tun_csum: true,
            tun_tso: true,
            tun_uso: true,
            udp_gso: true,
            udp_gro: true,
            ..Features::default()
        }
    }

    fn set_socket(&mut self, _index: u8, _fd: std::os::fd::OwnedFd) -> io::Result<()> {
        // Nothing here is a file.
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Drop for SimPort {
    fn drop(&mut self) {
        let mut network = self.world.network();
        self.addresses.iter().for_each(|address| network.give_up(*address));
    }
}
