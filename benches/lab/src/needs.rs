//! What an experiment needs from the machine, found out before it begins.

use crate::implementations::in_path;
use crate::{Error, Result};
use std::path::Path;

/// The `ip` program of iproute2.
pub(crate) const IP: &str = "ip";

/// Checks everything that making namespaces and tunnels takes.
///
/// # Errors
/// [`Error::Needs`] names all that is missing, each with what to do about it.
pub fn check(command: &str) -> Result<()> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push(format!(
            "root (or CAP_NET_ADMIN and CAP_SYS_ADMIN), to make network namespaces and tunnels: run `sudo {command}`"
        ));
    }
    if in_path(Path::new(IP)).is_none() {
        missing.push("the program `ip`: install the package iproute2".to_owned());
    }
    if !Path::new("/dev/net/tun").exists() {
        missing.push(
            "/dev/net/tun: load the module with `modprobe tun`, or pass the device to this container"
                .to_owned(),
        );
    }
    match missing.as_slice() {
        [] => Ok(()),
        [one] => Err(Error::Needs(format!("this needs {one}"))),
        several => Err(Error::Needs(format!("this needs:\n  - {}", several.join("\n  - ")))),
    }
}
