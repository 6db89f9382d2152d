//! WireGuard as pure state machines: time, randomness and buffers are arguments.
//!
//! The fast half ([`session`], [`replay`], [`allowed_ips`], [`index::Table`]) lives at the workers and is called for every packet;
//! the slow half keeps handshakes, timers and indices for all peers. [`limits`] holds every number that bounds
//! something, [`Drop`] every way a packet ends.
//!
//! **Invariant:** this crate opens no socket or file, starts no thread, never sleeps and never reads a clock.
//! `now` is always the time since boot, suspend included; timers that stop during suspend would keep dead
//! sessions alive.

#![forbid(unsafe_code)]

pub mod allowed_ips;
mod drop;
pub mod index;
pub mod limits;
pub mod replay;
pub mod session;

pub mod device;
pub mod mistakes;
pub mod tai64n;
pub mod timers;

mod cookie;
mod hash;
mod keyring;
mod noise;
mod peers;
mod random;
mod ratelimit;
mod wheel;

pub use drop::Drop;

/// A peer's number: the slot that control gave it. It means nothing after the peer was removed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PeerId(pub u32);
