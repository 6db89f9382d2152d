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
    check_with(command, &[])
}

/// The same, and further programs, each with the package that has it.
///
/// # Errors
/// As [`check`].
pub fn check_with(command: &str, programs: &[(&str, &str)]) -> Result<()> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push(format!(
            "root (or CAP_NET_ADMIN and CAP_SYS_ADMIN), to make network namespaces and tunnels: run `sudo {command}`"
        ));
    }
    let wanted = [(IP, "iproute2")].into_iter().chain(programs.iter().copied());
    for (program, package) in wanted.filter(|(program, _)| in_path(Path::new(program)).is_none()) {
        missing.push(format!("the program `{program}`: install the package {package}"));
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
