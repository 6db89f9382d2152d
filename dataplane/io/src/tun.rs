//! The TUN queues: packets out of them, packets into them, each behind its virtio header.
//!
//! One completion is one packet or one super-packet; TUN has no call for several. A write is gathered
//! from pieces, since a super-packet is joined from where its segments were decrypted.
//!
//! **Invariant:** writes reach the device in the order of the calls, whatever their queue. Where the kernel completes them while
//! they are submitted (Linux 6.4) the ring keeps that order; where it would hand them to threads of
//! its own, they are plain system calls.
#![allow(unsafe_code, reason = "requests point into buffers and tables")]

use crate::buffers::{Buffers, Group};
use crate::limits::{PIECES, SINGLE_READS, WRITES};
use crate::ring::{Ring, queue_place};
use crate::source::{Ended, Source};
use crate::token::Token;
use crate::{Event, Fallback, Gso, PIECES_MAX, Queue, Span, VnetHdr};
use io_uring::squeue::Flags;
use io_uring::{cqueue, opcode};
use rustix::io::Errno;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

/// The longest virtio header that a queue may be set to: the one with a buffer count (12 bytes).
pub(crate) const VNET_MAX: usize = 12;

/// The largest write that may go by a plain system call, in bytes: a packet, not a super-packet.
const SINGLE_MAX: usize = 2_048;

/// Where a packet's IP header begins in its buffer: on a cache line.
const PACKET_AT: usize = 64;

/// A write in flight.
#[derive(Clone, Copy)]
struct Write {
    queue: Queue,
    head: [u8; VNET_MAX],
    first: u16,
    count: u16,
    packets: u32,
    gso: Gso,
}

/// Requests and their tables for one worker's TUN queues.
pub(crate) struct Tun {
    fds: [OwnedFd; 2],
    vnet_len: usize,
    /// The ring reads and writes the device without threads of the kernel's.
    prompt: bool,
    uso: bool,
    /// What is read, by the queues' numbers.
    reads: [Source; 2],
    writes: Box<[Write]>,
    /// The pieces of all writes; each write has a stretch of it. Both tables fill up and start over when no
    /// write is in flight.
    pieces: Box<[libc::iovec]>,
    writes_used: usize,
    pieces_used: usize,
    flying: u16,
    /// The newest write, until it is known whether another comes with it.
    held: Option<u16>,
}

// SAFETY: the pieces point into buffers of the same port, which move to another thread together with this.
unsafe impl Send for Tun {}

impl Tun {
    /// `fds` are the queues in the order of their numbers, of one device. They must be blocking and have a virtio header of
    /// `vnet_len` bytes, 10 or 12.
    pub(crate) fn new(fds: [OwnedFd; 2], vnet_len: usize, uso: bool, multishot: bool, nowait: bool) -> Self {
        let prompt = nowait && takes_nowait(&fds[0]);
        let empty = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        let write =
            Write { queue: Queue::Bulk, head: [0; VNET_MAX], first: 0, count: 0, packets: 0, gso: Gso::None };
        // Several reads in threads would overtake each other.
        let reads = Source::new(multishot && prompt, if prompt { SINGLE_READS } else { 1 });
        Self {
            fds,
            vnet_len,
            prompt,
            uso,
            reads: [reads; 2],
            writes: vec![write; WRITES].into(),
            pieces: vec![empty; PIECES].into(),
            writes_used: 0,
            pieces_used: 0,
            flying: 0,
            held: None,
        }
    }

    /// Bytes to leave free in front of what a read writes.
    pub(crate) const fn head(vnet_len: usize) -> usize {
        PACKET_AT - vnet_len
    }

    pub(crate) fn raw_fds(&self) -> [RawFd; 2] {
        Queue::ALL.map(|queue| self.raw_fd(queue))
    }

    fn raw_fd(&self, queue: Queue) -> RawFd {
        self.fds[queue as usize].as_raw_fd()
    }

    pub(crate) fn multishot(&self) -> bool {
        self.reads.iter().all(Source::multishot)
    }

    /// Whether a read waits for the next packet of the queue, so that there was none when it was looked for last.
    pub(crate) const fn is_drained(&self, queue: Queue) -> bool {
        self.reads[queue as usize].is_whole()
    }

    pub(crate) const fn uso(&self) -> bool {
        self.uso
    }

    pub(crate) fn sources_mut(&mut self) -> impl Iterator<Item = &mut Source> {
        self.reads.iter_mut()
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.reads.iter().any(Source::is_gone)
    }

    /// Arms what is not armed: the quick queue first, as a request that finds packets takes them at once.
    pub(crate) fn arm(&mut self, ring: &mut Ring, buffers: &Buffers) {
        self.arm_one(Queue::Quick, ring, buffers);
        self.arm_one(Queue::Bulk, ring, buffers);
    }

    fn arm_one(&mut self, queue: Queue, ring: &mut Ring, buffers: &Buffers) {
        let (place, group) = (queue_place(queue), Group::of(queue));
        let stocked = buffers.is_stocked(group);
        let reads = &mut self.reads[queue as usize];
        while reads.wants(stocked)
            && ring.reserve(1)
            && let Some(lane) = reads.arm(stocked)
        {
            let entry = if reads.multishot() {
                opcode::ReadMulti::new(place, 0, group.id()).build()
            } else {
                // A length of zero means all of the buffer.
                opcode::Read::new(place, std::ptr::null_mut(), 0).buf_group(group.id()).build()
            };
            let flags = Flags::FIXED_FILE | Flags::BUFFER_SELECT;
            let entry = entry.flags(flags).user_data(Token::Read { queue, lane }.encode());
            // SAFETY: it points nowhere; the kernel takes a buffer of the group, which outlives the ring.
            unsafe { ring.push(&entry) };
        }
    }

    /// A read's completion.
    pub(crate) fn on_read(
        &mut self,
        cqe: &cqueue::Entry,
        (queue, lane): (Queue, u8),
        buffers: &mut Buffers,
        events: &mut Vec<Event>,
    ) {
        if !cqueue::more(cqe.flags()) {
            self.reads[queue as usize].disarm(lane);
        }
        let Ok(len) = usize::try_from(cqe.result()) else {
            return self.on_read_error(queue, -cqe.result(), events);
        };
        let group = Group::of(queue);
        let taken = cqueue::buffer_select(cqe.flags()).and_then(|index| buffers.take(group, index, len));
        let Some((buf, start)) = taken else {
            return;
        };
        let bytes = buffers.region().get(start..start + len).unwrap_or_default();
        let Some(vnet) = VnetHdr::parse(bytes).filter(|_| len >= self.vnet_len) else {
            buffers.release(buf);
            return events.push(Event::Malformed { deliveries: 1 });
        };
        let span = Span { start: (start + self.vnet_len) as u32, len: (len - self.vnet_len) as u32 };
        events.push(Event::Packet { queue, buf, vnet, span });
    }

    fn on_read_error(&mut self, queue: Queue, errno: i32, events: &mut Vec<Event>) {
        // One queue is told of, the other will find the same.
        let known = self.multishot();
        let reads = &mut self.reads[queue as usize];
        let ended = Ended::from_errno(errno, reads.multishot());
        if ended == Ended::Gone {
            return self.on_gone(events);
        }
        if reads.on_ended(ended) && ended == Ended::NoMultishot && known {
            events.push(Event::Fallback(Fallback::ReadMultishot));
        }
    }

    /// The device was deleted, and both queues with it.
    fn on_gone(&mut self, events: &mut Vec<Event>) {
        let news = self.reads.each_mut().map(|reads| reads.on_ended(Ended::Gone));
        if news.contains(&true) {
            events.push(Event::Gone);
        }
    }

    /// Whether a write of `count` pieces finds room without waiting for others.
    pub(crate) fn has_room(&self, count: usize) -> bool {
        !self.prompt || (self.writes_used < WRITES && self.pieces_used + count < PIECES)
    }

    /// Queues a write. The error is an errno; nothing was queued then.
    pub(crate) fn write(
        &mut self,
        ring: &mut Ring,
        buffers: &mut Buffers,
        queue: Queue,
        vnet: VnetHdr,
        pieces: &[Span],
        packets: u32,
    ) -> Result<(), i32> {
        if self.is_gone() {
            return Err(libc::EBADFD);
        }
        if pieces.len() > PIECES_MAX {
            return Err(libc::EMSGSIZE);
        }
        if !self.prompt {
            return self.write_now(buffers, queue, vnet, pieces);
        }
        if !self.has_room(pieces.len()) || !ring.reserve(1) {
            return Err(libc::ENOBUFS);
        }
        self.gather(buffers, pieces)?;
        let index = self.note(queue, vnet, pieces.len(), packets);
        if let Some(before) = self.held.replace(index) {
            self.push(ring, before);
        }
        Ok(())
    }

    /// Lets the newest write go. A small one that is alone goes by a plain system call: a request in the ring costs
    /// more than the call, and what it saves is shared by many requests only.
    pub(crate) fn settle(&mut self, ring: &mut Ring, buffers: &mut Buffers, events: &mut Vec<Event>) {
        let Some(index) = self.held.take() else { return };
        let Write { queue, first, count, .. } = self.writes[usize::from(index)];
        let vectors = &self.pieces[usize::from(first)..=usize::from(first + count)];
        if self.flying == 1 && vectors.iter().map(|vector| vector.iov_len).sum::<usize>() <= SINGLE_MAX {
            // SAFETY: the vectors point to the header in the table and to pinned pieces of the region.
            let written = unsafe { libc::writev(self.raw_fd(queue), vectors.as_ptr(), vectors.len() as i32) };
            let errno =
                (written < 0).then(|| std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO));
            return self.on_written(index, errno, buffers, events);
        }
        if ring.reserve(1) {
            return self.push(ring, index);
        }
        self.on_written(index, Some(libc::ENOBUFS), buffers, events);
    }

    /// Pins the pieces and notes where they are, behind a place for the header.
    fn gather(&mut self, buffers: &mut Buffers, pieces: &[Span]) -> Result<(), i32> {
        let vectors = &mut self.pieces[self.pieces_used + 1..];
        for (done, (piece, vector)) in pieces.iter().zip(vectors).enumerate() {
            if buffers.pin(*piece).is_none() {
                pieces[..done].iter().for_each(|piece| unpin(buffers, buffers.address(*piece)));
                return Err(libc::EFAULT);
            }
            *vector = libc::iovec { iov_base: buffers.address(*piece).cast(), iov_len: piece.len as usize };
        }
        Ok(())
    }

    /// Puts a gathered write into the table.
    fn note(&mut self, queue: Queue, vnet: VnetHdr, count: usize, packets: u32) -> u16 {
        let (index, first) = (self.writes_used, self.pieces_used);
        let write = &mut self.writes[index];
        *write = Write {
            queue,
            head: head_bytes(vnet),
            first: first as u16,
            count: count as u16,
            packets,
            gso: vnet.gso,
        };
        self.pieces[first] = libc::iovec { iov_base: write.head.as_mut_ptr().cast(), iov_len: self.vnet_len };
        self.writes_used += 1;
        self.pieces_used += count + 1;
        self.flying += 1;
        index as u16
    }

    /// Queues a write of the table.
    fn push(&self, ring: &mut Ring, index: u16) {
        let Write { queue, first, count, .. } = self.writes[usize::from(index)];
        let vectors = &raw const self.pieces[usize::from(first)];
        let entry = opcode::Writev::new(queue_place(queue), vectors, u32::from(count) + 1)
            .build()
            .flags(Flags::FIXED_FILE)
            .user_data(Token::Write(index).encode());
        // SAFETY:
        // - the vectors and the header lie in boxed tables; their places are used again only when no write
        //   is in flight;
        // - the pieces lie in the region, which outlives the ring, and are pinned until the completion.
        unsafe { ring.push(&entry) };
        ring.expect_promptly();
    }

    /// A write by plain system call.
    fn write_now(&self, buffers: &Buffers, queue: Queue, vnet: VnetHdr, pieces: &[Span]) -> Result<(), i32> {
        let head = head_bytes(vnet);
        let mut slices = [IoSlice::new(&[]); PIECES_MAX + 1];
        slices[0] = IoSlice::new(&head[..self.vnet_len]);
        for (slice, piece) in slices[1..].iter_mut().zip(pieces) {
            *slice = IoSlice::new(buffers.region().get(piece.range()).ok_or(libc::EFAULT)?);
        }
        let written = rustix::io::writev(&self.fds[queue as usize], &slices[..=pieces.len()]);
        written.map(drop).map_err(Errno::raw_os_error)
    }

    /// A write's completion.
    pub(crate) fn on_write(
        &mut self,
        cqe: &cqueue::Entry,
        index: u16,
        buffers: &mut Buffers,
        events: &mut Vec<Event>,
    ) {
        self.on_written(index, (cqe.result() < 0).then(|| -cqe.result()), buffers, events);
    }

    /// A write is through, or failed with an errno.
    fn on_written(&mut self, index: u16, errno: Option<i32>, buffers: &mut Buffers, events: &mut Vec<Event>) {
        let Some(write) = self.writes.get(usize::from(index)).copied() else {
            return;
        };
        let first = usize::from(write.first) + 1;
        for vector in &self.pieces[first..first + usize::from(write.count)] {
            unpin(buffers, vector.iov_base.cast());
        }
        self.flying = self.flying.saturating_sub(1);
        if self.flying == 0 {
            (self.writes_used, self.pieces_used) = (0, 0);
        }
        if let Some(errno) = errno {
            self.on_write_error(write.gso, write.packets, errno, events);
        }
    }

    /// A write that did not arrive, with what it means for those to come.
    pub(crate) fn on_write_error(&mut self, gso: Gso, packets: u32, errno: i32, events: &mut Vec<Event>) {
        events.push(Event::WriteFailed { packets, errno });
        if errno == libc::EINVAL && gso == Gso::UdpL4 && std::mem::take(&mut self.uso) {
            events.push(Event::Fallback(Fallback::TunUso));
        }
        if errno == libc::EBADFD {
            self.on_gone(events);
        }
    }
}

fn unpin(buffers: &mut Buffers, address: *const u8) {
    let index = buffers.index_at(address);
    buffers.unpin(index);
}

fn head_bytes(vnet: VnetHdr) -> [u8; VNET_MAX] {
    let mut head = [0; VNET_MAX];
    head[..VnetHdr::LEN].copy_from_slice(&vnet.emit());
    head
}

/// Whether the device can be asked not to wait, which decides how io_uring treats it. A write too short for
/// any header is refused either way, so the question leaves no trace.
fn takes_nowait(fd: impl AsFd) -> bool {
    let asked = rustix::io::pwritev2(fd, &[IoSlice::new(&[0])], u64::MAX, rustix::io::ReadWriteFlags::NOWAIT);
    asked != Err(Errno::OPNOTSUPP)
}
