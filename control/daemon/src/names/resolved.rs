//! systemd-resolved, by D-Bus (org.freedesktop.resolve1(5)): our link answers for the circle's domains, and for nothing else.
//!
//! What was set belongs to the link in resolved's memory: it goes with the link, and with [`Resolved::revert`].
//!
//! **Invariant:** only a resolved that lives in our own network namespace is told anything; to another one our link's number would mean
//! somebody else's link.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;
use zbus::Connection;
use zbus::message::Body;

use super::namespace;

const NAME: &str = "org.freedesktop.resolve1";
const PATH: &str = "/org/freedesktop/resolve1";
const INTERFACE: &str = "org.freedesktop.resolve1.Manager";
/// Longest wait for the bus or for resolved.
const PATIENCE: Duration = Duration::from_secs(3);

/// A running resolved.
#[derive(Debug)]
pub(crate) struct Resolved {
    bus: Connection,
    /// Its address on the bus: another one after it was restarted.
    owner: String,
}

/// Why there is none that we can use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// There is no bus, or no resolved on it.
    #[error("systemd-resolved does not run")]
    NotRunning,
    /// It is another network namespace's.
    #[error("systemd-resolved belongs to another network namespace")]
    Elsewhere,
    /// It refused, or did not answer in time.
    #[error("systemd-resolved did not take our settings: {0}")]
    Refused(String),
}

impl From<zbus::Error> for Unusable {
    fn from(error: zbus::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

/// What our link answers for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Link {
    /// Its number.
    pub(crate) index: u32,
    /// Where we answer.
    pub(crate) servers: Vec<IpAddr>,
    /// The circle's domain: for whole names, and put after short ones.
    pub(crate) domain: String,
    /// The domains of its addresses.
    pub(crate) reverse: Vec<String>,
}

impl Resolved {
    /// Looks for it; does not start one.
    ///
    /// # Errors
    /// [`Unusable`].
    pub(crate) async fn find() -> Result<Self, Unusable> {
        let found = async {
            let bus = Connection::system().await.map_err(|_| Unusable::NotRunning)?;
            let owner: String = ask_bus(&bus, "GetNameOwner").await.map_err(|_| Unusable::NotRunning)?;
            let pid: u32 = ask_bus(&bus, "GetConnectionUnixProcessID").await?;
            if namespace::is_ours(pid) { Ok(Self { bus, owner }) } else { Err(Unusable::Elsewhere) }
        };
        timeout(PATIENCE, found)
            .await
            .unwrap_or_else(|_| Err(Unusable::Refused("no answer in time".to_owned())))
    }

    /// Whether it still is the one that was told.
    pub(crate) async fn is_same(&self) -> bool {
        let owner = timeout(PATIENCE, ask_bus::<String>(&self.bus, "GetNameOwner")).await;
        matches!(owner, Ok(Ok(owner)) if owner == self.owner)
    }

    /// Makes our link answer for the circle's domains, and for nothing else.
    ///
    /// # Errors
    /// [`Unusable`]; some of it may have been set, and a call again sets all of it.
    pub(crate) async fn set(&self, link: &Link) -> Result<(), Unusable> {
        let index = i32::try_from(link.index).unwrap_or(i32::MAX);
        let servers: Vec<(i32, Vec<u8>)> = link.servers.iter().map(address).collect();
        let only_routed = link.reverse.iter().map(|domain| (domain.as_str(), true));
        let domains: Vec<(&str, bool)> =
            [(link.domain.as_str(), false)].into_iter().chain(only_routed).collect();
        self.call("SetLinkDNS", &(index, servers)).await?;
        self.call("SetLinkDomains", &(index, domains)).await?;
        self.call("SetLinkDefaultRoute", &(index, false)).await?;
        // Between us and this machine there is nothing to sign or to encrypt; versions that do not know these have it so anyway.
        for method in ["SetLinkDNSSEC", "SetLinkDNSOverTLS", "SetLinkLLMNR", "SetLinkMulticastDNS"] {
            if let Err(error) = self.call(method, &(index, "no")).await {
                tracing::debug!(%error, method, "an optional setting of systemd-resolved");
            }
        }
        Ok(())
    }

    /// Takes back what was set for a link. One that is gone has taken it along.
    pub(crate) async fn revert(&self, index: u32) {
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        if let Err(error) = self.call("RevertLink", &(index,)).await {
            tracing::debug!(%error, "taking settings back from systemd-resolved");
        }
    }

    async fn call<B: serde::Serialize + zbus::DynamicType>(
        &self,
        method: &str,
        body: &B,
    ) -> Result<(), Unusable> {
        let call = self.bus.call_method(Some(NAME), PATH, Some(INTERFACE), method, body);
        timeout(PATIENCE, call).await.map_err(|_| Unusable::Refused("no answer in time".to_owned()))??;
        Ok(())
    }
}

async fn ask_bus<T>(bus: &Connection, method: &str) -> zbus::Result<T>
where
    T: serde::de::DeserializeOwned + zbus::zvariant::Type,
{
    let bus_name = "org.freedesktop.DBus";
    let reply =
        bus.call_method(Some(bus_name), "/org/freedesktop/DBus", Some(bus_name), method, &(NAME,)).await?;
    let body: Body = reply.body();
    body.deserialize()
}

fn address(ip: &IpAddr) -> (i32, Vec<u8>) {
    match ip {
        IpAddr::V4(v4) => (libc::AF_INET, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6, v6.octets().to_vec()),
    }
}
