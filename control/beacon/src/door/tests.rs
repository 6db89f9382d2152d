use std::net::IpAddr;

use super::Door;
use crate::limits::{CONNECTIONS_PER_SOURCE_MAX, FOUNDING_COST, FOUNDINGS};

#[test]
fn a_source_has_so_many_connections_and_leaves_room_for_others() {
    let door = Door::default();
    let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    let mut tickets: Vec<_> = (0..CONNECTIONS_PER_SOURCE_MAX).filter_map(|_| door.enter(one)).collect();
    assert_eq!(tickets.len(), CONNECTIONS_PER_SOURCE_MAX);
    assert!(door.enter(one).is_none() && door.enter(other).is_some());
    tickets.pop();
    assert!(door.enter(one).is_some(), "who leaves makes room");
    drop(tickets);
    assert!(door.state().inside.is_empty() && door.state().sum == 0);
}

#[test]
fn a_source_brings_so_many_circles() {
    let door = Door::default();
    let source = IpAddr::from([192, 0, 2, 1]);
    for _ in 0..FOUNDINGS.burst / FOUNDING_COST {
        assert!(door.may_found(source));
        door.has_founded(source);
    }
    assert!(!door.may_found(source) && door.may_found([192, 0, 2, 2].into()));
}
