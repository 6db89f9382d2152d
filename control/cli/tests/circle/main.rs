//! Circles through the real executable: daemons in network namespaces, with real tunnels between them, and the commands that people type.
//!
//! These tests need root, /dev/net/tun, iproute2, nftables, ping, script and setpriv, as running a circle and sitting at a terminal do.

mod beacon;
#[path = "../common/mod.rs"]
mod common;
mod damage;
mod demo;
mod errors;
mod group;
mod guard;
mod idle;
mod internet;
mod join;
mod killed;
mod leak;
mod members;
mod nat;
mod restart;
mod shapes;
mod stage;
mod start;
mod terminal;
mod units;
