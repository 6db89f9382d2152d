//! Sockets as the experiments want them.
#![allow(unsafe_code)] // UDP_SEGMENT, UDP_GRO, SO_MAX_PACING_RATE and SO_TIMESTAMPNS have no safe wrapper in the libraries that we use.

use crate::{Error, Result, clock};
use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};
use std::io;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Room for what a receiving process cannot take at once; large, because the tunnel is measured and not
/// the scheduling of the sink.
const RECEIVE_BUFFER_LEN: usize = 8 << 20;

/// A socket on a port of every address of both families.
pub(super) fn bound(port: u16) -> Result<UdpSocket> {
    let failed = |error| Error::io(format!("cannot listen on UDP port {port}"), error);
    let socket = Socket::new(Domain::IPV6, Type::DGRAM, Some(Protocol::UDP)).map_err(failed)?;
    socket.set_only_v6(false).map_err(failed)?;
    enlarge(&socket);
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into()).map_err(failed)?;
    Ok(socket.into())
}

/// A socket that talks to one address; `receive_limit` bounds each wait for an answer.
pub(super) fn connected(to: SocketAddr, receive_limit: Duration) -> Result<UdpSocket> {
    let failed = |error| Error::io(format!("cannot send to {to}"), error);
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM, Some(Protocol::UDP)).map_err(failed)?;
    enlarge(&socket);
    socket.connect(&to.into()).map_err(failed)?;
    socket.set_read_timeout(Some(receive_limit)).map_err(failed)?;
    Ok(socket.into())
}

/// Lets every send carry many datagrams of `size` bytes.
pub(super) fn segment(socket: &UdpSocket, size: u32) -> Result<()> {
    set_udp_option(socket, libc::UDP_SEGMENT, size)
}

/// Lets a receive bring many datagrams of one sender at once.
pub(super) fn join(socket: &UdpSocket) -> Result<()> {
    set_udp_option(socket, libc::UDP_GRO, 1)
}

fn enlarge(socket: &Socket) {
    // Beyond the system's limit only with privileges; an ordinary size measures, too.
    let _as_far_as_allowed =
        rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, RECEIVE_BUFFER_LEN);
}

/// Limits what a stream sends to so many bytes per second, evenly; 0 is no limit.
pub(super) fn pace(stream: &impl AsRawFd, bytes_per_sec: u64) -> io::Result<()> {
    if bytes_per_sec == 0 {
        return Ok(());
    }
    set_option(stream, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, &bytes_per_sec)
}

/// Lets [`receive`] tell when datagrams came; those of the first moments seem to come when they are read.
pub(super) fn stamp(socket: &UdpSocket) -> Result<()> {
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &1_u32)
        .map_err(|error| Error::io("the kernel refuses to stamp datagrams", error))
}

/// What [`receive`] took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    /// Bytes; more than the buffer's are cut off.
    pub(super) len: usize,
    pub(super) from: Option<SocketAddr>,
    /// When the network brought it, by [`clock::now`], however long the program then had to wait for a core. Of datagrams that
    /// come joined, the first one's time.
    pub(super) arrived: Duration,
}

/// Takes one datagram, or several joined, of a socket that [`stamp`] was called for.
///
/// # Errors
/// Those of `recvmsg`.
pub(super) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Received> {
    let mut control = Control([0; CONTROL_LEN]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let take = |name: *mut SockAddrStorage, len: *mut libc::socklen_t| {
        // SAFETY: every field of a `msghdr` may be zero.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_name = name.cast();
        // SAFETY: socket2 lends two valid places for the time of this call.
        message.msg_namelen = unsafe { *len };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = CONTROL_LEN;
        // SAFETY:
        // - the descriptor is open as long as `socket` is borrowed;
        // - all pointers of the message are to live memory of the lengths beside them, and nothing else uses it meanwhile.
        let answer = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, 0) };
        let received = usize::try_from(answer).map_err(|_| io::Error::last_os_error())?;
        // SAFETY: as above.
        unsafe { *len = message.msg_namelen };
        Ok((received, stamp_of(&message)))
    };
    // SAFETY: `take` fills the address as `recvmsg` does, and leaves its length.
    let ((len, stamp), from) = unsafe { SockAddr::try_init(take) }?;
    let now = clock::now();
    let waited = stamp.map_or(Duration::ZERO, |stamp| clock::wall().saturating_sub(stamp));
    Ok(Received { len, from: from.as_socket(), arrived: now.saturating_sub(waited) })
}

/// Room for the one stamp.
const CONTROL_LEN: usize = 64;

/// Control messages begin with a number of 8 bytes.
#[repr(align(8))]
struct Control([u8; CONTROL_LEN]);

/// The wall clock's time when the datagram came.
fn stamp_of(message: &libc::msghdr) -> Option<Duration> {
    // SAFETY: `recvmsg` has filled the message and said how much of the control buffer is in use; both live.
    let header = unsafe { libc::CMSG_FIRSTHDR(message).as_ref() }?;
    // SAFETY: this only computes a length.
    let whole = unsafe { libc::CMSG_LEN(size_of::<libc::timespec>() as u32) } as usize;
    let is_stamp = header.cmsg_level == libc::SOL_SOCKET
        && header.cmsg_type == libc::SCM_TIMESTAMPNS
        && header.cmsg_len == whole;
    if !is_stamp {
        return None;
    }
    // SAFETY: the header's length says that a `timespec` follows it; a read like this needs no alignment.
    let time = unsafe { libc::CMSG_DATA(header).cast::<libc::timespec>().read_unaligned() };
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

fn set_udp_option(socket: &UdpSocket, option: libc::c_int, value: u32) -> Result<()> {
    set_option(socket, libc::SOL_UDP, option, &value)
        .map_err(|error| Error::io("the kernel refuses an option of UDP", error))
}

/// The options of this file take plain integers, of 4 or 8 bytes.
fn set_option<T: Into<u64> + Copy>(
    socket: &impl AsRawFd,
    level: i32,
    option: i32,
    value: &T,
) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY:
    // - the descriptor is open as long as `socket` is borrowed;
    // - the pointer is to a live integer of as many bytes as the length says; the kernel only reads it.
    let answer =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, std::ptr::from_ref(value).cast(), len) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
