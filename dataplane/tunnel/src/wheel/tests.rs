use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Armed, LEVELS, Wheel};
use crate::PeerId;
use crate::limits::TICK;
use crate::timers::Due;

/// A wheel, the handles that peers would keep, and the same as a map that sorts.
#[derive(Default)]
struct Judged {
    wheel: Wheel,
    armed: BTreeMap<u32, Option<Armed>>,
    deadlines: BTreeMap<u32, Duration>,
    now: Duration,
}

#[derive(Clone, Debug)]
enum Did {
    /// The peer's deadline is so much after now.
    Set(u32, Duration),
    /// Its deadline was before now.
    Past(u32),
    Cancel(u32),
    Pass(Duration),
    /// Time passes to exactly when the wheel wants to be turned.
    Follow,
}

/// From within a tick to years, most of them as timers are.
fn span() -> impl Strategy<Value = Duration> {
    let nanos = prop_oneof![
        2 => 0..3_000_000_u64,
        4 => 0..20_000_000_000_u64,
        2 => (0..700_u64).prop_map(|secs| secs * 1_000_000_000),
        1 => any::<u64>(),
        1 => (0..60_u32, 0..3_u64).prop_map(|(bit, off)| (TICK.as_nanos() as u64).saturating_mul(1 << bit).saturating_add(off) - 1),
    ];
    nanos.prop_map(Duration::from_nanos)
}

fn step() -> impl Strategy<Value = Did> {
    let peer = 0..12_u32;
    prop_oneof![
        6 => (peer.clone(), span()).prop_map(|(peer, after)| Did::Set(peer, after)),
        1 => peer.clone().prop_map(Did::Past),
        2 => peer.prop_map(Did::Cancel),
        3 => span().prop_map(Did::Pass),
        3 => Just(Did::Follow),
    ]
}

impl Judged {
    fn play(&mut self, did: Did) {
        match did {
            Did::Set(peer, after) => self.set(peer, Some(self.now.saturating_add(after))),
            Did::Past(peer) => self.set(peer, Some(self.now / 2)),
            Did::Cancel(peer) => self.set(peer, None),
            Did::Pass(span) => self.pass_to(self.now.saturating_add(span)),
            Did::Follow => {
                if let Some((at, _)) = self.wheel.poll_timeout() {
                    self.pass_to(self.now.max(at));
                }
            }
        }
    }

    fn set(&mut self, peer: u32, at: Option<Duration>) {
        let armed = self.armed.entry(peer).or_default();
        self.wheel.set(armed, PeerId(peer), at.map(|at| (at, Due::Look)));
        assert_eq!(armed.is_some(), at.is_some());
        match at {
            Some(at) => self.deadlines.insert(peer, at),
            None => self.deadlines.remove(&peer),
        };
    }

    /// Turns the wheel and attends to all that is due: never early, never late by a tick, and nobody forgotten.
    fn pass_to(&mut self, now: Duration) {
        self.now = now;
        self.wheel.turn(now);
        while let Some(PeerId(peer)) = self.wheel.first_due() {
            let at = self.deadlines.get(&peer).copied().expect("whoever is due has a deadline");
            assert!(at <= now, "peer {peer} is early by {:?}", at - now);
            self.set(peer, None);
        }
        for (peer, at) in &self.deadlines {
            assert!(now < at.saturating_add(TICK), "peer {peer} is late by {:?}", now - *at);
        }
        self.check_timeout();
    }

    /// Nothing is due: the wheel wants to be turned in the future, but in time for the first deadline.
    fn check_timeout(&self) {
        let first = self.deadlines.values().min();
        assert_eq!(self.wheel.poll_timeout().is_some(), first.is_some());
        if let (Some((at, _)), Some(first)) = (self.wheel.poll_timeout(), first) {
            assert!(at > self.now, "a turn that does nothing would follow the other");
            assert!(at < first.saturating_add(TICK), "wakes {:?} after the deadline", at - *first);
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map_that_sorts(script in prop::collection::vec(step(), 1..200)) {
        let mut judged = Judged::default();
        script.into_iter().for_each(|did| judged.play(did));
        // Whatever is left comes, each in its turn, and no peer makes the wheel wake more often than there are levels.
        let mut turns = 0;
        while let Some((at, _)) = judged.wheel.poll_timeout() {
            turns += 1;
            judged.pass_to(judged.now.max(at));
            prop_assert!(turns <= 1 + 12 * LEVELS, "the wheel does not come to rest");
        }
        prop_assert!(judged.deadlines.is_empty());
        prop_assert!(judged.wheel.levels.iter().all(|level| level.occupied == 0));
        prop_assert!(judged.wheel.timers.len() <= 12, "a timer that was given back is used again");
    }
}

#[test]
fn what_is_due_comes_in_the_order_of_deadlines_and_tells_why() {
    let mut wheel = Wheel::default();
    let mut armed = [const { None }; 4];
    let at = |millis| Duration::from_millis(millis);
    let order =
        [(at(90_000), Due::Retry), (at(5_000), Due::Silence), (at(20), Due::Look), (at(5_500), Due::Forget)];
    for (peer, deadline) in (0..).zip(order) {
        wheel.set(&mut armed[peer as usize], PeerId(peer), Some(deadline));
    }
    assert_eq!(wheel.poll_timeout().map(|(_, why)| why), Some(Due::Look));
    assert_eq!(wheel.first_due(), None);
    wheel.turn(at(100_000));
    let mut came = Vec::new();
    while let Some(peer) = wheel.first_due() {
        assert!(
            wheel.poll_timeout().is_some_and(|(at, _)| at <= Duration::from_secs(100)),
            "there is more to do"
        );
        came.push((peer, wheel.poll_timeout().map(|(_, why)| why)));
        wheel.set(&mut armed[peer.0 as usize], peer, None);
    }
    let expected = [(2, Due::Look), (1, Due::Silence), (3, Due::Forget), (0, Due::Retry)];
    assert_eq!(came, expected.map(|(peer, why)| (PeerId(peer), Some(why))));
    assert_eq!(wheel.poll_timeout(), None);
}

/// A deadline that has passed and is set again, unchanged or into the past, stays due; moved on, it is not.
#[test]
fn who_was_not_attended_to_stays_due() {
    let mut wheel = Wheel::default();
    let (peer, mut armed) = (PeerId(1), None);
    let secs = Duration::from_secs;
    wheel.set(&mut armed, peer, Some((secs(3), Due::Look)));
    wheel.turn(secs(10));
    wheel.set(&mut armed, peer, Some((secs(3), Due::Retry)));
    assert_eq!(wheel.poll_timeout().map(|(_, why)| why), Some(Due::Retry));
    wheel.set(&mut armed, peer, Some((Duration::ZERO, Due::Look)));
    wheel.turn(secs(9));
    assert_eq!(wheel.first_due(), Some(peer), "time does not go back");
    wheel.set(&mut armed, peer, Some((secs(11), Due::Look)));
    assert_eq!(wheel.first_due(), None);
    wheel.turn(Duration::MAX);
    assert_eq!(wheel.first_due(), Some(peer));
}

/// Whole minutes of a busy device, counted: what one deadline costs does not depend on how many there are.
#[test]
fn a_hundred_thousand_deadlines_cost_each_as_much_as_one() {
    const PEERS: u32 = 100_000;
    let mut wheel = Wheel::default();
    let mut armed: Vec<Option<Armed>> = (0..PEERS).map(|_| None).collect();
    let at = |peer: u32| Duration::from_millis(u64::from(peer.wrapping_mul(2_654_435_761) % 600_000));
    for peer in 0..PEERS {
        wheel.set(&mut armed[peer as usize], PeerId(peer), Some((at(peer), Due::Look)));
    }
    let (mut turns, mut came) = (0, 0);
    while let Some((time, _)) = wheel.poll_timeout() {
        turns += 1;
        wheel.turn(time);
        while let Some(peer) = wheel.first_due() {
            came += 1;
            assert!(at(peer.0) <= time && time < at(peer.0) + TICK);
            wheel.set(&mut armed[peer.0 as usize], peer, None);
        }
    }
    assert_eq!(came, PEERS);
    // 600 s have 572,205 ticks; 100,000 random ones of them, and the slots of three levels above.
    assert!(turns < 100_000 + 9_000 + 200 + 10, "{turns} turns");
}
