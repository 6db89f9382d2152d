//! firewalld, by D-Bus (firewalld.dbus(5)): what comes by our interface is for our table to judge, so it is in the zone that lets in
//! everything.
//!
//! **Invariant:** an interface that somebody has put into a zone stays there.
//! **Invariant:** only a firewalld of our own network namespace is told anything.

use std::time::Duration;

use tokio::time::timeout;
use zbus::Connection;

use crate::ifname::IfName;

const NAME: &str = "org.fedoraproject.FirewallD1";
const PATH: &str = "/org/fedoraproject/FirewallD1";
const INTERFACE: &str = "org.fedoraproject.FirewallD1.zone";
const BUS: &str = "org.freedesktop.DBus";
const BUS_PATH: &str = "/org/freedesktop/DBus";
/// The zone that lets in everything.
const TRUSTED: &str = "trusted";
/// Longest wait: it rewrites all its rules before it answers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Puts our interface into the trusted zone, if firewalld runs and nobody has put it into one. True if that was done.
pub(crate) async fn admit(ifname: &IfName) -> bool {
    let done = async {
        let Some(bus) = find().await? else { return Ok(false) };
        admit_by(&bus, ifname).await
    };
    tell(timeout(PATIENCE, done).await, ifname)
}

/// Takes our interface out of that zone. True if it was there.
pub(crate) async fn dismiss(ifname: &IfName) -> bool {
    let done = async {
        let Some(bus) = find().await? else { return Ok(false) };
        dismiss_by(&bus, ifname).await
    };
    tell(timeout(PATIENCE, done).await, ifname)
}

fn tell(done: Result<zbus::Result<bool>, tokio::time::error::Elapsed>, ifname: &IfName) -> bool {
    match done {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => {
            tracing::warn!(%error, interface = %ifname, "firewalld does not do what it was asked");
            false
        }
        Err(_) => {
            tracing::warn!(interface = %ifname, "firewalld does not answer");
            false
        }
    }
}

async fn admit_by(bus: &Connection, ifname: &IfName) -> zbus::Result<bool> {
    let free = zone_of(bus, ifname).await?.is_empty();
    if free {
        let zone: String = ask(bus, "changeZoneOfInterface", &(TRUSTED, ifname.as_str())).await?;
        tracing::info!(interface = %ifname, zone, "put into a zone of firewalld");
    }
    Ok(free)
}

async fn dismiss_by(bus: &Connection, ifname: &IfName) -> zbus::Result<bool> {
    let there = zone_of(bus, ifname).await? == TRUSTED;
    if there {
        let _zone: String = ask(bus, "removeInterface", &(TRUSTED, ifname.as_str())).await?;
    }
    Ok(there)
}

/// The zone that an interface was put into; empty if it was put into none.
async fn zone_of(bus: &Connection, ifname: &IfName) -> zbus::Result<String> {
    ask(bus, "getZoneOfInterface", &(ifname.as_str(),)).await
}

async fn ask<B>(bus: &Connection, method: &str, body: &B) -> zbus::Result<String>
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    bus.call_method(Some(NAME), PATH, Some(INTERFACE), method, body).await?.body().deserialize()
}

/// The system's bus, if a firewalld of our network namespace is there. It is not started for us.
async fn find() -> zbus::Result<Option<Connection>> {
    let Ok(bus) = Connection::system().await else { return Ok(None) };
    let pid = bus.call_method(Some(BUS), BUS_PATH, Some(BUS), "GetConnectionUnixProcessID", &(NAME,)).await;
    // Nobody has the name.
    let Ok(pid) = pid else { return Ok(None) };
    let pid: u32 = pid.body().deserialize()?;
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let ours = namespace("self").is_some_and(|ours| namespace(&pid.to_string()) == Some(ours));
    Ok(ours.then_some(bus))
}

#[cfg(test)]
mod tests;
