//! How a tunnel ends: both processes, the link, the files, in an order that lets the same name begin again at once.
//!
//! A process's rings let go of their files only a moment after it has ended. So the link is deleted by name instead of
//! waiting for its last descriptor.

use super::{Control, Files};
use crate::os::links;
use crate::os::tun::Fate;

impl Control {
    /// Ends everything. The lock goes last: whoever gets it finds nothing of us.
    pub(super) async fn end(self) {
        let Self { plane, kit, watch, files, options, inputs, .. } = self;
        let Files { wg, _api: api, lock } = files;
        // From here on nobody finds the tunnel any more.
        drop((wg, api));
        let _ = std::fs::remove_file(options.name.plane_socket());
        drop((watch, inputs));
        if let Some(plane) = plane {
            plane.stop().await;
        }
        if let Fate::Alive { name } = kit.tun.fate() {
            let deleted = match kit.tun.namespace() {
                Ok(namespace) => links::delete(&name, Some(namespace)).await,
                Err(error) => Err(error),
            };
            if let Err(error) = deleted {
                tracing::warn!(%error, "deleting the link");
            }
        }
        drop(kit);
        drop(lock);
    }
}
