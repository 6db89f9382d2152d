//! The programs that answer to the `wg` userspace interface: which there are, where, and how to ask them.
//!
//! **Invariant:** no key ever stands in a command line. Configuration goes through the socket that each program
//! opens, or (the kernel) through the standard input of `wg`.

mod keys;
mod tunnel;
mod uapi;

pub use keys::{Keypair, random_key};
pub use tunnel::Tunnel;
pub use uapi::{DeviceConfig, PeerConfig, Uapi};

use crate::namespaces::{Namespace, Side, namespace, next_number};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every implementation that the laboratory can start.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Ours.
    Ringmesh,
    /// The Go program by the makers of WireGuard.
    WireguardGo,
    /// Cloudflare's, in Rust.
    BoringtunCli,
    /// Mullvad's, descended from boringtun.
    Gotatun,
    /// The module of the Linux kernel.
    Kernel,
}

impl Kind {
    /// All of them, ours first.
    pub const ALL: [Self; 5] =
        [Self::Ringmesh, Self::WireguardGo, Self::BoringtunCli, Self::Gotatun, Self::Kernel];

    /// The name by which people choose it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ringmesh => "ringmesh",
            Self::WireguardGo => "wireguard-go",
            Self::BoringtunCli => "boringtun-cli",
            Self::Gotatun => "gotatun",
            Self::Kernel => "kernel",
        }
    }

    /// The implementation with this name; `gotatun-cli`, the name of the package, is understood too.
    pub fn named(name: &str) -> Option<Self> {
        let name = if name == "gotatun-cli" { "gotatun" } else { name };
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The settings worth trying on a machine with `cores` cores, the program's default first.
    pub fn settings(self, cores: usize) -> Vec<Setting> {
        let threads =
            |text: &str| Setting { label: format!("-t {text}"), args: strings(&["-t", text]), env: vec![] };
        let tokio = |text: &str| Setting {
            label: format!("{text} worker{}", if text == "1" { "" } else { "s" }),
            args: vec![],
            env: vec![("TOKIO_WORKER_THREADS".to_owned(), text.to_owned())],
        };
        match self {
            Self::Ringmesh | Self::WireguardGo | Self::Kernel => vec![Setting::default()],
            Self::BoringtunCli => vec![threads("4"), threads("1")],
            Self::Gotatun if cores > 1 => vec![Setting::default(), tokio("1")],
            Self::Gotatun => vec![Setting::default()],
        }
    }

    /// What runs it in the foreground on an interface of this name.
    fn arguments(self, interface: &str) -> Vec<String> {
        match self {
            Self::Ringmesh => strings(&["tunnel", interface, "--foreground"]),
            Self::WireguardGo => strings(&["-f", interface]),
            Self::BoringtunCli | Self::Gotatun => {
                strings(&["--foreground", "--disable-drop-privileges", "--verbosity", "error", interface])
            }
            Self::Kernel => vec![],
        }
    }
}

/// How a program is run: extra arguments and environment.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Setting {
    /// What tables call it; empty for the program's default.
    pub label: String,
    /// Arguments before the interface's name.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, String)>,
}

/// An implementation that was found on this machine.
#[derive(Clone, Debug, Serialize)]
pub struct Implementation {
    /// Which.
    pub kind: Kind,
    /// Its file (for the kernel: `ip`, which makes the interface).
    pub program: PathBuf,
    /// What it says about its version.
    pub version: String,
}

impl Implementation {
    /// Looks for an implementation in `PATH` and in cargo's directory; ours is at `own`.
    pub fn find(kind: Kind, own: Option<&Path>) -> Option<Self> {
        let program = match kind {
            Kind::Ringmesh => own?.to_owned(),
            Kind::Kernel => return kernel(),
            Kind::WireguardGo | Kind::BoringtunCli | Kind::Gotatun => in_path(Path::new(kind.name()))?,
        };
        let version = version(&program);
        Some(Self { kind, program, version })
    }

    /// Every implementation on this machine, ours first.
    pub fn find_all(own: Option<&Path>) -> Vec<Self> {
        Kind::ALL.into_iter().filter_map(|kind| Self::find(kind, own)).collect()
    }
}

/// A program in `PATH`, in the directories where root's tools live, or where cargo installs.
pub fn in_path(program: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))
        .map(|home| home.join("bin"));
    let usual = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .chain(cargo)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// The first line that says a number, of what `--version` prints to either stream.
fn version(program: &Path) -> String {
    let Ok(output) = Command::new(program).arg("--version").output() else { return "unknown".to_owned() };
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).join("\n");
    let line = text.lines().find(|line| line.contains(|letter: char| letter.is_ascii_digit()));
    line.unwrap_or("unknown").trim().to_owned()
}

/// The kernel's own, if this kernel can make such an interface; tried in a namespace that nobody uses.
fn kernel() -> Option<Implementation> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    in_path(Path::new("wg"))?;
    let nowhere = Namespace::create(namespace(next_number(), Side::A)).ok()?;
    nowhere.ip("link add wg0 type wireguard\n").ok()?;
    let version = format!("Linux {}", release.trim());
    Some(Implementation { kind: Kind::Kernel, program: PathBuf::from(crate::needs::IP), version })
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests;
