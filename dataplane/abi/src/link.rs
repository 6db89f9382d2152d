//! The unix socket between control and the data plane: whole messages (SOCK_SEQPACKET) with fds (SCM_RIGHTS).
//!
//! **Invariant:** a message is taken only with exactly the fds that it names. Anything else (cut data, cut control data, too few
//! or too many fds, another version) is refused, and every fd that came along is closed.

use crate::Refused;
use crate::message::{FDS_MAX, MESSAGE_MAX, Message, decode, encode};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

/// Why nothing was sent or received.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The other side has closed its end, or died.
    #[error("the other process has closed the connection")]
    Closed,
    /// The message makes no sense here; [`Refused::Version`] is the case to look for.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The message or its fds did not fit.
    #[error("the message was cut off")]
    Cut,
    /// The message came with another number of fds than it names.
    #[error("the message names {named} file descriptors and came with {came}")]
    Fds {
        /// What the message says.
        named: usize,
        /// What there was.
        came: usize,
    },
    /// The kernel refused a call.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Errno> for LinkError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => Self::Closed,
            errno => Self::Io(errno.into()),
        }
    }
}

/// One end of a connection.
pub struct Link(OwnedFd);

impl Link {
    /// Two ends; one goes to the data plane as it is started.
    ///
    /// # Errors
    /// What the kernel answers when fds or memory run out.
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC;
        let (one, other) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self(one), Self(other)))
    }

    /// Connects to the listener of a running data plane.
    ///
    /// # Errors
    /// `NotFound` or `ConnectionRefused` when none runs; else what the kernel answers.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let fd = new_socket()?;
        rustix::net::connect(&fd, &SocketAddrUnix::new(path)?)?;
        Ok(Self(fd))
    }

    /// Sends a message and copies of `fds`, which are as many as the message names. Waits while the other side is slow.
    ///
    /// # Errors
    /// [`LinkError::Fds`] when their number is wrong, [`LinkError::Closed`] when nobody listens any more.
    pub fn send<M: Message>(&self, message: &M, fds: &[BorrowedFd<'_>]) -> Result<(), LinkError> {
        self.send_with(message, fds, SendFlags::empty())
    }

    /// As [`Self::send`], without waiting; false: the other side has not read enough yet.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn try_send<M: Message>(&self, message: &M, fds: &[BorrowedFd<'_>]) -> Result<bool, LinkError> {
        match self.send_with(message, fds, SendFlags::DONTWAIT) {
            Ok(()) => Ok(true),
            Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// As [`Self::send`], waiting no longer than `patience`: for a side that must go on when the other one hangs.
    ///
    /// # Errors
    /// As [`Self::send`]; `TimedOut` when the other side has not read enough by then.
    pub fn send_within<M: Message>(
        &self,
        message: &M,
        fds: &[BorrowedFd<'_>],
        patience: Duration,
    ) -> Result<(), LinkError> {
        let patience =
            Timespec::try_from(patience).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        while !self.try_send(message, fds)? {
            let mut writable = [PollFd::new(&self.0, PollFlags::OUT)];
            match rustix::event::poll(&mut writable, Some(&patience)) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Waits for a message and its fds, which are close-on-exec.
    ///
    /// # Errors
    /// See [`LinkError`]; after [`LinkError::Refused`] and [`LinkError::Fds`] the connection can still be used.
    pub fn recv<M: Message>(&self) -> Result<(M, Vec<OwnedFd>), LinkError> {
        self.recv_with(RecvFlags::empty())
    }

    /// As [`Self::recv`], without waiting.
    ///
    /// # Errors
    /// As [`Self::recv`].
    pub fn try_recv<M: Message>(&self) -> Result<Option<(M, Vec<OwnedFd>)>, LinkError> {
        match self.recv_with(RecvFlags::DONTWAIT) {
            Ok(received) => Ok(Some(received)),
            Err(LinkError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn send_with<M: Message>(
        &self,
        message: &M,
        fds: &[BorrowedFd<'_>],
        flags: SendFlags,
    ) -> Result<(), LinkError> {
        if fds.len() != message.fds() || fds.len() > FDS_MAX {
            return Err(LinkError::Fds { named: message.fds(), came: fds.len() });
        }
        let bytes = encode(message);
        let mut space = [MaybeUninit::uninit(); CONTROL_LEN];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(fds));
        }
        let flags = flags | SendFlags::NOSIGNAL;
        rustix::io::retry_on_intr(|| {
            rustix::net::sendmsg(&self.0, &[IoSlice::new(&bytes)], &mut control, flags)
        })?;
        Ok(())
    }

    fn recv_with<M: Message>(&self, flags: RecvFlags) -> Result<(M, Vec<OwnedFd>), LinkError> {
        // Wiped when dropped: a message can carry keys.
        let mut bytes = Zeroizing::new([0; MESSAGE_MAX]);
        let mut space = [MaybeUninit::uninit(); CONTROL_LEN];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = rustix::io::retry_on_intr(|| {
            let mut into = [IoSliceMut::new(bytes.as_mut_slice())];
            rustix::net::recvmsg(&self.0, &mut into, &mut control, flags | RecvFlags::CMSG_CLOEXEC)
        })?;
        // Owned from here on: each way out closes what is not given on.
        let fds = passed(&mut control);
        judge(bytes.as_slice(), got.bytes, got.flags, fds)
    }
}

/// Decides about what came: `len` bytes, these flags and fds.
fn judge<M: Message>(
    bytes: &[u8],
    len: usize,
    flags: ReturnFlags,
    fds: Vec<OwnedFd>,
) -> Result<(M, Vec<OwnedFd>), LinkError> {
    if flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(LinkError::Cut);
    }
    if len == 0 {
        return Err(LinkError::Closed);
    }
    let message: M = decode(&bytes[..len])?;
    if fds.len() == message.fds() {
        Ok((message, fds))
    } else {
        Err(LinkError::Fds { named: message.fds(), came: fds.len() })
    }
}

impl From<OwnedFd> for Link {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl From<Link> for OwnedFd {
    fn from(link: Link) -> Self {
        link.0
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Where later control processes connect. Control makes it; the data plane holds it.
pub struct Listener(OwnedFd);

impl Listener {
    /// Listens at `path`, whose directory should be root's alone. The path must not exist.
    ///
    /// # Errors
    /// What the kernel answers, `AddrInUse` when the path exists.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let fd = new_socket()?;
        rustix::net::bind(&fd, &SocketAddrUnix::new(path)?)?;
        rustix::net::listen(&fd, BACKLOG)?;
        rustix::fs::fcntl_setfl(&fd, rustix::fs::OFlags::NONBLOCK)?;
        Ok(Self(fd))
    }

    /// Takes the next connection if there is one and it is root's; others are closed.
    ///
    /// # Errors
    /// `PermissionDenied` after closing a connection that is not root's; else what the kernel answers.
    pub fn accept(&self) -> io::Result<Option<Link>> {
        let fd = match rustix::net::accept_with(&self.0, SocketFlags::CLOEXEC) {
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return Ok(None),
            accepted => accepted?,
        };
        if peer_is_root(&fd)? { Ok(Some(Link(fd))) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl From<OwnedFd> for Listener {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether the process that connected was root's when it did (SO_PEERCRED).
///
/// # Errors
/// What the kernel answers when this is no unix socket.
pub fn peer_is_root(socket: impl AsFd) -> io::Result<bool> {
    Ok(rustix::net::sockopt::socket_peercred(socket)?.uid.is_root())
}

fn new_socket() -> Result<OwnedFd, Errno> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// Every fd that came; other control messages are dropped, with what they hold.
fn passed(control: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    fds
}

/// Room for the most fds that the kernel passes at once.
const CONTROL_LEN: usize = rustix::cmsg_space!(ScmRights(FDS_MAX));

/// One control process attaches at a time.
const BACKLOG: i32 = 4;

#[cfg(test)]
mod tests;
