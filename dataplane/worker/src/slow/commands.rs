//! Control's commands, and their way into device, routes and workers.
//!
//! **Invariant:** each command names the wanted state, so carrying one out twice changes nothing the second time,
//! and a live peer keeps its sessions through every change of its settings.

use std::sync::Arc;
use std::time::Duration;

use ringmesh_abi::{self as abi, Command, PlaneEvent, Reason, Secret, Status, fault::Point};
use ringmesh_tunnel::{PeerId, device::PeerConfig, tai64n::Tai64N};
use ringmesh_wire::{
    Endpoint, LocalAddr, UdpPath,
    ip::Cidr,
    keys::{PresharedKey, PrivateKey, PublicKey},
};

use super::Slow;
use crate::{mail::Order, snapshot::owner};

impl Slow {
    /// Takes what control has put into the ring, tells the workers once for all of it, then answers.
    pub(crate) fn take_commands(&mut self, now: Duration) {
        let mut answers = arrayvec::ArrayVec::<(u64, Status), COMMANDS_PER_TURN>::new();
        while !answers.is_full() {
            match self.plane.poll_command() {
                Some(Ok((id, command))) => {
                    Point::PlaneClaimed.pass();
                    let status = self.carry_out(command, now).map_or_else(Status::Refused, |()| Status::Ok);
                    Point::PlaneApplied.pass();
                    answers.push((id, status));
                }
                // Answered by the ring itself.
                Some(Err(_)) => {}
                None => break,
            }
        }
        self.dispatch(now);
        self.publish_snapshot();
        for (id, status) in answers {
            Point::PlanePublished.pass();
            self.plane.complete(id, status);
            Point::PlaneCompleted.pass();
        }
    }

    /// Makes the wanted state hold.
    ///
    /// # Errors
    /// Why it does not; then nothing was changed.
    pub(crate) fn carry_out(&mut self, command: Command, now: Duration) -> Result<(), Reason> {
        match command {
            Command::SetDevice { private_key, mtu, dscp_copy, stamped_until_secs } => {
                self.device.raise_own_timestamp(Tai64N::from_unix(stamped_until_secs, 0));
                self.set_device(private_key, mtu, dscp_copy);
                Ok(())
            }
            Command::Mtu { mtu } => {
                self.snapshot.mtu = mtu as usize;
                self.unpublished = true;
                Ok(())
            }
            Command::SetPeer {
                slot,
                public_key,
                preshared_key,
                keepalive_secs,
                endpoints,
                greatest_timestamp,
                had_session,
            } => {
                let id = PeerId(slot);
                self.set_peer(PeerConfig {
                    id,
                    public_key: PublicKey(public_key),
                    preshared_key: PresharedKey::new(*preshared_key.expose()),
                    keepalive_secs,
                    endpoint: to_ours(endpoints[0]),
                    owner: owner(id, self.snapshot.workers),
                })?;
                self.device.set_greatest_timestamp(id, greatest_timestamp);
                if had_session {
                    self.device.on_want_session(id, now);
                }
                self.publish_peer(id, now);
                Ok(())
            }
            Command::RemovePeer { slot, public_key } => {
                // A peer that is not there is the wanted state.
                if self.claim_peer(slot, &public_key).is_ok() {
                    self.remove_peer(PeerId(slot));
                }
                Ok(())
            }
            Command::AddAllowedIp { slot, public_key, addr, prefix } => {
                self.claim_peer(slot, &public_key)?;
                let range = Cidr::new(addr, prefix).map_err(|_| Reason::Malformed)?;
                self.routes.insert(range, PeerId(slot));
                self.unpublished = true;
                Ok(())
            }
            Command::RemoveAllowedIp { slot, public_key, addr, prefix } => {
                self.claim_peer(slot, &public_key)?;
                let range = Cidr::new(addr, prefix).map_err(|_| Reason::Malformed)?;
                self.unpublished |= self.routes.remove(range, PeerId(slot));
                Ok(())
            }
            Command::ClearAllowedIps { slot, public_key } => {
                self.claim_peer(slot, &public_key)?;
                self.routes.remove_peer(PeerId(slot));
                self.unpublished = true;
                Ok(())
            }
        }
    }

    fn set_device(&mut self, private_key: Option<Secret>, mtu: u32, dscp_copy: bool) {
        self.device.set_private_key(private_key.as_ref().map(|key| PrivateKey::new(*key.expose())));
        self.snapshot.mtu = mtu as usize;
        self.snapshot.dscp_copy = dscp_copy;
        self.unpublished = true;
    }

    /// Adds or changes a peer. No endpoint means: as it is, since the peer may have roamed since control wrote this.
    fn set_peer(&mut self, wanted: PeerConfig) -> Result<(), Reason> {
        let (id, worker, endpoint) = (wanted.id, wanted.owner, wanted.endpoint);
        if self.device.peer_by_key(&wanted.public_key).is_some_and(|other| other != id) {
            return Err(Reason::KeyInUse);
        }
        let known = self.device.peer(id);
        if known.is_some_and(|peer| peer.public_key != wanted.public_key) {
            return Err(Reason::OtherPeer);
        }
        self.device.set_peer(wanted);
        let peer = self.device.peer(id).ok_or(Reason::TooMany)?;
        let moved = known.is_some_and(|known| endpoint.is_some() && endpoint != known.endpoint);
        if self.introduced.get(id.0 as usize) == Some(&true) {
            if moved {
                self.order(worker, Order::Endpoint { id, endpoint });
            }
        } else if peer.is_awake {
            self.introduce(id);
        }
        Ok(())
    }

    fn remove_peer(&mut self, id: PeerId) {
        self.device.remove_peer(id);
        self.routes.remove_peer(id);
        self.unpublished = true;
        if self.introduced.get_mut(id.0 as usize).is_some_and(std::mem::take) {
            self.order(owner(id, self.snapshot.workers), Order::ForgetPeer { id });
            self.plane.rows().publish_peer(id.0, &abi::PeerState::default());
        }
        self.plane.event(PlaneEvent::Removed { slot: id.0 });
    }

    fn claim_peer(&self, slot: u32, public_key: &[u8; 32]) -> Result<(), Reason> {
        let peer = self.device.peer(PeerId(slot)).ok_or(Reason::NoSuchPeer)?;
        if peer.public_key.0 == *public_key { Ok(()) } else { Err(Reason::OtherPeer) }
    }

    /// The state as the commands that would make it, for a control process that attaches.
    pub(crate) fn state(&self) -> impl Iterator<Item = Command> {
        let device = Command::SetDevice {
            private_key: self.device.private_key().map(|key| Secret::new(key.expose())),
            mtu: self.snapshot.mtu as u32,
            dscp_copy: self.snapshot.dscp_copy,
            stamped_until_secs: self.device.own_timestamp().unix_secs_rounded_up(),
        };
        let peers = self.device.peers().flat_map(|id| self.state_of(id));
        std::iter::once(device).chain(peers)
    }

    fn state_of(&self, id: PeerId) -> Vec<Command> {
        let (Some(config), Some(view)) = (self.device.config(id), self.device.peer(id)) else {
            return Vec::new();
        };
        let mut endpoints = [abi::Endpoint::None; abi::command::ENDPOINTS_PER_PEER];
        endpoints[0] = view.endpoint.map_or(abi::Endpoint::None, to_shared);
        let public_key = config.public_key.0;
        let mut commands = vec![Command::SetPeer {
            slot: id.0,
            public_key,
            preshared_key: Secret::new(config.preshared_key.expose()),
            keepalive_secs: config.keepalive_secs,
            endpoints,
            greatest_timestamp: self.device.greatest_timestamp(id),
            had_session: view.has_session,
        }];
        let ranges = self.routes.iter_peer(id);
        commands.extend(ranges.map(|range| Command::AddAllowedIp {
            slot: id.0,
            public_key,
            addr: range.addr,
            prefix: range.prefix,
        }));
        commands
    }

    /// Gives every worker the new memory to publish in, and publishes what the slow thread knows.
    pub(crate) fn publish_all(&mut self, now: Duration) {
        for worker in 0..self.snapshot.workers {
            let rows = Arc::clone(self.plane.rows());
            self.order(worker, Order::Rows(rows));
        }
        let ids: Vec<PeerId> = self.device.peers().collect();
        for id in ids {
            self.publish_peer(id, now);
        }
    }
}

/// An endpoint as the data plane uses it; `None` when it names no way that the data plane can go.
pub(crate) fn to_ours(endpoint: abi::Endpoint) -> Option<Endpoint> {
    match endpoint {
        abi::Endpoint::None => None,
        abi::Endpoint::Udp(path) => Some(Endpoint::Udp(path_to_ours(path))),
        abi::Endpoint::Turn { server, channel } => {
            Some(Endpoint::Turn { server: path_to_ours(server), channel })
        }
        abi::Endpoint::Control { token } => Some(Endpoint::Control { token }),
    }
}

fn path_to_ours(path: abi::UdpPath) -> UdpPath {
    let local = path.local.map(|local| LocalAddr { ip: local.ip, ifindex: local.ifindex });
    UdpPath::new(path.remote, local, path.socket)
}

/// An endpoint as it lies in shared memory.
pub(crate) fn to_shared(endpoint: Endpoint) -> abi::Endpoint {
    match endpoint {
        Endpoint::Udp(path) => abi::Endpoint::Udp(path_to_shared(path)),
        Endpoint::Turn { server, channel } => abi::Endpoint::Turn { server: path_to_shared(server), channel },
        Endpoint::Control { token } => abi::Endpoint::Control { token },
    }
}

fn path_to_shared(path: UdpPath) -> abi::UdpPath {
    let local = path.local.map(|local| abi::LocalAddr { ip: local.ip, ifindex: local.ifindex });
    abi::UdpPath { remote: path.remote, local, socket: path.socket }
}

/// Commands of one turn: one snapshot is made for all of them.
const COMMANDS_PER_TURN: usize = 256;

#[cfg(test)]
mod tests;
