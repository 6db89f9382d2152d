//! What a beacon keeps, in one SQLite database.
//!
//! Each circle has a *box*: its log, the standing of its devices, the invites that are offered, admissions, parcels. Who may do
//! what is looked up with every request, so a removal holds from the moment at which it is acknowledged.
//!
//! **Invariant:** nothing is acknowledged that is not on the disk (WAL, synchronous=FULL): [`desk`] answers after the commit.
//! **Invariant:** whatever a device says, a box holds no more than its bounds.

pub(crate) mod desk;
mod enter;
mod log;
mod people;
mod prune;
mod schema;

use std::path::Path;

use ringmesh_mesh::beacon::{Answer, Push, Refusal, Request, Standing};
use ringmesh_mesh::identity::{DeviceId, SigningKey, UseId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::problem::Problem;

/// Which box: its number in the database.
pub(crate) type BoxId = i64;

/// Bounds that the command line sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Circles that are served.
    pub(crate) circles: u64,
    /// Bytes in the log of one circle.
    pub(crate) circle_bytes: u64,
    /// After how many seconds without any device a circle is forgotten.
    pub(crate) forget_secs: u64,
}

/// The database and what is needed to judge requests.
pub(crate) struct Store {
    db: Connection,
    bounds: Bounds,
    key: SigningKey,
}

/// A device that has proved its key and found its box.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visitor {
    pub(crate) boxed: BoxId,
    pub(crate) device: DeviceId,
    /// The invite whose key it has proved to hold.
    pub(crate) invite: Option<UseId>,
}

/// What a visitor may do, the lesser first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rights {
    /// Store an admission and read the room of its invite.
    Invited,
    /// Has stored an admission, and no admin has named it yet: reads, and stores a little.
    Admitted,
    /// A member.
    Member,
    /// An admin.
    Admin,
}

/// What others are to be told, once it is on the disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Effect {
    /// A log has grown.
    Grown(BoxId, Push),
    /// Something for one device.
    For(BoxId, DeviceId, Push),
    /// A device was removed: its connection ends.
    Removed(BoxId, DeviceId),
    /// A device has stored its admission.
    Admitted(BoxId, DeviceId),
}

/// Why a request was not done: refused, or the database failed.
pub(crate) enum Failure {
    Refused(Refusal),
    Broken(rusqlite::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error)
    }
}

impl Failure {
    /// What the device is told; what is our own trouble goes to the log.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Broken(error) => {
                tracing::error!(%error, "the database failed");
                Refusal::Storage
            }
        }
    }
}

impl Store {
    /// Opens the database in this directory, or makes it.
    pub(crate) fn open(directory: &Path, bounds: Bounds, key: SigningKey) -> Result<Self, Problem> {
        let path = directory.join("beacon.sqlite");
        let db = schema::open(&path).map_err(|why| Problem::Database { path, why })?;
        Ok(Self { db, bounds, key })
    }

    /// Does what a visitor asks for at the time `now`, in seconds since 1970.
    pub(crate) fn handle(
        &mut self,
        visitor: &Visitor,
        request: Request,
        now: u64,
        effects: &mut Vec<Effect>,
    ) -> Result<Answer, Failure> {
        let rights = self.rights(visitor)?;
        match request {
            Request::Append { room, sealed } => self.append(visitor, rights, room, &sealed, effects),
            Request::Fetch { from } => self.fetch(visitor, rights, from).map(Answer::Page),
            Request::Trim { before } => self.trim(visitor, rights, before),
            Request::Roll { entries, offers, cancelled } => {
                self.roll(visitor, rights, (&entries, &offers, &cancelled), now, effects)
            }
            Request::Parcel { to, bytes } => self.parcel(visitor, rights, to, bytes, now, effects),
            Request::Admission { record, sealed } => self.admission(visitor, record, &sealed, now, effects),
            Request::Ping if rights >= Rights::Member => {
                self.renew(visitor.boxed, now)?;
                Ok(Answer::Done)
            }
            Request::Signal { .. } | Request::Ping => Ok(Answer::Done),
        }
    }

    /// Keeps the circle from being forgotten. Written once an hour at most.
    fn renew(&self, boxed: BoxId, now: u64) -> rusqlite::Result<()> {
        let mut put = self.db.prepare_cached("UPDATE box SET renewed = ?2 WHERE id = ?1 AND renewed < ?2 - 3600")?;
        put.execute(params![boxed, signed(now)]).map(drop)
    }

    /// What the visitor may do now.
    fn rights(&self, visitor: &Visitor) -> Result<Rights, Failure> {
        match self.standing(visitor.boxed, &visitor.device)? {
            Some(Standing::Admin) => Ok(Rights::Admin),
            Some(Standing::Member | Standing::Demoted) => Ok(Rights::Member),
            Some(Standing::Removed) => Err(Refusal::Removed.into()),
            None if self.admitted_by(visitor)?.is_some() => Ok(Rights::Admitted),
            None if visitor.invite.is_some() => Ok(Rights::Invited),
            None => Err(Refusal::NotMember.into()),
        }
    }

    fn standing(&self, boxed: BoxId, device: &DeviceId) -> rusqlite::Result<Option<Standing>> {
        let mut find = self.db.prepare_cached("SELECT standing FROM device WHERE box = ?1 AND device = ?2")?;
        let code: Option<u8> =
            find.query_row(params![boxed, device.0], |row| row.get(0)).optional()?;
        Ok(code.and_then(Standing::of))
    }

    /// The invite with which the visitor has stored an admission.
    fn admitted_by(&self, visitor: &Visitor) -> rusqlite::Result<Option<UseId>> {
        let mut find = self.db.prepare_cached("SELECT invite FROM admission WHERE box = ?1 AND device = ?2")?;
        find.query_row(params![visitor.boxed, visitor.device.0], |row| row.get(0).map(UseId)).optional()
    }

    /// One number of a box.
    fn number(&self, boxed: BoxId, column: Column) -> rusqlite::Result<u64> {
        let mut find = self.db.prepare_cached(match column {
            Column::Next => "SELECT next FROM box WHERE id = ?1",
            Column::Bytes => "SELECT bytes FROM box WHERE id = ?1",
        })?;
        find.query_row([boxed], |row| unsigned(row, 0))
    }
}

/// A number that a box keeps.
#[derive(Clone, Copy)]
enum Column {
    Next,
    Bytes,
}

/// SQLite knows signed numbers only. Ours are positions, bytes, seconds: below its greatest.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0))
}

#[cfg(test)]
mod tests;
