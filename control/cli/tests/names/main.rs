//! Names and `doctor` through the real executable: devices in network namespaces, each with a `resolv.conf` of its own, and a name server that
//! is the network's.
//!
//! These tests need root, /dev/net/tun, iproute2 and ping, as running a circle does.

#[path = "../common/mod.rs"]
mod common;
mod doctor;
mod resolv_conf;
mod resolved;
mod resolver;
mod stage;
