//! What follows from new records: admissions to witness and to confirm, a circle key to draw, and everything that is steered.

use std::time::Duration;

use ringmesh_mesh::circle::{Circle, Ingested};
use ringmesh_mesh::identity::{DeviceId, RecordHash};
use ringmesh_mesh::record::{Admit, Body, Role, Unverified, Witness};

use super::Active;
use crate::circle::store::StoreProblem;
use crate::os::clock::{boottime, wall_secs};

/// What is said while the records of others are coming back.
pub(super) const RESTORING: &str = "the circle is being restored from other members";
/// How long the most senior admin waits for whoever removed somebody to draw the new circle key, and each next one longer.
const REKEY_PATIENCE: Duration = Duration::from_secs(4);

impl Active {
    /// Takes in records of others. True if one of them was new.
    pub(super) async fn take(&mut self, records: Vec<Unverified>, from: Option<u64>) -> bool {
        let (was_up, had_circle) = (self.membership.role().is_some(), self.membership.circle.is_some());
        let brought: Vec<RecordHash> = records.iter().map(Unverified::hash).collect();
        match self.membership.take(records) {
            Ok(ingested) => {
                if let Some(link) = from.and_then(|from| self.links.get_mut(&from)) {
                    link.brought.note(brought);
                }
                let new = !ingested.added.is_empty();
                if new {
                    self.after(ingested).await;
                }
                self.settle_brought();
                if new {
                    self.hear_again().await;
                }
                if !had_circle && self.membership.circle.is_some()
                    || !was_up && self.membership.role().is_some()
                {
                    self.announced = 0;
                    self.enter_again();
                    self.announce();
                }
                new
            }
            Err(problem) => {
                self.note_store(Err(problem));
                false
            }
        }
    }

    /// The circle has changed: says so to others, does what we owe to it, and steers.
    pub(in crate::circle) async fn after(&mut self, ingested: Ingested) {
        self.push(&ingested.added);
        let new = self.newcomers(&ingested.changed);
        self.owe();
        self.owe_key(&new);
        self.after_start();
        self.publish();
        // A device that was removed should hear it from us, if its connection still takes it.
        tokio::task::yield_now().await;
        self.steer_or_note().await;
        let online: Vec<_> = self.peers.keys().copied().collect();
        let wall = wall_secs();
        for device in online {
            if self.is_online(&device, wall) || self.reach.get(&device).is_some_and(super::Reach::is_known) {
                self.meet(device);
            }
        }
    }

    /// Of what connections have brought, only what still waits is of interest.
    fn settle_brought(&mut self) {
        let circle = self.membership.circle.as_ref();
        let part = |hash: &RecordHash| circle.is_some_and(|circle| circle.record(hash).is_some());
        let known = |hash: &RecordHash| circle.is_none_or(|circle: &Circle| circle.knows(hash));
        for link in self.links.values_mut() {
            link.brought.settle(|hash| known(hash) && !part(hash));
        }
    }

    /// What we owe to the circle: to witness admissions, and as an admin to confirm them. Once each, whether it counts or not.
    fn owe(&mut self) {
        // A device that was witnessed in the first round may be one to confirm in the second.
        for _ in 0..2 {
            let bodies = self.owed();
            if bodies.is_empty() {
                return;
            }
            // Owed before it is written: a death in between must not leave a member without the circle key.
            let new: Vec<DeviceId> = bodies.iter().filter_map(admits).collect();
            self.note_owed(&new);
            match self.membership.write(wall_secs(), bodies) {
                Ok(ingested) => {
                    self.push(&ingested.added);
                    self.say_all_keys();
                }
                Err(problem) => self.note_store(Err(problem)),
            }
        }
    }

    fn owed(&mut self) -> Vec<Body> {
        let Some(circle) = &self.membership.circle else { return vec![] };
        let (me, roster, now) = (self.membership.me(), circle.roster(), wall_secs());
        let in_time = |device: &DeviceId| {
            let invite = roster.waiting.get(device).and_then(|waiting| roster.invites.get(&waiting.invite));
            invite.is_some_and(|invite| now <= invite.expires)
        };
        let mut bodies = Vec::new();
        for (device, record) in circle.to_witness(&me).into_iter().filter(|(device, _)| in_time(device)) {
            if self.witnessed.insert(record) {
                bodies.push(Body::Witness(Witness { device, record, receipt: None }));
            }
        }
        let admin = self.membership.role() == Some(Role::Admin);
        for device in circle.to_confirm(&me).into_iter().filter(|_| admin) {
            let Some(member) = roster.members.get(&device) else { continue };
            if self.confirmed.insert(device) {
                bodies.push(Body::Admit(Admit { device, role: member.role }));
            }
        }
        bodies
    }

    /// What is to be looked at after records have come, and at the start.
    pub(super) fn after_start(&mut self) {
        if self.membership.role().is_some() && self.membership.code.is_some() {
            self.membership.forget_code();
            self.provisional.clear();
        }
        if self.membership.is_removed() {
            self.notes.insert(format!(
                "this device was removed from the circle {}; `ringmesh leave` forgets it here",
                self.membership.name
            ));
        }
        self.plan_rekey();
    }

    /// Sets the time at which we draw a new circle key, if one is due: at once as the one who removed somebody, else later and
    /// later the less senior we are, so that as a rule one does it.
    fn plan_rekey(&mut self) {
        let membership = &self.membership;
        let Some(roster) = membership.roster() else { return };
        if membership.role() != Some(Role::Admin) || !membership.ring.is_stale(roster) {
            self.rekey_at = None;
            return;
        }
        let me = membership.me();
        let known = membership.ring.current().map_or(0, |(_, removals)| removals as usize);
        let ours = roster.former.values().filter(|former| former.by == me).count();
        let place = roster.admins().iter().position(|admin| admin.device == me).unwrap_or(0);
        let patience = if ours > 0 && known + 1 >= roster.former.len() {
            Duration::ZERO
        } else {
            REKEY_PATIENCE * u32::try_from(place + 1).unwrap_or(u32::MAX).min(1000)
        };
        self.rekey_at.get_or_insert(boottime() + patience);
    }

    /// Draws a new circle key and tells everybody who is connected.
    pub(super) fn rekey(&mut self) {
        self.rekey_at = None;
        match self.membership.draw_key() {
            Ok(()) => {
                self.on_new_key();
                self.say_all_keys();
            }
            Err(problem) => self.note_store(Err(problem)),
        }
    }

    /// Tells everybody who is connected about records of ours, and nothing else.
    pub(in crate::circle) fn say(&mut self, ingested: &Ingested) {
        self.push(&ingested.added);
    }

    /// Steers; what fails is shown, and tried again at the next look.
    pub(in crate::circle) async fn steer_or_note(&mut self) {
        let result = self.steer().await;
        self.runs = result.is_ok();
        if let Err(problem) = result {
            tracing::warn!(%problem, "steering the tunnel");
        }
    }

    /// Remembers for the user that something could not be stored.
    pub(super) fn note_store(&mut self, stored: Result<(), StoreProblem>) {
        let Err(problem) = stored else { return };
        tracing::error!(%problem, "storing");
        let renewed = match problem {
            StoreProblem::Corrupt(_) => self.membership.renew_store(),
            StoreProblem::Full(_) | StoreProblem::Newer(_) | StoreProblem::Sql { .. } => Err(problem),
        };
        match renewed {
            Ok(()) => self.note_aside("everything that was in it was written again"),
            Err(problem) => _ = self.notes.insert(problem.to_string()),
        }
    }

    /// Remembers for the user that the database was damaged.
    pub(super) fn note_aside(&mut self, then: &str) {
        let aside = self.membership.aside().map(|aside| format!(" and is {aside} now"));
        let aside = aside.unwrap_or_default();
        self.notes.insert(format!(
            "the database of the circle {} was damaged{aside}; {then}",
            self.membership.name
        ));
    }

    /// Somebody has given back what a damaged database held.
    pub(super) fn restored(&mut self) {
        if self.membership.is_restoring() {
            let stored = self.membership.restored();
            self.note_store(stored);
            self.provisional.clear();
            self.notes.retain(|note| !note.ends_with(RESTORING));
            self.note_aside("the circle was restored from other members");
            tracing::info!("the circle was restored from other members");
        }
    }
}

/// The device that a record of ours lets in, or confirms.
fn admits(body: &Body) -> Option<DeviceId> {
    match body {
        Body::Witness(witness) => Some(witness.device),
        Body::Admit(admit) => Some(admit.device),
        Body::Found(_)
        | Body::Join(_)
        | Body::Revoke(_)
        | Body::Invite(_)
        | Body::Grant(_)
        | Body::Profile(_)
        | Body::Checkpoint(_) => None,
    }
}
