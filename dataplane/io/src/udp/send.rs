//! Sending: messages that point into slots, in one chain per socket.
//!
//! Each message carries what goes beside the payload as control data: the source address, the traffic
//! class, and the segment size when the kernel is to cut it.
//!
//! **Invariant:** a message's memory is used again only after its completion.
#![allow(unsafe_code, reason = "requests point into tables and slots")]

use super::Socket;
use super::receive::empty_header;
use crate::address::{self, Family, NAME_LEN};
use crate::cmsg::Control;
use crate::limits::MESSAGES;
use crate::outbox::{Job, Part};
use crate::ring::{self, Ring};
use crate::slots::Slots;
use crate::token::Token;
use crate::{Destination, Event, Fallback, SlotId};
use io_uring::squeue::Flags;
use io_uring::{cqueue, opcode, squeue};
use std::os::fd::RawFd;

/// The largest message that may go by a plain system call, in bytes: a datagram, not a run of them.
const SINGLE_MAX: usize = 2_048;

/// One message in flight, with all that its request points to.
struct Message {
    header: libc::msghdr,
    vector: libc::iovec,
    control: Control,
    name: [u8; NAME_LEN],
    part: Part,
    socket: u8,
}

/// The sends of all sockets.
pub(crate) struct Sends {
    messages: Box<[Message]>,
    free: Vec<u16>,
    /// What each slot still has to send.
    jobs: Box<[Job]>,
}

// SAFETY: the pointers in messages lead into their own table and into slots of the same port.
unsafe impl Send for Sends {}

impl Sends {
    pub(crate) fn new(slots: u16) -> Self {
        Self {
            messages: (0..MESSAGES).map(|_| Message::new()).collect(),
            free: (0..MESSAGES as u16).rev().collect(),
            jobs: vec![Job::idle(); usize::from(slots)].into(),
        }
    }

    /// Queues a filled slot. The error is an errno; the slot is the caller's to free then.
    pub(crate) fn push(
        &mut self,
        slot: SlotId,
        len: usize,
        segment: usize,
        to: &Destination,
        socket: Option<&mut Socket>,
    ) -> Result<(), i32> {
        let socket = socket.filter(|socket| !socket.is_vacant()).ok_or(libc::EBADF)?;
        let job = Job::new(len, segment, to).ok_or(libc::EMSGSIZE)?;
        if address::encode(to.remote, socket.family, &mut [0; NAME_LEN]).is_none() {
            return Err(libc::EAFNOSUPPORT);
        }
        self.jobs[usize::from(slot.0)] = job;
        socket.outbox.push(slot.0);
        Ok(())
    }

    /// Launches the next chain of a socket, if it has one waiting and none in flight. A chain of one small message goes
    /// by a plain system call: a request in the ring costs more than the call, and what it saves is shared by many
    /// requests only.
    pub(crate) fn launch(
        &mut self,
        ring: &mut Ring,
        slots: &mut Slots,
        number: u8,
        socket: &mut Socket,
        events: &mut Vec<Event>,
    ) {
        if !socket.outbox.is_ready() || !ring.reserve(1) {
            return;
        }
        let mut single = None;
        let max = self.free.len().min(ring.space());
        let Self { messages, free, jobs } = self;
        let mut last: Option<squeue::Entry> = None;
        socket.outbox.launch(jobs, max, |job, part| {
            // There are at least `max` free ones.
            let Some(index) = free.pop() else { return };
            let message = &mut messages[usize::from(index)];
            message.fill(job, part, number, socket.family, slots);
            single = last.is_none().then_some(index);
            let entry = opcode::SendMsg::new(ring::socket_place(number), &raw const message.header)
                .flags(libc::MSG_NOSIGNAL as u32)
                .build()
                .flags(Flags::FIXED_FILE)
                .user_data(Token::Send(index).encode());
            if let Some(before) = last.replace(entry) {
                // SAFETY: see below.
                unsafe { ring.push(&before.flags(Flags::IO_HARDLINK)) };
                ring.expect_promptly();
            }
        });
        if let Some(index) = single
            && let Some(outcome) = self.messages[usize::from(index)].send_now(socket.raw_fd())
        {
            return self.on_landed(index, outcome, socket, slots, events);
        }
        if let Some(last) = last {
            // SAFETY:
            // - the header, vector, name and control data lie in a boxed table, in a place that is not free
            //   until the completion was taken;
            // - the payload lies in a slot that is in flight until its last message has landed, and slots
            //   outlive the ring.
            unsafe { ring.push(&last) };
            ring.expect_promptly();
        }
    }

    /// Which socket a message belongs to.
    pub(crate) fn socket_of(&self, index: u16) -> Option<u8> {
        self.messages.get(usize::from(index)).map(|message| message.socket)
    }

    /// Takes the completion of a message.
    pub(crate) fn on_sent(
        &mut self,
        cqe: &cqueue::Entry,
        index: u16,
        socket: &mut Socket,
        slots: &mut Slots,
        events: &mut Vec<Event>,
    ) {
        let outcome = if cqe.result() < 0 { Err(-cqe.result()) } else { Ok(()) };
        self.on_landed(index, outcome, socket, slots, events);
    }

    fn on_landed(
        &mut self,
        index: u16,
        outcome: Result<(), i32>,
        socket: &mut Socket,
        slots: &mut Slots,
        events: &mut Vec<Event>,
    ) {
        let part = self.messages[usize::from(index)].part;
        self.free.push(index);
        let landed = socket.outbox.land(&mut self.jobs, part, outcome, |slot| slots.free(SlotId(slot)));
        if let Some((datagrams, errno)) = landed.failed {
            events.push(Event::SendFailed { datagrams, errno });
        }
        if landed.gso_refused {
            events.push(Event::Fallback(Fallback::UdpGso));
        }
    }
}

impl Message {
    const fn new() -> Self {
        Self {
            header: empty_header(),
            vector: libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 },
            control: Control::new(),
            name: [0; NAME_LEN],
            part: Part { slot: 0, first: 0, count: 0 },
            socket: 0,
        }
    }

    fn fill(&mut self, job: &Job, part: Part, socket: u8, family: Family, slots: &Slots) {
        let (to, range) = (job.to(), job.range(part));
        (self.part, self.socket) = (part, socket);
        let name_len = address::encode(to.remote, family, &mut self.name).unwrap_or(0);
        self.beside(job, part);
        self.vector.iov_base = slots.address(part.slot, range.start).cast_mut().cast();
        self.vector.iov_len = range.len();
        self.header.msg_name = self.name.as_mut_ptr().cast();
        self.header.msg_namelen = name_len as libc::socklen_t;
        self.header.msg_iov = &raw mut self.vector;
        self.header.msg_iovlen = 1;
        let control = self.control.bytes();
        self.header.msg_controllen = control.len() as _;
        self.header.msg_control =
            if control.is_empty() { std::ptr::null_mut() } else { control.as_ptr().cast_mut().cast() };
    }

    /// Sends a small message at once. `None` when it is not small, or would have to wait.
    fn send_now(&self, socket: RawFd) -> Option<Result<(), i32>> {
        if self.vector.iov_len > SINGLE_MAX {
            return None;
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: `fill` made all that the header points to, and it lives as long as the table and its slot.
        let sent = unsafe { libc::sendmsg(socket, &raw const self.header, flags) };
        if sent >= 0 {
            return Some(Ok(()));
        }
        match std::io::Error::last_os_error().raw_os_error() {
            Some(libc::EAGAIN | libc::EINTR) | None => None,
            Some(errno) => Some(Err(errno)),
        }
    }

    /// The control data of a part.
    fn beside(&mut self, job: &Job, part: Part) {
        let to = job.to();
        self.control.clear();
        if let Some((ip, ifindex)) = to.local.filter(|(ip, _)| ip.is_ipv4() == to.remote.is_ipv4()) {
            self.control.source(ip, ifindex);
        }
        if to.tos != 0 {
            self.control.tos(to.remote.ip(), to.tos);
        }
        if part.count > 1 {
            self.control.segment(job.segment() as u16);
        }
    }
}
