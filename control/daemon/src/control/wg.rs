//! What `wg` asks and wants, on the loop's state.

use ringmesh_abi::{Command, PeerStats, Secret};
use ringmesh_wire::keys::PublicKey;
use zeroize::Zeroizing;

use super::{Control, Listening};
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
                preshared_key: peer.preshared_key(),
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

    /// Plans the peers, then makes port and mark so; what was before is kept until the request is through.
    ///
    /// # Errors
    /// Those of [`plan`]; EADDRINUSE and others of the sockets. The caller goes back to what was before.
    pub(super) fn plan(&mut self, set: &Set) -> Result<Vec<Command>, Errno> {
        let plane = self.plane.as_ref();
        let endpoint_of = |slot: u32, key: PublicKey| {
            let row = plane?.memory.peer(slot)?;
            (row.state.public_key == key.0 && remote_of(&row.state.endpoint).is_some())
                .then_some(row.state.endpoint)
        };
        let commands =
            plan(&mut self.acked, set, &World { endpoint_of: &endpoint_of, index_of: &named_index })?;
        let fwmark = self.kit.sockets.fwmark();
        self.before = Some(Listening { sockets: None, fwmark, port_is_any: self.port_is_any });
        let mark = set.fwmark.unwrap_or(fwmark);
        if let Some(port) = set.listen_port {
            self.listen(port, mark)?;
        }
        self.kit.sockets.set_fwmark(mark).map_err(|error| Errno::of(&error))?;
        Ok(commands)
    }

    /// Listens on `port`. 0 is "any": one that the kernel chose before is as good as another, and peers know it.
    fn listen(&mut self, port: u16, mark: u32) -> Result<(), Errno> {
        let same = if port == 0 { self.port_is_any } else { port == self.kit.sockets.port() };
        if !same {
            let sockets = Sockets::open(port, self.kit.workers(), mark).map_err(|error| Errno::of(&error))?;
            let former = self.use_sockets(sockets);
            if let Some(before) = &mut self.before {
                before.sockets = Some(former);
            }
        }
        self.port_is_any = port == 0;
        Ok(())
    }

    /// The request was refused: port and mark are what they were.
    pub(super) fn listen_as_before(&mut self) {
        let Some(Listening { sockets, fwmark, port_is_any }) = self.before.take() else { return };
        if let Some(sockets) = sockets {
            self.use_sockets(sockets);
        }
        self.port_is_any = port_is_any;
        if let Err(error) = self.kit.sockets.set_fwmark(fwmark) {
            tracing::warn!(%error, "going back to the former mark");
        }
    }
}
