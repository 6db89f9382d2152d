//! The tables, version by version.

use rusqlite::Connection;

/// What leads from each version to the next. A step that was ever published is never changed.
const STEPS: &[&str] = &["
    CREATE TABLE record (
        sequence INTEGER PRIMARY KEY,
        hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE circle_key (
        key BLOB PRIMARY KEY CHECK (length(key) = 32),
        removals INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE nickname (device BLOB PRIMARY KEY CHECK (length(device) = 32), nickname TEXT NOT NULL) STRICT;
", "
    CREATE TABLE beacon (
        id INTEGER PRIMARY KEY,
        url TEXT NOT NULL UNIQUE,
        log INTEGER NOT NULL,
        position INTEGER NOT NULL,
        shut INTEGER
    ) STRICT;
    CREATE TABLE published (
        beacon INTEGER NOT NULL,
        key BLOB NOT NULL,
        record BLOB NOT NULL CHECK (length(record) = 32),
        position INTEGER NOT NULL,
        PRIMARY KEY (beacon, key, record)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE owed_key (
        url TEXT NOT NULL,
        device BLOB NOT NULL CHECK (length(device) = 32),
        PRIMARY KEY (url, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE companion (
        device BLOB PRIMARY KEY CHECK (length(device) = 32),
        wireguard BLOB NOT NULL CHECK (length(wireguard) = 32),
        endpoint TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE offer (
        invite BLOB PRIMARY KEY CHECK (length(invite) = 32),
        expires INTEGER NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

/// Why a file cannot be used.
pub(super) enum Unusable {
    /// Of a version that is not known here.
    Newer,
    /// SQLite's own check complains.
    Damaged,
    /// Anything else.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Sets how the file is written, looks whether it is whole, and takes the missing steps, each in one transaction.
pub(super) fn prepare(db: &mut Connection) -> Result<(), Unusable> {
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "secure_delete", true)?;
    let whole: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if whole != "ok" {
        return Err(Unusable::Damaged);
    }
    let version: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let missing = STEPS.get(version as usize..).ok_or(Unusable::Newer)?;
    for (next, step) in (version + 1..).zip(missing) {
        let transaction = db.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", next)?;
        transaction.commit()?;
    }
    Ok(())
}
