//! One core's packet pipeline, the slow thread beside it, and the start of the data-plane process.
//!
//! A packet's way out is *read, route, stage, seal, send* (`tx`); its way in is *recv, classify, open, admit,
//! write* (`rx`). `turn` is the loop that does both; `slow` does what happens seldom: handshakes, timers, commands,
//! and everything that allocates. `mail` joins the threads, `parcel` carries packets between them, `snapshot` is
//! what all of them know; `peers` are those that a worker owns and has heard of, and in the `lobby` wait the others' packets.
//!
//! **Invariant:** after its start a worker allocates nothing for a packet and waits for nobody but the kernel.

mod codel;
mod counters;
mod fair;
mod flow;
mod gather;
mod lanes;
mod linger;
mod lobby;
mod mail;
mod pace;
#[cfg(test)]
mod pair;
mod parcel;
mod peers;
#[cfg(feature = "pipeline")]
pub mod pipeline;
mod precedence;
mod privileges;
mod process;
mod rx;
mod slow;
mod snapshot;
mod turn;
mod tx;

pub use process::{drop_names, feature_names, probe, run_dataplane};
