//! What the command line and the daemon say to each other.
//!
//! A tunnel is asked in one line of JSON and answers in one, over a unix socket that only root may use; [`circle`] is what the daemon of a
//! circle is asked. The same types are printed by `--json`, so they are what scripts see: fields are added, never renamed.
//!
//! **Invariant:** nothing in here is secret, but for what [`circle`] names: an answer may be pasted into a bug report.

pub mod circle;
pub mod overview;
pub mod request;
pub mod status;

pub use request::{Answer, Request};
pub use status::{Control, Peer, Plane, Status, Worker};
