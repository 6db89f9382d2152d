//! The real executable with the real `wg` and `wg-quick`, in network namespaces.
//!
//! These tests need root, /dev/net/tun, iproute2 and wireguard-tools, as running a tunnel does.

#[path = "../common/mod.rs"]
mod common;
mod errors;
mod life;
mod restart;
mod stage;
mod wg;
