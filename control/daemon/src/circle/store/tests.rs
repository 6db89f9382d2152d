use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use ringmesh_mesh::address::Ipv4Block;
use ringmesh_mesh::identity::SigningKey;
use ringmesh_mesh::record::{Body, Effect, Found, Grant, Place, What};

use super::*;

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
        store.set_keys(keys.iter().map(|(key, removals)| (key, *removals))).expect("stores");
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
