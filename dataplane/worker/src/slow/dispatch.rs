//! The device's outputs on their way: messages to the network, sessions and requests to the workers, news to
//! control.
//!
//! **Invariant:** the answer to an initiation leaves only after the peer's owner can open packets of the new
//! session; the device holds it back until the owner's note.

use std::time::Duration;

use ringmesh_abi::{PeerState, PlaneEvent};
use ringmesh_io::{Destination, clock, send_to};
use ringmesh_tunnel::{
    Drop, PeerId,
    device::{Output, Place},
};
use ringmesh_wire::Endpoint;

use super::{Slow, commands::to_shared};
use crate::{mail::Order, peers::Peer, snapshot::owner};

impl Slow {
    pub(crate) fn dispatch(&mut self, now: Duration) {
        while let Some(output) = self.device.poll_output() {
            self.handle_output(output, now);
        }
    }

    fn handle_output(&mut self, output: Output, now: Duration) {
        match output {
            Output::Send { peer, to, bytes, .. } => {
                let worker = peer.map_or(0, |id| self.owner(id));
                self.send(to, worker, &bytes);
            }
            Output::Install { peer: id, session, place, endpoint } => {
                let worker = self.owner(id);
                self.introduce(id);
                if endpoint.is_some() {
                    self.order(worker, Order::Endpoint { id, endpoint });
                }
                self.order(worker, Order::Install { id, session, place });
                self.publish_peer(id, now);
                if place == Place::Current {
                    self.plane.event(PlaneEvent::HandshakeDone { slot: id.0 });
                }
            }
            Output::Forget { peer: id, local_index } => {
                self.order(self.owner(id), Order::ForgetSession { id, local_index });
                self.publish_peer(id, now);
            }
            Output::Keepalive { peer: id } => self.order(self.owner(id), Order::Keepalive { id }),
            Output::GiveUp { peer: id } => {
                self.order(self.owner(id), Order::GiveUp { id });
                self.plane.event(PlaneEvent::GaveUp { slot: id.0 });
            }
        }
    }

    /// Tells the peer's owner of it, the first time that something happens to it: a packet for it, a handshake, a
    /// timer. Until then a worker has nothing of it. An owner that asks for a peer which is gone is told that.
    pub(crate) fn introduce(&mut self, id: PeerId) {
        let slot = id.0 as usize;
        if self.introduced.get(slot) == Some(&true) {
            return;
        }
        let worker = self.owner(id);
        let endpoint = self.device.peer(id).and_then(|peer| peer.endpoint);
        let Some(stamps) = self.device.stamps(id) else {
            return self.order(worker, Order::ForgetPeer { id });
        };
        if self.introduced.len() <= slot {
            self.introduced.resize(slot + 1, false);
        }
        if let Some(introduced) = self.introduced.get_mut(slot) {
            *introduced = true;
        }
        self.order(worker, Order::Peer { id, peer: Box::new(Peer::new(stamps, endpoint)) });
    }

    const fn owner(&self, id: PeerId) -> u8 {
        owner(id, self.snapshot.workers)
    }

    /// Sends one datagram by a plain system call, over the socket of the worker that will get the answer.
    pub(crate) fn send(&mut self, to: Endpoint, worker: u8, bytes: &[u8]) {
        let Endpoint::Udp(path) = to else { return self.drop(Drop::NoEndpoint) };
        let socket = self.files.sockets.get(path.socket as usize).and_then(|set| set.get(worker as usize));
        let Some(socket) = socket else { return self.drop(Drop::NoEndpoint) };
        let destination = Destination {
            remote: path.remote,
            local: path.local.map(|local| (local.ip, local.ifindex)),
            socket: path.socket,
            tos: HANDSHAKE_TOS,
        };
        if send_to(socket, bytes, &destination).is_err() {
            self.drop(Drop::SendFailed);
        }
    }

    /// Writes what the slow thread knows of a peer into its row. Of one that nothing has happened to it knows what control
    /// said: its row stays empty, and the memory under it untouched.
    pub(crate) fn publish_peer(&mut self, id: PeerId, now: Duration) {
        let Some(view) = self.device.peer(id).filter(|view| view.is_awake) else { return };
        let (secs, nanos) = clock::wall();
        let age = view.last_handshake.map(|at| now.saturating_sub(at));
        let at = age.map_or(Duration::ZERO, |age| Duration::new(secs, nanos).saturating_sub(age));
        let state = PeerState {
            public_key: view.public_key.0,
            endpoint: view.endpoint.map_or(ringmesh_abi::Endpoint::None, to_shared),
            last_handshake_secs: at.as_secs(),
            last_handshake_nanos: at.subsec_nanos(),
            greatest_timestamp: self.device.greatest_timestamp(id),
            has_session: view.has_session,
        };
        self.plane.rows().publish_peer(id.0, &state);
    }
}

/// Handshakes are marked as the kernel's implementation marks them: CS6 would be network control, AF41 is what it
/// takes, so that they survive congestion (RFC 4594).
const HANDSHAKE_TOS: u8 = 0x88;
