use ringmesh_mesh::address::Ipv4Block;
use ringmesh_mesh::invite::Wanted;
use ringmesh_mesh::record::{Effect, Grant, What};

use super::*;
use crate::circle::paths::Paths;

const NOW: u64 = 1_700_000_000;

/// The state directory of one device, which goes with it.
struct Device(Paths);

impl Device {
    fn new(name: &str) -> Self {
        let state = std::env::temp_dir().join(format!("ci-membership-{}-{name}", std::process::id()));
        Self(Paths { run: state.clone(), state })
    }

    fn found(&self) -> Membership {
        let (circle, name) = (label("home"), label("alpha"));
        Membership::found(&self.0, &circle, &name, Ipv4Block::sixteen(7), NOW).expect("founds").0
    }

    fn load(&self) -> Option<Membership> {
        Membership::load(&self.0, &label("home")).expect("loads")
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0.state);
    }
}

fn label(text: &str) -> Label {
    text.parse().expect("a name")
}

fn unverified(bytes: &[Vec<u8>]) -> Vec<Unverified> {
    bytes.iter().map(|bytes| Unverified::decode(bytes).expect("a record")).collect()
}

fn all(membership: &Membership) -> Vec<Vec<u8>> {
    membership.circle.iter().flat_map(Circle::records).map(Record::to_bytes).collect()
}

fn invite(founder: &mut Membership) -> Code {
    let wanted = Wanted { guest: false, uses: 1, expires: NOW + 60, beacons: vec![] };
    let code =
        Code::new([5; 16], founder.id, founder.name.clone(), founder.me(), NOW, wanted).expect("an invite");
    founder.write(NOW, [Body::Invite(code.record())]).expect("stores");
    code
}

#[test]
fn a_founded_circle_is_there_after_a_restart() {
    let device = Device::new("founded");
    let founded = device.found();
    let (me, key) = (founded.me(), founded.ring.current().map(|(key, _)| key.id()));
    let mut serial = 0;
    drop(founded);
    for _ in 0..3 {
        let mut loaded = device.load().expect("is there");
        assert_eq!((loaded.me(), loaded.role()), (me, Some(Role::Admin)));
        assert_eq!(loaded.ring.current().map(|(key, _)| key.id()), key);
        assert_eq!(loaded.own().map(|own| own.name.to_string()).as_deref(), Some("alpha"));
        let next = loaded.next_serial();
        assert!(next > serial, "a signal's number goes back over a restart");
        serial = next;
    }
}

#[test]
fn what_was_never_finished_is_not_there_and_is_replaced() {
    let device = Device::new("unfinished");
    let first = device.found().me();
    let store = rusqlite::Connection::open(device.0.circle(&label("home")).join(DATABASE)).expect("opens");
    store.execute("DELETE FROM setting WHERE name = 'circle'", []).expect("deletes");
    drop(store);
    assert!(device.load().is_none());
    assert_ne!(device.found().me(), first);
    assert!(device.load().is_some());
}

#[test]
fn a_joiner_shows_itself_and_belongs_once_it_is_witnessed() {
    let (a, b) = (Device::new("host"), Device::new("joiner"));
    let mut host = a.found();
    let code = invite(&mut host);
    let joiner = Membership::join(&b.0, code, &label("beta"), NOW).expect("prepares");
    assert_eq!((joiner.role(), joiner.first_records().len()), (None, 2));
    drop(joiner);
    let mut joiner = b.load().expect("joining goes on after a restart");
    assert!(joiner.code.is_some());
    host.take(unverified(&joiner.first_records())).expect("stores");
    let waiting = host.circle.as_ref().expect("a circle").to_witness(&host.me());
    assert_eq!(waiting.len(), 1);
    let witness =
        |(device, record)| Body::Witness(ringmesh_mesh::record::Witness { device, record, receipt: None });
    host.write(NOW + 1, waiting.into_iter().map(witness)).expect("stores");
    let parcel = |host: &Membership, key| host.parcel(&key).expect("an own device sends it");
    let early = parcel(&host, public_of(&joiner.wireguard));
    assert!(!joiner.open_parcel(&early).expect("stores"), "nobody is known to be a member yet");
    joiner.take(unverified(&all(&host))).expect("stores");
    assert_eq!(joiner.role(), Some(Role::Member));
    assert!(joiner.open_parcel(&early).expect("stores"));
    joiner.forget_code();
    drop(joiner);
    let joiner = b.load().expect("is there");
    assert!(joiner.code.is_none());
    assert_eq!(joiner.roster(), host.roster());
    assert_eq!(joiner.ring.current().map(|(key, _)| key.id()), host.ring.current().map(|(key, _)| key.id()));
}

#[test]
fn records_of_another_circle_and_forgeries_have_no_effect() {
    let (a, b) = (Device::new("ours"), Device::new("theirs"));
    let (mut ours, theirs) = (a.found(), b.found());
    let before = ours.roster().cloned();
    assert_eq!(ours.take(unverified(&all(&theirs))).expect("stores"), Ingested::default());
    let mut forged = all(&ours);
    for bytes in &mut forged {
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    }
    ours.take(unverified(&forged)).expect("stores");
    assert_eq!(ours.roster().cloned(), before);
    assert_eq!(ours.store.records().expect("reads").len(), 2);
}

#[test]
fn a_rotation_that_was_cut_short_is_finished_or_forgotten() {
    let device = Device::new("rotation");
    let membership = device.found();
    let old = public_of(&membership.wireguard);
    // Cut off between the file and the record: nobody has heard of the key.
    membership.source(NEXT_WIREGUARD).write(&[8; 32]).expect("writes");
    drop(membership);
    let mut membership = device.load().expect("is there");
    assert_eq!(public_of(&membership.wireguard), old);
    // Cut off after the record.
    membership.rotate(NOW + 1).expect("rotates");
    let new = membership.own().and_then(|own| own.wireguard).expect("a key");
    assert_ne!(new, old);
    assert_eq!(public_of(&membership.wireguard), old, "peers must hear of it first");
    drop(membership);
    let membership = device.load().expect("is there");
    assert_eq!(public_of(&membership.wireguard), new);
    assert!(membership.source(NEXT_WIREGUARD).key().expect("reads").is_none());
}

#[test]
fn a_record_that_cannot_be_stored_is_seen_by_nobody() {
    let device = Device::new("unstored");
    let mut membership = device.found();
    let other = rusqlite::Connection::open(device.0.circle(&label("home")).join(DATABASE)).expect("opens");
    other.execute_batch("DROP TABLE record").expect("drops");
    let grant = Grant { to: DeviceId([9; 32]), what: What::Reach, effect: Effect::Deny };
    let before = all(&membership);
    assert!(membership.write(NOW + 1, [Body::Grant(grant)]).is_err());
    assert_eq!(all(&membership), before);
}

#[test]
fn a_key_that_others_could_read_is_refused_in_one_sentence() {
    let device = Device::new("loose");
    drop(device.found());
    let key = device.0.circle(&label("home")).join(DEVICE);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&key, mode).expect("chmod");
    let cannot = Membership::load(&device.0, &label("home")).expect_err("is refused");
    assert!(cannot.to_string().contains("chmod 600"), "{cannot}");
}
