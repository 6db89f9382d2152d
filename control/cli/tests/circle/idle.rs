//! What a daemon costs while nothing happens.

use std::time::Duration;

use serde_json::json;

use super::common::RINGMESH;
use super::stage::{Device, Lan, circle_of};

/// Most resident memory of an idle daemon, in bytes: of one as it is installed, and of one built for tests, whose code alone is
/// far longer.
const RESIDENT_MAX: u64 = 30 << 20;
const RESIDENT_MAX_UNOPTIMISED: u64 = 60 << 20;

/// Resident memory in bytes, and time on a processor since the start.
fn cost(device: &Device) -> (u64, Duration) {
    let pid = device.ask("status", json!({}))["pid"].as_u64().expect("a number");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").trim().parse().expect("a number");
    let mut ran = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).expect("runs") {
        let stat = std::fs::read_to_string(task.expect("a thread").path().join("schedstat")).expect("runs");
        ran += stat.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).expect("a number");
    }
    (kilobytes << 10, Duration::from_nanos(ran))
}

/// A circle of three at rest. `RINGMESH_TEST_LONG=1` looks for 60 seconds and holds the daemon to a thousandth of a processor; a
/// short look also sees the settling of the beginning, so it allows more.
#[test]
fn an_idle_daemon_costs_next_to_nothing() {
    let lan = Lan::new();
    let installed = std::env::var("RINGMESH_BIN");
    let most_resident = if installed.is_ok() { RESIDENT_MAX } else { RESIDENT_MAX_UNOPTIMISED };
    let executable = installed.unwrap_or_else(|_| RINGMESH.to_owned());
    let devices = circle_of(std::array::from_fn(|_| {
        let mut device = lan.idle();
        device.start_as(device.command_as(&[&executable], "daemon"));
        device
    }));
    let long = std::env::var_os("RINGMESH_TEST_LONG").is_some();
    let (rest, look, most) = if long { (15, 60, 0.001) } else { (3, 5, 0.02) };
    std::thread::park_timeout(Duration::from_secs(rest));
    let before = devices.each_ref().map(cost);
    std::thread::park_timeout(Duration::from_secs(look));
    for (device, (_, before)) in devices.iter().zip(before) {
        let (resident, after) = cost(device);
        let share = (after - before).as_secs_f64() / look as f64;
        assert!(resident < most_resident, "{} KiB", resident >> 10);
        assert!(share < most, "{:.3} % of a processor", share * 100.0);
        if long {
            eprintln!("{} KiB, {:.4} % of a processor", resident >> 10, share * 100.0);
        }
    }
}
