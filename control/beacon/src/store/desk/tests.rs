use ringmesh_mesh::beacon::{Answer, Binding, Hello, Push, Request};
use ringmesh_mesh::identity::{CircleId, SigningKey};

use super::Desk;
use crate::store::{Bounds, Store};

/// What comes to the disk between the welcome of a device and the first word of its connection would else be told to nobody.
#[tokio::test]
async fn who_has_come_in_hears_of_everything_that_its_welcome_did_not_say() {
    let directory = std::env::temp_dir().join(format!("rm-desk-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let bounds = Bounds { circles: 1, circle_bytes: 64 << 10, forget_secs: 86_400 };
    let own = SigningKey::from_seed(&[9; 32]);
    let beacon = own.beacon();
    let (desk, thread) =
        Desk::open(Store::open(&directory, bounds, own).expect("a database")).expect("a thread");
    let device = SigningKey::from_seed(&[1; 32]);
    let hello = || {
        let channel = (&Binding([1; 32]), &beacon);
        Hello::member(&device, channel, CircleId([7; 32]), device.device(), vec![])
    };
    let Ok((first, _place, mut pushes)) = desk.enter(hello(), true).await else {
        panic!("a founder comes in");
    };
    let append = Request::Append { room: None, sealed: vec![vec![5; 100]] };
    assert_eq!(desk.ask(first.visitor, append).await, Answer::Done);
    let end = first.welcome.end + 1;
    assert!(matches!(pushes.try_recv(), Ok(Push::Grown { end: told }) if told == end));
    // Another connection of it takes the first one's place, and is welcomed with what is there.
    let Ok((second, place, mut newer)) = desk.enter(hello(), true).await else {
        panic!("a founder comes in");
    };
    assert_eq!(second.welcome.end, end);
    assert!(pushes.try_recv().is_err() && pushes.is_closed());
    drop(place);
    assert!(newer.try_recv().is_err() && newer.is_closed());
    drop(desk);
    thread.join().expect("ends");
    std::fs::remove_dir_all(directory).expect("removes");
}
