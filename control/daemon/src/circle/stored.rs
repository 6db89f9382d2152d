//! What a circle has left on the disk, looked at from outside: the daemon may run, or be unable to.
//!
//! **Invariant:** nothing is written, and no key is read.

use std::path::{Path, PathBuf};

use ringmesh_mesh::name::Label;
use ringmesh_mesh::record::{self, Unverified};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use super::store::{LAYOUT_VERSION, Setting};

/// One circle's directory.
#[derive(Debug)]
pub(crate) struct Stored {
    /// Its name.
    pub(crate) circle: Label,
    /// The database.
    pub(crate) path: PathBuf,
    /// How it is.
    pub(crate) database: Database,
    /// Whether the circle is to be up; not known of a database that cannot be read.
    up: bool,
    /// The greatest time that this device has seen, in seconds since 1970.
    pub(crate) mark_secs: u64,
    /// The greatest time that any device has signed.
    pub(crate) newest_secs: Option<u64>,
}

/// How a database is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Database {
    /// SQLite's own check and ours find nothing.
    Whole,
    /// There is none.
    Missing,
    /// What is wrong with it.
    Damaged(String),
    /// A later version of Ringmesh has written it.
    Newer,
    /// It could not be opened.
    Unreadable(String),
}

impl Stored {
    /// Looks at a directory; none if its name is none of a circle's.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        let circle: Label = dir.file_name()?.to_str()?.parse().ok()?;
        let path = dir.join(super::membership::DATABASE);
        let mut stored =
            Self { circle, path, database: Database::Missing, up: false, mark_secs: 0, newest_secs: None };
        if stored.path.exists() {
            stored.database = match stored.look() {
                Ok(()) => Database::Whole,
                Err(database) => database,
            };
        }
        Some(stored)
    }

    /// Whether the circle is to be up.
    pub(crate) const fn is_up(&self) -> bool {
        self.up
    }

    fn look(&mut self) -> Result<(), Database> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(&self.path, flags)?;
        let version: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version as usize > LAYOUT_VERSION {
            return Err(Database::Newer);
        }
        self.up = setting(&db, Setting::Up)?.as_deref() == Some("1");
        self.mark_secs = setting(&db, Setting::HighWater)?.and_then(|text| text.parse().ok()).unwrap_or(0);
        let found: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(Database::Damaged(found));
        }
        self.look_at_records(&db)
    }

    fn look_at_records(&mut self, db: &Connection) -> Result<(), Database> {
        let mut rows = db.prepare("SELECT hash, bytes FROM record")?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<([u8; 32], Vec<u8>)> = rows.collect::<Result<_, _>>()?;
        let decode = |(hash, bytes): &([u8; 32], Vec<u8>)| {
            Unverified::decode(bytes).ok().filter(|record| record.hash().0 == *hash)
        };
        let records: Option<Vec<Unverified>> = rows.iter().map(decode).collect();
        let odd = || Database::Damaged("a record in it is not what was signed".to_owned());
        for record in record::verify(records.ok_or_else(odd)?) {
            self.newest_secs = self.newest_secs.max(Some(record.map_err(|_| odd())?.time()));
        }
        Ok(())
    }
}

fn setting(db: &Connection, setting: Setting) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT value FROM setting WHERE name = ?1", [setting.name()], |row| row.get(0)).optional()
}

impl From<rusqlite::Error> for Database {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::DatabaseBusy) => {
                Self::Unreadable(error.to_string())
            }
            _ => Self::Damaged(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
