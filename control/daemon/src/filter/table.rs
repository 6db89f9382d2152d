//! The text of a circle's table.
//!
//! ```text
//!                     ┌ arriving ─────────────┐   ┌ passing ───────────┐
//!  from the circle ──►│ before any NAT: goto  │──►│ only what somebody │──► containers behind a published port
//!                     │ from-circle → policy  │   │ here redirected    │
//!                     └───────────┬───────────┘   └────────────────────┘
//!                                 ▼ this machine's own sockets
//! ```
//!
//! Everything from the circle is judged once, where it arrives: after connection tracking, before addresses are rewritten. So it covers
//! what is for this machine and what would be forwarded alike, and a port that a container engine redirects is judged by the number
//! that its user sees. Whatever is not for our own mesh address ends there.
//!
//! Every packet of a flow that another device began is judged by the permissions of its moment; replies to what this machine began
//! pass by the direction of their connection. A flow that connection tracking has forgotten must not come back as ours just because we
//! send the next packet of it (`leaving`), or an ended permission would be revived.
//!
//! Mesh addresses are no secret and Linux takes packets for any of its addresses on any interface: so what arrives elsewhere and claims
//! to be of the mesh is dropped, and what comes from other interfaces is not forwarded into the circle.
//!
//! **Invariant:** the text is made of checked names, numbers and addresses only.
//! **Invariant:** base chains accept by default and name our interface in each rule that drops: other traffic is never ours to judge, not
//! even between two steps of the kernel.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringmesh_mesh::address::{Ipv4Block, PREFIX_V6};
use ringmesh_mesh::identity::CircleId;
use ringmesh_mesh::name::Label;
use ringmesh_mesh::permission::filter::{Filter, Rule, Target};
use ringmesh_mesh::record::Proto;

use crate::circle::EXCHANGE_PORT;
use crate::ifname::IfName;

/// Where files are sent to, as TCP port: a permission of its own.
pub(crate) const FILES_PORT: u16 = 25520;
/// The resolver's port on mesh addresses: it is there for this machine only.
pub(crate) const RESOLVER_PORT: u16 = 53;

/// nft counts time in nanoseconds of 64 bits: a permission that ends after the year 2500 does not end.
const NFT_SECS_MAX: u64 = u64::MAX / 1_000_000_000;

/// What a circle's table is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guarded<'a> {
    /// The circle's name.
    pub(crate) circle: &'a Label,
    /// Its conntrack zone: see [`zone_of`].
    pub(crate) zone: u16,
    /// Its interface.
    pub(crate) ifname: &'a IfName,
    /// Our IPv6 address in it.
    pub(crate) ipv6: Ipv6Addr,
    /// The same for IPv4, once we have one.
    pub(crate) ipv4: Option<Mesh4>,
    /// Who may what.
    pub(crate) filter: &'a Filter,
}

/// Our IPv4 address in a circle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mesh4 {
    /// The address.
    pub(crate) address: Ipv4Addr,
    /// What the circle's addresses are from.
    pub(crate) block: Ipv4Block,
}

/// The conntrack zone of a circle: two circles may use the same IPv4 addresses. From the upper half, since others count from 1.
pub(crate) fn zone_of(circle: &CircleId) -> u16 {
    u16::from_be_bytes([circle.0[0] | 0x80, circle.0[1]])
}

/// What one device may, as rules. All own devices of whom nothing special was said have the same, and share one chain.
type Policy = Vec<String>;

impl Guarded<'_> {
    /// What nft is to do: replace the table by this one.
    pub(crate) fn ruleset(&self) -> String {
        let name = super::name(self.circle);
        let mut text = format!("table inet {name}\ndelete table inet {name}\ntable inet {name} {{\n");
        let (policies, members) = self.policies();
        self.who(&mut text, "who4", "ipv4_addr", &members, |rule| rule.ipv4.map(IpAddr::V4));
        self.who(&mut text, "who6", "ipv6_addr", &members, |rule| Some(rule.ipv6.into()));
        self.zones(&mut text);
        self.arriving(&mut text);
        self.judging(&mut text);
        for (number, policy) in policies.into_iter().enumerate() {
            chain(&mut text, &format!("policy-{number}"), policy);
        }
        self.passing(&mut text);
        self.leaving(&mut text);
        text.push_str("}\n");
        text
    }

    /// The different policies, and which of them each member has.
    fn policies(&self) -> (Vec<Policy>, Vec<(&Rule, usize)>) {
        let mut numbers: BTreeMap<Policy, usize> = BTreeMap::new();
        let mut members = Vec::new();
        for rules in self.filter.rules.chunk_by(|a, b| a.from == b.from) {
            let policy = rules.iter().filter_map(policy_rule).collect();
            let next = numbers.len();
            members.push((&rules[0], *numbers.entry(policy).or_insert(next)));
        }
        let mut policies = vec![Policy::new(); numbers.len()];
        numbers.into_iter().for_each(|(policy, number)| policies[number] = policy);
        (policies, members)
    }

    /// A map from members' addresses to their policies.
    fn who(
        &self,
        text: &mut String,
        name: &str,
        kind: &str,
        members: &[(&Rule, usize)],
        address: impl Fn(&Rule) -> Option<IpAddr>,
    ) {
        let element = |(rule, policy): &(&Rule, usize)| {
            address(rule).map(|address| format!("{address} : jump policy-{policy}"))
        };
        let elements: Vec<String> = members.iter().filter_map(element).collect();
        push(text, format_args!("\tmap {name} {{\n\t\ttype {kind} : verdict\n"));
        if !elements.is_empty() {
            push(text, format_args!("\t\telements = {{ {} }}\n", elements.join(",\n\t\t\t")));
        }
        text.push_str("\t}\n");
    }

    /// Connections of this circle are tracked apart from all others. What comes back from a container is told by where it goes.
    fn zones(&self, text: &mut String) {
        let Self { zone, ifname, .. } = self;
        let elsewhere = self.elsewhere();
        let (prefix6, block4) = (self.prefix6(), self.ipv4.map(|own| cidr4(&own.block)));
        let rules = [
            Some("type filter hook prerouting priority raw; policy accept;".to_owned()),
            Some(format!("iifname \"{ifname}\" ct zone set {zone}")),
            Some(format!("{elsewhere} ip6 daddr {prefix6} ct zone set {zone}")),
            block4.map(|block| format!("{elsewhere} ip daddr {block} ct zone set {zone}")),
        ];
        chain(text, "zone-arriving", rules.into_iter().flatten());
        let rules = [
            "type filter hook output priority raw; policy accept;".to_owned(),
            format!("oifname \"{ifname}\" ct zone set {zone}"),
        ];
        chain(text, "zone-leaving", rules);
    }

    fn arriving(&self, text: &mut String) {
        let (elsewhere, own6, prefix6) = (self.elsewhere(), self.ipv6, self.prefix6());
        let rules = [
            Some("type filter hook prerouting priority mangle; policy accept;".to_owned()),
            Some(format!("iifname \"{}\" goto from-circle", self.ifname)),
            Some(format!("{elsewhere} ip6 daddr {own6} drop")),
            Some(format!("{elsewhere} ip6 saddr {prefix6} drop")),
            self.ipv4.map(|own| format!("{elsewhere} ip daddr {} drop", own.address)),
        ];
        chain(text, "arriving", rules.into_iter().flatten());
    }

    fn judging(&self, text: &mut String) {
        let own4 = match self.ipv4 {
            Some(own) => format!("ip daddr != {} drop", own.address),
            None => "meta nfproto ipv4 drop".to_owned(),
        };
        let rules = [
            own4,
            format!("ip6 daddr != {} drop", self.ipv6),
            "ct direction reply accept".to_owned(),
            // What tells that a packet of ours was too large, or that nobody wants it.
            "ct state related icmp type destination-unreachable accept".to_owned(),
            "ct state related icmpv6 type { destination-unreachable, packet-too-big } accept".to_owned(),
            "icmp type != echo-request drop".to_owned(),
            "icmpv6 type != echo-request drop".to_owned(),
            // Records travel between all who are peers, also those who wait to be members.
            format!("ip6 saddr {} tcp dport {EXCHANGE_PORT} accept", self.prefix6()),
            format!("meta l4proto {{ tcp, udp }} th dport {RESOLVER_PORT} drop"),
            // A policy that says nothing of the packet comes back here.
            "ip saddr vmap @who4".to_owned(),
            "ip6 saddr vmap @who6".to_owned(),
            "drop".to_owned(),
        ];
        chain(text, "from-circle", rules);
    }

    /// Only what a container engine or an administrator has redirected to elsewhere, and the way back.
    fn passing(&self, text: &mut String) {
        let ifname = self.ifname;
        let rules = [
            "type filter hook forward priority filter; policy accept;".to_owned(),
            format!("iifname \"{ifname}\" ct status dnat accept"),
            format!("iifname \"{ifname}\" drop"),
            format!("oifname \"{ifname}\" ct status dnat ct direction reply accept"),
            format!("oifname \"{ifname}\" reject with icmpx admin-prohibited"),
        ];
        chain(text, "passing", rules);
    }

    /// TCP begins with SYN. Connection tracking would take anything else for a beginning too, with us as the one who began.
    fn leaving(&self, text: &mut String) {
        let rules = [
            "type filter hook output priority filter; policy accept;".to_owned(),
            format!(
                "oifname \"{}\" ct state new tcp flags & (fin | syn | rst | ack) != syn reject with tcp reset",
                self.ifname
            ),
        ];
        chain(text, "leaving", rules);
    }

    fn elsewhere(&self) -> String {
        format!("iifname != {{ \"lo\", \"{}\" }}", self.ifname)
    }

    fn prefix6(&self) -> String {
        let mask = u128::MAX << (128 - u32::from(PREFIX_V6));
        format!("{}/{PREFIX_V6}", Ipv6Addr::from(self.ipv6.to_bits() & mask))
    }
}

/// One rule of a policy; none for what is not routed yet.
fn policy_rule(rule: &Rule) -> Option<String> {
    let matches = match rule.target {
        Target::Here => String::new(),
        Target::Port(Proto::Tcp, port) => format!("tcp dport {port} "),
        Target::Port(Proto::Udp, port) => format!("udp dport {port} "),
        Target::Exit | Target::Lan => return None,
    };
    // It holds during its last second.
    let end = rule.until.map(|until| until.saturating_add(1)).filter(|end| *end <= NFT_SECS_MAX);
    let time = end.map(|end| format!("meta time < \"{end}\" ")).unwrap_or_default();
    Some(format!("{time}{matches}{}", if rule.accept { "accept" } else { "drop" }))
}

fn cidr4(block: &Ipv4Block) -> String {
    format!("{}/{}", block.base(), block.prefix())
}

fn chain(text: &mut String, name: &str, rules: impl IntoIterator<Item = String>) {
    push(text, format_args!("\tchain {name} {{\n"));
    rules.into_iter().for_each(|rule| push(text, format_args!("\t\t{rule}\n")));
    text.push_str("\t}\n");
}

fn push(text: &mut String, what: fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a String takes everything");
}

#[cfg(test)]
mod tests;
