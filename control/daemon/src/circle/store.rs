//! What one circle leaves on the disk: records as the bytes that were signed, circle keys, and small settings.
//!
//! SQLite with a write-ahead log and full synchronisation: what a call has returned from is there after any death, and of a call that
//! did not return, all or nothing. Versions of the layout follow each other by migrations, each of them one transaction.
//!
//! **Invariant:** an own record is stored before anybody else sees it. A device that forgot one would sign another with its number.

mod beacons;
mod companions;
mod layout;
mod spare;

use std::path::{Path, PathBuf};

use ringmesh_mesh::identity::{CircleId, DeviceId, RecordHash};
use ringmesh_mesh::record::Record;
use ringmesh_mesh::sealed::SealKey;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

pub(crate) use beacons::{Places, Reading};
pub(crate) use companions::Companion;

/// The tables of one circle.
#[derive(Debug)]
pub(crate) struct Store {
    db: Connection,
    path: PathBuf,
    /// What nobody else could give back, a second time.
    spare: Option<Connection>,
    /// Where a damaged database was moved to, if this one was begun anew.
    aside: Option<PathBuf>,
}

/// Why something could not be stored or read. Nothing of it was stored then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreProblem {
    /// The disk is full.
    #[error("the disk is full, so nothing was changed ({})", .0.display())]
    Full(PathBuf),
    /// The file is no database any more.
    #[error(
        "the database {} is damaged and there is nothing to restore it from; \
         put it back from a backup, or forget the circle with `ringmesh leave --force` and join again", .0.display()
    )]
    Corrupt(PathBuf),
    /// A later version of Ringmesh has written it.
    #[error("the database {} was written by a newer version of Ringmesh; update this one", .0.display())]
    Newer(PathBuf),
    /// Anything else.
    #[error("the database {}: {error}", path.display())]
    Sql {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        error: rusqlite::Error,
    },
}

/// Small values that are kept by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Setting {
    /// The circle's id, in hexadecimal digits.
    Circle,
    /// `1` while the circle is up.
    Up,
    /// The UDP port of the tunnel.
    Port,
    /// The greatest time ever seen, in seconds since 1970.
    HighWater,
    /// How often the daemon has started: the upper half of a signal's serial number.
    Starts,
    /// The name that this device wants to have.
    Name,
    /// The beacons' addresses, separated by spaces.
    Beacons,
    /// While what a damaged database held is being brought back by others: where that is now. `0` else.
    Restoring,
}

impl Setting {
    const fn name(self) -> &'static str {
        match self {
            Self::Circle => "circle",
            Self::Up => "up",
            Self::Port => "port",
            Self::HighWater => "high-water",
            Self::Starts => "starts",
            Self::Name => "name",
            Self::Beacons => "beacons",
            Self::Restoring => "restoring",
        }
    }
}

impl Store {
    /// Opens the file, makes it if it is not there, and brings it to the layout of this version.
    fn open_alone(path: &Path) -> Result<Self, StoreProblem> {
        let db = Connection::open(path).map_err(|error| problem(path, error))?;
        let mut store = Self { db, path: path.to_owned(), spare: None, aside: None };
        layout::prepare(&mut store.db).map_err(|error| error.at(path))?;
        Ok(store)
    }

    /// All records, in the order in which they came.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn records(&self) -> Result<Vec<Vec<u8>>, StoreProblem> {
        self.read(|db| {
            let mut rows = db.prepare("SELECT bytes FROM record ORDER BY sequence")?;
            rows.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Adds records; those that are there already stay as they are. All or none of them.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn add<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<(), StoreProblem> {
        self.change(|change| {
            let mut insert =
                change.prepare_cached("INSERT OR IGNORE INTO record (hash, bytes) VALUES (?1, ?2)")?;
            for record in records {
                insert.execute(params![record.hash().0, record.to_bytes()])?;
            }
            Ok(())
        })
    }

    /// Deletes records that nothing follows from any more. All or none of them.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn forget(&mut self, records: &[RecordHash]) -> Result<(), StoreProblem> {
        self.change(|change| {
            let mut delete = change.prepare_cached("DELETE FROM record WHERE hash = ?1")?;
            records.iter().try_for_each(|hash| delete.execute([hash.0]).map(drop))
        })
    }

    /// The circle keys, each with the number of removals that it knows of.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn keys(&self, circle: CircleId) -> Result<Vec<(SealKey, u32)>, StoreProblem> {
        self.read(|db| {
            let mut rows = db.prepare("SELECT key, removals FROM circle_key ORDER BY removals, key")?;
            rows.query_map([], |row| Ok((SealKey::new(circle, row.get(0)?), row.get(1)?)))?.collect()
        })
    }

    /// Keeps exactly these circle keys, of which one is new. What beacons had that could not be opened is read again, and the key
    /// is owed to `devices` at these beacons.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn set_keys<'a>(
        &mut self,
        keys: impl IntoIterator<Item = (&'a SealKey, u32)>,
        urls: &[String],
        devices: &[DeviceId],
    ) -> Result<(), StoreProblem> {
        let keys: Vec<(&SealKey, u32)> = keys.into_iter().collect();
        let put = |change: &Connection| {
            change.execute("DELETE FROM circle_key", [])?;
            let mut insert =
                change.prepare_cached("INSERT INTO circle_key (key, removals) VALUES (?1, ?2)")?;
            keys.iter()
                .try_for_each(|(key, removals)| insert.execute(params![key.expose(), removals]).map(drop))
        };
        self.change(|change| {
            put(change)?;
            let again = "UPDATE beacon SET position = shut, shut = NULL WHERE shut IS NOT NULL";
            change.execute(again, [])?;
            beacons::owe(change, urls, devices)
        })?;
        self.mirror(put);
        Ok(())
    }

    /// A setting; none if it was never set.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn setting(&self, setting: Setting) -> Result<Option<String>, StoreProblem> {
        self.read(|db| {
            db.query_row("SELECT value FROM setting WHERE name = ?1", [setting.name()], |row| row.get(0))
                .optional()
        })
    }

    /// A setting that is a number; none if it was never set.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn number(&self, setting: Setting) -> Result<Option<u64>, StoreProblem> {
        Ok(self.setting(setting)?.and_then(|text| text.parse().ok()))
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn set(&mut self, setting: Setting, value: &str) -> Result<(), StoreProblem> {
        let put = |change: &Connection| {
            let text = "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";
            change.execute(text, params![setting.name(), value]).map(drop)
        };
        self.change(put)?;
        self.mirror(put);
        Ok(())
    }

    /// What this device calls others.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn nicknames(&self) -> Result<Vec<(DeviceId, String)>, StoreProblem> {
        self.read(|db| {
            let mut rows = db.prepare("SELECT device, nickname FROM nickname")?;
            rows.query_map([], |row| Ok((DeviceId(row.get(0)?), row.get(1)?)))?.collect()
        })
    }

    /// Calls a device something else from now on; nothing takes its nickname away.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn set_nickname(
        &mut self,
        device: &DeviceId,
        nickname: Option<&str>,
    ) -> Result<(), StoreProblem> {
        let put = |change: &Connection| {
            change.execute("DELETE FROM nickname WHERE device = ?1", [device.0])?;
            if let Some(nickname) = nickname {
                let text = "INSERT INTO nickname (device, nickname) VALUES (?1, ?2)";
                change.execute(text, params![device.0, nickname])?;
            }
            Ok(())
        };
        self.change(put)?;
        self.mirror(put);
        Ok(())
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreProblem> {
        read(&self.db).map_err(|error| problem(&self.path, error))
    }

    fn change(
        &mut self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<(), StoreProblem> {
        let all = self.db.transaction().and_then(|transaction| {
            change(&transaction)?;
            transaction.commit()
        });
        all.map_err(|error| problem(&self.path, error))
    }
}

impl layout::Unusable {
    fn at(self, path: &Path) -> StoreProblem {
        match self {
            Self::Newer => StoreProblem::Newer(path.to_owned()),
            Self::Damaged => StoreProblem::Corrupt(path.to_owned()),
            Self::Sql(error) => problem(path, error),
        }
    }
}

fn problem(path: &Path, error: rusqlite::Error) -> StoreProblem {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreProblem::Full(path),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreProblem::Corrupt(path),
        _ => StoreProblem::Sql { path, error },
    }
}

#[cfg(test)]
mod tests;
