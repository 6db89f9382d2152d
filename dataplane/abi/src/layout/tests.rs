use super::*;
use crate::region::Region;

fn header(region: &Region) -> &Header {
    region.view(0)
}

fn filled(capacities: &Capacities) -> Region {
    let region = Region::heap(size_of::<Header>());
    header(&region).fill(capacities, 7);
    region
}

#[test]
fn nothing_overlaps_and_everything_fits() {
    for workers in [1, 2, 3, WORKERS_MAX] {
        let layout = Layout::of(Capacities::of_device(workers));
        let mut parts = vec![
            (0, size_of::<Header>()),
            (layout.plane_row, size_of::<PlaneRow>()),
            (layout.worker_rows, size_of::<WorkerRow>() * workers as usize),
            (layout.peer_marks, (PEERS_MAX / 64) as usize * 8),
            (layout.peer_rows, size_of::<PeerRow>() * PEERS_MAX as usize),
        ];
        for name in RING_NAMES {
            let place = layout.ring(name);
            parts.push((place.indices, size_of::<Indices>()));
            parts.push((place.slots, place.shape.words_total() * 8));
        }
        parts.sort_unstable();
        for pair in parts.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?} with {workers} workers");
        }
        let (last, len) = parts[parts.len() - 1];
        assert!(last + len <= layout.total && layout.total.is_multiple_of(PAGE));
        assert!(parts.iter().all(|(at, _)| at.is_multiple_of(LINE)));
    }
}

#[test]
fn what_was_filled_is_claimed() {
    let capacities = Capacities::of_device(3);
    assert_eq!(header(&filled(&capacities)).claim(7), Ok(capacities));
}

/// The version is judged before the generation, and both before any capacity.
#[test]
fn each_lie_is_named() {
    type Scribble = fn(&Header);
    let cases: &[(&str, Scribble, Refused)] = &[
        ("magic", |header| header.magic.store(1, Ordering::Relaxed), Refused::Magic),
        (
            "version",
            |header| {
                header.version.store(VERSION + 1, Ordering::Relaxed);
                header.generation.store(8, Ordering::Relaxed);
            },
            Refused::Version { theirs: VERSION + 1 },
        ),
        (
            "generation",
            |header| {
                header.generation.store(8, Ordering::Relaxed);
                header.workers.store(0, Ordering::Relaxed);
            },
            Refused::Generation { wanted: 7, found: 8 },
        ),
        ("no worker", |header| header.workers.store(0, Ordering::Relaxed), Refused::Field("workers")),
        (
            "workers",
            |header| header.workers.store(WORKERS_MAX + 1, Ordering::Relaxed),
            Refused::Field("workers"),
        ),
        ("no peer", |header| header.peers.store(0, Ordering::Relaxed), Refused::Field("peer rows")),
        ("peers", |header| header.peers.store(PEERS_MAX + 1, Ordering::Relaxed), Refused::Field("peer rows")),
        (
            "no slot",
            |header| header.ring_slots[0].store(0, Ordering::Relaxed),
            Refused::Field("ring capacity"),
        ),
        (
            "odd ring",
            |header| header.ring_slots[2].store(3, Ordering::Relaxed),
            Refused::Field("ring capacity"),
        ),
        (
            "long ring",
            |header| header.ring_slots[4].store(RING_SLOTS_MAX * 2, Ordering::Relaxed),
            Refused::Field("ring capacity"),
        ),
    ];
    for (name, scribble, refusal) in cases {
        let region = filled(&Capacities::of_device(2));
        scribble(header(&region));
        assert_eq!(header(&region).claim(7), Err(*refusal), "{name}");
    }
}

#[test]
fn only_the_first_takes_the_memory() {
    let region = filled(&Capacities::of_device(1));
    assert!(header(&region).take());
    assert!(!header(&region).take());
}
