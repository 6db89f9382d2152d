//! Ports in memory, joined by a network that loses, delays, reorders and duplicates by plan.
//!
//! A [`World`] is the network and its clock. Time stands still until [`World::advance`]; all chance comes
//! from one seed, so a run repeats byte for byte when its ports are turned in the same order.
//! [`SimPort`] is a worker's edge in it: the test plays the rest of the machine, feeding packets as if
//! programs had sent them, and taking what was written to the TUN device.
//!
//! **Invariant:** a port never waits. A turn with nothing to tell returns without events, and whoever
//! drives the world decides how far to advance ([`World::next_arrival`]).
#![forbid(unsafe_code)]

mod network;
mod port;

pub use port::{SimPort, SimWaker, Written};

use self::network::Network;
use crate::Limits;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the network does to datagrams. Chances are in millionths, per datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Conditions {
    /// How long a datagram travels.
    pub delay: Duration,
    /// Up to how much longer; a datagram still never overtakes another this way, as in a queue.
    pub jitter: Duration,
    /// Chance to vanish.
    pub loss_ppm: u32,
    /// Chance to arrive twice.
    pub duplicate_ppm: u32,
    /// Chance to be held back by `reorder_by`, so that later ones overtake it.
    pub reorder_ppm: u32,
    /// How long it is held back then.
    pub reorder_by: Duration,
    /// Whether datagrams of one sender and size that arrive together are delivered as one run (UDP_GRO).
    pub gro: bool,
}

impl Conditions {
    /// Everything arrives at once, in order and in runs.
    pub const PERFECT: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        loss_ppm: 0,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        reorder_by: Duration::ZERO,
        gro: true,
    };

    /// Whether datagrams can be told apart by what happens to them.
    const fn is_kind(&self) -> bool {
        self.gro && self.loss_ppm == 0 && self.duplicate_ppm == 0 && self.reorder_ppm == 0
    }
}

/// A datagram to an address that no port has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stray {
    /// The sender.
    pub from: SocketAddr,
    /// Where it went.
    pub to: SocketAddr,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// The network between simulated ports, and its clock. Clones are the same world.
#[derive(Clone)]
pub struct World(Arc<Mutex<Network>>);

impl World {
    /// An empty world at time zero.
    pub fn new(seed: u64, conditions: Conditions) -> Self {
        Self(Arc::new(Mutex::new(Network::new(seed, conditions))))
    }

    /// A port whose sockets have these addresses, by their numbers.
    ///
    /// # Errors
    ///
    /// Memory is short, or the limits are out of range.
    pub fn port(&self, addresses: &[SocketAddr], limits: Limits) -> io::Result<SimPort> {
        SimPort::new(self.clone(), addresses, limits)
    }

    /// The world's time, which stands for the time since boot of every device in it.
    pub fn now(&self) -> Duration {
        self.network().now()
    }

    /// Lets time pass. What arrives meanwhile is delivered by the ports' next turns.
    pub fn advance(&self, by: Duration) {
        self.network().advance(by);
    }

    /// When the next datagram arrives, if any is on its way; not before now.
    pub fn next_arrival(&self) -> Option<Duration> {
        self.network().next_arrival()
    }

    /// Changes what happens to datagrams sent from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.network().set_conditions(conditions);
    }

    /// Sends a datagram as somebody who has no port here.
    pub fn deliver(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8], tos: u8) {
        self.network().send(from, to, tos, bytes, bytes.len());
    }

    /// Datagrams that arrived by now where no port is.
    pub fn take_strays(&self) -> Vec<Stray> {
        self.network().take_strays()
    }

    fn network(&self) -> MutexGuard<'_, Network> {
        // A test that panicked in another thread leaves a network that is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A world with two ports of one socket each, at 192.0.2.1 and 192.0.2.2, port 51820.
///
/// # Errors
///
/// As [`World::port`].
pub fn pair(seed: u64, conditions: Conditions, limits: Limits) -> io::Result<(World, SimPort, SimPort)> {
    let world = World::new(seed, conditions);
    let left = world.port(&[SocketAddr::from(([192, 0, 2, 1], 51_820))], limits)?;
    let right = world.port(&[SocketAddr::from(([192, 0, 2, 2], 51_820))], limits)?;
    Ok((world, left, right))
}

#[cfg(test)]
mod tests;
