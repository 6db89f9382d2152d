//! The UDP sockets: one per worker and one for all that is no data message, all on one port.
//!
//! A dual-stack socket carries IPv4 and IPv6; where IPv6 is off, an IPv4 socket takes its place. The kernel
//! spreads datagrams over the group (SO_REUSEPORT); the data plane attaches the program that steers them.
//!
//! **Invariant:** the port is ours alone. A group that sets SO_REUSEPORT before its first bind would share a
//! port with another tunnel of the same user without an error, so the first socket binds without it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

/// Ten gigabits a second for about 3 ms: what a worker may be away without losing datagrams. More would only
/// be latency.
const RECV_BUFFER: usize = 4 << 20;
/// What waits in a full interface's queue; senders are told to wait beyond it.
const SEND_BUFFER: usize = 4 << 20;
/// Nearly a thousand handshakes, a tenth of a second of them. Whoever floods fills it, and more of it would only make
/// honest ones wait.
const LETTERS_BUFFER: usize = 1 << 20;

/// After a data plane was killed, the kernel takes its rings apart in the background, and they hold the sockets
/// until then: some milliseconds, up to half a second on a busy machine.
pub(super) const LINGERING_TRIES: u32 = 25;
pub(super) const LINGERING_PAUSE: rustix::time::Timespec =
    rustix::time::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// A group of sockets on one port.
#[derive(Debug)]
pub(crate) struct Sockets {
    sockets: Vec<Socket>,
    port: u16,
}

impl Sockets {
    /// Opens the sockets of that many workers on `port`, or on a free one if that is 0.
    ///
    /// # Errors
    /// EADDRINUSE when another socket has the port, EACCES or others as the kernel says.
    pub(crate) fn open(port: u16, workers: u32, fwmark: u32) -> io::Result<Self> {
        for _ in 0..LINGERING_TRIES {
            match Self::open_once(port, workers, fwmark) {
                Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
                    // Nobody tells when a port becomes free, so it is asked again.
                    let _ = rustix::thread::nanosleep(&LINGERING_PAUSE);
                }
                result => return result,
            }
        }
        Self::open_once(port, workers, fwmark)
    }

    fn open_once(port: u16, workers: u32, fwmark: u32) -> io::Result<Self> {
        match Self::open_family(Domain::IPV6, port, workers, fwmark) {
            Err(error) if no_ipv6(&error) => Self::open_family(Domain::IPV4, port, workers, fwmark),
            result => result,
        }
    }

    fn open_family(domain: Domain, port: u16, workers: u32, fwmark: u32) -> io::Result<Self> {
        let first = socket(domain)?;
        first.bind(&any(domain, port).into())?;
        first.set_reuse_port(true)?;
        let port = first.local_addr()?.as_socket().map_or(port, |addr| addr.port());
        let mut group = Self { sockets: vec![first], port };
        let further = (1..workers).map(|_| socket(domain));
        for next in further.chain(std::iter::once_with(|| letters(domain))) {
            let next = next?;
            next.set_reuse_port(true)?;
            next.bind(&any(domain, port).into())?;
            group.sockets.push(next);
        }
        group.set_fwmark(fwmark)?;
        Ok(group)
    }

    /// The sockets that a running data plane handed back.
    pub(crate) fn adopt(fds: Vec<OwnedFd>) -> io::Result<Self> {
        let sockets: Vec<_> = fds.into_iter().map(Socket::from).collect();
        let first = sockets.first().ok_or(io::ErrorKind::NotFound)?;
        let port = first.local_addr()?.as_socket().ok_or(io::ErrorKind::InvalidData)?.port();
        Ok(Self { sockets, port })
    }

    /// The port of all of them.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The descriptors, in the order of the workers, and that for all that is no data message.
    pub(crate) fn fds(&self) -> Vec<std::os::fd::BorrowedFd<'_>> {
        self.sockets.iter().map(AsFd::as_fd).collect()
    }

    /// Marks what leaves by these sockets. It holds at once for the data plane's copies too.
    pub(crate) fn set_fwmark(&self, fwmark: u32) -> io::Result<()> {
        self.sockets.iter().try_for_each(|socket| socket.set_mark(fwmark))
    }

    /// The mark, as the kernel knows it.
    pub(crate) fn fwmark(&self) -> u32 {
        self.sockets.first().and_then(|socket| socket.mark().ok()).unwrap_or(0)
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn any(domain: Domain, port: u16) -> SocketAddr {
    if domain == Domain::IPV6 {
        (Ipv6Addr::UNSPECIFIED, port).into()
    } else {
        (Ipv4Addr::UNSPECIFIED, port).into()
    }
}

/// The socket of a worker.
fn socket(domain: Domain) -> io::Result<Socket> {
    let socket = plain(domain)?;
    // Tells how long a datagram waited in the socket, and so when a sender has to slow down.
    option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    // Without GRO (before Linux 5.0) datagrams come one by one, which costs speed and nothing else.
    let _ = option(&socket, libc::IPPROTO_UDP, libc::UDP_GRO, 1);
    buffers(&socket, RECV_BUFFER)?;
    Ok(socket)
}

/// The socket for all that is no data message. It says how many it had no room for.
fn letters(domain: Domain) -> io::Result<Socket> {
    let socket = plain(domain)?;
    option(&socket, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1)?;
    buffers(&socket, LETTERS_BUFFER)?;
    Ok(socket)
}

fn plain(domain: Domain) -> io::Result<Socket> {
    // Blocking, as io_uring wants it: a non-blocking socket would answer EAGAIN instead of being polled.
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
        option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)?;
        option(&socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)?;
    }
    // The IPv4 options matter on a dual-stack socket as well: they hold for its IPv4 datagrams. As the kernel's
    // WireGuard does it, what is too big for the path is fragmented: DF would make it vanish.
    option(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
    option(&socket, libc::IPPROTO_IP, libc::IP_RECVTOS, 1)?;
    option(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
    Ok(socket)
}

/// Forced sizes need CAP_NET_ADMIN in the first user namespace; elsewhere the system's limit holds.
fn buffers(socket: &Socket, receive: usize) -> io::Result<()> {
    if option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, receive as libc::c_int).is_err() {
        socket.set_recv_buffer_size(receive)?;
    }
    if option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, SEND_BUFFER as libc::c_int).is_err() {
        socket.set_send_buffer_size(SEND_BUFFER)?;
    }
    Ok(())
}

#[allow(unsafe_code)] // Neither socket2 nor rustix has all of these options.
fn option(socket: &Socket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY:
    // - the descriptor is open, because `socket` is borrowed;
    // - the pointer and length are those of `value`, which lives through the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
