//! The packet filter of our own device, as data: what the daemon turns into one nftables table.
//!
//! Rules are read from the first to the last; the first that fits decides, and what fits none is dropped. A rule that
//! ends by itself carries the time, so the kernel ends it with nobody's help; the packet then meets the next rule, just as the
//! permission then falls back to the next that is in force.
//!
//! **Invariant:** every rule names the source as an address of a member, so a stranger's address fits none.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Effective, SSH, default};
use crate::identity::DeviceId;
use crate::record::{Effect, Proto, What};
use crate::roster::{Granted, Member};

/// The ports that the daemon itself answers on, towards mesh addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Services {
    /// Where files are sent to, as TCP port.
    pub files: u16,
}

/// Where a packet wants to go.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Target {
    /// Any port of our mesh addresses, but for the port of file transfer.
    Here,
    /// One port of our mesh addresses.
    Port(Proto, u16),
    /// Through this device to the internet.
    Exit,
    /// Through this device into its LAN.
    Lan,
}

/// One rule.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rule {
    /// Whose packets.
    pub from: DeviceId,
    /// Its IPv6 source address.
    pub ipv6: Ipv6Addr,
    /// Its IPv4 source address; none if it has none.
    pub ipv4: Option<Ipv4Addr>,
    /// To where.
    pub target: Target,
    /// Whether they pass.
    pub accept: bool,
    /// The last second at which the rule fits, since 1970; none for good.
    pub until: Option<u64>,
}

/// The filter for packets that begin something. Replies pass by the direction of their connection, which is the
/// business of whoever installs this; `ct state established` would keep what an ended permission began.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// In order; the first that fits decides.
    pub rules: Vec<Rule>,
}

impl Filter {
    /// The rules that follow for `host`, our own device. Ended permissions leave no rule. Empty if we are no member.
    #[must_use]
    pub fn of(now: &Effective<'_>, host: &DeviceId, services: Services) -> Self {
        let Some(host) = now.roster().members.get(host) else { return Self::default() };
        let others = now.roster().members.values().filter(|member| member.device != host.device);
        Self { rules: others.flat_map(|from| rules_of(now, from, host, services)).collect() }
    }

    /// Whether a packet of `from` to `target` passes at a time: what the kernel decides, for tests and `ringmesh can`.
    #[must_use]
    pub fn passes(&self, from: &DeviceId, target: Target, now: u64) -> bool {
        let fits = |rule: &&Rule| {
            let aims =
                rule.target == target || (rule.target == Target::Here && matches!(target, Target::Port(..)));
            rule.from == *from && aims && rule.until.is_none_or(|until| now <= until)
        };
        self.rules.iter().find(fits).is_some_and(|rule| rule.accept)
    }
}

/// The rules for one member: file transfer, single ports, everything, exit and LAN.
fn rules_of(now: &Effective<'_>, from: &Member, host: &Member, services: Services) -> Vec<Rule> {
    let files = Target::Port(Proto::Tcp, services.files);
    let mut rules = Rules { from, now: now.now(), rules: Vec::new() };
    let own = || host.grants.about(&from.device);
    let said = |thing: What| own().filter(move |(what, _)| *what == thing);
    // Files have a port of their own, which reach says nothing about.
    rules.all(said(What::Files), |_| files);
    rules.fall_back(files, default(from, host, What::Files).allowed);
    // Of tcp/22 and ssh a denial comes first, or two grants for one port would contradict what `can` says.
    let mut ports: Vec<_> = own().filter_map(|(what, said)| Some((port(what)?, said))).collect();
    ports.sort_by_key(|(target, said)| (*target != port_22(), said.effect != Effect::Deny));
    for (target, granted) in ports.into_iter().filter(|(target, _)| *target != files) {
        rules.one(target, granted);
    }
    rules.all(said(What::Reach), |_| Target::Here);
    rules.fall_back(Target::Here, default(from, host, What::Reach).allowed);
    rules.all(said(What::Exit), |_| Target::Exit);
    rules.all(said(What::Lan), |_| Target::Lan);
    rules.rules
}

struct Rules<'a> {
    from: &'a Member,
    now: u64,
    rules: Vec<Rule>,
}

impl Rules<'_> {
    fn all<'g>(&mut self, said: impl Iterator<Item = (What, &'g Granted)>, target: impl Fn(What) -> Target) {
        said.for_each(|(what, granted)| self.one(target(what), granted));
    }

    fn one(&mut self, target: Target, granted: &Granted) {
        if !super::holds(granted.effect, self.now) {
            return;
        }
        match granted.effect {
            Effect::Allow { until } => self.push(target, true, until),
            Effect::Deny => self.push(target, false, None),
        }
    }

    /// What holds when nothing else fits. Dropping needs no rule at the end, but does where a wider rule follows.
    fn fall_back(&mut self, target: Target, allowed: bool) {
        if allowed || target != Target::Here {
            self.push(target, allowed, None);
        }
    }

    fn push(&mut self, target: Target, accept: bool, until: Option<u64>) {
        let Member { device, ipv6, ipv4, .. } = self.from;
        self.rules.push(Rule { from: *device, ipv6: *ipv6, ipv4: *ipv4, target, accept, until });
    }
}

fn port(what: What) -> Option<Target> {
    match what {
        What::Port(proto, port) => Some(Target::Port(proto, port)),
        What::Ssh => Some(port_22()),
        What::Reach | What::Files | What::Exit | What::Lan => None,
    }
}

fn port_22() -> Target {
    let What::Port(proto, port) = SSH else { return Target::Here };
    Target::Port(proto, port)
}

#[cfg(test)]
mod tests;
