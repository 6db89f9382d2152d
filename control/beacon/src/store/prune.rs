//! Forgetting: circles of which nobody comes any more, invites that are long over, and the space that they took.

use rusqlite::params;

use super::{Store, signed};
use crate::limits::{ROOM_SECS_MAX, UNUSED_SECS_MAX};

impl Store {
    /// Drops what nobody renewed, and gives the space back. To be called now and then, outside of a transaction.
    pub(crate) fn prune(&mut self, now: u64) -> rusqlite::Result<()> {
        let before = |secs: u64| signed(now.saturating_sub(secs));
        let work = self.db.transaction()?;
        let forgotten = work.execute(
            "DELETE FROM box WHERE renewed < ?1 OR (next = 0 AND renewed < ?2)",
            params![before(self.bounds.forget_secs), before(UNUSED_SECS_MAX)],
        )?;
        let ended = before(ROOM_SECS_MAX);
        work.execute(
            "DELETE FROM entry WHERE EXISTS (SELECT 1 FROM offer
             WHERE offer.box = entry.box AND offer.invite = entry.room AND offer.expires < ?1)",
            [ended],
        )?;
        work.execute(
            "DELETE FROM admission WHERE EXISTS (SELECT 1 FROM offer
             WHERE offer.box = admission.box AND offer.invite = admission.invite AND offer.expires < ?1)",
            [ended],
        )?;
        work.execute("DELETE FROM offer WHERE expires < ?1", [ended])?;
        work.execute("DELETE FROM author WHERE bytes <= 0", [])?;
        work.commit()?;
        if forgotten > 0 {
            tracing::info!(forgotten, "circles of which nobody came any more were forgotten");
        }
        self.db.execute_batch("PRAGMA incremental_vacuum(4096)")
    }
}
