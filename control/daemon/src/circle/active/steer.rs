//! From the roster to the tunnel's peers and the interface's addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use ringmesh_mesh::address::{PREFIX_V6, ipv6_of};
use ringmesh_mesh::identity::DeviceId;
use ringmesh_mesh::sealed::SealKey;
use ringmesh_mesh::sealed::parcel::public_of;
use ringmesh_wire::ip::Cidr;
use ringmesh_wire::keys::PublicKey;

use super::{Active, is_alive};
use crate::circle::exchange::Exchange;
use crate::circle::tunnel::{TunnelProblem, Wanted, WantedPeer};
use crate::os::clock::{boottime, wall_secs};
use crate::os::interfaces;

/// Seconds between keepalives: keeps the ways through NATs open, and tells soon whether a peer is there.
const KEEPALIVE_SECS: u16 = 25;

impl Active {
    /// Makes filter, tunnel and addresses what the roster says. What is so already is not touched. The filter comes first, and without
    /// it the tunnel has no peers.
    ///
    /// # Errors
    /// [`TunnelProblem`]; the next look tries again.
    pub(in crate::circle) async fn steer(&mut self) -> Result<(), TunnelProblem> {
        self.membership.mark.advance(wall_secs());
        self.rooms = self.open_rooms();
        let guarded = self.guard().await;
        let (names, mut peers) = if guarded.is_ok() { self.wanted_peers() } else { Default::default() };
        self.peers = names;
        self.seen = self.tunnel.look().await?.peers;
        if guarded.is_ok() && self.membership.is_restoring() {
            self.keep_peers(&mut peers);
        }
        self.aim(&mut peers);
        let wanted = Wanted { private_key: self.membership.wireguard.clone(), listen_port: self.port, peers };
        self.tunnel.steer(&wanted).await?;
        self.cut_links();
        self.address().await?;
        self.name_devices();
        Ok(guarded?)
    }

    /// The peers that there should be, and who they are.
    fn wanted_peers(&self) -> (BTreeMap<DeviceId, PublicKey>, BTreeMap<PublicKey, WantedPeer>) {
        let membership = &self.membership;
        let (me, own_key) = (membership.me(), public_of(&membership.wireguard));
        let mut names = BTreeMap::new();
        let mut peers = BTreeMap::new();
        let mut add = |device: DeviceId, key: PublicKey, allowed: BTreeSet<Cidr>| {
            // A key that somebody more senior has is not taken from it.
            if device != me && key != own_key && !peers.contains_key(&key) {
                names.insert(device, key);
                peers.insert(key, WantedPeer { allowed, keepalive_secs: 0, endpoint: None });
            }
        };
        if (membership.role().is_some() || membership.is_restoring())
            && let Some(roster) = membership.roster()
        {
            let mut members: Vec<_> = roster.members.values().collect();
            members.sort_by_key(|member| member.seniority);
            for member in members {
                let v4 = member.ipv4.map(|ip| Cidr::new(ip.into(), 32));
                let allowed = [Some(Cidr::new(member.ipv6.into(), 128)), v4].into_iter().flatten().flatten();
                let renewed = self.renewed.get(&member.device);
                let renewed = renewed.filter(|(known, _)| *known == member.wireguard).map(|(_, new)| *new);
                if let Some(key) = renewed.or(member.wireguard) {
                    add(member.device, key, allowed.collect());
                }
            }
        }
        if (membership.role().is_none() || membership.is_restoring()) && !membership.is_removed() {
            for (device, key) in &self.provisional {
                let ip = ipv6_of(&membership.id, device);
                add(*device, *key, Cidr::new(ip.into(), 128).into_iter().collect());
            }
        }
        (names, peers)
    }

    /// While the records of others are being restored, peers that were there stay: members, as far as this device knew.
    fn keep_peers(&self, peers: &mut BTreeMap<PublicKey, WantedPeer>) {
        for (key, seen) in &self.seen {
            peers.entry(*key).or_insert_with(|| WantedPeer {
                allowed: seen.allowed.clone(),
                keepalive_secs: seen.keepalive_secs,
                endpoint: None,
            });
        }
    }

    /// Where to try to reach each peer now, and keepalives for those of whom an address is known.
    fn aim(&mut self, peers: &mut BTreeMap<PublicKey, WantedPeer>) {
        let (now, wall) = (boottime(), wall_secs());
        for (device, key) in &self.peers {
            let Some(wanted) = peers.get_mut(key) else { continue };
            let seen = self.seen.get(key);
            let alive = seen.is_some_and(|seen| is_alive(seen, wall));
            let endpoint = seen.and_then(|seen| seen.endpoint);
            let Some(reach) = self.reach.get_mut(device) else {
                wanted.keepalive_secs = if alive { KEEPALIVE_SECS } else { 0 };
                continue;
            };
            wanted.endpoint = reach.poll(now, alive, endpoint);
            let known = alive || reach.is_known();
            wanted.keepalive_secs = if known { KEEPALIVE_SECS } else { 0 };
        }
    }

    /// Gives the interface our addresses, and begins to listen there if it is a new one.
    async fn address(&mut self) -> Result<(), TunnelProblem> {
        let mut wanted = BTreeSet::from([(IpAddr::V6(self.membership.ipv6()), PREFIX_V6)]);
        if let (Some(own), Some(roster)) = (self.membership.own(), self.membership.roster())
            && let Some(ipv4) = own.ipv4
        {
            wanted.insert((ipv4.into(), roster.block.prefix()));
        }
        let name = self.tunnel.name().as_str().to_owned();
        if self.addresses != wanted || self.exchange.is_none() {
            let index = interfaces::configure(&name, &wanted).await?;
            self.addresses = wanted;
            if self.exchange.is_none() || index != self.ifindex {
                self.exchange = None;
                self.exchange =
                    Some(Exchange::open(self.membership.ipv6(), &name, self.ears.exchange.clone())?);
                self.ifindex = index;
            }
        }
        Ok(())
    }

    /// What joiners' messages are sealed with: our invite while we join, else all invites that are good yet.
    fn open_rooms(&self) -> Vec<SealKey> {
        let membership = &self.membership;
        let id = membership.id;
        if let Some(code) = &membership.code {
            return vec![SealKey::new(id, code.room())];
        }
        let Some(roster) = membership.roster() else { return vec![] };
        let now = wall_secs();
        // Also one that is used up: whoever used it may not have heard of us yet, and whoever comes too late is told so.
        let open = roster.invites.values().filter(|invite| !invite.cancelled && now <= invite.expires);
        open.map(|invite| SealKey::new(id, invite.room)).collect()
    }

    /// Connections with those who are no peers any more end at once.
    fn cut_links(&mut self) {
        let peers = &self.peers;
        self.links.retain(|_, link| peers.contains_key(&link.device));
        let member = |device: &DeviceId| {
            self.membership.roster().is_none_or(|roster| !roster.former.contains_key(device))
        };
        self.reach.retain(|device, _| member(device));
    }

    /// The way to a device that is in use, or would be tried next.
    pub(in crate::circle) fn endpoint_of(&self, device: &DeviceId) -> Option<SocketAddr> {
        self.seen_of(device)
            .and_then(|seen| seen.endpoint)
            .or_else(|| self.reach.get(device)?.candidates().next())
    }
}
