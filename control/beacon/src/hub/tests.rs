use std::sync::Arc;

use ringmesh_mesh::beacon::Push;
use ringmesh_mesh::identity::DeviceId;
use tokio::sync::mpsc::Receiver;

use super::Hub;
use crate::limits::PUSHES_MAX;
use crate::store::{Effect, Visitor};

fn visitor(boxed: i64, device: u8) -> Visitor {
    Visitor { boxed, device: DeviceId([device; 32]), invite: None }
}

fn all(receiver: &mut Receiver<Push>) -> Vec<Push> {
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

fn signal(from: u8, byte: u8) -> Push {
    Push::Signal { from: DeviceId([from; 32]), sealed: vec![byte] }
}

#[test]
fn signals_go_to_whom_they_are_for_within_the_box() {
    let hub = Arc::new(Hub::default());
    let (one, mut to_one) = hub.enter(&visitor(1, 1), true);
    let (_two, mut to_two) = hub.enter(&visitor(1, 2), true);
    let (invited, mut to_invited) = hub.enter(&visitor(1, 3), false);
    let (_elsewhere, mut elsewhere) = hub.enter(&visitor(2, 2), true);
    assert!(one.signal(&[DeviceId([2; 32]), DeviceId([9; 32])], vec![1]));
    assert!(one.signal(&[], vec![2]) && one.signal(&[], vec![3]));
    assert!(!invited.signal(&[], vec![4]), "who was only invited may not");
    assert_eq!(all(&mut to_two), [signal(1, 1), signal(1, 2), signal(1, 3)]);
    assert_eq!((all(&mut to_one), all(&mut elsewhere), all(&mut to_invited)), (vec![], vec![], vec![]));
    let (_late, mut late) = hub.enter(&visitor(1, 4), true);
    assert_eq!(all(&mut late), [signal(1, 3)], "the newest to everybody waits for who comes later");
    hub.apply(vec![Effect::Admitted(1, DeviceId([3; 32]))]);
    assert_eq!(all(&mut to_invited), [signal(1, 3)]);
    assert!(invited.signal(&[], vec![4]));
    drop(one);
    let (_later, mut later) = hub.enter(&visitor(1, 5), true);
    assert_eq!(all(&mut later), [signal(3, 4)], "what a device said goes with it");
}

#[test]
fn who_is_slow_removed_or_elsewhere_is_let_go() {
    let hub = Arc::new(Hub::default());
    let (_slow, mut slow) = hub.enter(&visitor(1, 1), true);
    let (first, mut replaced) = hub.enter(&visitor(1, 2), true);
    let (_second, mut second) = hub.enter(&visitor(1, 2), true);
    let grown = || Effect::Grown(1, Push::Grown { end: 1 });
    for _ in 0..=PUSHES_MAX {
        hub.apply(vec![grown()]);
        all(&mut second);
    }
    assert_eq!(all(&mut slow).len(), PUSHES_MAX);
    assert!(slow.is_closed() && replaced.try_recv().is_err() && replaced.is_closed());
    drop(first);
    hub.apply(vec![grown()]);
    assert_eq!(all(&mut second).len(), 1, "an old connection that ends takes no new one along");
    hub.apply(vec![Effect::Removed(1, DeviceId([2; 32]))]);
    assert!(second.try_recv().is_err() && second.is_closed());
}
