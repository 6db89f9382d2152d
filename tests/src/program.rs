//! The executable under test and the implementations that it has to get along with.

use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use ringmesh_abi::fault;
use ringmesh_lab::clock;
use ringmesh_lab::namespaces::Namespace;

use crate::uapi;

/// How long a device may take to answer on its socket after it was started.
pub const START_LIMIT: Duration = Duration::from_secs(10);

/// A WireGuard implementation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Program {
    /// The executable of this tree, with this many workers.
    Ringmesh {
        /// `--workers`
        workers: u32,
    },
    /// The executable of this tree with fault points, with one worker.
    Faulty {
        /// The switch that arms them: a descriptor of the test's own process.
        switch: RawFd,
    },
    /// The Go implementation of WireGuard's author.
    WireguardGo,
    /// Cloudflare's, in Rust.
    Boringtun,
    /// Mullvad's, in Rust.
    Gotatun,
}

/// All implementations but ours.
pub const OTHERS: [Program; 3] = [Program::WireguardGo, Program::Boringtun, Program::Gotatun];

impl Program {
    /// The command that serves `interface` in the foreground.
    pub fn command(self, interface: &str) -> Command {
        match self {
            Self::Ringmesh { workers } => {
                let mut command = Command::new(executable());
                command.args(["tunnel", interface, "--foreground", "--workers", &workers.to_string()]);
                command
            }
            Self::Faulty { switch } => {
                let mut command = Command::new(faulty_executable());
                command.args(["tunnel", interface, "--foreground", "--workers", "1"]);
                command.env(fault::VARIABLE, format!("/proc/{}/fd/{switch}", std::process::id()));
                command
            }
            Self::WireguardGo => {
                let mut command = Command::new("wireguard-go");
                command.args(["--foreground", interface]).env("LOG_LEVEL", "error");
                command
            }
            Self::Boringtun => {
                let mut command = Command::new("boringtun-cli");
                command.args(["--foreground", "--disable-drop-privileges", interface]);
                command
            }
            Self::Gotatun => {
                let mut command = Command::new("gotatun");
                command.args([
                    "--foreground",
                    "--disable-drop-privileges",
                    "--verbosity",
                    "error",
                    interface,
                ]);
                command
            }
        }
    }
}

/// The `ringmesh` under test: `RINGMESH_BIN`, or the one that cargo builds now, so that no test runs
/// against yesterday's.
///
/// # Panics
/// When it does not build.
pub fn executable() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| std::env::var_os("RINGMESH_BIN").map_or_else(build, PathBuf::from))
}

/// The `ringmesh` with fault points: `RINGMESH_FAULTY_BIN`, or a copy of what cargo builds now.
///
/// # Panics
/// When it does not build, or has no fault points.
pub fn faulty_executable() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = std::env::var_os("RINGMESH_FAULTY_BIN").map_or_else(build_faulty, PathBuf::from);
        assert!(has_fault_points(&path), "{} has no fault points", path.display());
        path
    })
}

/// Whether an executable looks for a switch of fault points.
///
/// # Panics
/// When it cannot be read.
pub fn has_fault_points(executable: &Path) -> bool {
    let bytes = std::fs::read(executable).expect("an executable");
    bytes.windows(fault::VARIABLE.len()).any(|window| window == fault::VARIABLE.as_bytes())
}

/// Both builds leave the same file, so this one is copied away before the other kind can take its place.
fn build_faulty() -> PathBuf {
    let built = build_with(&["--features", "fault-points"]);
    let copy = built.with_file_name("ringmesh-faulty");
    let draft = built.with_file_name(format!("ringmesh-faulty-{}", std::process::id()));
    std::fs::copy(built, &draft).expect("a copy");
    // Tests that run at the same time replace it by the same, whole.
    std::fs::rename(draft, &copy).expect("a file of ours");
    copy
}

fn build() -> PathBuf {
    build_with(&[])
}

fn build_with(options: &[&str]) -> PathBuf {
    let root = crate::tidy::tree::root();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let status = cargo.args(["build", "--quiet", "-p", "ringmesh"]).args(options).current_dir(root).status();
    assert!(status.expect("cargo can be run").success(), "ringmesh does not build");
    // target/debug/deps/this-test -> target/debug/ringmesh
    let test = std::env::current_exe().expect("a path of this test");
    let folder = test.ancestors().nth(2).expect("a target folder");
    folder.join("ringmesh")
}

/// A running implementation; dropped, it is killed.
#[derive(Debug)]
pub struct Device {
    /// Which one it is.
    pub program: Program,
    /// Its TUN device, and the name of its socket.
    pub interface: String,
    child: Child,
}

impl Device {
    /// Starts `program` in `namespace`; [`Device::ready`] waits for it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(namespace: &Namespace, program: Program, interface: &str) -> Self {
        let mut command = program.command(interface);
        command.stdin(Stdio::null());
        let child = namespace.spawn(&mut command).unwrap_or_else(|error| panic!("{program:?}: {error}"));
        Self { program, interface: interface.to_owned(), child }
    }

    /// Waits until it answers on its socket.
    ///
    /// # Panics
    /// When it ended or does not answer within [`START_LIMIT`].
    pub fn ready(&mut self) {
        let answered = clock::until(START_LIMIT, || {
            let ended = self.child.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "{:?} ended with {ended:?}", self.program);
            uapi::get(&self.interface).ok()
        });
        assert!(answered.is_some(), "{:?} does not answer on its socket", self.program);
    }

    /// The pid of the process that was started.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_some()
    }

    /// Ends it with SIGKILL and waits for its end.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("a child of ours");
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it has not within `limit`.
    pub fn wait_for_end(&mut self, limit: Duration) {
        let ended = clock::until(limit, || self.child.try_wait().expect("a child of ours"));
        assert!(ended.is_some(), "{:?} did not end within {limit:?}", self.program);
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // It may have ended before; the namespace takes what it leaves behind.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
