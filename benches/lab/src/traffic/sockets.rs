//! Sockets as the experiments want them.
#![allow(unsafe_code)] // UDP_SEGMENT, UDP_GRO and SO_MAX_PACING_RATE have no safe wrapper in the libraries that we use.

use crate::{Error, Result};
use socket2::{Domain, Protocol, Socket, Type};
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
