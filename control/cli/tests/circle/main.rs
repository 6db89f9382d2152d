//! Circles through the real executable: daemons in network namespaces on one LAN, with real tunnels between them.
//!
//! These tests need root, /dev/net/tun, iproute2, nftables and ping, as running a circle does.

mod guard;
mod join;
mod members;
mod restart;
mod stage;
