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
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Blocked {
    what: String,
    culprit: Culprit,
    ifname: String,
}

/// The sentences for what would be dropped of `packets`, which all come in by `ifname`. Each chain or rule is named once.
pub(crate) fn blocked(ruleset: &Ruleset, ifname: &IfName, packets: &[Packet]) -> Vec<String> {
    let mut named = BTreeSet::<Culprit>::new();
    let mut sentences = Vec::new();
    for packet in packets {
        if let Some(culprit) = walk::culprit(ruleset, ifname.as_str(), packet)
            && named.insert(culprit.clone())
        {
            let blocked = Blocked { what: packet.to_string(), culprit, ifname: ifname.as_str().to_owned() };
            sentences.push(blocked.to_string());
        }
    }
    sentences
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, culprit, .. } = self;
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
        write!(f, "; `{}` lets it in, and permissions still decide who may what", self.fix())
    }
}

impl Blocked {
    /// The command that lets in what comes by our interface, in the words of whoever made the chain.
    fn fix(&self) -> String {
        let Self { culprit, ifname, .. } = self;
        let (table, chain) = (culprit.table.as_str(), culprit.base.as_str());
        let of_iptables = ["INPUT", "PREROUTING"].contains(&chain);
        match table {
            "inet firewalld" => format!("firewall-cmd --zone=trusted --change-interface={ifname}"),
            "ip filter" | "ip6 filter" if culprit.ufw => format!("ufw allow in on {ifname}"),
            "ip filter" if of_iptables => format!("iptables -I {chain} -i {ifname} -j ACCEPT"),
            "ip6 filter" if of_iptables => format!("ip6tables -I {chain} -i {ifname} -j ACCEPT"),
            _ => format!("nft insert rule {table} {chain} iifname {ifname} accept"),
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
