//! The memory that the control process and the data plane share, and the socket that carries its fds.
//!
//! Each side may die at any instruction, be restarted, or be taken over by somebody hostile. So this crate
//! is written as if the other side were an enemy: what is read from the memory is an allegation
//! ([`Claim`]) that is copied out once, checked, and only then used; every index is masked; no loop
//! is as long as the other side wants it to be.
//!
//! | module | noun |
//! | --- | --- |
//! | [`claim`] | an allegation, and why it was refused |
//! | `layout` | where everything lies; computed from claimed capacities, never read as offsets |
//! | `region` | the mapping itself (sealed memfd, or heap in tests): the one room for unsafe code |
//! | `ring` | one producer, one consumer, bounded; the announcement of sleep |
//! | [`endpoint`] | where a peer is reached: a tagged value of 64 bytes |
//! | [`command`] | what control wants of the data plane, in slots of 512 bytes that are wiped after reading |
//! | [`event`] | what the data plane tells: completions and events |
//! | [`punt`] | datagrams that are not WireGuard, on their way to control and back |
//! | [`fault`] | where a test lets a process die |
//! | [`rows`] | the peer table and the statistics, read without a system call |
//! | [`shared`] | [`ControlSide`](shared::ControlSide) and [`PlaneSide`](shared::PlaneSide) |
//! | [`link`] | the unix socket: versioned [`message`]s with fds |
//!
//! **Invariant:** nothing of this project is a dependency here, and nothing read from shared memory leaves this
//! crate unchecked. Neither side panics, blocks or loops without bound on any content of the memory.
//!
//! **Invariant:** one memory serves one pair of processes. It has a generation number, can be attached to once,
//! and is thrown away when either side dies.

#![cfg_attr(
    loom,
    allow(dead_code, reason = "the model checker runs the rings without the memory around them")
)]

mod ring;
mod sync;

pub mod claim;

#[cfg(not(loom))]
mod bell;
#[cfg(not(loom))]
mod fields;
#[cfg(not(loom))]
mod layout;
#[cfg(not(loom))]
mod region;
#[cfg(not(loom))]
mod secret;
mod seqlock;

#[cfg(all(test, not(loom)))]
mod samples;

#[cfg(not(loom))]
pub mod command;
#[cfg(not(loom))]
pub mod endpoint;
#[cfg(not(loom))]
pub mod event;
#[cfg(not(loom))]
pub mod fault;
#[cfg(not(loom))]
pub mod link;
#[cfg(not(loom))]
pub mod message;
#[cfg(not(loom))]
pub mod punt;
#[cfg(not(loom))]
pub mod rows;
#[cfg(not(loom))]
pub mod shared;

pub use claim::{Claim, Refused};

#[cfg(not(loom))]
pub use bell::Bell;
#[cfg(not(loom))]
pub use command::Command;
#[cfg(not(loom))]
pub use endpoint::{Endpoint, LocalAddr, UdpPath};
#[cfg(not(loom))]
pub use event::{Completion, PlaneEvent, Reason, Status};
#[cfg(not(loom))]
pub use link::{Link, LinkError, Listener};
#[cfg(not(loom))]
pub use message::{FromPlane, ToPlane};
#[cfg(not(loom))]
pub use punt::Datagram;
#[cfg(not(loom))]
pub use rows::{Hardening, PeerState, PeerStats, PlaneStats, Rows, WorkerStats};
#[cfg(not(loom))]
pub use secret::Secret;
#[cfg(not(loom))]
pub use shared::{ControlSide, Full, PlaneSide};

/// The version of every layout and message here. It changes with each of them; two processes that differ
/// in it do not talk: control replaces the data plane.
pub const VERSION: u32 = 5;

/// Rows of the peer table. The memory is sparse: a row that was never touched costs nothing.
pub const PEERS_MAX: u32 = 131_072;

/// Workers at most. Three fds for each must fit into one message (253 fds is the kernel's limit).
pub const WORKERS_MAX: u32 = 64;
