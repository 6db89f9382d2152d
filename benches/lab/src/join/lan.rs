//! A LAN: a switch, to which hosts are plugged.

use crate::Result;
use crate::namespaces::{Namespace, Side, ip, namespace, next_number};

/// The switch's own address, where a beacon may be.
pub(super) const ADDRESS: &str = "192.168.78.1";
const NETWORK: &str = "192.168.78";

/// A switch that floods multicast, as cheap ones do.
#[derive(Debug)]
pub(super) struct Lan {
    pub(super) switch: Namespace,
    ports: u8,
}

impl Lan {
    /// A LAN without anybody.
    ///
    /// # Errors
    /// When the machine refuses namespaces or bridges.
    pub(super) fn create() -> Result<Self> {
        let switch = Namespace::create(namespace(next_number(), Side::A))?;
        switch.ip(&format!(
            "link add switch type bridge mcast_snooping 0\naddr add {ADDRESS}/24 dev switch\nlink set switch up\n"
        ))?;
        Ok(Self { switch, ports: 1 })
    }

    /// A new host on it.
    ///
    /// # Errors
    /// As [`Lan::create`].
    pub(super) fn plug(&mut self) -> Result<Namespace> {
        self.ports += 1;
        let port = format!("port{}", self.ports);
        let host = Namespace::create(namespace(next_number(), Side::A))?;
        let (switch, inside) = (self.switch.name(), host.name());
        let words =
            ["link", "add", &port, "netns", switch, "type", "veth", "peer", "name", "lan", "netns", inside];
        ip(&words, "")?;
        self.switch.ip(&format!("link set {port} master switch up\n"))?;
        host.ip(&format!("addr add {NETWORK}.{}/24 dev lan\nlink set lan up\n", self.ports))?;
        Ok(host)
    }
}
