//! What every worker must know about all peers, as one value that is never edited under a reader.
//!
//! The slow thread makes a new snapshot when peers or routes change and sends each worker the same `Arc`. A worker
//! takes it between two turns. Snapshots share all pages of the routes but those that a change touched, so making one
//! costs about the same for one peer and for 100,000; and the slow thread holds each until every worker has let it
//! go, so that no worker spends a turn on giving memory back.
//!
//! **Invariant:** a snapshot that was published is immutable.

use ringmesh_tunnel::{PeerId, allowed_ips::Routes};

/// Peers and routes as one generation of the configuration had them.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// Destination (and permitted source) to peer, over the whole device.
    pub(crate) routes: Routes,
    pub(crate) workers: u8,
    /// MTU of the TUN device in bytes: padding stops here.
    pub(crate) mtu: usize,
    /// Copy the DSCP of the inner packet outside; off hides what kind of traffic flows.
    pub(crate) dscp_copy: bool,
}

impl Snapshot {
    pub(crate) fn new(workers: u8) -> Self {
        Self { routes: Routes::default(), workers, mtu: 1420, dscp_copy: false }
    }

    /// The same with these routes.
    pub(crate) fn with(&self, routes: &Routes) -> Self {
        Self { routes: routes.clone(), workers: self.workers, mtu: self.mtu, dscp_copy: self.dscp_copy }
    }
}

/// The worker that owns a peer, both directions, for as long as the peer exists.
pub(crate) const fn owner(peer: PeerId, workers: u8) -> u8 {
    // `workers` is at least 1 and at most 255, so the remainder fits.
    (peer.0 % workers as u32) as u8
}

#[cfg(test)]
mod tests;
