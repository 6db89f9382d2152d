//! Coming in: which box a device belongs to, and whether it may enter it.

use ringmesh_mesh::beacon::{Hello, Push, Refusal, Standing, Welcome, Who, roll};
use ringmesh_mesh::identity::{CircleId, DeviceId, UseId};
use rusqlite::{OptionalExtension as _, params};

use super::{BoxId, Failure, Rights, Store, Visitor, signed, unsigned};

/// A device that was let in.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) visitor: Visitor,
    pub(crate) admitted: bool,
    /// Whether the box was made just now.
    pub(crate) founded: bool,
    pub(crate) welcome: Welcome,
    /// The parcels that wait for it.
    pub(crate) parcels: Vec<Push>,
}

impl Store {
    /// Lets in the device that has signed `hello`. `may_found` says whether its source may bring another circle.
    pub(crate) fn enter(&mut self, hello: &Hello, may_found: bool, now: u64) -> Result<Entered, Failure> {
        let boxes = self.db.query_row("SELECT max(id) FROM box", [], |row| row.get::<_, Option<BoxId>>(0))?;
        let (boxed, invite) = match &hello.who {
            Who::Member { founder, proof } => (self.as_member(hello, founder, proof, may_found, now)?, None),
            Who::Invited(invite) => (self.as_invited(hello, invite, now)?, Some(*invite)),
        };
        let visitor = Visitor { boxed, device: hello.device, invite };
        let rights = self.rights(&visitor)?;
        if rights >= Rights::Member {
            self.renew(boxed, now)?;
        }
        let welcome = self.welcome(boxed, rights)?;
        let parcels = self.parcels(&visitor)?;
        let founded = Some(boxed) > boxes;
        Ok(Entered { visitor, admitted: rights >= Rights::Admitted, founded, welcome, parcels })
    }

    fn as_member(
        &mut self,
        hello: &Hello,
        founder: &DeviceId,
        proof: &[Vec<u8>],
        may_found: bool,
        now: u64,
    ) -> Result<BoxId, Failure> {
        let Some(boxed) = self.find(&hello.circle, founder)? else {
            let nobody = |_: &DeviceId| false;
            if !roll::proves(proof, (&hello.circle, founder), &hello.device, nobody, nobody) {
                return Err(Refusal::UnknownCircle.into());
            }
            return self.found(&hello.circle, founder, &hello.device, may_found, now);
        };
        let standing = self.standing(boxed, &hello.device)?;
        let could_rise = standing.is_none_or(|standing| standing < Standing::Admin);
        if could_rise && (!proof.is_empty() || hello.device == *founder) {
            self.rise(boxed, hello, founder, proof)?;
        }
        Ok(boxed)
    }

    fn as_invited(&self, hello: &Hello, invite: &UseId, now: u64) -> Result<BoxId, Failure> {
        let mut find = self.db.prepare_cached(
            "SELECT box.id, offer.expires, admission.device IS NOT NULL FROM box
             JOIN offer ON offer.box = box.id AND offer.invite = ?2
             LEFT JOIN admission ON admission.box = box.id AND admission.device = ?3
             WHERE box.circle = ?1 AND offer.uses > 0",
        )?;
        let found = find
            .query_row(params![hello.circle.0, invite.0, hello.device.0], |row| {
                Ok((row.get(0)?, unsigned(row, 1)?, row.get(2)?))
            })
            .optional()?;
        match found {
            None => Err(Refusal::UnknownInvite.into()),
            Some((_, expires, false)) if now > expires => Err(Refusal::Expired.into()),
            Some((boxed, _, _)) => Ok(boxed),
        }
    }

    fn find(&self, circle: &CircleId, founder: &DeviceId) -> rusqlite::Result<Option<BoxId>> {
        let mut find = self.db.prepare_cached("SELECT id FROM box WHERE circle = ?1 AND founder = ?2")?;
        find.query_row(params![circle.0, founder.0], |row| row.get(0)).optional()
    }

    /// Makes the box of a circle, whose first admins are its founder and who brings it.
    fn found(
        &self,
        circle: &CircleId,
        founder: &DeviceId,
        device: &DeviceId,
        may_found: bool,
        now: u64,
    ) -> Result<BoxId, Failure> {
        let boxes = self.db.query_row("SELECT count(*) FROM box", [], |row| unsigned(row, 0))?;
        if !may_found || boxes >= self.bounds.circles {
            return Err(if may_found { Refusal::NoRoom } else { Refusal::Busy }.into());
        }
        let log = getrandom::u64().map_err(|_| Refusal::Storage)?;
        self.db.execute(
            "INSERT INTO box(circle, founder, log, renewed, roll) VALUES (?1, ?2, ?3, ?4, x'')",
            params![circle.0, founder.0, log.cast_signed(), signed(now)],
        )?;
        let boxed = self.db.last_insert_rowid();
        for admin in [founder, device] {
            self.raise(boxed, admin, Standing::Admin)?;
        }
        self.digest(boxed)?;
        Ok(boxed)
    }

    /// Makes a device an admin of the box, if it shows why it is one.
    fn rise(&self, boxed: BoxId, hello: &Hello, founder: &DeviceId, proof: &[Vec<u8>]) -> Result<(), Failure> {
        // An error of the database reads as "not": it will show with the next request.
        let standing = |device: &DeviceId| self.standing(boxed, device).ok().flatten();
        let is_admin = |device: &DeviceId| standing(device) == Some(Standing::Admin);
        let has_ended = |device: &DeviceId| standing(device) > Some(Standing::Admin);
        if roll::proves(proof, (&hello.circle, founder), &hello.device, is_admin, has_ended) {
            self.raise(boxed, &hello.device, Standing::Admin)?;
            self.digest(boxed)?;
        }
        Ok(())
    }

    fn welcome(&self, boxed: BoxId, rights: Rights) -> rusqlite::Result<Welcome> {
        let mut find = self.db.prepare_cached("SELECT log, first, next, roll FROM box WHERE id = ?1")?;
        find.query_row([boxed], |row| {
            Ok(Welcome {
                log: row.get::<_, i64>(0)?.cast_unsigned(),
                first: unsigned(row, 1)?,
                end: unsigned(row, 2)?,
                admin: rights == Rights::Admin,
                roll: row.get(3)?,
            })
        })
    }

    fn parcels(&self, visitor: &Visitor) -> rusqlite::Result<Vec<Push>> {
        let mut find =
            self.db.prepare_cached("SELECT sender, bytes FROM parcel WHERE box = ?1 AND receiver = ?2")?;
        let parcels = find.query_map(params![visitor.boxed, visitor.device.0], |row| {
            Ok(Push::Parcel { from: DeviceId(row.get(0)?), bytes: row.get(1)? })
        })?;
        parcels.collect()
    }
}
