//! One datagram by a plain system call, for threads that have no ring: handshakes and answers of control.
#![allow(unsafe_code, reason = "sendmsg takes pointers")]

use crate::Destination;
use crate::address::{NAME_LEN, encode};
use crate::cmsg::Control;
use crate::udp::family_of;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Sends `bytes` as one datagram. Does not wait: a full send buffer loses the datagram, as a full link would.
///
/// # Errors
///
/// The socket cannot reach such an address, or what the kernel answers.
pub fn send_to(socket: impl AsFd, bytes: &[u8], to: &Destination) -> io::Result<()> {
    let mut name = [0; NAME_LEN];
    let family = family_of(&socket)?;
    let name_len = encode(to.remote, family, &mut name).ok_or(io::ErrorKind::AddrNotAvailable)?;
    let mut control = Control::new();
    if let Some((ip, ifindex)) = to.local {
        control.source(ip, ifindex);
    }
    control.tos(to.remote.ip(), to.tos);
    let mut iov = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all fields of `msghdr` are integers and pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = name.as_mut_ptr().cast();
    message.msg_namelen = name_len as u32;
    message.msg_iov = &raw mut iov;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes().as_ptr().cast_mut().cast();
    message.msg_controllen = control.bytes().len();
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY:
    // - name, iovec, payload and control data live until the call returns, with the lengths that are given;
    // - sendmsg only reads them, so that `bytes` and `control` may be shared references.
    let sent = unsafe { libc::sendmsg(socket.as_fd().as_raw_fd(), &raw const message, flags) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
