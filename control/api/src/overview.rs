//! The whole of what runs on a device.

use serde::{Deserialize, Serialize};

use crate::Status;
use crate::circle::look::CircleStatus;

/// What `ringmesh status --json` prints.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Overview {
    /// The daemon and its circle; none if it does not run, or was not asked because one interface was named.
    pub daemon: Option<CircleStatus>,
    /// Every running tunnel, the circle's among them, or the one that was named. Only root sees any.
    pub tunnels: Vec<Status>,
    /// What is missing in this answer, one sentence each.
    pub notes: Vec<String>,
}
