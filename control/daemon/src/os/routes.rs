//! Routes of this network namespace, as they are.
//!
//! **Invariant:** routes are read, never changed.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::TryStreamExt;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};

use super::interfaces;

/// A route to a range of IPv4 addresses, or an address of an interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Route {
    /// First address of the range.
    pub(crate) to: Ipv4Addr,
    /// Length of its prefix, in bits.
    pub(crate) prefix: u8,
    /// Where packets go.
    pub(crate) interface: String,
}

/// All routes over IPv4, of all tables, and the addresses of all interfaces that are up. Blocks until the kernel has answered.
///
/// # Errors
/// What the system says.
pub(crate) fn ipv4() -> io::Result<Vec<Route>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let connection = tokio::spawn(connection);
        let asked = handle.route().get(RouteMessageBuilder::<Ipv4Addr>::new().build()).execute();
        let messages: Result<Vec<RouteMessage>, _> = asked.try_collect().await;
        connection.abort();
        let interfaces = interfaces::list().await?;
        let name = |index: u32| {
            interfaces.iter().find(|interface| interface.index == index).map(|found| found.name.clone())
        };
        let route = |message: &RouteMessage| {
            let to = message.attributes.iter().find_map(destination)?;
            let interface = name(message.attributes.iter().find_map(output)?)?;
            Some(Route { to, prefix: message.header.destination_prefix_length, interface })
        };
        let routes = messages.map_err(io::Error::other)?.iter().filter_map(route).collect::<Vec<_>>();
        let addresses = interfaces.iter().flat_map(|interface| {
            interface.addresses.iter().filter_map(|ip| match ip {
                IpAddr::V4(to) => Some(Route { to: *to, prefix: 32, interface: interface.name.clone() }),
                IpAddr::V6(_) => None,
            })
        });
        Ok(routes.into_iter().chain(addresses).collect())
    })
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of many attributes one says where a route leads")]
fn destination(attribute: &RouteAttribute) -> Option<Ipv4Addr> {
    match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(to)) => Some(*to),
        _ => None,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of many attributes one names the interface")]
fn output(attribute: &RouteAttribute) -> Option<u32> {
    match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    }
}
