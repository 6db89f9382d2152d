use std::path::PathBuf;

use ringmesh_mesh::beacon::{Answer, Binding, Entry, Hello, Offer, Page, Refusal, Request, Standing, roll};
use ringmesh_mesh::identity::{CircleId, RecordHash, SigningKey};

use super::{Bounds, Effect, Store, Visitor};

const CIRCLE: CircleId = CircleId([7; 32]);
const NOW: u64 = 1_000_000_000;
const BOUNDS: Bounds = Bounds { circles: 2, circle_bytes: 64 << 10, forget_secs: 90 * 86_400 };

struct Desk {
    store: Store,
    directory: PathBuf,
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn channel() -> (Binding, ringmesh_mesh::identity::BeaconId) {
    (Binding([1; 32]), key(99).beacon())
}

fn desk(name: &str) -> Desk {
    let directory = std::env::temp_dir().join(format!("rm-store-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let store = Store::open(&directory, BOUNDS, key(99)).expect("a new database");
    Desk { store, directory }
}

impl Desk {
    fn member(&mut self, number: u8, founder: u8) -> Result<Visitor, Refusal> {
        let (binding, beacon) = channel();
        let hello = Hello::member(&key(number), (&binding, &beacon), CIRCLE, key(founder).device(), vec![]);
        self.enter(&hello, NOW)
    }

    fn invited(&mut self, number: u8, invite: u8, now: u64) -> Result<Visitor, Refusal> {
        let (binding, beacon) = channel();
        let hello = Hello::invited(&key(number), (&binding, &beacon), CIRCLE, &key(invite));
        self.enter(&hello, now)
    }

    fn enter(&mut self, hello: &Hello, now: u64) -> Result<Visitor, Refusal> {
        self.store.enter(hello, true, now).map(|entered| entered.visitor).map_err(super::Failure::refusal)
    }

    fn ask(&mut self, visitor: &Visitor, request: Request) -> Result<Answer, Refusal> {
        self.ask_at(visitor, request, NOW)
    }

    /// As the desk does: what fails leaves nothing behind.
    fn ask_at(&mut self, visitor: &Visitor, request: Request, now: u64) -> Result<Answer, Refusal> {
        let mut effects = vec![];
        self.store.db.execute_batch("SAVEPOINT test").expect("a savepoint");
        let answer = self.store.handle(visitor, request, now, &mut effects).map_err(super::Failure::refusal);
        let end = if answer.is_ok() { "RELEASE test" } else { "ROLLBACK TO test; RELEASE test" };
        self.store.db.execute_batch(end).expect("an end");
        answer
    }

    fn page(&mut self, visitor: &Visitor, from: u64) -> Page {
        match self.ask(visitor, Request::Fetch { from }) {
            Ok(Answer::Page(page)) => page,
            other => panic!("{other:?}"),
        }
    }

    fn roll(&mut self, by: &Visitor, entries: &[(u8, Standing)]) -> Result<Answer, Refusal> {
        let entry = |(number, standing): &(u8, Standing)| Entry {
            device: key(*number).device(),
            standing: *standing,
        };
        let entries = entries.iter().map(entry).collect();
        self.ask(by, Request::Roll { entries, offers: vec![], cancelled: vec![] })
    }
}

fn append(len: usize, fill: u8) -> Request {
    Request::Append { room: None, sealed: vec![vec![fill; len]] }
}

#[test]
fn only_who_is_named_gets_in_and_a_standing_never_falls() {
    let mut desk = desk("standing");
    assert_eq!(desk.member(2, 1).err(), Some(Refusal::UnknownCircle));
    let founder = desk.member(1, 1).expect("the founder brings the circle");
    assert_eq!(desk.member(2, 1).err(), Some(Refusal::NotMember));
    assert_eq!(desk.roll(&founder, &[(2, Standing::Member), (3, Standing::Admin)]), Ok(Answer::Done));
    let member = desk.member(2, 1).expect("named");
    assert_eq!(desk.roll(&member, &[(4, Standing::Member)]), Err(Refusal::NotAdmin));
    let admin = desk.member(3, 1).expect("named");
    desk.roll(&admin, &[(2, Standing::Removed), (1, Standing::Demoted)]).expect("an admin");
    assert_eq!(desk.ask(&member, append(1, 1)), Err(Refusal::Removed), "also on an open connection");
    desk.roll(&admin, &[(2, Standing::Member), (1, Standing::Admin)]).expect("an admin");
    assert_eq!(desk.member(2, 1).err(), Some(Refusal::Removed));
    assert_eq!(desk.roll(&founder, &[]), Err(Refusal::NotAdmin), "the founder is one no more");
    desk.member(1, 1).expect("but a member");
    let welcome = desk.store.enter(
        &Hello::member(&key(3), (&channel().0, &channel().1), CIRCLE, key(1).device(), vec![]),
        true,
        NOW,
    );
    let known = [(1, Standing::Demoted), (2, Standing::Removed), (3, Standing::Admin)];
    let digest =
        roll::digest(known.map(|(number, standing)| Entry { device: key(number).device(), standing }));
    assert_eq!(welcome.ok().map(|entered| entered.welcome.roll), Some(digest));
}

#[test]
fn circles_are_counted_and_one_id_is_nobodys_to_squat_on() {
    let mut desk = desk("circles");
    let squatter = desk.member(9, 9).expect("anybody may have a box of its own");
    let founder = desk.member(1, 1).expect("which is another than the founder's");
    assert_ne!(squatter.boxed, founder.boxed);
    assert_eq!(desk.member(8, 8).err(), Some(Refusal::NoRoom));
    desk.ask(&founder, append(3, 1)).expect("the founder stores");
    desk.store.prune(NOW + 2 * 86_400).expect("it prunes");
    assert_eq!(
        desk.ask(&squatter, append(3, 1)),
        Err(Refusal::NotMember),
        "a box that was never used is gone"
    );
    assert_eq!(desk.page(&founder, 0).entries.len(), 1);
    desk.store.prune(NOW + 91 * 86_400).expect("it prunes");
    assert_eq!(desk.ask(&founder, append(3, 1)), Err(Refusal::NotMember), "and one that nobody renewed");
}

#[test]
fn a_log_is_read_by_pages_stored_once_and_bounded() {
    let mut desk = desk("log");
    let founder = desk.member(1, 1).expect("the founder");
    desk.roll(&founder, &[(2, Standing::Member)]).expect("an admin");
    let member = desk.member(2, 1).expect("named");
    for fill in 0..3 {
        desk.ask(&member, append(2000, fill)).expect("within its share");
    }
    desk.ask(&member, append(2000, 0)).expect("stored before");
    let share = desk.ask(&member, append(2000, 9));
    assert_eq!(share, Err(Refusal::DeviceFull));
    for fill in 10..13 {
        desk.ask(&founder, append(19_000, fill)).expect("an admin may fill the box");
    }
    assert_eq!(desk.ask(&founder, append(19_000, 13)), Err(Refusal::CircleFull));
    let first = desk.page(&member, 0);
    let positions = |page: &Page| page.entries.iter().map(|stored| stored.position).collect::<Vec<_>>();
    assert_eq!((positions(&first), first.next, first.end), (vec![0, 1, 2, 3, 4], 5, 6));
    let second = desk.page(&member, first.next);
    assert_eq!((positions(&second), second.next), (vec![5], 6));
    assert_eq!(desk.ask(&member, Request::Trim { before: 3 }), Err(Refusal::NotAdmin));
    desk.ask(&founder, Request::Trim { before: 3 }).expect("an admin");
    assert_eq!(positions(&desk.page(&member, 0)), [3, 4, 5]);
    desk.ask(&member, append(2000, 9)).expect("there is room again");
    assert_eq!(positions(&desk.page(&member, 6)), [6], "positions are never used again");
}

#[test]
fn an_invite_ends_by_time_by_use_and_when_it_is_cancelled() {
    let mut desk = desk("invite");
    let founder = desk.member(1, 1).expect("the founder");
    let offer = |invite: u8, uses| Offer::sign(&key(invite), &CIRCLE, &key(1).device(), uses, NOW + 100);
    let offers = vec![offer(50, 1), offer(51, 5)];
    desk.ask(&founder, Request::Roll { entries: vec![], offers, cancelled: vec![] }).expect("an admin");
    let admission =
        |record: u8| Request::Admission { record: RecordHash([record; 32]), sealed: vec![record; 9] };
    let joiner = desk.invited(10, 50, NOW).expect("offered");
    assert_eq!(desk.ask(&joiner, append(1, 1)), Err(Refusal::NotMember));
    let receipt = desk.ask(&joiner, admission(1)).expect("a use is left");
    let again = desk.ask_at(&joiner, admission(1), NOW + 99_999);
    assert_eq!(again, Ok(receipt), "the same receipt, also later");
    let second = desk.invited(11, 50, NOW).expect("offered");
    assert_eq!(desk.ask(&second, admission(2)), Err(Refusal::UsedUp));
    assert_eq!(desk.page(&second, 0).entries.len(), 1, "the room of the invite is for all who hold it");

    let late = desk.invited(12, 51, NOW).expect("offered");
    assert_eq!(desk.ask_at(&late, admission(3), NOW + 101), Err(Refusal::Expired));
    assert_eq!(desk.invited(12, 51, NOW + 101).err(), Some(Refusal::Expired));
    assert!(desk.invited(10, 50, NOW + 101).is_ok(), "who was in time may wait for the answer");
    let cancelled = vec![key(51).invite()];
    desk.ask(&founder, Request::Roll { entries: vec![], offers: vec![], cancelled }).expect("an admin");
    let offers = vec![offer(51, 5)];
    desk.ask(&founder, Request::Roll { entries: vec![], offers, cancelled: vec![] }).expect("an admin");
    assert_eq!(desk.ask(&late, admission(3)), Err(Refusal::UnknownInvite), "cancelled for good");
    desk.ask(&founder, append(5, 5)).expect("an admin");
    assert_eq!(desk.page(&joiner, 0).entries.len(), 2, "the room, and what is sealed to the circle");
    assert_eq!(desk.page(&second, 0).entries.len(), 1, "the room alone");
}

#[test]
fn parcels_wait_for_their_device_the_newest_of_each_sender() {
    let mut desk = desk("parcels");
    let founder = desk.member(1, 1).expect("the founder");
    desk.roll(&founder, &[(2, Standing::Member)]).expect("an admin");
    let parcel = |to: u8, byte: u8| Request::Parcel { to: key(to).device(), bytes: vec![byte] };
    assert_eq!(desk.ask(&founder, parcel(3, 1)), Err(Refusal::UnknownReceiver));
    desk.ask(&founder, parcel(2, 1)).expect("known");
    let mut effects = vec![];
    let answer =
        desk.store.handle(&founder, parcel(2, 2), NOW, &mut effects).map_err(super::Failure::refusal);
    assert_eq!(answer, Ok(Answer::Done));
    assert!(matches!(&effects[..], [Effect::For(_, to, _)] if *to == key(2).device()));
    let (binding, beacon) = channel();
    let hello = Hello::member(&key(2), (&binding, &beacon), CIRCLE, key(1).device(), vec![]);
    let entered = desk.store.enter(&hello, true, NOW).map_err(super::Failure::refusal).expect("named");
    let expected = ringmesh_mesh::beacon::Push::Parcel { from: key(1).device(), bytes: vec![2] };
    assert_eq!(entered.parcels, [expected]);
}

#[test]
fn a_damaged_database_is_named_with_what_to_do() {
    let desk = desk("damaged");
    let path = desk.directory.join("other.sqlite");
    std::fs::write(&path, [7; 8192]).expect("our own file");
    let why = super::schema::open(&path).expect_err("no database");
    assert!(why.contains("damaged") && why.contains("move it away"), "{why}");
}
