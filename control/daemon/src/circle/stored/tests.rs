use std::os::unix::fs::FileExt;

use ringmesh_mesh::address::Ipv4Block;

use super::*;
use crate::circle::membership::Membership;
use crate::circle::paths::Paths;

/// A circle on the disk, in a directory that goes when the test does.
struct Place(Paths);

impl Place {
    fn new(test: &str) -> Self {
        let root = std::env::temp_dir().join(format!("ringmesh-stored-{test}-{}", std::process::id()));
        let paths = Paths { state: root.join("state"), run: root.join("run") };
        let (circle, name) = ("home".parse().expect("a name"), "nas".parse().expect("a name"));
        let founded = Membership::found(&paths, &circle, &name, Ipv4Block::sixteen(3), 1_800_000_000);
        let mut membership = founded.expect("founds").0;
        membership.mark.advance(1_800_000_500);
        membership.store_mark().expect("stores");
        Self(paths)
    }

    fn read(&self) -> Stored {
        Stored::read(&self.0.state.join("home")).expect("a circle")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.0.state.parent().expect("made above"));
    }
}

#[test]
fn a_whole_circle_is_read() {
    let place = Place::new("whole");
    let stored = place.read();
    assert_eq!((stored.circle.as_str(), &stored.database, stored.is_up()), ("home", &Database::Whole, true));
    assert_eq!((stored.mark_secs, stored.newest_secs), (1_800_000_500, Some(1_800_000_000)));
    assert!(Stored::read(&place.0.state.join("No Circle")).is_none());
    std::fs::create_dir(place.0.state.join("work")).expect("a directory");
    assert_eq!(Stored::read(&place.0.state.join("work")).expect("a circle").database, Database::Missing);
}

#[test]
fn every_kind_of_damage_is_seen() {
    let place = Place::new("damage");
    let path = place.read().path;
    let sql = |text: &str| Connection::open(&path).expect("opens").execute_batch(text).expect("runs");
    sql("UPDATE record SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE sequence = 1");
    assert_eq!(place.read().database, Database::Damaged("a record in it is not what was signed".to_owned()));
    sql("PRAGMA user_version = 999");
    assert_eq!(place.read().database, Database::Newer);
    sql("PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE)");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opens");
    file.write_at(&[0x55; 3000], 1000).expect("writes");
    assert!(matches!(place.read().database, Database::Damaged(_)), "{:?}", place.read().database);
    std::fs::write(&path, "not a database, and long enough to be looked at as one").expect("writes");
    assert!(matches!(place.read().database, Database::Damaged(_)), "{:?}", place.read().database);
}
