//! Random bytes in the live shared memory: neither process crashes, and the tunnel carries on.
//!
//! Root writes through /proc/PID/map_files into the memory file that both processes map. To either of them it looks as if the
//! other had gone mad.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;

use ringmesh_lab::clock;
use ringmesh_lab::namespaces::Side;
use ringmesh_tests::hostile::Noise;
use ringmesh_tests::process;
use ringmesh_tests::program::Program::{Ringmesh, WireguardGo};
use ringmesh_tests::traffic::Stream;
use ringmesh_tests::tunnel::{Plan, Tunnel};

/// Where header, rings and the rows of the workers lie; peers come after, one row each.
const DENSE: u64 = 1 << 20;

#[test]
fn one_worker_survives_a_scribbler() {
    survive(1);
}

#[test]
fn four_workers_survive_a_scribbler() {
    survive(4);
}

fn survive(workers: u32) {
    let tunnel = Tunnel::connected(Plan::new(WireguardGo, Ringmesh { workers }));
    let host = tunnel.host(Side::B);
    let (control, plane) = (tunnel.device(Side::B).pid(), process::data_plane(host).expect("a data plane"));
    let memory = shared_memory(control, plane);
    let stream =
        Stream::start(tunnel.host(Side::A), host, Tunnel::inside(Side::B, false), Some(2_000_000), None);

    scribble(&memory, u64::from(workers), || {
        assert!(process::is_alive(control), "the control process died");
        assert!(process::is_alive(plane), "the data plane died");
    });
    stream.wait_for(2_000_000, Duration::from_secs(15));
    stream.finish();
    assert_eq!(process::data_plane(host), Some(plane), "the data plane was replaced");
    assert!(process::is_alive(control), "the control process died");
    tunnel.wait_for_ping("after the scribbling");
}

/// The memory file that both have mapped.
fn shared_memory(control: u32, plane: u32) -> File {
    let inode = |path: &PathBuf| std::fs::metadata(path).map(|data| data.ino()).ok();
    let held: Vec<_> = process::memory_files(plane).iter().filter_map(inode).collect();
    let mapped = process::memory_files(control);
    let shared = mapped.iter().find(|path| inode(path).is_some_and(|it| held.contains(&it)));
    let path = shared.expect("a memory file that both have mapped");
    OpenOptions::new().write(true).open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes words of noise at random places for seconds (a minute with `RINGMESH_TEST_LONG`), mostly where the rings are.
fn scribble(memory: &File, seed: u64, check: impl Fn()) {
    let secs = if std::env::var_os("RINGMESH_TEST_LONG").is_some() { 60 } else { 5 };
    let (ends, len) = (clock::now() + Duration::from_secs(secs), memory.metadata().expect("its size").len());
    let mut noise = Noise::new(seed);
    while clock::now() < ends {
        for _ in 0..1_000 {
            let span = if noise.next().is_multiple_of(8) { len } else { len.min(DENSE) };
            let mut bytes = [0; 8];
            noise.fill(&mut bytes);
            // Small numbers are the likelier lies: almost right indices and lengths.
            let bytes =
                if noise.next().is_multiple_of(2) { (noise.next() % 256).to_le_bytes() } else { bytes };
            memory.write_at(&bytes, noise.next() % (span - 8) / 4 * 4).expect("written");
        }
        check();
    }
}
