//! Tunnels that live long enough to change their keys under load: no stream is lost.
//!
//! All pairs run at the same time in one test, because each has to live for over two minutes. Their streams are paced, so
//! that the pairs (and the tests beside them) share the machine.

use std::time::Duration;

use ringmesh_lab::clock;
use ringmesh_lab::namespaces::Side;
use ringmesh_tests::program::{OTHERS, Program};
use ringmesh_tests::traffic::Stream;
use ringmesh_tests::tunnel::{Plan, Tunnel};
use ringmesh_tests::uapi;

/// REKEY_AFTER_TIME is 120 s, and a session that is not renewed ends after 180 s.
const LOAD: Duration = Duration::from_secs(135);

/// Bytes per second of each stream.
const PACE: u64 = 500_000;

/// A pair under load: one stream in each direction.
struct Loaded {
    tunnel: Tunnel,
    streams: [Stream; 2],
    /// Seconds since 1970.
    first: Vec<u64>,
}

impl Loaded {
    fn start(plan: Plan) -> Self {
        let tunnel = Tunnel::connected(plan);
        let stream = |from: Side, v6| {
            let to = from.other();
            Stream::start(tunnel.host(from), tunnel.host(to), Tunnel::inside(to, v6), Some(PACE), None)
        };
        let streams = [stream(Side::A, false), stream(Side::B, true)];
        let first = handshakes(&tunnel);
        Self { tunnel, streams, first }
    }

    /// What went wrong, if anything did.
    fn finish(self) -> Result<(), String> {
        let plan = self.tunnel.plan;
        let last = handshakes(&self.tunnel);
        let mut arrived = Vec::new();
        for stream in self.streams {
            arrived.push(stream.end().map_err(|why| format!("{plan:?}: {why}"))?);
        }
        if self.first.iter().zip(&last).any(|(first, last)| *last < first + 100) {
            return Err(format!("{plan:?}: no new handshake: {:?} s and then {last:?} s", self.first));
        }
        if arrived.iter().any(|arrived| *arrived < PACE * LOAD.as_secs() / 2) {
            return Err(format!("{plan:?}: {arrived:?} B are less than half of the load"));
        }
        Ok(())
    }
}

/// When our devices last shook hands. Of the others, some tell it in a way of their own.
fn handshakes(tunnel: &Tunnel) -> Vec<u64> {
    let devices = [Side::A, Side::B].map(|side| tunnel.device(side));
    let ours = devices.iter().filter(|device| matches!(device.program, Program::Ringmesh { .. }));
    ours.map(|device| {
        let dump = uapi::get(&device.interface);
        dump.unwrap_or_else(|error| panic!("{:?}: {error}", tunnel.plan)).last_handshake()
    })
    .collect()
}

#[test]
fn keys_change_under_load() {
    let ours = [1, 4].map(|workers| Program::Ringmesh { workers });
    let pairs =
        OTHERS.iter().flat_map(|other| ours.iter().flat_map(move |us| [(*us, *other), (*other, *us)]));
    let plans = pairs.chain([(ours[0], ours[1])]).enumerate();
    let started = clock::now();
    let loaded: Vec<_> = plans
        .map(|(number, (a, b))| Plan { outer_v6: number % 2 == 1, psk: number % 3 == 0, ..Plan::new(a, b) })
        .map(Loaded::start)
        .collect();
    // The load is the condition here: the last pair's has to last as long as the first one's.
    clock::pause_until(started.max(clock::now()) + LOAD);
    let failures: Vec<_> = loaded.into_iter().filter_map(|loaded| loaded.finish().err()).collect();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
