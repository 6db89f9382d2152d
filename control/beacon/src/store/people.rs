//! Who belongs to a circle, as far as a beacon knows: the roll, invites, admissions, parcels.

use ringmesh_mesh::beacon::{Answer, Entry, Offer, Push, Refusal, Standing, roll};
use ringmesh_mesh::identity::{CircleId, DeviceId, RecordHash, UseId};
use ringmesh_mesh::limits::INVITE_SECS_MAX;
use ringmesh_mesh::record::Receipt;
use rusqlite::{OptionalExtension as _, params};

use super::{BoxId, Effect, Failure, Rights, Store, Visitor, signed, unsigned};
use crate::limits::{OFFERS_MAX, PARCELS_PER_DEVICE_MAX, ROLL_MAX};

impl Store {
    pub(super) fn roll(
        &self,
        visitor: &Visitor,
        rights: Rights,
        (entries, offers, cancelled): (&[Entry], &[Offer], &[UseId]),
        now: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<Answer, Failure> {
        if rights < Rights::Admin {
            return Err(Refusal::NotAdmin.into());
        }
        let boxed = visitor.boxed;
        for Entry { device, standing } in entries {
            let before = self.standing(boxed, device)?;
            self.raise(boxed, device, *standing)?;
            if *standing == Standing::Removed && before != Some(Standing::Removed) {
                self.forget_device(boxed, device)?;
                effects.push(Effect::Removed(boxed, *device));
            }
        }
        if !entries.is_empty() {
            self.check_count("SELECT count(*) FROM device WHERE box = ?1", boxed, ROLL_MAX)?;
            self.digest(boxed)?;
        }
        self.offer_all(boxed, offers, now)?;
        self.cancel_all(boxed, cancelled, now)?;
        self.check_count("SELECT count(*) FROM offer WHERE box = ?1", boxed, OFFERS_MAX)?;
        Ok(Answer::Done)
    }

    /// Raises the standing of a device; it never falls.
    pub(super) fn raise(&self, boxed: BoxId, device: &DeviceId, standing: Standing) -> rusqlite::Result<()> {
        let mut put = self.db.prepare_cached(
            "INSERT INTO device(box, device, standing) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET standing = max(standing, excluded.standing)",
        )?;
        put.execute(params![boxed, device.0, standing as u8]).map(drop)
    }

    /// Keeps the digest of the roll beside it, so that a device which enters does not make us read it all.
    pub(super) fn digest(&self, boxed: BoxId) -> rusqlite::Result<()> {
        let mut find = self.db.prepare_cached("SELECT device, standing FROM device WHERE box = ?1")?;
        let entries = find.query_map([boxed], |row| {
            let standing = Standing::of(row.get(1)?).unwrap_or(Standing::Removed);
            Ok(Entry { device: DeviceId(row.get(0)?), standing })
        })?;
        let digest = roll::digest(entries.collect::<rusqlite::Result<Vec<_>>>()?);
        self.db.execute("UPDATE box SET roll = ?2 WHERE id = ?1", params![boxed, digest]).map(drop)
    }

    fn forget_device(&self, boxed: BoxId, device: &DeviceId) -> rusqlite::Result<()> {
        let which = params![boxed, device.0];
        self.db.execute("DELETE FROM parcel WHERE box = ?1 AND (receiver = ?2 OR sender = ?2)", which)?;
        self.db.execute("DELETE FROM admission WHERE box = ?1 AND device = ?2", which).map(drop)
    }

    fn check_count(&self, query: &str, boxed: BoxId, max: u64) -> Result<(), Failure> {
        let count = self.db.prepare_cached(query)?.query_row([boxed], |row| unsigned(row, 0))?;
        if count > max { Err(Refusal::CircleFull.into()) } else { Ok(()) }
    }

    fn offer_all(&self, boxed: BoxId, offers: &[Offer], now: u64) -> Result<(), Failure> {
        let (circle, founder) = self.named(boxed)?;
        for offer in offers {
            if !offer.holds(&circle, &founder) {
                return Err(Refusal::Forged.into());
            }
            if offer.expires <= now {
                continue;
            }
            // No invite lives longer; the admin's clock may be ahead of ours by days.
            let expires = offer.expires.min(now + 2 * INVITE_SECS_MAX);
            self.db.execute(
                "INSERT INTO offer(box, invite, uses, expires) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                params![boxed, offer.invite.0, offer.uses, signed(expires)],
            )?;
        }
        Ok(())
    }

    /// A cancelled invite stays as one without uses, so that nobody offers it again.
    fn cancel_all(&self, boxed: BoxId, cancelled: &[UseId], now: u64) -> rusqlite::Result<()> {
        for invite in cancelled {
            self.db.execute(
                "INSERT INTO offer(box, invite, uses, expires) VALUES (?1, ?2, 0, ?3)
                 ON CONFLICT DO UPDATE SET uses = 0",
                params![boxed, invite.0, signed(now + INVITE_SECS_MAX)],
            )?;
        }
        Ok(())
    }

    fn named(&self, boxed: BoxId) -> rusqlite::Result<(CircleId, DeviceId)> {
        let mut find = self.db.prepare_cached("SELECT circle, founder FROM box WHERE id = ?1")?;
        find.query_row([boxed], |row| Ok((CircleId(row.get(0)?), DeviceId(row.get(1)?))))
    }

    /// Stores an admission once and signs when it came. Asked again it gives the same receipt, with the time of the first.
    pub(super) fn admission(
        &self,
        visitor: &Visitor,
        record: RecordHash,
        sealed: &[u8],
        now: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<Answer, Failure> {
        let (Visitor { boxed, device, .. }, Some(invite)) = (*visitor, visitor.invite) else {
            return Err(Refusal::UnknownInvite.into());
        };
        let (circle, _) = self.named(boxed)?;
        let time = match self.stored_admission(visitor)? {
            Some((stored, time)) if stored == record => time,
            Some(_) => return Err(Refusal::OtherAdmission.into()),
            None => {
                self.check_offer(boxed, &invite, now)?;
                self.db.execute(
                    "INSERT INTO admission(box, device, invite, record, time) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![boxed, device.0, invite.0, record.0, signed(now)],
                )?;
                self.append_one(boxed, &device, Some(invite), sealed)?;
                self.check_box(boxed)?;
                self.grown(boxed, effects)?;
                effects.push(Effect::Admitted(boxed, device));
                now
            }
        };
        Ok(Answer::Receipt(Receipt::sign(&self.key, &circle, &record, time)))
    }

    fn stored_admission(&self, visitor: &Visitor) -> rusqlite::Result<Option<(RecordHash, u64)>> {
        let mut find =
            self.db.prepare_cached("SELECT record, time FROM admission WHERE box = ?1 AND device = ?2")?;
        let read = |row: &rusqlite::Row<'_>| Ok((RecordHash(row.get(0)?), unsigned(row, 1)?));
        find.query_row(params![visitor.boxed, visitor.device.0], read).optional()
    }

    /// Whether one more device may use the invite now.
    fn check_offer(&self, boxed: BoxId, invite: &UseId, now: u64) -> Result<(), Failure> {
        let mut find = self.db.prepare_cached(
            "SELECT uses, expires, (SELECT count(*) FROM admission WHERE box = ?1 AND invite = ?2)
             FROM offer WHERE box = ?1 AND invite = ?2",
        )?;
        let offer = find
            .query_row(params![boxed, invite.0], |row| {
                Ok((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?))
            })
            .optional()?;
        match offer {
            None | Some((0, _, _)) => Err(Refusal::UnknownInvite.into()),
            Some((_, expires, _)) if now > expires => Err(Refusal::Expired.into()),
            Some((uses, _, used)) if used >= uses => Err(Refusal::UsedUp.into()),
            Some(_) => Ok(()),
        }
    }

    /// Keeps a parcel until a newer one of the same sender, and tells its receiver.
    pub(super) fn parcel(
        &self,
        visitor: &Visitor,
        rights: Rights,
        to: DeviceId,
        bytes: Vec<u8>,
        now: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<Answer, Failure> {
        if rights < Rights::Member {
            return Err(Refusal::NotMember.into());
        }
        let Visitor { boxed, device, .. } = *visitor;
        let receiver = Visitor { boxed, device: to, invite: None };
        if self.rights(&receiver).is_err() {
            return Err(Refusal::UnknownReceiver.into());
        }
        self.db.execute(
            "INSERT INTO parcel(box, receiver, sender, time, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET time = excluded.time, bytes = excluded.bytes",
            params![boxed, to.0, device.0, signed(now), bytes],
        )?;
        self.db.execute(
            "DELETE FROM parcel WHERE box = ?1 AND receiver = ?2 AND sender IN
             (SELECT sender FROM parcel WHERE box = ?1 AND receiver = ?2 AND sender <> ?3
              ORDER BY time DESC LIMIT -1 OFFSET ?4)",
            params![boxed, to.0, device.0, signed(PARCELS_PER_DEVICE_MAX - 1)],
        )?;
        effects.push(Effect::For(boxed, to, Push::Parcel { from: device, bytes }));
        Ok(Answer::Done)
    }
}
