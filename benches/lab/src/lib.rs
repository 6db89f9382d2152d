//! A laboratory of network namespaces, traffic and honest measurements; what demo, bench and the interop tests run in.
//!
//! From the ground up:
//!
//! - [`namespaces`]: two hosts in a box, joined by a wire, that vanish without a trace
//! - [`implementations`]: WireGuard programs, found, started, configured and stopped
//! - [`pair`]: two devices with a tunnel between them, of any two implementations
//! - [`traffic`]: generators and sinks, run as child processes inside a namespace
//! - [`measure`]: medians, spreads, ratios, processor time and memory
//! - [`suite`]: the measurements, one after the other, on one pair
//! - [`demo`], [`bench`], [`soak`], [`scale`], [`join`]: what a person starts
//!
//! **Invariant:** this crate knows nothing of how Ringmesh works inside. It starts the executable and
//! speaks the `wg` userspace interface, exactly as it does with everybody else's, so that no number
//! can come from knowing us better.

mod beacon;
pub mod bench;
pub mod clock;
pub mod demo;
mod device;
mod error;
pub mod guard;
pub mod implementations;
pub mod join;
pub mod measure;
pub mod namespaces;
pub mod needs;
pub mod pair;
pub mod progress;
pub mod scale;
pub mod soak;
pub mod suite;
pub mod table;
pub mod traffic;

pub use error::{Error, Result};

use std::path::{Path, PathBuf};

/// Which files the laboratory starts.
#[derive(Clone, Debug)]
pub struct Executables {
    /// Answers to `lab-traffic PLAN` (see [`traffic::run`]).
    pub traffic: PathBuf,
    /// The `ringmesh` executable, where there is one.
    pub ringmesh: Option<PathBuf>,
}

impl Executables {
    /// This process' own file for both: what `ringmesh demo` and `ringmesh bench` want.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn own() -> Result<Self> {
        let own = own_path()?;
        Ok(Self { traffic: own.clone(), ringmesh: Some(own) })
    }

    /// The `ringmesh` executable.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn ringmesh(&self) -> Result<&Path> {
        let missing =
            || Error::Needs("the executable `ringmesh` is not beside this one nor in PATH".to_owned());
        self.ringmesh.as_deref().ok_or_else(missing)
    }

    /// This process' own file for traffic, and a `ringmesh` beside it or in `PATH`.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn beside() -> Result<Self> {
        let traffic = own_path()?;
        let sibling = traffic.with_file_name("ringmesh");
        let ringmesh =
            if sibling.is_file() { Some(sibling) } else { implementations::in_path(Path::new("ringmesh")) };
        Ok(Self { traffic, ringmesh })
    }
}

fn own_path() -> Result<PathBuf> {
    std::env::current_exe().map_err(|source| Error::io("cannot find the path of this executable", source))
}
