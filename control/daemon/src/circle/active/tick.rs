//! What time alone brings.

use std::time::Duration;

use ringmesh_mesh::identity::DeviceId;

use super::Active;
use super::begin::GREET_EVERY;
use crate::os::clock::{boottime, wall_secs};

/// Between looks at the tunnel while somebody is being tried.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The same while all is quiet.
const LOOK_EVERY_QUIET: Duration = Duration::from_secs(5);
/// How often the high-water mark goes to the disk.
const MARK_EVERY: Duration = Duration::from_secs(300);
/// Between looks at how the tunnel's port looks from outside.
const OUTSIDE_EVERY: Duration = Duration::from_secs(10);
/// The same while the first answer is due, and how often.
const OUTSIDE_SOON: Duration = Duration::from_millis(150);
const OUTSIDE_HURRIES: u32 = 20;
/// How long peers have to hear of a new WireGuard key before it is used.
pub(in crate::circle) const SWITCH_AFTER: Duration = Duration::from_secs(1);

impl Active {
    /// When to look again.
    pub(in crate::circle) fn deadline(&self) -> Duration {
        let fixed = [self.announce_at, self.look_at, self.greet_at, self.outside_at];
        let planned = [self.rekey_at, self.switch_at].into_iter().flatten();
        fixed.into_iter().chain(planned).min().unwrap_or(self.look_at)
    }

    /// There is somebody to ask, or we are elsewhere.
    pub(super) fn look_outside_soon(&mut self) {
        (self.outside_at, self.outside_hurries) = (boottime(), OUTSIDE_HURRIES);
    }

    /// Does what is due.
    pub(in crate::circle) async fn on_deadline(&mut self) {
        let now = boottime();
        if now >= self.announce_at {
            self.announce();
        }
        if self.rekey_at.is_some_and(|at| now >= at) {
            self.rekey();
        }
        if self.switch_at.is_some_and(|at| now >= at) {
            self.switch().await;
        }
        if now >= self.greet_at {
            self.greet_at = now + GREET_EVERY;
            let links: Vec<u64> = self.links.keys().copied().collect();
            links.into_iter().for_each(|link| self.greet(link));
        }
        if now >= self.outside_at {
            // Soon again while an answer is due.
            let waits = self.outside.is_empty() && self.outside_hurries > 0;
            self.outside_hurries = self.outside_hurries.saturating_sub(1);
            self.outside_at = now + if waits { OUTSIDE_SOON } else { OUTSIDE_EVERY };
            self.look_outside().await;
        }
        if now >= self.look_at {
            self.look().await;
        }
        if now >= self.mark_at {
            self.mark_at = now + MARK_EVERY;
            self.membership.mark.advance(wall_secs());
            let stored = self.membership.store_mark();
            self.note_store(stored);
            self.keep_companions();
        }
    }

    /// Looks at the tunnel, starts it if it is gone, and tries the next address of whoever does not answer.
    async fn look(&mut self) {
        if !self.tunnel.runs().await {
            match self.tunnel.start().await {
                // Whether it is the old interface or a new one is not known here.
                Ok(()) => self.exchange = None,
                Err(problem) => tracing::warn!(%problem, "the tunnel was gone"),
            }
        }
        self.steer_or_note().await;
        let wall = wall_secs();
        let (alive, lost): (Vec<DeviceId>, Vec<DeviceId>) =
            self.peers.keys().copied().partition(|device| self.is_online(device, wall));
        alive.into_iter().for_each(|device| self.meet(device));
        if self.peers.len() - lost.len() > self.companions.len() {
            self.keep_companions();
        }
        let trying = lost.iter().any(|device| self.reach.get(device).is_some_and(super::Reach::is_known));
        let joining = self.membership.role().is_none();
        let every = if trying || joining || !self.runs { LOOK_EVERY } else { LOOK_EVERY_QUIET };
        self.look_at = boottime() + every;
    }

    /// Tries a device's address at once, and talks to it.
    pub(super) async fn try_now(&mut self, device: DeviceId) {
        self.steer_or_note().await;
        self.meet(device);
        self.look_at = self.look_at.min(boottime() + LOOK_EVERY);
    }

    /// Plans the change to the new WireGuard key.
    pub(in crate::circle) fn switch_soon(&mut self) {
        self.switch_at = Some(boottime() + SWITCH_AFTER);
    }

    async fn switch(&mut self) {
        self.switch_at = None;
        match self.membership.switch() {
            Ok(_) => {
                self.steer_or_note().await;
                self.announce_soon();
            }
            Err(problem) => _ = self.notes.insert(problem.to_string()),
        }
    }
}
