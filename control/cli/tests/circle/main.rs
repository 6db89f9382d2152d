//! Circles through the real executable: daemons in network namespaces, with real tunnels between them, and the commands that people type.
//!
//! These tests need root, /dev/net/tun, iproute2, ping, script and setpriv, as running a circle and sitting at a terminal do.

mod beacon;
#[path = "../common/mod.rs"]
mod common;
mod demo;
mod errors;
mod join;
mod killed;
mod members;
mod permissions;
mod restart;
mod shapes;
mod stage;
mod start;
mod terminal;
mod units;
