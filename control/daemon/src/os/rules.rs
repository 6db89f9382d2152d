//! News that somebody has changed the rules of the packet filter.
//!
//! The kernel tells every change of nftables in this network namespace to whoever listens. What changed is read anew then, so a message
//! that is lost with a full buffer is no loss: that it was full is news enough.

use std::io;
use std::time::Duration;

use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// NFNLGRP_NFTABLES of linux/netfilter/nfnetlink.h, as a bit.
const GROUP: u32 = 1 << (7 - 1);
/// Between two looks, so that a machine whose rules change all the time costs little.
const PAUSE: Duration = Duration::from_millis(300);

/// Tells whenever rules change, at most once in a while.
pub(crate) fn watch(changed: mpsc::Sender<()>) -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(NETFILTER))?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUP))?;
    // Nothing but `recv` is used, which is the same on every kind of socket.
    let socket = UdpSocket::from_std(socket.into())?;
    tokio::spawn(async move {
        while drain(&socket).await.is_ok() {
            // A full channel says already what there is to say.
            if let Err(mpsc::error::TrySendError::Closed(())) = changed.try_send(()) {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
    Ok(())
}

/// Waits for news and takes all that is there.
async fn drain(socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = [0; 4096];
    socket.readable().await?;
    loop {
        match socket.try_recv(&mut buffer) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
            Err(error) => return Err(error),
        }
    }
}
