//! Rules of others that would drop what permissions let through.
//!
//! To accept is no word of power in nftables: what one table accepts, another may drop. So we look for those who would: the machine's rules
//! are read as nft lists them (those of iptables-nft are among them), and a packet is led through their chains by what is known of it.
//!
//! | file | what |
//! | --- | --- |
//! | `ruleset` | what nft lists, sorted into chains |
//! | `facts` | whether one condition of a rule fits a packet |
//! | `walk` | the way of a packet through the chains of a hook |
//!
//! **Invariant:** what is not understood is never taken for a reason to drop; that something was not understood is told.

mod facts;
mod ruleset;
mod walk;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

pub(crate) use facts::{Packet, Transport};
pub(crate) use ruleset::Ruleset;

use crate::ifname::IfName;
use walk::Culprit;

/// What would be dropped, and by whom.
#[derive(Clone, Debug)]
struct Blocked<'a> {
    what: String,
    culprit: Culprit,
    way: Way<'a>,
}

/// Where something of the circle comes in.
#[derive(Clone, Copy, Debug)]
enum Way<'a> {
    /// By the circle's interface: permissions decide.
    Inside(&'a IfName),
    /// At a UDP port, from any network.
    Port(u16),
}

/// A UDP port at which the circle hears what comes from other networks than its own.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// The interface.
    pub(crate) ifname: String,
    /// Of somebody there.
    pub(crate) from: IpAddr,
    /// Our address or a group.
    pub(crate) to: IpAddr,
    /// The port.
    pub(crate) port: u16,
    /// What does not work without it.
    pub(crate) use_of_it: &'static str,
}

/// The sentences for what would be dropped of `packets`, which all come in by `ifname`. Each chain or rule is named once.
pub(crate) fn blocked(ruleset: &Ruleset, ifname: &IfName, packets: &[Packet]) -> Vec<String> {
    let mut named = BTreeSet::<Culprit>::new();
    let mut sentences = Vec::new();
    for packet in packets {
        if let Some(culprit) = walk::culprit(ruleset, ifname.as_str(), packet)
            && named.insert(culprit.clone())
        {
            let blocked = Blocked { what: packet.to_string(), culprit, way: Way::Inside(ifname) };
            sentences.push(blocked.to_string());
        }
    }
    sentences
}

/// The sentences for doors that are shut. Each chain or rule is named once for a port.
pub(crate) fn shut(ruleset: &Ruleset, doors: &[Door]) -> Vec<String> {
    let mut named = BTreeSet::<(Culprit, u16)>::new();
    let mut sentences = Vec::new();
    for Door { ifname, from, to, port, use_of_it } in doors {
        let packet = Packet::new(*from, *to, Transport::Udp(Some(*port)));
        if let Some(culprit) = walk::culprit(ruleset, ifname, &packet)
            && named.insert((culprit.clone(), *port))
        {
            let what = format!("udp/{port} from {ifname}, so {use_of_it}");
            sentences.push(Blocked { what, culprit, way: Way::Port(*port) }.to_string());
        }
    }
    sentences
}

impl fmt::Display for Blocked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, culprit, way } = self;
        let drops = if culprit.sure { "drops" } else { "may drop" };
        let (table, chain) = (&culprit.table, &culprit.chain);
        match culprit.handle {
            Some(handle) => {
                write!(f, "rule {handle} of the chain {chain} in the table {table} {drops} {what}")?
            }
            None => write!(
                f,
                "the chain {chain} in the table {table} {drops} {what}, since none of its rules accepts it"
            )?,
        }
        let then = match way {
            Way::Inside(_) => "permissions still decide who may what",
            Way::Port(_) => "only what the circle's devices have sealed is heard there",
        };
        write!(f, "; `{}` lets it in, and {then}", self.fix())
    }
}

impl Blocked<'_> {
    /// The command that lets it in, in the words of whoever made the chain.
    fn fix(&self) -> String {
        let Self { culprit, way, .. } = self;
        let (table, chain) = (culprit.table.as_str(), culprit.base.as_str());
        let of_iptables = ["INPUT", "PREROUTING"].contains(&chain);
        let (firewalld, ufw, iptables, nft) = match way {
            Way::Inside(ifname) => (
                format!("--zone=trusted --change-interface={ifname}"),
                format!("in on {ifname}"),
                format!("-i {ifname}"),
                format!("iifname {ifname}"),
            ),
            Way::Port(port) => (
                format!("--add-port={port}/udp"),
                format!("{port}/udp"),
                format!("-p udp --dport {port}"),
                format!("udp dport {port}"),
            ),
        };
        match table {
            "inet firewalld" => format!("firewall-cmd {firewalld}"),
            "ip filter" | "ip6 filter" if culprit.ufw => format!("ufw allow {ufw}"),
            "ip filter" if of_iptables => format!("iptables -I {chain} {iptables} -j ACCEPT"),
            "ip6 filter" if of_iptables => format!("ip6tables -I {chain} {iptables} -j ACCEPT"),
            _ => format!("nft insert rule {table} {chain} {nft} accept"),
        }
    }
}

/// What a packet of another device looks like that wants to begin something.
impl Packet {
    /// From one address of the circle to another.
    pub(crate) const fn new(from: IpAddr, to: IpAddr, transport: Transport) -> Self {
        Self { from, to, transport }
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.to.is_ipv4() { "IPv4" } else { "IPv6" };
        match self.transport {
            Transport::Echo => write!(f, "echo requests of the circle ({family})"),
            Transport::Tcp(Some(port)) => write!(f, "tcp/{port} of the circle ({family})"),
            Transport::Udp(Some(port)) => write!(f, "udp/{port} of the circle ({family})"),
            Transport::Tcp(None) => write!(f, "most TCP ports of the circle ({family})"),
            Transport::Udp(None) => write!(f, "most UDP ports of the circle ({family})"),
        }
    }
}

#[cfg(test)]
mod tests;
