//! The circle as pure code: who belongs to it, and who may do what to whom.
//!
//! **Invariant:** no socket, no file, no thread, no clock; time and randomness are arguments. Unsafe code is forbidden.

#![forbid(unsafe_code)]

pub mod address;
pub mod beacon;
pub mod circle;
mod codec;
mod hash;
pub mod history;
pub mod identity;
pub mod invite;
pub mod limits;
pub mod name;
pub mod permission;
pub mod record;
pub mod roster;
pub mod sealed;
mod signature;
pub mod stun;
pub mod sync;
pub mod time;

pub use codec::Malformed;
