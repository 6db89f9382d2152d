//! What a worker counts, and its publication to the shared memory.
//!
//! **Invariant:** the worker counts in its own memory and stores the sums once a turn: shared memory is written,
//! never read back.

use ringmesh_abi::rows::{DROPS_MAX, WorkerRow};
use ringmesh_io::Features;
use ringmesh_tunnel::Drop;

/// Sums since the start of the data plane.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// Inner packets (not super-packets) from peers to the TUN device, and their bytes.
    pub(crate) rx_packets: u64,
    pub(crate) rx_bytes: u64,
    /// Inner packets from the TUN device to peers, and their bytes with padding.
    pub(crate) tx_packets: u64,
    pub(crate) tx_bytes: u64,
    pub(crate) turns: u64,
    /// Completed reads and writes of the TUN queue, receives and sends of the sockets.
    pub(crate) reads: u64,
    pub(crate) writes: u64,
    pub(crate) receives: u64,
    pub(crate) sends: u64,
    pub(crate) fallbacks: u64,
    /// Packets given to the worker that owns their peer.
    pub(crate) handed_over: u64,
    pub(crate) drops: [u64; Drop::COUNT],
}

impl Counters {
    pub(crate) fn drop(&mut self, how: Drop, packets: u64) {
        if let Some(count) = self.drops.get_mut(how as usize) {
            *count += packets;
        }
    }

    pub(crate) fn publish(&self, row: &WorkerRow, features: Features) {
        row.rx_packets.set(self.rx_packets);
        row.rx_bytes.set(self.rx_bytes);
        row.tx_packets.set(self.tx_packets);
        row.tx_bytes.set(self.tx_bytes);
        row.turns.set(self.turns);
        row.reads.set(self.reads);
        row.writes.set(self.writes);
        row.receives.set(self.receives);
        row.sends.set(self.sends);
        row.fallbacks.set(self.fallbacks);
        row.features.set(u64::from(features.bits()));
        row.handed_over.set(self.handed_over);
        for (published, count) in row.drops.iter().zip(self.drops) {
            published.set(count);
        }
    }
}

const _: () = assert!(Drop::COUNT <= DROPS_MAX, "the shared row has too little room");

#[cfg(test)]
mod tests;
