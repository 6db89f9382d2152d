//! What `wg` asks and wants, on the loop's state.

use ringmesh_abi::{Command, PeerStats, Secret};
use ringmesh_wire::keys::PublicKey;
use zeroize::Zeroizing;

use super::Control;
use crate::os::tun::named_index;
use crate::os::udp::Sockets;
use crate::state::plan::{World, plan, remote_of};
use crate::uapi::errno::Errno;
use crate::uapi::parse::Set;
use crate::uapi::print::{Device, Peer, print};

impl Control {
    /// The answer to `get=1`: the acknowledged state with what the rows report.
    pub(super) fn print(&self) -> Zeroizing<String> {
        let peers = self.acked.peers.iter().map(|(slot, peer)| {
            let now = self.now(slot, peer.public_key);
            Peer {
                public_key: peer.public_key,
                preshared_key: peer.preshared_key.as_ref().map_or(&[0; 32], Secret::expose),
                endpoint: remote_of(&now.state.endpoint).or_else(|| remote_of(&peer.endpoints.first())),
                last_handshake: (now.state.last_handshake_secs, now.state.last_handshake_nanos),
                rx_bytes: now.rx_bytes,
                tx_bytes: now.tx_bytes,
                keepalive_secs: peer.keepalive_secs,
                allowed_ips: peer.allowed_ips.as_slice(),
            }
        });
        print(&Device {
            private_key: self.acked.device.private_key.as_ref().map(Secret::expose),
            listen_port: self.kit.sockets.port(),
            fwmark: self.kit.sockets.fwmark(),
            peers: peers.collect(),
        })
    }

    /// What the data plane reports of a peer, over all its lives.
    pub(super) fn now(&self, slot: u32, key: PublicKey) -> PeerStats {
        let row = self.plane.as_ref().and_then(|plane| plane.memory.peer(slot));
        self.ledger.sum(key, row.filter(|row| row.state.public_key == key.0))
    }

    /// Makes port and mark so at once, and plans the rest.
    ///
    /// # Errors
    /// EADDRINUSE and others of the sockets, before anything else was changed; those of [`plan`].
    pub(super) fn plan(&mut self, set: &Set) -> Result<Vec<Command>, Errno> {
        let mark = set.fwmark.unwrap_or_else(|| self.kit.sockets.fwmark());
        if let Some(port) = set.listen_port {
            self.listen(port, mark)?;
        }
        self.kit.sockets.set_fwmark(mark).map_err(|error| Errno::of(&error))?;
        let plane = self.plane.as_ref();
        let endpoint_of = |slot: u32, key: PublicKey| {
            let row = plane?.memory.peer(slot)?;
            (row.state.public_key == key.0 && remote_of(&row.state.endpoint).is_some())
                .then_some(row.state.endpoint)
        };
        plan(&mut self.acked, set, &World { endpoint_of: &endpoint_of, index_of: &named_index })
    }

    /// Listens on `port`. 0 is "any": one that the kernel chose before is as good as another, and peers know it.
    fn listen(&mut self, port: u16, mark: u32) -> Result<(), Errno> {
        let same = if port == 0 { self.port_is_any } else { port == self.kit.sockets.port() };
        if !same {
            let sockets = Sockets::open(port, self.kit.workers(), mark).map_err(|error| Errno::of(&error))?;
            self.use_sockets(sockets);
        }
        self.port_is_any = port == 0;
        Ok(())
    }
}
