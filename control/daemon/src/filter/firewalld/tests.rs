//! A firewalld of one table of zones, on the other end of a socket.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use zbus::connection::Builder;

use super::*;

type Zones = Arc<Mutex<BTreeMap<String, String>>>;

struct Firewalld(Zones);

impl Firewalld {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, String>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[zbus::interface(name = "org.fedoraproject.FirewallD1.zone")]
impl Firewalld {
    #[zbus(name = "getZoneOfInterface")]
    fn zone_of(&self, interface: String) -> String {
        self.with(|zones| zones.get(&interface).cloned().unwrap_or_default())
    }

    #[zbus(name = "changeZoneOfInterface")]
    fn change_zone(&self, zone: String, interface: String) -> String {
        self.with(|zones| zones.insert(interface, zone.clone()));
        zone
    }

    #[zbus(name = "removeInterface")]
    fn remove(&self, zone: String, interface: String) -> zbus::fdo::Result<String> {
        let removed = self.with(|zones| zones.remove(&interface));
        if removed.as_ref() == Some(&zone) {
            Ok(zone)
        } else {
            Err(zbus::fdo::Error::Failed("ZONE_CONFLICT".into()))
        }
    }
}

/// A firewalld with these zones, and a connection to it.
async fn firewalld(zones: &Zones) -> (Connection, Connection) {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let guid = zbus::Guid::generate();
    let server = Builder::unix_stream(theirs).server(guid).p2p();
    let server = server.serve_at(PATH, Firewalld(zones.clone())).build();
    let client = Builder::unix_stream(ours).p2p().build();
    tokio::try_join!(client, server).expect("connect")
}

#[tokio::test]
async fn an_interface_without_a_zone_is_trusted_until_the_circle_is_down() {
    let ifname = IfName::new("rm-home").expect("a name");
    for (zone, admitted, while_up, dismissed, after) in [
        (None, true, "trusted", true, None),
        (Some("home"), false, "home", false, Some("home")),
        (Some("trusted"), false, "trusted", true, None),
    ] {
        let zones = Zones::default();
        let set = |zone: &str| zones.lock().expect("whole").insert("rm-home".into(), zone.into());
        zone.map(set);
        let get = || zones.lock().expect("whole").get("rm-home").cloned();
        let (bus, _server) = firewalld(&zones).await;
        assert_eq!(admit_by(&bus, &ifname).await.expect("answers"), admitted, "{zone:?}");
        assert_eq!(get().as_deref(), Some(while_up), "{zone:?}");
        assert!(!admit_by(&bus, &ifname).await.expect("answers"), "{zone:?}: once is enough");
        assert_eq!(dismiss_by(&bus, &ifname).await.expect("answers"), dismissed, "{zone:?}");
        assert_eq!(get().as_deref(), after, "{zone:?}");
    }
}

#[tokio::test]
async fn one_that_goes_away_is_an_error() {
    let (bus, server) = firewalld(&Zones::default()).await;
    drop(server);
    assert!(admit_by(&bus, &IfName::new("rm-home").expect("a name")).await.is_err());
}
