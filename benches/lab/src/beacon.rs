//! A beacon on a host: the executable's own, started as a person starts it.

use crate::namespaces::Namespace;
use crate::{Error, Executables, Result};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

const PORT: u16 = 3478;

/// A beacon that runs. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Beacon {
    child: Child,
    /// Its address with its key, as `up` takes it.
    pub(crate) url: String,
}

impl Beacon {
    /// Starts a beacon on a host that others reach by `address`.
    ///
    /// # Errors
    /// When it does not start.
    pub(crate) fn start(host: &Namespace, address: &str, files: &Executables) -> Result<Self> {
        let mut command = Command::new(files.ringmesh()?);
        command.args(["beacon", "--name", address, "--listen", &format!("0.0.0.0:{PORT}"), "--state"]);
        command.arg(host.dir().join("beacon"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let child = host.spawn(&mut command)?;
        let mut beacon = Self { child, url: String::new() };
        let output = beacon.child.stdout.take();
        // Once it says where it is, it can be come to.
        let said = output.map(|output| BufReader::new(output).read_line(&mut beacon.url));
        match said {
            Some(Ok(count)) if count > 0 => {
                beacon.url.truncate(beacon.url.trim_end().len());
                Ok(beacon)
            }
            Some(_) | None => Err(Error::Tunnel("the beacon did not start".to_owned())),
        }
    }
}

impl Drop for Beacon {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}
