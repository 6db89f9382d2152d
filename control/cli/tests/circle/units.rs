//! The systemd units: sound, and no narrower than the daemon can live with.

use std::path::Path;
use std::process::Command;

use super::common::{RINGMESH, run, text};
use super::stage::Lan;

const DAEMON: &str = include_str!("../../units/ringmesh.service");
const BEACON: &str = include_str!("../../units/ringmesh-beacon.service");

#[test]
fn systemd_finds_no_fault_with_them() {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        return;
    }
    let dir = std::env::temp_dir().join(super::stage::fresh_name());
    std::fs::create_dir(&dir).expect("a directory");
    for (name, unit) in [("ringmesh.service", DAEMON), ("ringmesh-beacon.service", BEACON)] {
        let unit = unit.replace("/usr/local/bin/ringmesh", RINGMESH);
        std::fs::write(dir.join(name), unit).expect("a file");
        let output = run(&format!("systemd-analyze verify --man=no {}", dir.join(name).display()));
        let said = text(&output.stderr);
        // What it says about other units of this machine is not ours.
        let ours: Vec<_> = said.lines().filter(|line| line.contains("ringmesh")).collect();
        assert!(ours.is_empty(), "{said}");
    }
    std::fs::remove_dir_all(dir).expect("it is there");
}

/// `setpriv` for what the unit leaves a process.
fn narrowed(unit: &str) -> Vec<String> {
    let line = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    let names = line.expect("a set").split_whitespace().map(|name| {
        let name = name.strip_prefix("CAP_").expect("a capability").to_lowercase();
        format!("+{name}")
    });
    let set = std::iter::once("-all".to_owned()).chain(names).collect::<Vec<_>>().join(",");
    assert!(unit.contains("\nNoNewPrivileges=yes\n"));
    ["setpriv", "--no-new-privs", "--bounding-set", &set].map(str::to_owned).into()
}

#[test]
fn the_daemon_does_everything_with_what_its_unit_leaves_it() {
    let lan = Lan::new();
    let (mut narrow, other) = (lan.idle(), lan.device());
    let words = narrowed(DAEMON);
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &narrow.net]).args(&words).args([RINGMESH, "daemon"]);
    narrow.start_as(command);
    narrow.up("--name alpha");
    other.join(&narrow.invite(""), "beta");
    other.says("ping alpha --timeout 20s");
    narrow.says("ping beta");
    // Another data plane is started in the place of one that dies, and one that hangs would be killed.
    let status = narrow.json("status");
    let plane = &status["tunnels"][0]["plane"];
    assert_eq!(plane["hardening"]["own-uid"], true, "{plane}");
    run(&format!("kill -9 {}", plane["pid"]));
    other.says("ping alpha --timeout 20s");
    narrow.says("key rotate --yes");
    narrow.says("down");
    assert!(!narrow.has_link("rm-home"));
}
