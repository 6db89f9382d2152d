//! What the command line and the daemon say to each other.
//!
//! One request and one answer, each a line of JSON, over a unix socket that only root may use. The same types are
//! printed by `ringmesh status --json`, so they are what scripts see: fields are added, never renamed.
//!
//! [`circle`] is what the daemon of a circle is asked.
//!
//! **Invariant:** nothing in here is secret, but for what [`circle`] names: an answer may be pasted into a bug report.

pub mod circle;
pub mod doctor;
pub mod request;
pub mod status;

pub use request::{Answer, Request};
pub use status::{Control, Peer, Plane, Status, Worker};
