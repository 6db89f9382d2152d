//! From what a user asks to the commands that make it so.
//!
//! Only differences become commands. So `wg setconf` and `wg syncconf` with an unchanged file do nothing at all, a peer that
//! stays keeps its session, and changing one peer never cuts another for a moment, although `setconf` says "replace all".
//!
//! Planning changes the state step by step, so that each step sees the ones before it, and puts back what it changed when
//! the plan is made: the state follows only what the data plane has answered.
//!
//! **Invariant:** planning costs what the request names, however many peers there are besides, and leaves the state as it
//! was.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use ringmesh_abi::{Command, Endpoint, Secret, UdpPath};
use ringmesh_wire::ip::Cidr;
use ringmesh_wire::keys::{PrivateKey, PublicKey};

use super::{Peer, State};
use crate::uapi::errno::Errno;
use crate::uapi::parse::{AllowedIp, PeerEndpoint, PeerSet, Set};

/// What planning must know besides the wanted state.
pub(crate) struct World<'a> {
    /// Where the peer in a slot is now, if it has roamed or was heard at all.
    pub(crate) endpoint_of: &'a dyn Fn(u32, PublicKey) -> Option<Endpoint>,
    /// The number of an interface.
    pub(crate) index_of: &'a dyn Fn(&str) -> Option<u32>,
}

/// Plans the device's key and the peers of `set`; port and mark are not the data plane's business.
///
/// # Errors
/// [`Errno::NOT_FOUND`] for an unknown interface behind `%`, [`Errno::TOO_BIG`] when all slots are taken.
pub(crate) fn plan(state: &mut State, set: &Set, world: &World<'_>) -> Result<Vec<Command>, Errno> {
    let device = state.device.clone();
    let mut plan = Plan { wanted: state, before: BTreeMap::new(), world, commands: Vec::new() };
    let planned = plan.all(set);
    let Plan { before, commands, .. } = plan;
    state.device = device;
    // First all that is new goes, then all that was comes back: a range may have moved between them.
    before.keys().for_each(|slot| state.peers.restore(*slot, None));
    before.into_iter().for_each(|(slot, peer)| state.peers.restore(slot, peer.map(|peer| *peer)));
    planned.map(|()| commands)
}

struct Plan<'a> {
    /// The state with all that has been planned.
    wanted: &'a mut State,
    /// What was in the slots that were changed.
    before: BTreeMap<u32, Option<Box<Peer>>>,
    world: &'a World<'a>,
    commands: Vec<Command>,
}

impl Plan<'_> {
    fn all(&mut self, set: &Set) -> Result<(), Errno> {
        let plan = self;
        if let Some(key) = &set.private_key {
            plan.device(key.as_ref());
        }
        if set.replace_peers {
            plan.remove_unnamed(&set.peers);
        }
        let mut named = BTreeSet::new();
        for peer in &set.peers {
            // Under `replace_peers` the first section of a peer starts from nothing, as if it had been removed.
            let fresh = named.insert(peer.public_key) && set.replace_peers;
            plan.peer(peer, fresh)?;
        }
        Ok(())
    }

    fn push(&mut self, command: Command) {
        self.remember(&command);
        self.wanted.apply(&command);
        self.commands.push(command);
    }

    /// Keeps what a command will change.
    fn remember(&mut self, command: &Command) {
        let (slot, other) = match command {
            Command::SetDevice { .. } | Command::Mtu { .. } => return,
            Command::SetPeer { slot, .. }
            | Command::RemovePeer { slot, .. }
            | Command::RemoveAllowedIp { slot, .. }
            | Command::ClearAllowedIps { slot, .. } => (*slot, None),
            Command::AddAllowedIp { slot, addr, prefix, .. } => {
                let range = Cidr::new(*addr, *prefix).ok();
                (*slot, range.and_then(|range| self.wanted.peers.holder(&range)))
            }
        };
        for slot in std::iter::once(slot).chain(other) {
            let peers = &self.wanted.peers;
            self.before.entry(slot).or_insert_with(|| peers.at(slot).cloned().map(Box::new));
        }
    }

    fn device(&mut self, key: Option<&PrivateKey>) {
        let mut device = self.wanted.device.clone();
        device.private_key = key.map(|key| Secret::new(key.expose()));
        if device.private_key != self.wanted.device.private_key {
            self.push(device.command());
        }
        // A device is never its own peer.
        if let Some(own) = self.wanted.device.public_key {
            self.remove(own);
        }
    }

    fn remove_unnamed(&mut self, named: &[PeerSet]) {
        let named: BTreeSet<_> = named.iter().map(|peer| peer.public_key).collect();
        let gone: Vec<_> = self.wanted.peers.iter().map(|(_, peer)| peer.public_key).collect();
        for key in gone.into_iter().filter(|key| !named.contains(key)) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: PublicKey) {
        if let Some(slot) = self.wanted.peers.slot_of(key) {
            self.push(Command::RemovePeer { slot, public_key: key.0 });
        }
    }

    fn peer(&mut self, set: &PeerSet, fresh: bool) -> Result<(), Errno> {
        let there = self.wanted.peers.slot_of(set.public_key);
        if set.remove || (set.update_only && fresh) {
            self.remove(set.public_key);
            return Ok(());
        }
        if Some(set.public_key) == self.wanted.device.public_key || (set.update_only && there.is_none()) {
            return Ok(());
        }
        let slot = match there {
            Some(slot) => slot,
            None => self.wanted.peers.free_slot().ok_or(Errno::TOO_BIG)?,
        };
        self.settings(slot, set, fresh)?;
        self.ranges(slot, set, fresh);
        Ok(())
    }

    /// Everything of a peer but its ranges.
    fn settings(&mut self, slot: u32, set: &PeerSet, fresh: bool) -> Result<(), Errno> {
        // The peer may have roamed since it was set: a command without a new endpoint must not move it back.
        let live = (self.world.endpoint_of)(slot, set.public_key);
        let known = self.wanted.peers.at(slot).map(Peer::without_ranges).map(|mut peer| {
            peer.endpoints.set_first(live.unwrap_or(peer.endpoints.first()));
            peer
        });
        let mut peer = known.clone().unwrap_or_else(|| Peer::new(set.public_key));
        if fresh {
            peer.change_more(|more| more.preshared_key = Secret::new(&[0; 32]));
            peer.keepalive_secs = 0;
        }
        if let Some(key) = &set.preshared_key {
            peer.change_more(|more| more.preshared_key = Secret::new(key.expose()));
        }
        if let Some(secs) = set.keepalive_secs {
            peer.keepalive_secs = secs;
        }
        if let Some(wanted) = &set.endpoint {
            let remote = self.remote(wanted)?;
            if remote_of(&peer.endpoints.first()) != Some(remote) {
                peer.endpoints.set_first(Endpoint::Udp(UdpPath { remote, local: None, socket: 0 }));
            }
        }
        if known.as_ref() != Some(&peer) {
            peer.change_more(|more| more.had_session = false);
            self.push(peer.command(slot));
        }
        Ok(())
    }

    fn remote(&self, wanted: &PeerEndpoint) -> Result<SocketAddr, Errno> {
        let mut remote = wanted.addr;
        if let (Some(zone), SocketAddr::V6(v6)) = (&wanted.zone, &mut remote) {
            v6.set_scope_id((self.world.index_of)(zone).ok_or(Errno::NOT_FOUND)?);
        }
        Ok(remote)
    }

    fn ranges(&mut self, slot: u32, set: &PeerSet, fresh: bool) {
        let Some(peer) = self.wanted.peers.at(slot) else { return };
        let before: BTreeSet<Cidr> = peer.allowed_ips.as_slice().iter().copied().collect();
        let mut after = if fresh || set.replace_allowed_ips { BTreeSet::new() } else { before.clone() };
        for change in &set.allowed_ips {
            match change {
                AllowedIp::Add(range) => after.insert(*range),
                AllowedIp::Remove(range) => after.remove(range),
            };
        }
        self.difference(slot, &before, &after);
    }

    /// New ranges first: what moves from a narrow range into a wide one is never without a peer.
    fn difference(&mut self, slot: u32, before: &BTreeSet<Cidr>, after: &BTreeSet<Cidr>) {
        let Some(peer) = self.wanted.peers.at(slot) else { return };
        let peer = peer.without_ranges();
        for range in after.difference(before) {
            self.push(peer.add(slot, *range));
        }
        for range in before.difference(after) {
            self.push(peer.take(slot, *range));
        }
    }
}

/// The address of an endpoint that is one.
pub(crate) fn remote_of(endpoint: &Endpoint) -> Option<SocketAddr> {
    match endpoint {
        Endpoint::Udp(path) => Some(path.remote),
        Endpoint::Turn { server, .. } => Some(server.remote),
        Endpoint::None | Endpoint::Control { .. } => None,
    }
}

#[cfg(test)]
mod tests;
