use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use ringmesh_mesh::address::Ipv4Block;
use ringmesh_mesh::beacon::Offer;
use ringmesh_mesh::identity::SigningKey;
use ringmesh_mesh::limits::OFFERS_MAX;
use ringmesh_mesh::record::{Body, Effect, Found, Grant, Place, What};

use ringmesh_mesh::sealed::KeyId;

use super::*;
use crate::beacon::Cursor;

/// A database in a directory of its own, which goes with it.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ci-store-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("circle.db")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn founding() -> (SigningKey, Record) {
    let key = SigningKey::from_seed(&[1; 32]);
    let recovery = SigningKey::from_seed(&[2; 32]).device();
    let found = Found {
        name: "home".parse().expect("a name"),
        recovery,
        block: Ipv4Block::sixteen(7),
        nonce: [3; 16],
    };
    let record = Record::found(&key, 1_700_000_000, found);
    (key, record)
}

/// A chain without an end, from the founding record on.
fn chain() -> impl Iterator<Item = Record> {
    let (key, found) = founding();
    std::iter::successors(Some(found), move |last| {
        let place = Place { circle: last.circle(), after: Some(last.link()) };
        let grant = Grant { to: DeviceId([9; 32]), what: What::Reach, effect: Effect::Allow { until: None } };
        Some(Record::sign(&key, place, last.time() + 1, Body::Grant(grant)))
    })
}

#[test]
fn what_was_stored_is_there_after_opening_again() {
    let dir = Dir::new("again");
    let records: Vec<Record> = chain().take(5).collect();
    let circle = records[0].circle();
    let keys = [(SealKey::new(circle, [4; 32]), 0), (SealKey::new(circle, [5; 32]), 2)];
    {
        let mut store = Store::open(&dir.file()).expect("opens");
        store.add(&records).expect("stores");
        store.add(&records[2..]).expect("stores what is there already");
        store.set_keys(keys.iter().map(|(key, removals)| (key, *removals)), &[], &[]).expect("stores");
        store.set(Setting::Port, "1").expect("stores");
        store.set(Setting::Port, "51820").expect("stores");
        store.set_nickname(&DeviceId([9; 32]), Some("box")).expect("stores");
    }
    let mut store = Store::open(&dir.file()).expect("opens");
    let stored = store.records().expect("reads");
    assert_eq!(stored, records.iter().map(Record::to_bytes).collect::<Vec<_>>());
    assert_eq!(store.keys(circle).expect("reads"), keys);
    assert_eq!(store.number(Setting::Port).expect("reads"), Some(51820));
    assert_eq!(store.number(Setting::HighWater).expect("reads"), None);
    assert_eq!(store.nicknames().expect("reads"), [(DeviceId([9; 32]), "box".to_owned())]);
    store.set_nickname(&DeviceId([9; 32]), None).expect("stores");
    assert!(store.nicknames().expect("reads").is_empty());
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let dir = Dir::new("damaged");
    drop(Store::open(&dir.file()).and_then(|mut store| store.add(&chain().take(200).collect::<Vec<_>>())));
    // There is a spare, but of no circle.
    let mut bytes = std::fs::read(dir.file()).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xa5);
    for bytes in [bytes, b"this is no database at all, and longer than its header would be: ".repeat(40)] {
        std::fs::write(dir.file(), &bytes).expect("writes");
        let _ = std::fs::remove_file(dir.0.join("circle.db-wal"));
        let _ = std::fs::remove_file(dir.0.join("circle.db-shm"));
        let problem = Store::open(&dir.file()).expect_err("is refused");
        assert!(matches!(problem, StoreProblem::Corrupt(_)), "{problem}");
    }
}

#[test]
fn a_newer_layout_is_refused() {
    let dir = Dir::new("newer");
    drop(Store::open(&dir.file()).expect("opens"));
    Connection::open(dir.file()).expect("opens").pragma_update(None, "user_version", 99).expect("sets");
    assert!(matches!(Store::open(&dir.file()), Err(StoreProblem::Newer(_))));
}

#[test]
fn a_full_disk_changes_nothing() {
    let dir = Dir::new("full");
    let mut store = Store::open(&dir.file()).expect("opens");
    let records: Vec<Record> = chain().take(400).collect();
    store.add(&records[..1]).expect("stores");
    // SQLite's own bound stands for the disk's: it fails in the same way.
    store.db.pragma_update(None, "max_page_count", 16).expect("sets");
    let problem = store.add(&records[1..]).expect_err("there is no room");
    assert!(matches!(problem, StoreProblem::Full(_)), "{problem}");
    assert_eq!(store.records().expect("reads").len(), 1);
}

/// Set for the process that is killed: the database's file.
const WRITER: &str = "RINGMESH_TEST_STORE_WRITER";

/// The process that is killed: adds records two at a time, and says so when a pair is on the disk.
#[test]
fn writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(WRITER) else { return };
    let mut store = Store::open(Path::new(&path)).expect("opens");
    let records: Vec<Record> = chain().take(2000).collect();
    let mut out = std::io::stderr();
    for (number, pair) in records.chunks(2).enumerate() {
        store.add(pair).expect("stores");
        writeln!(out, "stored {number}").expect("somebody reads");
    }
}

#[test]
fn killed_at_any_write_it_holds_whole_pairs_and_all_that_was_told() {
    for round in 0..12 {
        let dir = Dir::new(&format!("killed-{round}"));
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "circle::store::tests::writes_until_it_is_killed", "--nocapture"])
            .env(WRITER, dir.file())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut told = 0;
        for _ in 0..=round * 3 {
            let line = lines.next().expect("a line").expect("reads");
            told = line.strip_prefix("stored ").and_then(|number| number.parse().ok()).expect("a number");
        }
        child.kill().expect("kills");
        child.wait().expect("ends");
        let store = Store::open(&dir.file()).expect("opens after any death");
        let stored = store.records().expect("reads");
        assert_eq!(stored.len() % 2, 0, "half a pair is there");
        assert!(stored.len() >= 2 * (told + 1), "{} are there, {told} pairs were told", stored.len());
        let expect: Vec<Vec<u8>> = chain().take(stored.len()).map(|record| record.to_bytes()).collect();
        assert_eq!(stored, expect);
    }
}

#[test]
fn a_damaged_database_is_begun_anew_with_what_nobody_else_has() {
    let dir = Dir::new("spare");
    let records: Vec<Record> = chain().take(60).collect();
    let circle = records[0].circle();
    let key = SealKey::new(circle, [4; 32]);
    {
        let mut store = Store::open(&dir.file()).expect("opens");
        store.add(&records).expect("stores");
        store.spare(&records[..3]).expect("stores");
        store.set(Setting::Circle, &circle.to_string()).expect("stores");
        store.set_keys([(&key, 1)], &[], &[]).expect("stores");
        store.set_nickname(&DeviceId([9; 32]), Some("box")).expect("stores");
    }
    for round in 1..=2 {
        let mut bytes = std::fs::read(dir.file()).expect("reads");
        bytes[4096..].fill(0xa5);
        std::fs::write(dir.file(), &bytes).expect("writes");
        let _ = std::fs::remove_file(dir.0.join("circle.db-wal"));
        let store = Store::open(&dir.file()).expect("is begun anew");
        let aside = dir.0.join(format!("circle.db.damaged-{round}"));
        assert_eq!(std::fs::read(aside).expect("is kept"), bytes);
        assert_eq!(store.records().expect("reads").len(), 3);
        assert_eq!(store.keys(circle).expect("reads"), [(key.clone(), 1)]);
        assert_eq!(store.nicknames().expect("reads").len(), 1);
        let said = store.setting(Setting::Restoring).expect("reads");
        assert_eq!(said, Some(dir.0.join(format!("circle.db.damaged-{round}")).display().to_string()));
    }
    // A death between moving aside and beginning anew.
    std::fs::remove_file(dir.file()).expect("removes");
    let mut store = Store::open(&dir.file()).expect("is begun anew");
    assert_eq!(store.records().expect("reads").len(), 3);
    store.renew(&records).expect("is written again, while everything is known");
    assert_eq!(store.records().expect("reads").len(), 60);
    drop(store);
    // And the spare follows the database.
    std::fs::write(dir.0.join("circle.spare"), [1; 5000]).expect("writes");
    let _ = std::fs::remove_file(dir.0.join("circle.spare-wal"));
    let mut store = Store::open(&dir.file()).expect("opens");
    assert_eq!(store.spared().expect("reads").len(), 0);
    store.refresh_spare(&records[..2]).expect("stores");
    assert_eq!(store.spared().expect("reads").len(), 2);
}

#[test]
fn what_is_known_of_a_beacon_and_owed_to_it_outlives_a_restart() {
    let dir = Dir::new("beacons");
    let (url, other) = ("beacon://a.example/1", "beacon://b.example/2");
    let (key, old) = (KeyId([1; 8]), KeyId([2; 8]));
    let place = |key: KeyId, record: u8, position| ((key, RecordHash([record; 32])), position);
    let found = Places::from([place(key, 1, 70), place(old, 1, 3), place(key, 2, 1 << 62)]);
    let cursor = Cursor { log: u64::MAX - 1, position: 90 };
    let devices = [DeviceId([7; 32]), DeviceId([8; 32])];
    {
        let mut store = Store::open(&dir.file()).expect("opens");
        assert_eq!(store.reading(url).expect("reads"), Reading::default());
        store.keep_reading(url, cursor, Some(12), &found).expect("stores");
        store.keep_reading(other, Cursor { log: 1, position: 5 }, None, &Places::new()).expect("stores");
        store.owe(&[url.to_owned(), other.to_owned()], &devices).expect("stores");
        store.paid(other, &devices[0]).expect("stores");
    }
    let mut store = Store::open(&dir.file()).expect("opens");
    assert_eq!(store.reading(url).expect("reads"), Reading { cursor, shut: Some(12), places: found.clone() });
    assert_eq!(store.owed(url).expect("reads"), devices.into());
    assert_eq!(store.owed(other).expect("reads"), [devices[1]].into());
    store.forget_places(url, 50, &[key, old].into()).expect("stores");
    assert_eq!(store.reading(url).expect("reads").places.len(), 2, "one lay before");
    store.forget_places(url, 0, &[old].into()).expect("stores");
    assert!(store.reading(url).expect("reads").places.is_empty(), "nobody seals with the other key");
    // Another circle key: what could not be opened is read again, and the key is owed.
    let seal = SealKey::new(CircleId([1; 32]), [4; 32]);
    store.set_keys([(&seal, 1)], &[other.to_owned()], &devices).expect("stores");
    let reading = store.reading(url).expect("reads");
    assert_eq!((reading.cursor.position, reading.shut), (12, None));
    assert_eq!(store.reading(other).expect("reads").cursor.position, 5, "all of that was open");
    assert_eq!(store.owed(other).expect("reads").len(), 2);
    store.forget_log(url).expect("stores");
    assert_eq!(store.reading(url).expect("reads"), Reading::default());
}

#[test]
fn offers_are_kept_until_they_expire_and_are_bounded() {
    let dir = Dir::new("offers");
    let mut store = Store::open(&dir.file()).expect("opens");
    let founder = SigningKey::from_seed(&[1; 32]).device();
    for number in 0..100_u8 {
        let key = SigningKey::from_seed(&[number; 32]);
        let offer = Offer::sign(&key, &CircleId([1; 32]), &founder, 1, 1000 + u64::from(number));
        store.keep_offer(&offer).expect("stores");
        store.keep_offer(&offer).expect("stores what is there already");
    }
    drop(store);
    let mut store = Store::open(&dir.file()).expect("opens");
    let offers = store.offers(1000).expect("reads");
    assert_eq!(offers.len(), OFFERS_MAX);
    assert!(offers.iter().all(|offer| offer.expires >= 1036), "the last to expire stay");
    assert_eq!(store.offers(1099).expect("reads").len(), 1);
    assert_eq!(store.offers(1000).expect("reads").len(), 1, "what was over is gone");
}
