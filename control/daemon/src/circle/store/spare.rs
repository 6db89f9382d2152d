//! A second file with the little that nobody else could give back, for the day on which the first one is damaged.
//!
//! Members and beacons have everybody's records. What only this device has are its circle keys, its settings, and its own newest
//! records: without these it would sign others with the same numbers. They are few, and written twice.
//!
//! **Invariant:** the spare file follows the database, never the other way round, but for a database that is damaged or gone.
//! **Invariant:** a damaged file is moved aside, never overwritten.

use std::path::{Path, PathBuf};

use ringmesh_mesh::record::Record;
use rusqlite::{Connection, params};

use super::{Setting, Store, StoreProblem, layout, problem};

/// What stands behind a damaged file's name.
const DAMAGED: &str = "damaged";
/// Damaged files that are kept; of more the last one is replaced.
const DAMAGED_MAX: u32 = 9;
/// What SQLite puts beside a database.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

impl Store {
    /// Opens the database and its spare. One that is damaged or gone is begun anew with what the spare holds; the damaged one is
    /// moved aside, and [`Setting::Restoring`] says where.
    ///
    /// # Errors
    /// [`StoreProblem`]; without anything to restore from, a damaged file is left as it is.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreProblem> {
        match Self::open_alone(path) {
            Ok(mut store) => {
                store.spare = Some(store.open_spare()?);
                if store.is_empty()? {
                    store.restore_from_spare()?;
                }
                Ok(store)
            }
            Err(damaged @ StoreProblem::Corrupt(_)) if spare_is_good(path) => {
                let aside = move_aside(path).ok_or(damaged)?;
                let mut store = Self::open_alone(path)?;
                store.spare = Some(store.open_spare()?);
                store.aside = Some(aside);
                store.restore_from_spare()?;
                Ok(store)
            }
            Err(problem) => Err(problem),
        }
    }

    /// The database is damaged, and everything that was in it is known: begins it anew with that.
    ///
    /// # Errors
    /// See [`StoreProblem`]; the next start begins it anew then.
    pub(crate) fn renew<'a>(
        &mut self,
        records: impl IntoIterator<Item = &'a Record>,
    ) -> Result<(), StoreProblem> {
        let path = self.path.clone();
        self.aside = move_aside(&path);
        let mut fresh = Self::open_alone(&path)?;
        fresh.spare = self.spare.take();
        fresh.aside = self.aside.take();
        *self = fresh;
        self.restore_from_spare()?;
        self.add(records)
    }

    /// Brings the spare up to date; `own` are the records that only this device may have, and the first one of the circle.
    ///
    /// # Errors
    /// See [`StoreProblem`]; the database itself is as it was.
    pub(crate) fn refresh_spare<'a>(
        &mut self,
        own: impl IntoIterator<Item = &'a Record>,
    ) -> Result<(), StoreProblem> {
        let path = self.spare_path();
        let tables = Tables::of(&self.db).map_err(|error| problem(&self.path, error))?;
        let own: Vec<&Record> = own.into_iter().collect();
        let Some(spare) = &mut self.spare else { return Ok(()) };
        let all = spare.transaction().and_then(|change| {
            tables.write(&change)?;
            own.iter().try_for_each(|record| insert(&change, record))?;
            change.commit()
        });
        all.map_err(|error| problem(&path, error))
    }

    /// Adds own records to the spare.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn spare<'a>(
        &mut self,
        own: impl IntoIterator<Item = &'a Record>,
    ) -> Result<(), StoreProblem> {
        let own: Vec<&Record> = own.into_iter().collect();
        if own.is_empty() {
            return Ok(());
        }
        let path = self.spare_path();
        let Some(spare) = &mut self.spare else { return Ok(()) };
        let all = spare.transaction().and_then(|change| {
            own.iter().try_for_each(|record| insert(&change, record))?;
            change.commit()
        });
        all.map_err(|error| problem(&path, error))
    }

    /// The records that the spare holds.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn spared(&self) -> Result<Vec<Vec<u8>>, StoreProblem> {
        let Some(spare) = &self.spare else { return Ok(vec![]) };
        let rows = spare.prepare("SELECT bytes FROM record ORDER BY sequence").and_then(|mut rows| {
            rows.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<Vec<u8>>>>()
        });
        rows.map_err(|error| problem(&self.spare_path(), error))
    }

    /// Does to the spare what was done to the database. What fails is made up for at the next start.
    pub(super) fn mirror(&mut self, change: impl FnOnce(&Connection) -> rusqlite::Result<()>) {
        let Some(spare) = &mut self.spare else { return };
        let all = spare.transaction().and_then(|transaction| {
            change(&transaction)?;
            transaction.commit()
        });
        if let Err(error) = all {
            tracing::warn!(%error, "the spare of a circle's database");
        }
    }

    /// Whether it was never used, or is the new one in the place of one that is gone.
    fn is_empty(&self) -> Result<bool, StoreProblem> {
        self.read(|db| {
            let text = "SELECT NOT EXISTS (SELECT 1 FROM record) AND NOT EXISTS (SELECT 1 FROM setting)";
            db.query_row(text, [], |row| row.get(0))
        })
    }

    /// Whether there is a database at `path`, or what one can be restored from.
    pub(crate) fn is_there(path: &Path) -> bool {
        path.exists() || spare_path(path).exists()
    }

    /// Takes over what the spare holds, if that is a circle's.
    fn restore_from_spare(&mut self) -> Result<(), StoreProblem> {
        let spare_path = self.spare_path();
        let aside =
            self.aside.as_ref().map_or_else(|| "gone".to_owned(), |aside| aside.display().to_string());
        let Some(spare) = &self.spare else { return Ok(()) };
        let read = |spare: &Connection| {
            let mut rows = spare.prepare("SELECT bytes FROM record ORDER BY sequence")?;
            let records =
                rows.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<Vec<u8>>>>()?;
            Ok((Tables::of(spare)?, records))
        };
        let (tables, records) = read(spare).map_err(|error| problem(&spare_path, error))?;
        if !tables.settings.iter().any(|(name, _)| name == Setting::Circle.name()) {
            return Ok(());
        }
        self.change(|change| {
            tables.write(change)?;
            let mut put =
                change.prepare_cached("INSERT OR IGNORE INTO record (hash, bytes) VALUES (?1, ?2)")?;
            records.iter().try_for_each(|bytes| {
                let Ok(record) = ringmesh_mesh::record::Unverified::decode(bytes) else { return Ok(()) };
                put.execute(params![record.hash().0, bytes]).map(drop)
            })?;
            let text = "INSERT OR REPLACE INTO setting (name, value) VALUES (?1, ?2)";
            change.execute(text, params![Setting::Restoring.name(), aside]).map(drop)
        })
    }

    fn spare_path(&self) -> PathBuf {
        spare_path(&self.path)
    }

    /// Opens the spare, or begins it anew: it follows the database.
    fn open_spare(&self) -> Result<Connection, StoreProblem> {
        let path = self.spare_path();
        match open(&path) {
            Err(StoreProblem::Corrupt(_)) => {
                move_aside(&path);
                open(&path)
            }
            opened => opened,
        }
    }
}

fn open(path: &Path) -> Result<Connection, StoreProblem> {
    let mut spare = Connection::open(path).map_err(|error| problem(path, error))?;
    layout::prepare(&mut spare).map_err(|error| error.at(path))?;
    Ok(spare)
}

/// The small tables that both files have, whole.
struct Tables {
    settings: Vec<(String, String)>,
    keys: Vec<(Vec<u8>, u32)>,
    nicknames: Vec<(Vec<u8>, String)>,
    companions: Vec<(Vec<u8>, Vec<u8>, String)>,
}

impl Tables {
    fn of(db: &Connection) -> rusqlite::Result<Self> {
        let mut settings = db.prepare("SELECT name, value FROM setting")?;
        let mut keys = db.prepare("SELECT key, removals FROM circle_key")?;
        let mut nicknames = db.prepare("SELECT device, nickname FROM nickname")?;
        let mut companions = db.prepare("SELECT device, wireguard, endpoint FROM companion")?;
        Ok(Self {
            settings: settings
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?,
            keys: keys
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?,
            nicknames: nicknames
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?,
            companions: companions
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<rusqlite::Result<_>>()?,
        })
    }

    fn write(&self, change: &Connection) -> rusqlite::Result<()> {
        change.execute_batch(
            "DELETE FROM setting; DELETE FROM circle_key; DELETE FROM nickname; DELETE FROM companion;",
        )?;
        for (name, value) in &self.settings {
            change.execute("INSERT INTO setting (name, value) VALUES (?1, ?2)", params![name, value])?;
        }
        for (key, removals) in &self.keys {
            change
                .execute("INSERT INTO circle_key (key, removals) VALUES (?1, ?2)", params![key, removals])?;
        }
        for (device, nickname) in &self.nicknames {
            let text = "INSERT INTO nickname (device, nickname) VALUES (?1, ?2)";
            change.execute(text, params![device, nickname])?;
        }
        for (device, wireguard, endpoint) in &self.companions {
            let text = "INSERT INTO companion (device, wireguard, endpoint) VALUES (?1, ?2, ?3)";
            change.execute(text, params![device, wireguard, endpoint])?;
        }
        Ok(())
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        self.keys.iter_mut().for_each(|(key, _)| zeroize::Zeroize::zeroize(key));
    }
}

fn insert(change: &Connection, record: &Record) -> rusqlite::Result<()> {
    let mut put = change.prepare_cached("INSERT OR IGNORE INTO record (hash, bytes) VALUES (?1, ?2)")?;
    put.execute(params![record.hash().0, record.to_bytes()]).map(drop)
}

/// The spare of the database at `path`.
fn spare_path(path: &Path) -> PathBuf {
    path.with_extension("spare")
}

/// Whether there is a spare that a circle can be restored from.
fn spare_is_good(path: &Path) -> bool {
    let spare = spare_path(path);
    let look = || {
        let mut db = Connection::open(&spare).ok()?;
        layout::prepare(&mut db).ok()?;
        db.query_row("SELECT 1 FROM setting WHERE name = ?1", [Setting::Circle.name()], |_| Ok(())).ok()
    };
    spare.exists() && look().is_some()
}

/// Moves a file, and what belongs to it, out of the way; says where the file is then.
fn move_aside(path: &Path) -> Option<PathBuf> {
    let name = |number: u32, beside: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{DAMAGED}-{number}{beside}"));
        PathBuf::from(name)
    };
    let free = (1..DAMAGED_MAX).find(|number| !name(*number, "").exists()).unwrap_or(DAMAGED_MAX);
    for beside in BESIDE {
        let mut from = path.as_os_str().to_owned();
        from.push(beside);
        match std::fs::rename(&from, name(free, beside)) {
            Ok(()) => {}
            Err(error) if !beside.is_empty() && error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "moving a damaged database aside");
                return None;
            }
        }
    }
    Some(name(free, ""))
}
