//! Datagrams by a plain system call, several at once, for threads that have no ring.
//!
//! **Invariant:** a datagram that was cut short is told, and never taken for a whole one.
#![allow(unsafe_code, reason = "recvmmsg takes pointers")]

use crate::address::{self, NAME_LEN};
use crate::cmsg::{RECV_CONTROL_LEN, Received};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

/// Room for what one call takes, used again by the next.
pub struct Inbox {
    rooms: Box<[Room]>,
}

/// A datagram as it lies in the inbox.
#[derive(Debug)]
pub struct Arrived<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// Our address that it came to, and the index of the interface.
    pub local: Option<(IpAddr, u32)>,
    /// TOS or traffic class.
    pub tos: u8,
    /// How many datagrams had found the socket full when this one came, since the socket was made, wrapping. `None`:
    /// none, or the socket was not told to say so (SO_RXQ_OVFL).
    pub lost: Option<u32>,
    /// The payload.
    pub bytes: &'a mut [u8],
}

#[derive(Clone)]
#[repr(C, align(8))]
struct Room {
    control: [u8; RECV_CONTROL_LEN],
    name: [u8; NAME_LEN],
    bytes: [u8; Inbox::DATAGRAM_MAX],
    /// What the kernel said of the last datagram here.
    name_len: usize,
    control_len: usize,
    len: usize,
    flags: i32,
}

impl Inbox {
    /// Datagrams of one call at most.
    pub const LEN: usize = 32;
    /// Bytes of the longest datagram that can be taken whole.
    pub const DATAGRAM_MAX: usize = 2_048;

    /// An empty inbox.
    #[must_use]
    pub fn new() -> Self {
        let room = Room {
            control: [0; RECV_CONTROL_LEN],
            name: [0; NAME_LEN],
            bytes: [0; Self::DATAGRAM_MAX],
            name_len: 0,
            control_len: 0,
            len: 0,
            flags: 0,
        };
        Self { rooms: vec![room; Self::LEN].into() }
    }

    /// Takes what waits in `socket`, without waiting itself, in place of what was there. Says how many came; each is
    /// then [got](Self::get) by its place.
    ///
    /// # Errors
    ///
    /// What the kernel answers, errors that a router reported for an earlier send among them; not that nothing waits.
    #[allow(clippy::unnecessary_cast, reason = "lengths are 32 bits wide with musl")]
    pub fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        // SAFETY: integers and pointers, for which zero is a value.
        let mut messages: [libc::mmsghdr; Self::LEN] = unsafe { std::mem::zeroed() };
        let mut pieces = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; Self::LEN];
        for ((message, piece), room) in messages.iter_mut().zip(&mut pieces).zip(&mut self.rooms) {
            *piece = libc::iovec { iov_base: room.bytes.as_mut_ptr().cast(), iov_len: room.bytes.len() };
            message.msg_hdr.msg_name = room.name.as_mut_ptr().cast();
            message.msg_hdr.msg_namelen = NAME_LEN as libc::socklen_t;
            message.msg_hdr.msg_control = room.control.as_mut_ptr().cast();
            message.msg_hdr.msg_controllen = RECV_CONTROL_LEN as _;
            message.msg_hdr.msg_iov = piece;
            message.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: each header points to a room and a piece of its own, with their lengths; they live until the call
        // returns, and nothing else uses them meanwhile.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_fd().as_raw_fd(),
                messages.as_mut_ptr(),
                Self::LEN as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(0) } else { Err(error) };
        };
        for (message, room) in messages.iter().zip(&mut self.rooms).take(count) {
            room.name_len = (message.msg_hdr.msg_namelen as usize).min(NAME_LEN);
            room.control_len = (message.msg_hdr.msg_controllen as usize).min(RECV_CONTROL_LEN);
            room.len = (message.msg_len as usize).min(Self::DATAGRAM_MAX);
            room.flags = message.msg_hdr.msg_flags;
        }
        Ok(count)
    }

    /// The datagram at `place` of those that the last call took. `None`: it was cut short.
    pub fn get(&mut self, place: usize) -> Option<Arrived<'_>> {
        let room = self.rooms.get_mut(place)?;
        if room.flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
            return None;
        }
        let from = address::decode(&room.name[..room.name_len])?;
        let Received { local, tos, lost, .. } = Received::parse(&room.control[..room.control_len]);
        Some(Arrived { from, local, tos, lost, bytes: &mut room.bytes[..room.len] })
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
