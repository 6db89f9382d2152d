//! The log: entries come at its end, are read from any position, and go from its beginning.

use ringmesh_mesh::beacon::{Answer, Page, Push, Refusal, Stored, entry_hash};
use ringmesh_mesh::identity::{DeviceId, UseId};
use ringmesh_mesh::limits::{ENTRIES_MAX, ENTRY_MAX};
use rusqlite::{OptionalExtension as _, params};

use super::{BoxId, Column, Effect, Failure, Rights, Store, Visitor, signed, unsigned};
use crate::limits::{ENTRY_COST, JOINER_SHARE, MEMBER_SHARE};

impl Store {
    pub(super) fn append(
        &self,
        visitor: &Visitor,
        rights: Rights,
        room: Option<UseId>,
        sealed: &[Vec<u8>],
        effects: &mut Vec<Effect>,
    ) -> Result<Answer, Failure> {
        if rights < Rights::Admitted {
            return Err(Refusal::NotMember.into());
        }
        let mut added = false;
        for sealed in sealed {
            added |= self.append_one(visitor.boxed, &visitor.device, room, sealed)?;
        }
        // Checked at the end: what was added before is taken back with the rest.
        self.check_share(visitor, rights)?;
        if added {
            self.grown(visitor.boxed, effects)?;
        }
        Ok(Answer::Done)
    }

    /// True if it was not there before.
    pub(super) fn append_one(
        &self,
        boxed: BoxId,
        author: &DeviceId,
        room: Option<UseId>,
        sealed: &[u8],
    ) -> Result<bool, Failure> {
        let size = sealed.len() as u64 + ENTRY_COST;
        let mut put = self.db.prepare_cached(
            "INSERT INTO entry(box, position, room, author, hash, size, sealed)
             SELECT id, next, ?2, ?3, ?4, ?5, ?6 FROM box WHERE id = ?1 ON CONFLICT DO NOTHING",
        )?;
        let room = room.map(|room| room.0);
        let count =
            put.execute(params![boxed, room, author.0, entry_hash(sealed), signed(size), sealed])?;
        if count > 0 {
            self.db.prepare_cached("UPDATE box SET next = next + 1 WHERE id = ?1")?.execute([boxed])?;
        }
        Ok(count > 0)
    }

    /// Whether circle and device are within what they may store. Admins may fill the box to its bound.
    fn check_share(&self, visitor: &Visitor, rights: Rights) -> Result<(), Failure> {
        self.check_box(visitor.boxed)?;
        let share = match rights {
            Rights::Admin => return Ok(()),
            Rights::Member => MEMBER_SHARE,
            Rights::Admitted | Rights::Invited => JOINER_SHARE,
        };
        let mut find = self.db.prepare_cached("SELECT bytes FROM author WHERE box = ?1 AND device = ?2")?;
        let own =
            find.query_row(params![visitor.boxed, visitor.device.0], |row| unsigned(row, 0)).optional()?;
        let over = own.is_some_and(|own| own > self.bounds.circle_bytes / share);
        if over { Err(Refusal::DeviceFull.into()) } else { Ok(()) }
    }

    pub(super) fn check_box(&self, boxed: BoxId) -> Result<(), Failure> {
        let over = self.number(boxed, Column::Bytes)? > self.bounds.circle_bytes;
        if over { Err(Refusal::CircleFull.into()) } else { Ok(()) }
    }

    pub(super) fn grown(&self, boxed: BoxId, effects: &mut Vec<Effect>) -> rusqlite::Result<()> {
        let end = self.number(boxed, Column::Next)?;
        effects.push(Effect::Grown(boxed, Push::Grown { end }));
        Ok(())
    }

    /// A page from `from` on. Who has not stored an admission reads the room of its invite only; who is not on the roll yet reads
    /// that room and what is sealed to the circle.
    pub(super) fn fetch(&self, visitor: &Visitor, rights: Rights, from: u64) -> Result<Page, Failure> {
        let invite = visitor.invite.map_or_else(|| self.admitted_by(visitor), |invite| Ok(Some(invite)))?;
        let end = self.number(visitor.boxed, Column::Next)?;
        let mut find = self.db.prepare_cached(
            "SELECT position, room, sealed FROM entry
             WHERE box = ?1 AND position >= ?2 AND (?3 OR room = ?4 OR (?5 AND room IS NULL)) ORDER BY position",
        )?;
        let all = rights >= Rights::Member;
        let sealed_to_circle = rights >= Rights::Admitted;
        let invite = invite.map(|invite| invite.0);
        let mut rows = find.query(params![visitor.boxed, signed(from), all, invite, sealed_to_circle])?;
        let mut page = Page { entries: vec![], next: end, end };
        let mut room_left = ENTRY_MAX;
        while let Some(row) = rows.next()? {
            let position = unsigned(row, 0)?;
            let room: Option<[u8; 32]> = row.get(1)?;
            let sealed: Vec<u8> = row.get(2)?;
            let takes = Page::room_of(sealed.len());
            let full = page.entries.len() == ENTRIES_MAX || takes > room_left;
            if full && !page.entries.is_empty() {
                page.next = position;
                break;
            }
            room_left = room_left.saturating_sub(takes);
            page.entries.push(Stored { position, room: room.map(UseId), sealed });
        }
        Ok(page)
    }

    pub(super) fn trim(&self, visitor: &Visitor, rights: Rights, before: u64) -> Result<Answer, Failure> {
        if rights < Rights::Admin {
            return Err(Refusal::NotAdmin.into());
        }
        let boxed = visitor.boxed;
        self.db.execute("DELETE FROM entry WHERE box = ?1 AND position < ?2", params![boxed, signed(before)])?;
        self.db.execute(
            "UPDATE box SET first = max(first, min(?2, next)) WHERE id = ?1",
            params![boxed, signed(before)],
        )?;
        Ok(Answer::Done)
    }
}
