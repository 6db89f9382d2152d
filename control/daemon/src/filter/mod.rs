//! Permissions as the kernel holds them: one nftables table for each circle that is up.
//!
//! | file | what |
//! | --- | --- |
//! | `table` | from permissions to the text of a table; pure |
//! | `foreign` | rules of others that would drop what permissions let through; pure |
//! | `legacy` | tables of iptables-legacy, which cannot be read |
//! | `firewalld` | the one that lets others say what it lets in |
//! | `nft` | the `nft` program: it applies, lists and deletes |
//!
//! A table is replaced as a whole, in one transaction: at every instant the old one or the new one is in force. It is the
//! kernel's from then on, with every time at which a permission ends, so whatever becomes of the daemon, nobody may more
//! than before.
//!
//! **Invariant:** a table goes only after the interface that it guards.
//! **Invariant:** nothing but tables `inet ringmesh-CIRCLE` is ever changed.

pub(crate) mod firewalld;
mod foreign;
mod legacy;
mod nft;
mod table;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringmesh_mesh::name::Label;

use crate::circle::{EXCHANGE_PORT, LAN_PORT, hears_lan, lan_group};
use crate::ifname::IfName;
use crate::os::interfaces::{self, Interface};

use foreign::{Door, Ruleset};
pub(crate) use foreign::{Packet, Transport};
pub(crate) use legacy::unread;
pub(crate) use nft::FilterProblem;
pub(crate) use table::{FILES_PORT, Guarded, Mesh4, RESOLVER_PORT, zone_of};

/// What the name of each of our tables begins with; the circle's name follows.
const PREFIX: &str = "ringmesh-";

/// What nft made of a table: the lines of its listing, sorted, since elements come in any order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Listing(Vec<String>);

/// Puts the circle's table ([`Guarded::ruleset`]) into force in place of the one that was; gives how it looks now.
///
/// # Errors
/// [`FilterProblem`]; the table that was is in force then, or none.
pub(crate) async fn apply(circle: &Label, ruleset: &str) -> Result<Listing, FilterProblem> {
    nft::run(&["-f", "-"], ruleset).await?;
    listing(circle).await
}

/// How the circle's table looks.
///
/// # Errors
/// [`FilterProblem`], also when there is none.
pub(crate) async fn listing(circle: &Label) -> Result<Listing, FilterProblem> {
    let text = nft::run(&["list", "table", "inet", &name(circle)], "").await?;
    let mut parts: Vec<String> = text.split([',', '\n']).map(|part| part.trim().to_owned()).collect();
    parts.sort();
    Ok(Listing(parts))
}

/// Deletes a circle's table, if there is one. One whose interface is still there stays.
///
/// # Errors
/// [`FilterProblem`]; the table stays then.
pub(crate) async fn remove(circle: &Label, ifname: &IfName) -> Result<(), FilterProblem> {
    if interfaces::exists(ifname.as_str()) {
        return Err(FilterProblem::InUse(ifname.clone()));
    }
    // Adding it first makes deleting one that is not there no error.
    let name = name(circle);
    nft::run(&["-f", "-"], &format!("table inet {name}\ndelete table inet {name}\n")).await.map(drop)
}

/// Circles that have a table.
///
/// # Errors
/// [`FilterProblem`].
pub(crate) async fn circles() -> Result<Vec<Label>, FilterProblem> {
    Ok(circles_in(&nft::run(&["list", "tables", "inet"], "").await?))
}

/// What rules of others would drop of `packets` that come in by the interface, one sentence each, with what lets them in.
///
/// # Errors
/// [`FilterProblem`] when the rules cannot be read.
pub(crate) async fn blocked(ifname: &IfName, packets: &[Packet]) -> Result<Vec<String>, FilterProblem> {
    let json = nft::run(&["-j", "list", "ruleset"], "").await?;
    let ruleset =
        Ruleset::read(&json).ok_or_else(|| FilterProblem::Refused("no list of rules".to_owned()))?;
    Ok(foreign::blocked(&ruleset, ifname, packets))
}

/// What rules of others would drop of what the circle hears from other networks: at the UDP port of its tunnel, and of
/// announcements on the LAN. One sentence each, with what lets it in.
///
/// # Errors
/// [`FilterProblem`] when the rules cannot be read.
pub(crate) async fn shut(port: u16) -> Result<Vec<String>, FilterProblem> {
    let json = nft::run(&["-j", "list", "ruleset"], "").await?;
    let ruleset =
        Ruleset::read(&json).ok_or_else(|| FilterProblem::Refused("no list of rules".to_owned()))?;
    let interfaces = interfaces::list().await.unwrap_or_default();
    Ok(foreign::shut(&ruleset, &doors(&interfaces, port)))
}

/// Where the circle hears others: for each of our addresses, somebody beside it sends to it and to its LAN.
fn doors(interfaces: &[Interface], port: u16) -> Vec<Door> {
    let lans = interfaces.iter().filter(|interface| hears_lan(interface));
    let addresses = lans.flat_map(|lan| lan.addresses.iter().map(|to| (lan.name.clone(), *to)));
    addresses
        .take(ADDRESSES_MAX)
        .flat_map(|(ifname, to)| {
            let from = match to {
                IpAddr::V4(to) => Ipv4Addr::from(to.to_bits() ^ 1).into(),
                IpAddr::V6(to) => Ipv6Addr::from(to.to_bits() ^ 1).into(),
            };
            let door = |to, port, use_of_it| Door { ifname: ifname.clone(), from, to, port, use_of_it };
            [
                door(to, port, "a tunnel comes about only when this device begins it"),
                door(
                    lan_group(to.is_ipv6()),
                    LAN_PORT,
                    "devices on that LAN find each other by a beacon only",
                ),
            ]
        })
        .collect()
}

/// What every circle needs, whatever is allowed: that another device brings records to our address.
pub(crate) fn needed(own: Ipv6Addr) -> Packet {
    // Any other address of the circle.
    let peer = Ipv6Addr::from(own.to_bits() ^ 1);
    Packet::new(peer.into(), own.into(), Transport::Tcp(Some(EXCHANGE_PORT)))
}

/// Addresses of this machine that are looked at.
const ADDRESSES_MAX: usize = 16;

fn circles_in(tables: &str) -> Vec<Label> {
    let ours =
        tables.lines().filter_map(|line| line.trim().strip_prefix("table inet ")?.strip_prefix(PREFIX));
    ours.filter_map(|circle| circle.parse().ok()).collect()
}

fn name(circle: &Label) -> String {
    format!("{PREFIX}{circle}")
}

#[cfg(test)]
mod tests;
