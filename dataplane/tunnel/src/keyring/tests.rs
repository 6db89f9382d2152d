use std::time::Duration;

use super::{Keyring, Known};
use crate::limits::REJECT_AFTER_TIME;

enum Step {
    /// A handshake of ours ended.
    Current(u32),
    /// We answered one.
    Next(u32),
    /// The peer used this session; whether it was the next one.
    Confirm(u32, bool),
    Wait(u64),
}

use Step::{Confirm, Current, Next, Wait};

/// (step, who left, who is current, who is next)
type Line = (Step, &'static [u32], u32, u32);

fn check(name: &str, script: &[Line]) {
    let (mut ring, mut now) = (Keyring::default(), Duration::from_secs(1_000));
    for (line, (step, gone, current, next)) in script.iter().enumerate() {
        let left = match *step {
            Current(local_index) => ring.install_current(Known { local_index, born: now }, now),
            Next(local_index) => ring.install_next(Known { local_index, born: now }, now),
            Confirm(index, expected) => {
                let left = ring.confirm(index, now);
                assert_eq!(left.is_some(), expected, "{name}, line {line}");
                left.unwrap_or_default()
            }
            Wait(secs) => {
                now += Duration::from_secs(secs);
                continue;
            }
        };
        assert_eq!(left.as_slice(), *gone, "{name}, line {line}");
        let of = |known: Option<Known>| known.map_or(0, |known| known.local_index);
        assert_eq!((of(ring.current()), of(ring.next())), (*current, *next), "{name}, line {line}");
    }
}

#[test]
fn sessions_move_as_handshakes_end() {
    check(
        "we begin",
        &[
            (Current(1), &[], 1, 0),
            (Wait(120), &[], 0, 0),
            (Current(2), &[], 2, 0),
            (Wait(120), &[], 0, 0),
            (Current(3), &[1], 3, 0),
        ],
    );
    check(
        "the peer begins",
        &[
            (Next(1), &[], 0, 1),
            (Confirm(1, true), &[], 1, 0),
            (Confirm(1, false), &[], 1, 0),
            (Wait(120), &[], 0, 0),
            (Next(2), &[], 1, 2),
            (Confirm(2, true), &[], 2, 0),
        ],
    );
    check(
        "our response is lost",
        &[
            (Next(1), &[], 0, 1),
            (Wait(5), &[], 0, 0),
            (Next(2), &[1], 0, 2),
            (Confirm(1, false), &[], 0, 2),
            (Confirm(2, true), &[], 2, 0),
        ],
    );
    check(
        "both begin at once, again and again",
        &[
            (Next(1), &[], 0, 1),
            (Current(2), &[], 2, 0),
            (Confirm(1, false), &[], 2, 0),
            (Wait(1), &[], 0, 0),
            (Next(3), &[], 2, 3),
            (Current(4), &[], 4, 0),
            (Wait(1), &[], 0, 0),
            (Next(5), &[], 4, 5),
            (Current(6), &[1, 2], 6, 0),
        ],
    );
}

#[test]
fn the_ring_empties_and_names_everybody_once() {
    let (mut ring, now) = (Keyring::default(), Duration::from_secs(5));
    assert!(ring.is_empty() && ring.clear().is_empty());
    (1..=4).for_each(|local_index| _ = ring.install_current(Known { local_index, born: now }, now));
    ring.install_next(Known { local_index: 5, born: now }, now);
    assert!(!ring.is_empty());
    let mut gone = ring.clear();
    gone.sort_unstable();
    assert_eq!(gone.as_slice(), [1, 2, 3, 4, 5]);
    assert!(ring.is_empty());
}

#[test]
fn an_expired_session_sends_nothing() {
    let (mut ring, born) = (Keyring::default(), Duration::from_secs(5));
    assert!(!ring.can_send(born));
    ring.install_next(Known { local_index: 1, born }, born);
    assert!(!ring.can_send(born), "the peer has not used it yet");
    ring.confirm(1, born);
    assert!(ring.can_send(born + REJECT_AFTER_TIME - Duration::from_nanos(1)));
    assert!(!ring.can_send(born + REJECT_AFTER_TIME));
}
