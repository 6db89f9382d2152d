//! Network interfaces and their addresses: read, watched, and set on a tunnel of ours.
//!
//! **Invariant:** addresses are only changed on the interface that the caller names.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use futures_util::{StreamExt, TryStreamExt};
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::{Handle, LinkUnspec, MulticastGroup};
use tokio::sync::mpsc;

/// Most interfaces that are looked at: a machine full of containers has hundreds that nobody can be reached by.
const INTERFACES_MAX: usize = 64;

/// An interface that is up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Interface {
    /// Its number.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: String,
    /// Whether multicast can be sent on it.
    pub(crate) multicast: bool,
    /// Its addresses, link-local ones too.
    pub(crate) addresses: Vec<IpAddr>,
}

/// Everything that is up, but for loopback.
pub(crate) async fn list() -> io::Result<Vec<Interface>> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let found = list_by(&handle).await.map_err(io::Error::other);
    connection.abort();
    found
}

async fn list_by(handle: &Handle) -> Result<Vec<Interface>, rtnetlink::Error> {
    let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
    let addresses: Vec<AddressMessage> = handle.address().get().execute().try_collect().await?;
    let up = links.iter().filter(|link| {
        let flags = link.header.flags;
        flags.contains(LinkFlags::Up) && !flags.contains(LinkFlags::Loopback)
    });
    let interface = |link: &LinkMessage| Interface {
        index: link.header.index,
        name: name(link).unwrap_or_default(),
        multicast: link.header.flags.contains(LinkFlags::Multicast),
        addresses: addresses
            .iter()
            .filter(|address| address.header.index == link.header.index && is_usable(address))
            .filter_map(ip)
            .collect(),
    };
    Ok(up.map(interface).take(INTERFACES_MAX).collect())
}

fn name(link: &LinkMessage) -> Option<String> {
    link.attributes.iter().find_map(|attribute| {
        let LinkAttribute::IfName(name) = attribute else { return None };
        Some(name.clone())
    })
}

/// `IFA_LOCAL` is the address itself where there is a peer on the other end; `IFA_ADDRESS` is that peer then.
fn ip(address: &AddressMessage) -> Option<IpAddr> {
    let local = address.attributes.iter().find_map(|attribute| {
        let AddressAttribute::Local(ip) = attribute else { return None };
        Some(*ip)
    });
    local.or_else(|| {
        address.attributes.iter().find_map(|attribute| {
            let AddressAttribute::Address(ip) = attribute else { return None };
            Some(*ip)
        })
    })
}

/// Not one that is still being checked for duplicates, or on its way out.
fn is_usable(address: &AddressMessage) -> bool {
    let bad = AddressFlags::Tentative | AddressFlags::Deprecated | AddressFlags::Dadfailed;
    let flags = address.attributes.iter().find_map(|attribute| {
        let AddressAttribute::Flags(flags) = attribute else { return None };
        Some(*flags)
    });
    let scope =
        matches!(address.header.scope, AddressScope::Universe | AddressScope::Site | AddressScope::Link);
    scope && !flags.unwrap_or(AddressFlags::empty()).intersects(bad)
}

/// Whether there is an interface of this name, up or down.
pub(crate) fn exists(name: &str) -> bool {
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None);
    // Without a socket nothing is known, and what is guarded stays guarded.
    match socket {
        Ok(socket) => rustix::net::netdevice::name_to_index(socket, name) != Err(rustix::io::Errno::NODEV),
        Err(_) => true,
    }
}

/// Tells whenever links or addresses change; what changed is to be read anew.
pub(crate) fn watch(changed: mpsc::Sender<()>) -> io::Result<()> {
    let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
    let (connection, _, mut messages) = rtnetlink::new_multicast_connection(&groups)?;
    tokio::spawn(connection);
    tokio::spawn(async move {
        while messages.next().await.is_some() {
            // A full channel says already what there is to say.
            if let Err(mpsc::error::TrySendError::Closed(())) = changed.try_send(()) {
                return;
            }
        }
    });
    Ok(())
}

/// Gives the interface exactly these addresses (link-local ones stay as they are), each with its prefix, and sets it up.
pub(crate) async fn configure(ifname: &str, wanted: &BTreeSet<(IpAddr, u8)>) -> io::Result<u32> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let done = configure_by(&handle, ifname, wanted).await;
    connection.abort();
    done.map_err(io::Error::other)?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

async fn configure_by(
    handle: &Handle,
    ifname: &str,
    wanted: &BTreeSet<(IpAddr, u8)>,
) -> Result<Option<u32>, rtnetlink::Error> {
    let link = handle.link().get().match_name(ifname.to_owned()).execute().try_next().await?;
    let Some(link) = link else { return Ok(None) };
    let index = link.header.index;
    let there = handle.address().get().set_link_index_filter(index).execute();
    let there: Vec<AddressMessage> = there.try_collect().await?;
    let has = |wanted: &(IpAddr, u8)| {
        there.iter().any(|address| ip(address) == Some(wanted.0) && address.header.prefix_len == wanted.1)
    };
    for address in &there {
        let Some(ip) = ip(address) else { continue };
        let stays = address.header.scope != AddressScope::Universe
            || wanted.contains(&(ip, address.header.prefix_len));
        if !stays {
            handle.address().del(address.clone()).execute().await?;
        }
    }
    for (ip, prefix) in wanted.iter().filter(|wanted| !has(wanted)) {
        handle.address().add(index, *ip, *prefix).execute().await?;
    }
    if !link.header.flags.contains(LinkFlags::Up) {
        handle.link().set(LinkUnspec::new_with_index(index).up().build()).execute().await?;
    }
    Ok(Some(index))
}
