//! The tables, and how an older database becomes a newer one.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::Connection;

/// Each step makes the database one version newer; a database says its version itself (`user_version`).
const STEPS: [&str; 1] = [
    "CREATE TABLE box(
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        circle BLOB NOT NULL,
        founder BLOB NOT NULL,
        log INTEGER NOT NULL,
        first INTEGER NOT NULL DEFAULT 0,
        next INTEGER NOT NULL DEFAULT 0,
        bytes INTEGER NOT NULL DEFAULT 0,
        renewed INTEGER NOT NULL,
        roll BLOB NOT NULL,
        UNIQUE (circle, founder)
    ) STRICT;
    CREATE TABLE device(
        box INTEGER NOT NULL REFERENCES box(id) ON DELETE CASCADE,
        device BLOB NOT NULL,
        standing INTEGER NOT NULL,
        PRIMARY KEY (box, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE offer(
        box INTEGER NOT NULL REFERENCES box(id) ON DELETE CASCADE,
        invite BLOB NOT NULL,
        uses INTEGER NOT NULL,
        expires INTEGER NOT NULL,
        PRIMARY KEY (box, invite)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE admission(
        box INTEGER NOT NULL REFERENCES box(id) ON DELETE CASCADE,
        device BLOB NOT NULL,
        invite BLOB NOT NULL,
        record BLOB NOT NULL,
        time INTEGER NOT NULL,
        PRIMARY KEY (box, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE author(
        box INTEGER NOT NULL REFERENCES box(id) ON DELETE CASCADE,
        device BLOB NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (box, device)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE entry(
        box INTEGER NOT NULL REFERENCES box(id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        room BLOB,
        author BLOB NOT NULL,
        hash BLOB NOT NULL,
        size INTEGER NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX entry_position ON entry(box, position);
    CREATE UNIQUE INDEX entry_hash ON entry(box, hash);
    CREATE TRIGGER entry_comes AFTER INSERT ON entry BEGIN
        INSERT INTO author(box, device, bytes) VALUES (NEW.box, NEW.author, NEW.size)
            ON CONFLICT DO UPDATE SET bytes = bytes + NEW.size;
        UPDATE box SET bytes = bytes + NEW.size WHERE id = NEW.box;
    END;
    CREATE TRIGGER entry_goes AFTER DELETE ON entry BEGIN
        UPDATE author SET bytes = bytes - OLD.size WHERE box = OLD.box AND device = OLD.author;
        UPDATE box SET bytes = bytes - OLD.size WHERE id = OLD.box;
    END;
    CREATE TABLE parcel(
        box INTEGER NOT NULL REFERENCES box(id) ON DELETE CASCADE,
        receiver BLOB NOT NULL,
        sender BLOB NOT NULL,
        time INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (box, receiver, sender)
    ) STRICT, WITHOUT ROWID;",
];

/// Opens the database, checks it and brings it up to date. The error says what to do.
pub(super) fn open(path: &Path) -> Result<Connection, String> {
    // Made here and not by SQLite, so that nobody else may read it from its first byte on.
    let made = std::fs::OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    made.map_err(|error| error.to_string())?;
    prepare(path).map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            "the database is damaged; move it away and start again: the circles' devices bring back what was in it"
                .into()
        }
        Some(rusqlite::ErrorCode::DatabaseBusy) => "another beacon uses the same directory".into(),
        Some(rusqlite::ErrorCode::DiskFull) => "the disk is full".into(),
        _ => error.to_string(),
    })
}

fn prepare(path: &Path) -> rusqlite::Result<Connection> {
    let mut db = Connection::open(path)?;
    // The database is ours alone; a second beacon on it is told at once.
    db.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    db.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.set_prepared_statement_cache_capacity(64);
    let sound: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), Some(sound)));
    }
    migrate(&mut db)?;
    Ok(db)
}

fn migrate(db: &mut Connection) -> rusqlite::Result<()> {
    let version: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version as usize > STEPS.len() {
        let text = "the database was written by a newer version of Ringmesh".to_owned();
        return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ERROR), Some(text)));
    }
    for (number, step) in (0_u32..).zip(STEPS).skip(version as usize) {
        let step_of_its_own = db.transaction()?;
        step_of_its_own.execute_batch(step)?;
        step_of_its_own.pragma_update(None, "user_version", number + 1)?;
        step_of_its_own.commit()?;
    }
    Ok(())
}
