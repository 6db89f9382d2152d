//! From the roster to the names that this machine knows.

use std::net::IpAddr;

use ringmesh_mesh::address::prefix_v6;
use ringmesh_mesh::roster::Member;

use super::Active;
use crate::circle::membership::Membership;
use crate::names::Names;
use crate::names::zone::{Addresses, Zone};

impl Active {
    /// Answers for the names of everybody in the roster, once this device is in it itself.
    pub(in crate::circle) fn name_devices(&mut self) {
        let membership = &self.membership;
        let (Some(own), Some(circle)) = (membership.own(), &membership.circle) else {
            self.named = None;
            return self.names.iter_mut().for_each(Names::rest);
        };
        let ips = own.ipv4.map(IpAddr::from).into_iter().chain([own.ipv6.into()]);
        let ips: Vec<IpAddr> = ips.collect();
        let version = (circle.standing(), membership.nicknames.clone());
        let new = if self.named.as_ref() == Some(&version) { None } else { zone(membership) };
        let empty = || Zone::new(membership.name.as_str(), circle.roster().block, prefix_v6(&membership.id));
        let names = self.names.get_or_insert_with(|| Names::new(membership.state_dir(), empty()));
        names.follow(new, &ips, self.ifindex);
        self.named = Some(version);
    }

    /// What the user should know about names, one sentence each.
    pub(in crate::circle) fn naming_notes(&self) -> Vec<String> {
        self.names.as_ref().map(Names::notes).unwrap_or_default()
    }
}

/// All names of a circle as this device uses them; none while nothing is known of it.
pub(in crate::circle) fn zone(membership: &Membership) -> Option<Zone> {
    let roster = membership.roster()?;
    let mut zone = Zone::new(roster.name.as_str(), roster.block, prefix_v6(&roster.circle));
    let addresses = |member: &Member| Addresses { v4: member.ipv4, v6: member.ipv6 };
    for member in roster.members.values() {
        zone.device(member.name.as_str(), addresses(member));
    }
    for (device, nickname) in &membership.nicknames {
        if let Some(member) = roster.members.get(device) {
            zone.nickname(nickname, addresses(member));
        }
    }
    Some(zone)
}
