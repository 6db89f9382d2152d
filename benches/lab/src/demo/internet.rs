//! What lies between the devices of the demonstration: a router with a beacon on it, and behind each port a network of its own.

use crate::beacon::Beacon;
use crate::namespaces::{Namespace, Side, ip, namespace, next_number};
use crate::{Error, Executables, Result};

/// The beacon's address (RFC 5737 keeps its range for examples).
const ADDRESS: &str = "198.51.100.1";

/// The router. Dropping it ends the beacon too.
#[derive(Debug)]
pub(super) struct Internet {
    // Dropped in this order: the process, then what it lives in.
    beacon: Option<Beacon>,
    router: Namespace,
    ports: u8,
}

impl Internet {
    /// A router without anything behind it.
    ///
    /// # Errors
    /// When the machine refuses.
    pub(super) fn create() -> Result<Self> {
        let router = Namespace::create(namespace(next_number(), Side::A))?;
        router.ip(&format!("addr add {ADDRESS}/32 dev lo\n"))?;
        let forwarding = "/proc/sys/net/ipv4/ip_forward";
        // What /proc shows of the network is what the thread that looks is in.
        let forwards = router.enter(|| std::fs::write(forwarding, "1"))?;
        forwards.map_err(|error| Error::io(forwarding, error))?;
        Ok(Self { beacon: None, router, ports: 0 })
    }

    /// Starts the beacon and gives its address with its key, as `up` takes it.
    ///
    /// # Errors
    /// When it does not start.
    pub(super) fn start_beacon(&mut self, files: &Executables) -> Result<String> {
        let beacon = Beacon::start(&self.router, ADDRESS, files)?;
        Ok(self.beacon.insert(beacon).url.clone())
    }

    /// A host behind the next port, in a network of its own.
    ///
    /// # Errors
    /// When the machine refuses.
    pub(super) fn plug(&mut self) -> Result<Namespace> {
        self.ports += 1;
        let (port, network) = (format!("port{}", self.ports), format!("203.0.{}", self.ports));
        let host = Namespace::create(namespace(next_number(), Side::A))?;
        let router = self.router.name();
        ip(
            &[
                "link",
                "add",
                &port,
                "netns",
                router,
                "type",
                "veth",
                "peer",
                "name",
                "wan",
                "netns",
                host.name(),
            ],
            "",
        )?;
        self.router.ip(&format!("addr add {network}.1/24 dev {port}\nlink set {port} up\n"))?;
        host.ip(&format!(
            "addr add {network}.2/24 dev wan\nlink set wan up\nroute add default via {network}.1\n"
        ))?;
        Ok(host)
    }
}
