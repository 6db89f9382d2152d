//! Somebody writes random bytes over the whole memory while both sides work.

use super::*;
use crate::sync::Ordering;
use std::sync::atomic::AtomicBool;

/// A generator of our own, so that a failure's seed repeats it.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// Small numbers often: they are more dangerous than large ones, which every check refuses.
fn scribble(word: &AtomicU64, random: &mut Random) {
    let value = match random.next() % 4 {
        0 => random.next() % 8,
        1 => random.next() % 2_000,
        2 => word.load(Ordering::Relaxed) ^ 1 << (random.next() % 64),
        _ => random.next(),
    };
    word.store(value, Ordering::Relaxed);
}

/// One turn of each kind of work on both sides; every loop here is bounded by us, as the sides' callers bound theirs.
fn turn(control: &mut ControlSide, plane: &mut PlaneSide, round: u64) -> u64 {
    let mut taken = 0;
    let _ = control.submit(&with_key(round as u8));
    let _ = control.inject(&Endpoint::Udp(path()), &[1; 100]);
    plane.event(PlaneEvent::Roamed { slot: 1 });
    plane.punt(&Endpoint::Control { token: round }, &[2; 999]);
    for _ in 0..8 {
        if let Some(Ok((id, _))) = plane.poll_command() {
            plane.complete(id, Status::Ok);
            taken += 1;
        }
        taken +=
            u64::from(matches!(plane.poll_inject(), Some(Ok(datagram)) if datagram.payload().len() <= 1_600));
        taken += u64::from(matches!(control.poll_completion(), Some(Ok(_))));
        taken += u64::from(matches!(control.poll_event(), Some(Ok(_))));
        taken += u64::from(matches!(control.poll_punt(), Some(Ok(_))));
    }
    let state = PeerState { public_key: [1; 32], endpoint: Endpoint::Udp(path()), ..PeerState::default() };
    plane.rows().publish_peer((round % 5) as u32, &state);
    let _ = (control.peer((round % 5) as u32), control.worker(1), control.plane());
    let _ = (control.may_sleep(), plane.may_sleep(), control.plane_sleeps(), plane.control_sleeps());
    taken
}

#[test]
fn random_bytes_everywhere_are_refused_and_counted() {
    let (mut control, mut plane, region) = pair();
    let stop = AtomicBool::new(false);
    let mut taken = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let words = region.views::<AtomicU64>(0, Layout::of(SMALL).total / 8);
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            while !stop.load(Ordering::Relaxed) {
                let at = random.next() as usize % words.len();
                scribble(&words[at], &mut random);
            }
        });
        taken = (0..10_000).map(|round| turn(&mut control, &mut plane, round)).sum();
        stop.store(true, Ordering::Relaxed);
    });
    assert!(control.refused() > 0 && plane.refused() > 0, "{} and {}", control.refused(), plane.refused());
    assert!(taken > 0, "what was not hit still got through");
}

/// The indices and the sleep words alone, between any two steps: afterwards everything works again by itself.
#[test]
fn scribbled_indices_heal() {
    let (mut control, mut plane, region) = pair();
    let mut random = Random(42);
    for round in 0..2_000 {
        for name in
            [RingName::Command, RingName::Completion, RingName::Event, RingName::Punt, RingName::Inject]
        {
            let indices = region.views::<AtomicU64>(Layout::of(SMALL).ring(name).indices, 16);
            scribble(&indices[(random.next() % 16) as usize], &mut random);
        }
        turn(&mut control, &mut plane, round);
    }
    // Two quiet turns publish every index; then nothing old may be left.
    for round in 0..2 {
        turn(&mut control, &mut plane, round);
    }
    while let Some(command) = plane.poll_command() {
        assert!(command.is_ok() || plane.refused() > 0);
    }
    while control.poll_completion().is_some() {}
    let id = control.submit(&Command::Mtu { mtu: 1_280 }).expect("an empty ring");
    assert_eq!(plane.poll_command(), Some(Ok((id, Command::Mtu { mtu: 1_280 }))));
    plane.complete(id, Status::Ok);
    assert_eq!(control.poll_completion(), Some(Ok(Completion { id, status: Status::Ok })));
}
