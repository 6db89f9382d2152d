//! Names that mean something on this machine already. One that would hide a real host is refused, with the reason.
//!
//! Looked at are `/etc/hosts` and the search domains of `resolv.conf`, and then the system is asked whether it finds a host of that name.
//! What it finds in the mesh, and this machine itself, hide nobody. That question goes to the network's name server in the clear, once, when
//! somebody chooses the name; a name that hides the printer would do more harm.
//!
//! **Invariant:** nothing here waits longer than [`PATIENCE`]: with no answer by then, the name hides nothing that works.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ringmesh_mesh::name::Label;
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::file::etc;
use super::namespace::is_shared;
use super::resolv_conf;
use super::zone::Zone;

/// Longest wait for the system's resolver.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Top-level domains under which so many real hosts are found that a circle of that name would be taken for one: `nas.com`.
const TOP_LEVEL: &[&str] = &[
    "com", "net", "org", "edu", "gov", "mil", "int", "info", "biz", "dev", "app", "example", "test",
    "invalid", "onion", "alt",
];

/// Why a name cannot be had; reads as the end of a sentence that begins with the name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Shadows {
    /// It stands in the hosts file.
    #[error("it stands for {0} in /etc/hosts, which programs would find instead")]
    HostsFile(IpAddr),
    /// The system finds a host of that name.
    #[error("it is the name of a host at {0} in this network, which would be hidden")]
    Host(IpAddr),
    /// It reads like a public domain.
    #[error("it is a top-level domain, so a name like nas.{0} would be taken for a public one")]
    TopLevel(String),
    /// The network uses that domain.
    #[error("this network uses the domain {0} itself")]
    Domain(String),
}

/// What is known of this machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    /// Its own addresses.
    pub(crate) own: BTreeSet<IpAddr>,
    /// What it calls itself.
    pub(crate) hostname: String,
}

/// Whether a device may have this name, as far as this machine can tell. `ourselves` if it is this machine's own: that may be its own name
/// in the hosts file and for other resolvers too.
///
/// # Errors
/// [`Shadows`].
pub(crate) async fn device(
    name: &Label,
    zone: Option<&Zone>,
    machine: &Machine,
    ourselves: bool,
) -> Result<(), Shadows> {
    let host = machine.hostname.split('.').next().unwrap_or_default();
    if ourselves && host.eq_ignore_ascii_case(name.as_str()) {
        return Ok(());
    }
    let hides = |ip: &IpAddr| {
        let mesh = zone.is_some_and(|zone| zone.is_mesh(*ip));
        let itself = ourselves && (ip.is_loopback() || machine.own.contains(ip));
        !mesh && !itself
    };
    let hosts = std::fs::read_to_string(etc("hosts")).unwrap_or_default();
    if let Some(ip) = in_hosts(&hosts, name.as_str()).into_iter().find(hides) {
        return Err(Shadows::HostsFile(ip));
    }
    // Nor is anything asked of the network by who does not take part in its names.
    if is_shared(&etc("resolv.conf")) {
        return Ok(());
    }
    match found(name.as_str()).await.into_iter().find(hides) {
        Some(ip) => Err(Shadows::Host(ip)),
        None => Ok(()),
    }
}

/// Whether a circle may have this name, as far as this machine's files tell: names under `internal` are asked of nobody.
///
/// # Errors
/// [`Shadows`].
pub(crate) fn circle(name: &Label) -> Result<(), Shadows> {
    if name.as_str().len() == 2 || TOP_LEVEL.contains(&name.as_str()) {
        return Err(Shadows::TopLevel(name.to_string()));
    }
    let settings = resolv_conf::read(&std::fs::read_to_string(etc("resolv.conf")).unwrap_or_default());
    settings.search_within(name.as_str()).map_or(Ok(()), |domain| Err(Shadows::Domain(domain.to_owned())))
}

/// What the system finds under a name.
async fn found(name: &str) -> Vec<IpAddr> {
    match timeout(PATIENCE, lookup_host((name, 0))).await {
        Ok(Ok(addresses)) => addresses.map(|address| address.ip().to_canonical()).collect(),
        Ok(Err(_)) | Err(_) => vec![],
    }
}

/// The addresses of a name in a hosts file (hosts(5)).
fn in_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let line = |line: &str| {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let ip: IpAddr = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(ip)
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests;
