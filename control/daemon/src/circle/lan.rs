//! The LAN: sealed datagrams by multicast on every interface, over IPv4 and IPv6.
//!
//! Whoever is on the LAN and in the circle hears where the others are; whoever holds an invite can join, with no beacon. All of it is
//! sealed by [`ringmesh_mesh::sealed`]: others see that there are datagrams. Answers are multicast too, since a packet filter
//! that lets questions in lets them in as well.
//!
//! **Invariant:** nothing that was not opened with a key of ours is answered, and one datagram is never answered by more than two.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::paths::is_ours;
use crate::os::interfaces::Interface;

/// The UDP port on the LAN.
pub(crate) const LAN_PORT: u16 = 25519;
/// Of the site-local scope (RFC 2365), sent with a TTL of 1.
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 255, 82, 77);
/// Transient and link-local (RFC 4291, section 2.7).
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0x524d, 1);
/// Longest datagram, in bytes: fits a frame of every LAN.
pub(super) const DATAGRAM_MAX: usize = 1400;
/// Sockets at most: two for each of many interfaces.
const SOCKETS_MAX: usize = 64;

/// A datagram from the LAN. Nothing of it has been checked.
#[derive(Debug)]
pub(crate) struct Heard {
    /// Who sent it, as the network says.
    pub(super) from: SocketAddr,
    /// What.
    pub(super) datagram: Vec<u8>,
}

/// An interface by its number, and the family.
type Way = (u32, bool);

/// The sockets on the LAN.
#[derive(Debug)]
pub(super) struct Lan {
    open: BTreeMap<Way, Port>,
    heard: mpsc::Sender<Heard>,
}

#[derive(Debug)]
struct Port {
    socket: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

impl Drop for Port {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Lan {
    /// Without sockets yet; what they hear goes to `heard`, and is dropped while that is full.
    pub(super) const fn new(heard: mpsc::Sender<Heard>) -> Self {
        Self { open: BTreeMap::new(), heard }
    }

    /// Opens and closes sockets as interfaces come and go. True if there is a new one.
    pub(super) fn follow(&mut self, interfaces: &[Interface]) -> bool {
        let usable = interfaces.iter().filter(|interface| hears_lan(interface));
        let ways: BTreeMap<Way, &Interface> = usable
            .flat_map(|interface| {
                let families = [false, true].into_iter();
                let has = |v6: &bool| interface.addresses.iter().any(|ip| ip.is_ipv6() == *v6);
                families.filter(has).map(move |v6| ((interface.index, v6), interface))
            })
            .take(SOCKETS_MAX)
            .collect();
        self.open.retain(|way, port| ways.contains_key(way) && !port.reader.is_finished());
        let mut new = false;
        for (way, interface) in ways {
            if self.open.contains_key(&way) {
                continue;
            }
            match open(interface, way.1) {
                Ok(socket) => {
                    let socket = Arc::new(socket);
                    let reader = tokio::spawn(read(Arc::clone(&socket), self.heard.clone()));
                    self.open.insert(way, Port { socket, reader });
                    new = true;
                }
                Err(error) => tracing::debug!(%error, interface = interface.name, "no announcements here"),
            }
        }
        new
    }

    /// Closes all sockets.
    pub(super) fn close(&mut self) {
        self.open.clear();
    }

    /// Says something on every LAN. Where that is not possible just now, it is said again later anyway.
    pub(super) fn say(&self, datagram: &[u8]) {
        for ((_, v6), port) in &self.open {
            if let Err(error) = port.socket.try_send_to(datagram, (lan_group(*v6), LAN_PORT).into()) {
                tracing::debug!(%error, "a datagram to the LAN");
            }
        }
    }
}

/// Whether announcements are made on this interface.
pub(crate) fn hears_lan(interface: &Interface) -> bool {
    interface.multicast && !is_ours(&interface.name)
}

/// Where announcements go.
pub(crate) fn lan_group(v6: bool) -> IpAddr {
    if v6 { GROUP_V6.into() } else { GROUP_V4.into() }
}

fn open(interface: &Interface, v6: bool) -> io::Result<UdpSocket> {
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM.cloexec().nonblocking(), Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.bind_device(Some(interface.name.as_bytes()))?;
    if v6 {
        socket.set_only_v6(true)?;
        socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, LAN_PORT)).into())?;
        socket.join_multicast_v6(&GROUP_V6, interface.index)?;
        socket.set_multicast_if_v6(interface.index)?;
        socket.set_multicast_hops_v6(1)?;
        socket.set_multicast_loop_v6(false)?;
    } else {
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, LAN_PORT)).into())?;
        socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(interface.index))?;
        socket.set_multicast_ttl_v4(1)?;
        socket.set_multicast_loop_v4(false)?;
    }
    UdpSocket::from_std(socket.into())
}

async fn read(socket: Arc<UdpSocket>, heard: mpsc::Sender<Heard>) {
    let mut buffer = [0; DATAGRAM_MAX + 1];
    let mut failures = 0;
    while failures < FAILURES_MAX {
        match socket.recv_from(&mut buffer).await {
            Ok((len, from)) if len <= DATAGRAM_MAX => {
                failures = 0;
                let _ = heard.try_send(Heard { from, datagram: buffer[..len].to_vec() });
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "hearing the LAN");
                failures += 1;
            }
        }
    }
}

/// Errors in a row after which a socket is given up, and opened anew at the next look.
const FAILURES_MAX: u32 = 16;
