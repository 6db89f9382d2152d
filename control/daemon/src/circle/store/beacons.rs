//! What was read at beacons, what lies there, and what is still owed to them.
//!
//! What a beacon is to be told follows from the records wherever it can: a record that does not lie there is put there. What does
//! not follow from them is kept here until the beacon has acknowledged it: circle keys for members that are away, and offers of
//! invites, whose secret is gone once the code was shown.
//!
//! **Invariant:** a cursor is stored together with what was found on the way to it, and never before the records themselves.
//! **Invariant:** bounded: a row per record and key that is in use, per member, per open invite.

use std::collections::{BTreeMap, BTreeSet};

use ringmesh_mesh::beacon::Offer;
use ringmesh_mesh::identity::{DeviceId, RecordHash};
use ringmesh_mesh::limits::OFFERS_MAX;
use ringmesh_mesh::sealed::KeyId;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Store, StoreProblem};
use crate::beacon::Cursor;

/// Where in a beacon's log a record lies, by the key that it is sealed with.
pub(crate) type Places = BTreeMap<(KeyId, RecordHash), u64>;

/// What is known of one beacon.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Reading {
    /// How far its log was read.
    pub(crate) cursor: Cursor,
    /// The first position that could not be opened: from there it is read again when another circle key comes.
    pub(crate) shut: Option<u64>,
    /// What lies there.
    pub(crate) places: Places,
}

impl Store {
    /// What is known of the beacon at `url`; nothing of one that was never read.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn reading(&self, url: &str) -> Result<Reading, StoreProblem> {
        self.read(|db| {
            let mut find = db.prepare("SELECT id, log, position, shut FROM beacon WHERE url = ?1")?;
            let found = find.query_row([url], |row| {
                let cursor = Cursor { log: unsigned(row, 1)?, position: unsigned(row, 2)? };
                Ok((row.get::<_, i64>(0)?, cursor, row.get::<_, Option<i64>>(3)?))
            });
            let Some((id, cursor, shut)) = found.optional()? else { return Ok(Reading::default()) };
            let mut rows = db.prepare("SELECT key, record, position FROM published WHERE beacon = ?1")?;
            let places = rows.query_map([id], |row| {
                Ok(((KeyId(row.get(0)?), RecordHash(row.get(1)?)), unsigned(row, 2)?))
            })?;
            let places = places.collect::<rusqlite::Result<Places>>()?;
            Ok(Reading { cursor, shut: shut.map(i64::cast_unsigned), places })
        })
    }

    /// Keeps how far the log was read, with what was `found` since it was kept last.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn keep_reading(
        &mut self,
        url: &str,
        cursor: Cursor,
        shut: Option<u64>,
        found: &Places,
    ) -> Result<(), StoreProblem> {
        self.change(|change| {
            change.execute(
                "INSERT INTO beacon (url, log, position, shut) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (url) DO UPDATE SET log = ?2, position = ?3, shut = ?4",
                params![url, cursor.log.cast_signed(), position(cursor.position), shut.map(position)],
            )?;
            let id: i64 =
                change.query_row("SELECT id FROM beacon WHERE url = ?1", [url], |row| row.get(0))?;
            let mut insert =
                change.prepare_cached("INSERT OR REPLACE INTO published VALUES (?1, ?2, ?3, ?4)")?;
            found.iter().try_for_each(|((key, record), at)| {
                insert.execute(params![id, key.0, record.0, position(*at)]).map(drop)
            })
        })
    }

    /// Forgets what lay in the log before `first`, and what is sealed with none of the keys `in_use`.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn forget_places(
        &mut self,
        url: &str,
        first: u64,
        in_use: &BTreeSet<KeyId>,
    ) -> Result<(), StoreProblem> {
        self.change(|change| {
            let of = "beacon = (SELECT id FROM beacon WHERE url = ?1)";
            let before = format!("DELETE FROM published WHERE {of} AND position < ?2");
            change.execute(&before, params![url, position(first)])?;
            let mut find = change.prepare(&format!("SELECT DISTINCT key FROM published WHERE {of}"))?;
            let keys = find.query_map([url], |row| row.get(0).map(KeyId))?;
            for key in keys.collect::<rusqlite::Result<Vec<_>>>()? {
                if !in_use.contains(&key) {
                    let text = format!("DELETE FROM published WHERE {of} AND key = ?2");
                    change.execute(&text, params![url, key.0])?;
                }
            }
            Ok(())
        })
    }

    /// Forgets all that is known of a beacon's log: it has another one now.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn forget_log(&mut self, url: &str) -> Result<(), StoreProblem> {
        self.change(|change| {
            change.execute(
                "DELETE FROM published WHERE beacon = (SELECT id FROM beacon WHERE url = ?1)",
                [url],
            )?;
            change.execute("DELETE FROM beacon WHERE url = ?1", [url]).map(drop)
        })
    }

    /// Notes that the circle key is owed to these devices at these beacons.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn owe<'a>(
        &mut self,
        urls: &[String],
        devices: impl IntoIterator<Item = &'a DeviceId>,
    ) -> Result<(), StoreProblem> {
        self.change(|change| owe(change, urls, devices))
    }

    /// The devices to which the circle key is owed at a beacon.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn owed(&self, url: &str) -> Result<BTreeSet<DeviceId>, StoreProblem> {
        self.read(|db| {
            let mut rows = db.prepare("SELECT device FROM owed_key WHERE url = ?1")?;
            rows.query_map([url], |row| row.get(0).map(DeviceId))?.collect()
        })
    }

    /// The beacon has acknowledged the key for this device.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn paid(&mut self, url: &str, device: &DeviceId) -> Result<(), StoreProblem> {
        self.change(|change| {
            let text = "DELETE FROM owed_key WHERE url = ?1 AND device = ?2";
            change.execute(text, params![url, device.0]).map(drop)
        })
    }

    /// Keeps the offer of an invite until that expires; of more than [`OFFERS_MAX`] those that expire first go.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn keep_offer(&mut self, offer: &Offer) -> Result<(), StoreProblem> {
        self.change(|change| {
            change.execute(
                "INSERT OR REPLACE INTO offer (invite, expires, bytes) VALUES (?1, ?2, ?3)",
                params![offer.invite.0, offer.expires.cast_signed(), offer.to_bytes()],
            )?;
            let most = i64::try_from(OFFERS_MAX).unwrap_or(i64::MAX);
            let text = "DELETE FROM offer WHERE invite IN
                        (SELECT invite FROM offer ORDER BY expires DESC LIMIT -1 OFFSET ?1)";
            change.execute(text, [most]).map(drop)
        })
    }

    /// The offers that are good at `now`; the others are forgotten.
    ///
    /// # Errors
    /// See [`StoreProblem`].
    pub(crate) fn offers(&mut self, now: u64) -> Result<Vec<Offer>, StoreProblem> {
        self.change(|change| {
            change.execute("DELETE FROM offer WHERE expires < ?1", [now.cast_signed()]).map(drop)
        })?;
        let stored: Vec<Vec<u8>> = self.read(|db| {
            let mut rows = db.prepare("SELECT bytes FROM offer")?;
            rows.query_map([], |row| row.get(0))?.collect()
        })?;
        Ok(stored.iter().filter_map(|bytes| Offer::decode(bytes).ok()).collect())
    }
}

/// As [`Store::owe`], within a change of something else.
pub(super) fn owe<'a>(
    change: &Connection,
    urls: &[String],
    devices: impl IntoIterator<Item = &'a DeviceId>,
) -> rusqlite::Result<()> {
    let mut insert = change.prepare_cached("INSERT OR IGNORE INTO owed_key (url, device) VALUES (?1, ?2)")?;
    for device in devices {
        for url in urls {
            insert.execute(params![url, device.0])?;
        }
    }
    Ok(())
}

/// A position in a log: far below what SQLite's signed numbers hold, unless a beacon lies.
fn position(position: u64) -> i64 {
    i64::try_from(position).unwrap_or(i64::MAX)
}

/// SQLite knows signed numbers only; ours go there and back bit by bit.
fn unsigned(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}
