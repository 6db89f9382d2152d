//! What every test stands on: a namespace, a tunnel in it, and conditions that are waited for with a limit.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use super::common::{RINGMESH, must, run, wait_for};

/// A name that no other test and no other run uses.
pub(crate) fn fresh_name() -> String {
    super::common::fresh_name("e2e")
}

/// A network namespace; it goes with everything in it.
pub(crate) struct Net(pub(crate) String);

impl Net {
    pub(crate) fn new() -> Self {
        let name = fresh_name();
        must(&format!("ip netns add {name}"));
        must(&format!("ip -n {name} link set lo up"));
        Self(name)
    }

    /// A command line inside.
    pub(crate) fn run(&self, line: &str) -> Output {
        run(&format!("ip netns exec {} {line}", self.0))
    }

    /// One that must succeed.
    pub(crate) fn must(&self, line: &str) -> String {
        must(&format!("ip netns exec {} {line}", self.0))
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        run(&format!("ip netns delete {}", self.0));
    }
}

/// A running tunnel; whatever the test did to it, nothing of it stays.
pub(crate) struct Tunnel {
    pub(crate) net: Net,
    pub(crate) name: String,
}

impl Tunnel {
    /// Starts one; when this returns it answers.
    pub(crate) fn start(flags: &str) -> Self {
        let tunnel = Self { net: Net::new(), name: fresh_name() };
        tunnel.start_again(flags);
        tunnel
    }

    pub(crate) fn start_again(&self, flags: &str) {
        self.net.must(&format!("{RINGMESH} tunnel {} {flags}", self.name));
    }

    pub(crate) fn status(&self) -> Value {
        let text = must(&format!("{RINGMESH} status {} --json", self.name));
        let all: Value = serde_json::from_str(&text).expect("JSON");
        all["tunnels"][0].clone()
    }

    pub(crate) fn control_pid(&self) -> u32 {
        pid(&self.status()["control"]["pid"])
    }

    pub(crate) fn plane_pid(&self) -> u32 {
        pid(&self.status()["plane"]["pid"])
    }

    pub(crate) fn wg_socket(&self) -> PathBuf {
        Path::new("/var/run/wireguard").join(format!("{}.sock", self.name))
    }

    /// Every file that could stand for this tunnel.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let ours = ["api.sock", "plane.sock", "lock"]
            .map(|end| PathBuf::from(format!("/run/ringmesh/{}.{end}", self.name)));
        ours.into_iter().chain([self.wg_socket()]).filter(|path| path.exists()).collect()
    }

    pub(crate) fn ifindex(&self) -> String {
        let line = self.net.must(&format!("ip -o link show {}", self.name));
        line.split(':').next().expect("a number").to_owned()
    }

    /// Waits until both processes, the link and all files are gone.
    pub(crate) fn must_vanish(&self, control: u32, plane: u32) {
        wait_for("both processes end", || (!alive(control) && !alive(plane)).then_some(()));
        assert_eq!(self.files(), Vec::<PathBuf>::new());
        assert!(
            !self.net.run(&format!("ip link show {}", self.name)).status.success(),
            "the link is still there"
        );
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(format!("/run/ringmesh/{}.lock", self.name)) {
            run(&format!("kill -TERM {}", pid.trim()));
        }
        // A data plane that a failed test left alone ends with its link.
        run(&format!("ip -n {} link delete {}", self.net.0, self.name));
        if std::thread::panicking() {
            self.files().into_iter().for_each(|path| drop(std::fs::remove_file(path)));
        } else {
            wait_for("the tunnel ends", || self.files().is_empty().then_some(()));
        }
    }
}

/// A process number out of a status; 0 would mean "none".
fn pid(value: &Value) -> u32 {
    let pid = value.as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a process number");
    assert_ne!(pid, 0);
    pid
}

/// Whether the process runs; one that only waits to be reaped does not.
pub(crate) fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}
