//! The cross-platform `wg` userspace interface: what `wg` and `wg-quick` say to us.
//!
//! A text protocol over a stream socket (<https://www.wireguard.com/xplatform/>): `get=1` and `set=1`, a
//! line per value, an empty line at the end, and an `errno=` line in every answer. [`parse`] and [`print`]
//! are pure; [`server`] owns the socket.
//!
//! **Invariant:** a request is read whole before anything of it is applied, so a request with one bad line
//! changes nothing at all.

pub mod errno;
mod lines;
pub mod parse;
pub mod print;
pub(crate) mod server;
