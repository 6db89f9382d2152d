//! Receiving: one request per socket, which the kernel answers with one filled buffer after another.
//!
//! Each buffer begins with what was received ([`Out`]), then room for the sender and for control data,
//! then the payload. Without multishot a request brings its own room for the first three, and the
//! payload lies where it always lies.
//!
//! **Invariant:** a buffer that the kernel filled becomes exactly one event, or goes home.
#![allow(unsafe_code, reason = "requests point into tables and buffers")]

use super::Socket;
use crate::address::{self, NAME_LEN};
use crate::buffers::{Buffers, Group};
use crate::cmsg::{RECV_CONTROL_LEN, Received};
use crate::limits::{BUFFER_STRIDE, SINGLE_READS};
use crate::ring::{self, Ring};
use crate::source::Ended;
use crate::token::Token;
use crate::{BufId, Event, Fallback, Span};
use io_uring::squeue::Flags;
use io_uring::{cqueue, opcode};
use std::net::SocketAddr;

/// Bytes of `struct io_uring_recvmsg_out`: four 32-bit numbers.
const OUT_LEN: usize = 16;

/// Room for the sender: an IPv6 address, rounded up so that the payload is aligned.
const NAME_ROOM: usize = 32;

/// Where the payload begins in a buffer: on a cache line.
pub(crate) const PAYLOAD_AT: usize = OUT_LEN + NAME_ROOM + RECV_CONTROL_LEN;

const _: () = assert!(NAME_ROOM >= NAME_LEN && PAYLOAD_AT.is_multiple_of(64));

/// What the kernel says about one delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Out {
    name_len: usize,
    control_len: usize,
    payload_len: usize,
    flags: u32,
}

impl Out {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<OUT_LEN>()?;
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Some(Self {
            name_len: word(0) as usize,
            control_len: word(4) as usize,
            payload_len: word(8) as usize,
            flags: word(12),
        })
    }

    /// Datagrams cut short cannot be used, nor those whose segment size may have been cut off.
    const fn is_whole(&self) -> bool {
        self.flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) as u32 == 0
    }
}

/// What a single request needs beside its buffer.
#[repr(C, align(8))]
struct Lane {
    control: [u8; RECV_CONTROL_LEN],
    name: [u8; NAME_ROOM],
    vector: libc::iovec,
    header: libc::msghdr,
}

/// The receives of all sockets.
pub(crate) struct Receives {
    /// The layout that multishot requests ask for; the kernel reads it while they are submitted.
    layout: Box<libc::msghdr>,
    /// Single requests: [`SINGLE_READS`] for each socket.
    lanes: Box<[Lane]>,
}

// SAFETY: the pointers in headers and vectors lead into the same boxed tables.
unsafe impl Send for Receives {}

impl Receives {
    pub(crate) fn new(sockets: u8) -> Self {
        let mut layout = Box::new(empty_header());
        layout.msg_namelen = NAME_ROOM as libc::socklen_t;
        layout.msg_controllen = RECV_CONTROL_LEN as _;
        let lanes = usize::from(sockets) * usize::from(SINGLE_READS);
        Self { layout, lanes: (0..lanes).map(|_| Lane::new()).collect() }
    }

    /// Arms what is not armed of one socket, once its predecessor's requests have ended.
    pub(crate) fn arm(&mut self, ring: &mut Ring, buffers: &Buffers, number: u8, socket: &mut Socket) {
        let stocked = buffers.is_stocked(Group::Datagrams);
        while socket.draining == 0
            && socket.source.wants(stocked)
            && ring.reserve(1)
            && let Some(lane) = socket.source.arm(stocked)
        {
            let (place, group) = (ring::socket_place(number), Group::Datagrams.id());
            let multishot = socket.source.multishot();
            let entry = if multishot {
                opcode::RecvMsgMulti::new(place, &raw const *self.layout, group).build()
            } else {
                opcode::RecvMsg::new(place, self.lane(number, lane).prepare()).buf_group(group).build()
            };
            let lane = if multishot { MULTISHOT } else { lane };
            let token = Token::Recv { socket: number, lane, generation: socket.generation };
            let entry = entry.flags(Flags::FIXED_FILE | Flags::BUFFER_SELECT).user_data(token.encode());
            // SAFETY:
            // - the layout, and a lane's header, vector, name and control data, lie in boxed tables and are not
            //   touched while their lane is armed;
            // - the kernel takes a buffer of the group, which outlives the ring.
            unsafe { ring.push(&entry) };
        }
    }

    /// Takes the completion of a receive.
    pub(crate) fn on_recv(
        &mut self,
        cqe: &cqueue::Entry,
        ticket: Ticket,
        socket: &mut Socket,
        buffers: &mut Buffers,
        events: &mut Vec<Event>,
    ) {
        let current = ticket.generation == socket.generation;
        if !cqueue::more(cqe.flags()) {
            socket.on_request_ended(current, if ticket.lane == MULTISHOT { 0 } else { ticket.lane });
        }
        let Ok(len) = usize::try_from(cqe.result()) else {
            if current {
                on_error(socket, -cqe.result(), events);
            }
            return;
        };
        let taken =
            cqueue::buffer_select(cqe.flags()).and_then(|index| buffers.take(Group::Datagrams, index, len));
        let Some((buf, start)) = taken else {
            return;
        };
        let bytes = buffers.region().get(start..start + len).unwrap_or_default();
        let delivery = if ticket.lane == MULTISHOT {
            Delivery::from_buffer(bytes, start)
        } else {
            self.lanes.get(lane_index(ticket.socket, ticket.lane)).and_then(|lane| lane.delivery(start, len))
        };
        events.push(match delivery {
            Some(delivery) => delivery.event(buf, ticket.socket),
            None => {
                buffers.release(buf);
                Event::Malformed { deliveries: 1 }
            }
        });
    }

    /// Cancels the receives of a socket that was replaced; their completions still come.
    pub(crate) fn cancel(&self, ring: &mut Ring, number: u8, generation: u8) {
        for lane in (0..SINGLE_READS).chain([MULTISHOT]) {
            if !ring.reserve(1) {
                return;
            }
            let token = Token::Recv { socket: number, lane, generation };
            let entry = opcode::AsyncCancel::new(token.encode()).build();
            let entry = entry.flags(Flags::FIXED_FILE).user_data(Token::Cancel.encode());
            // SAFETY: it points nowhere.
            unsafe { ring.push(&entry) };
        }
    }

    fn lane(&mut self, socket: u8, lane: u8) -> &mut Lane {
        &mut self.lanes[lane_index(socket, lane)]
    }
}

/// Which request a completion of a receive answers.
#[derive(Clone, Copy)]
pub(crate) struct Ticket {
    pub(crate) socket: u8,
    pub(crate) lane: u8,
    pub(crate) generation: u8,
}

/// In place of a lane: the request serves many datagrams and brings their layout in the buffer.
const MULTISHOT: u8 = u8::MAX;

fn lane_index(socket: u8, lane: u8) -> usize {
    usize::from(socket) * usize::from(SINGLE_READS) + usize::from(lane)
}

fn on_error(socket: &mut Socket, errno: i32, events: &mut Vec<Event>) {
    let ended = Ended::from_errno(errno, socket.source.multishot());
    if socket.source.on_ended(ended) && ended == Ended::NoMultishot {
        events.push(Event::Fallback(Fallback::RecvMultishot));
    }
}

impl Lane {
    fn new() -> Self {
        Self {
            control: [0; RECV_CONTROL_LEN],
            name: [0; NAME_ROOM],
            vector: libc::iovec { iov_base: std::ptr::null_mut(), iov_len: DATAGRAM_ROOM },
            header: empty_header(),
        }
    }

    /// Makes the lane ready for a request and returns where the request finds it.
    fn prepare(&mut self) -> *mut libc::msghdr {
        self.header.msg_name = self.name.as_mut_ptr().cast();
        self.header.msg_namelen = NAME_ROOM as libc::socklen_t;
        self.header.msg_control = self.control.as_mut_ptr().cast();
        self.header.msg_controllen = RECV_CONTROL_LEN as _;
        // Only its length counts, as the most to receive; the bytes go into the chosen buffer.
        self.header.msg_iov = &raw mut self.vector;
        self.header.msg_iovlen = 1;
        self.header.msg_flags = 0;
        &raw mut self.header
    }

    /// What the request brought, with the payload at `start`.
    #[allow(clippy::unnecessary_cast, reason = "the length is 32 bits wide with musl")]
    fn delivery(&self, start: usize, len: usize) -> Option<Delivery> {
        let out = Out {
            name_len: self.header.msg_namelen as usize,
            control_len: self.header.msg_controllen as usize,
            payload_len: len,
            flags: self.header.msg_flags as u32,
        };
        Delivery::new(out, &self.name, &self.control, start)
    }
}

/// One datagram or run, as the kernel delivered it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Delivery {
    from: SocketAddr,
    received: Received,
    payload: Span,
}

impl Delivery {
    /// Reads a buffer that a multishot receive filled; `start` is the buffer's place in the region.
    fn from_buffer(bytes: &[u8], start: usize) -> Option<Self> {
        let out = Out::parse(bytes)?;
        let (head, payload) = bytes.split_at_checked(PAYLOAD_AT)?;
        let (name, control) = head[OUT_LEN..].split_at(NAME_ROOM);
        // The kernel says how much there was; what counts is how much there is.
        let out = Out { payload_len: out.payload_len.min(payload.len()), ..out };
        Self::new(out, name, control, start + PAYLOAD_AT)
    }

    fn new(out: Out, name: &[u8], control: &[u8], start: usize) -> Option<Self> {
        if !out.is_whole() {
            return None;
        }
        Some(Self {
            from: address::decode(&name[..out.name_len.min(name.len())])?,
            received: Received::parse(&control[..out.control_len.min(control.len())]),
            payload: Span { start: start as u32, len: out.payload_len as u32 },
        })
    }

    const fn event(self, buf: BufId, socket: u8) -> Event {
        let (said, len) = (self.received.segment, self.payload.len);
        let whole = said == 0 || said > len;
        // An empty datagram still counts as one.
        let segment = if !whole {
            said
        } else if len == 0 {
            1
        } else {
            len
        };
        Event::Datagrams {
            buf,
            span: self.payload,
            segment,
            from: self.from,
            local: self.received.local,
            tos: self.received.tos,
            socket,
            arrived: self.received.arrived,
        }
    }
}

/// The most that one receive may bring: a full GRO run.
const DATAGRAM_ROOM: usize = 65_536;

const _: () = assert!(PAYLOAD_AT + DATAGRAM_ROOM <= BUFFER_STRIDE);

/// A message header that points nowhere.
pub(super) const fn empty_header() -> libc::msghdr {
    // SAFETY: integers and pointers, for which zero is a value; padding, where a C library has it, must be zero.
    unsafe { std::mem::zeroed() }
}

#[cfg(test)]
mod tests;
