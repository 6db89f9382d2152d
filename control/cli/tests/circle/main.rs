//! Circles through the real executable: daemons in network namespaces on one LAN, with real tunnels between them.
//!
//! These tests need root, /dev/net/tun, iproute2 and ping, as running a circle does.

mod beacon;
mod damage;
mod idle;
mod internet;
mod join;
mod leak;
mod members;
mod nat;
mod restart;
mod stage;
