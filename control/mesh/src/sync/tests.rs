//! Two members talk until they hold the same, whatever one of them lacked.

use super::{ANSWERS_MAX, Message, Summary};
use crate::circle::Circle;
use crate::limits::{BATCH_BYTES_MAX, HEADS_MAX};
use crate::record::{Role, verify};
use crate::testing::{FOUNDER, World, founding, id};

/// One side greets, the other answers, until nothing is left to say; gives the number of messages.
fn talk(from: &mut Circle, to: &mut Circle) -> usize {
    let mut said = 0;
    let mut outbox = vec![(true, Message::greeting(to))];
    while let Some((to_from, message)) = outbox.pop() {
        said += 1;
        assert!(said < 1000, "they would talk forever");
        let message = Message::decode(&message.to_bytes()).expect("within the bounds");
        let here = if to_from { &mut *from } else { &mut *to };
        let records = verify(message.records()).into_iter().map(|record| record.expect("honest"));
        let added = !here.ingest(records).added.is_empty();
        outbox.extend(message.answer(here).into_iter().map(|answer| (!to_from, answer)));
        if added {
            outbox.insert(0, (!to_from, Message::greeting(here)));
        }
    }
    said
}

#[test]
fn a_device_that_was_away_for_a_year_catches_up() {
    let mut world = World::new();
    for device in 1..60 {
        world.admit(FOUNDER, device, Role::Member);
    }
    let mut away = world.circle.clone();
    for round in 0..40 {
        world.profile(round % 59 + 1, &format!("name{round}"));
        world.remove(FOUNDER, round % 7 + 1);
    }
    talk(&mut world.circle, &mut away);
    assert_eq!(away.roster(), world.circle.roster());
    assert!(Summary::of(&away).agrees(&Summary::of(&world.circle)));
    assert_eq!(talk(&mut world.circle, &mut away), 1, "nothing new, nothing to say");
    let mut newcomer = Circle::new(founding()).expect("the record founds");
    talk(&mut world.circle, &mut newcomer);
    assert_eq!(newcomer.roster(), world.circle.roster());
}

#[test]
fn both_branches_of_a_fork_get_around() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let mut other = world.clone();
    world.profile(1, "here");
    world.profile(1, "here-too");
    other.profile(1, "there");
    for _ in 0..2 {
        talk(&mut world.circle, &mut other.circle);
        talk(&mut other.circle, &mut world.circle);
    }
    assert_eq!(other.circle.equivocations(), world.circle.equivocations());
    assert_eq!(world.circle.equivocations()[0].author, id(1));
    assert_eq!(other.circle.roster(), world.circle.roster());
}

#[test]
fn a_beacon_that_leaves_something_out_is_found_out_by_the_heads() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let shown = world.circle.clone();
    world.remove(FOUNDER, 1);
    let [Message::Heads(heads)] = &Message::greeting(&shown).answer(&world.circle)[..] else {
        panic!("the ends differ");
    };
    assert!(heads.iter().any(|(author, link)| *author == id(FOUNDER) && shown.record(&link.hash).is_none()));
}

#[test]
fn answers_are_bounded_whatever_is_asked() {
    let mut world = World::new();
    for device in 1..20 {
        world.admit(FOUNDER, device, Role::Member);
    }
    let greedy = Message::Want(vec![(id(FOUNDER), 0); HEADS_MAX]);
    let answers = greedy.answer(&world.circle);
    assert!(
        answers.len() <= ANSWERS_MAX
            && answers.iter().all(|answer| answer.to_bytes().len() < BATCH_BYTES_MAX + 600)
    );
    let nonsense = Message::Heads(vec![(id(77), world.head(FOUNDER).expect("it wrote"))]);
    assert_eq!(nonsense.answer(&world.circle), [], "known hash, whoever is said to have written it");
    let mut bytes = greedy.to_bytes();
    bytes.push(0);
    assert!(Message::decode(&bytes).is_err());
    assert!(Message::decode(&[1, 2, 0xff, 0xff]).is_err());
}

#[test]
fn a_beacon_that_replays_an_old_state_takes_nothing_back() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Member);
    let old: Vec<_> = world.circle.records().cloned().collect();
    world.remove(FOUNDER, 1);
    let now = world.circle.roster().clone();
    let again = world.circle.ingest(old.iter().cloned());
    assert_eq!((again.added.len(), again.known), (0, old.len()));
    assert_eq!(world.circle.roster(), &now);
    // Nor does it hold anybody up: whoever has the old state alone learns the rest from any other member.
    let mut behind = Circle::from_records(world.circle.id(), old).expect("it was founded");
    talk(&mut world.circle.clone(), &mut behind);
    assert_eq!(behind.roster(), &now);
}

#[test]
fn two_members_to_whom_a_beacon_shows_different_things_find_out_and_agree() {
    let mut world = World::new();
    world.admit(FOUNDER, 1, Role::Admin);
    world.admit(FOUNDER, 2, Role::Member);
    let base = world.circle.clone();
    let (mut one, mut other) = (base.clone(), base);
    let removal = world.remove(FOUNDER, 2);
    let naming = world.profile(1, "tower");
    one.ingest([removal]);
    other.ingest([naming]);
    assert_ne!(one.roster(), other.roster());
    assert_ne!(Message::greeting(&one), Message::greeting(&other), "their greetings differ");
    talk(&mut one, &mut other);
    talk(&mut other, &mut one);
    assert_eq!(one.roster(), other.roster());
    assert_eq!(one.roster(), world.circle.roster());
}
