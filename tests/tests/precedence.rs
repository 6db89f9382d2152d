//! A worker goes before applications while TCP super-packets wait for it, and not a moment longer.

use std::fs;
use std::process::Command;

use ringmesh_lab::clock;
use ringmesh_lab::namespaces::Side;
use ringmesh_tests::program::Program::Ringmesh;
use ringmesh_tests::program::START_LIMIT;
use ringmesh_tests::traffic::{Stream, ping};
use ringmesh_tests::tunnel::{Plan, Tunnel};

#[test]
fn workers_that_share_a_core_go_first_until_the_transfer_ends() {
    let tunnel = Tunnel::connected(Plan::new(Ringmesh { workers: 1 }, Ringmesh { workers: 1 }));
    let planes = [Side::A, Side::B].map(|side| tunnel.data_plane(side));
    for pid in planes {
        let done = Command::new("taskset").args(["-a", "-p", "-c", "0", &pid.to_string()]).output();
        assert!(done.expect("taskset(1)").status.success(), "pinned to one core");
    }
    let goes_first = || planes.iter().any(|&pid| worker_goes_first(pid));
    assert!(!goes_first(), "nothing has been moved yet");
    let at = Tunnel::inside(Side::B, false);
    let stream = Stream::start(tunnel.host(Side::A), tunnel.host(Side::B), at, None, None);
    let risen = clock::until(START_LIMIT, || goes_first().then_some(()));
    assert!(risen.is_some(), "neither worker has risen, with {} B moved", stream.arrived());
    stream.finish();
    // A worker looks when something comes.
    let fallen = clock::until(START_LIMIT, || {
        assert!(ping(tunnel.host(Side::A), at, 1), "an answer");
        (!goes_first()).then_some(())
    });
    assert!(fallen.is_some(), "a worker still goes first");
}

/// Whether the worker of data plane `pid` has a real-time priority or a negative niceness (proc(5)).
fn worker_goes_first(pid: u32) -> bool {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a running data plane");
    let stats = tasks.map(|task| fs::read_to_string(task.expect("a thread").path().join("stat")));
    stats.flatten().filter(|stat| stat.contains("(worker ")).any(|stat| {
        let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
        // Counted from the third field on, the state: niceness is the 19th, the policy the 41st.
        let number =
            |field: usize| fields.split(' ').nth(field - 3).and_then(|text| text.parse::<i32>().ok());
        number(41).is_some_and(|policy| policy != 0) || number(19).is_some_and(|niceness| niceness < 0)
    })
}
