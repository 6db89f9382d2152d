//! Either process dies while it is being told something: what was acknowledged stays, and what was not can be said again.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use ringmesh_lab::clock;
use ringmesh_lab::namespaces::Side;
use ringmesh_tests::process;
use ringmesh_tests::program::Program::{Ringmesh, WireguardGo};
use ringmesh_tests::program::START_LIMIT;
use ringmesh_tests::tunnel::{Plan, Tunnel, public_hex};
use ringmesh_tests::uapi;

/// When the process dies after the command was sent, in microseconds: before its first step, in the midst of it, and after.
const MOMENTS: [u64; 8] = [0, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000];

/// Peers that one command adds, each some commands of its own between the two processes.
const PEERS: u32 = 2_000;

#[test]
fn control_dies_while_it_is_told() {
    let mut tunnel = Tunnel::connected(Plan::new(WireguardGo, Ringmesh { workers: 1 }));
    let plane = tunnel.data_plane(Side::B);
    for (generation, moment) in (0..).zip(MOMENTS) {
        let control = tunnel.device(Side::B).pid();
        let answer = tell_and_kill(&tunnel, generation, moment, control);
        tunnel.device_mut(Side::B).kill();
        tunnel.start_again(Side::B);
        // An error is none, or half of an answer: then the command may have been carried out in part.
        if let Ok(0) = answer {
            assert_eq!(peers(&tunnel), wanted(generation), "acknowledged, and killed after {moment} us");
        }
        assert!(peers(&tunnel).contains(&public_hex(1)), "killed after {moment} us");
        uapi::set(&tunnel.device(Side::B).interface, &command(generation));
        assert_eq!(peers(&tunnel), wanted(generation), "said again, after a death after {moment} us");
        tunnel.wait_for_ping("while control dies");
    }
    assert_eq!(tunnel.data_plane(Side::B), plane, "the data plane has lived through all of it");
}

#[test]
fn the_data_plane_dies_while_it_is_told() {
    let tunnel = Tunnel::connected(Plan::new(WireguardGo, Ringmesh { workers: 1 }));
    for (generation, moment) in (0..).zip(MOMENTS) {
        let plane = tunnel.data_plane(Side::B);
        let answer = tell_and_kill(&tunnel, generation, moment, plane);
        assert_eq!(answer.expect("an answer"), 0, "killed after {moment} us");
        assert_eq!(peers(&tunnel), wanted(generation), "killed after {moment} us");
        let another = clock::until(START_LIMIT, || {
            process::data_plane(tunnel.host(Side::B)).filter(|pid| *pid != plane)
        });
        assert!(another.is_some(), "no other data plane, killed after {moment} us");
        tunnel.wait_for_ping("while the data plane dies");
    }
}

/// Tells B's device the command of this generation and kills `pid` after so many microseconds; gives the answer.
fn tell_and_kill(tunnel: &Tunnel, generation: u32, moment: u64, pid: u32) -> io::Result<i32> {
    let interface = tunnel.device(Side::B).interface.as_str();
    let lines = command(generation);
    std::thread::scope(|scope| {
        let told = scope.spawn(|| uapi::try_set(interface, &lines));
        clock::pause_until(clock::now() + Duration::from_micros(moment));
        process::kill(pid);
        told.join().expect("no panic while telling")
    })
}

/// Removes the peers of the generation before and adds those of this one; A stays as it is.
fn command(generation: u32) -> String {
    let gone =
        generation.checked_sub(1).into_iter().flat_map(|old| (0..PEERS).map(move |number| key(old, number)));
    let gone = gone.map(|key| format!("public_key={key}\nremove=true\n"));
    let new = (0..PEERS).map(|number| {
        let [_, a, b, c] = (generation * PEERS + number).to_be_bytes();
        format!("public_key={}\nallowed_ip=11.{a}.{b}.{c}/32\n", key(generation, number))
    });
    gone.chain(new).collect()
}

/// A public key that belongs to nobody.
fn key(generation: u32, number: u32) -> String {
    format!("{generation:08x}{number:08x}{:048x}", 1)
}

fn wanted(generation: u32) -> BTreeSet<String> {
    (0..PEERS).map(|number| key(generation, number)).chain([public_hex(1)]).collect()
}

fn peers(tunnel: &Tunnel) -> BTreeSet<String> {
    let dump = uapi::get(&tunnel.device(Side::B).interface).expect("an answer");
    let keys = (0..dump.peers.len()).filter_map(|peer| dump.of_peer(peer, "public_key"));
    keys.map(str::to_owned).collect()
}
