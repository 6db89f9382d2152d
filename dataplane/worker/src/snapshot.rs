//! What every worker must know about all peers, as one value that is never edited under a reader.
//!
//! The slow thread makes a new snapshot when peers or routes change and sends each worker the same `Arc`. A worker
//! takes it between two turns; the last one to let go frees it.
//!
//! **Invariant:** a snapshot that was published is immutable.

use ringmesh_tunnel::{PeerId, allowed_ips::AllowedIps};

/// Peers and routes as one generation of the configuration had them.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// Destination (and permitted source) to peer, over the whole device.
    pub(crate) routes: AllowedIps,
    pub(crate) workers: u8,
    /// MTU of the TUN device in bytes: padding stops here.
    pub(crate) mtu: usize,
    /// Copy the DSCP of the inner packet outside; off hides what kind of traffic flows.
    pub(crate) dscp_copy: bool,
}

impl Snapshot {
    pub(crate) fn new(workers: u8) -> Self {
        Self { routes: AllowedIps::default(), workers, mtu: 1420, dscp_copy: false }
    }
}

/// The worker that owns a peer, both directions, for as long as the peer exists.
pub(crate) const fn owner(peer: PeerId, workers: u8) -> u8 {
    // `workers` is at least 1 and at most 255, so the remainder fits.
    (peer.0 % workers as u32) as u8
}

#[cfg(test)]
mod tests;
