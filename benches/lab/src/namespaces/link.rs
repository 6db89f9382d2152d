//! The wire between two namespaces.

use super::{Namespace, Side, ip, names};
use crate::{Result, guard};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the wire between two hosts is like.
#[derive(Clone, Copy, Debug)]
pub struct LinkPlan {
    /// Bytes, IP header included.
    pub mtu: u32,
    /// Whether super-packets cross the wire whole. Without, the kernel cuts every one before it leaves
    /// (`gso_max_segs 1`), which is what a network card without segment offload costs.
    pub offloads: bool,
}

impl Default for LinkPlan {
    fn default() -> Self {
        Self { mtu: 1_500, offloads: true }
    }
}

/// Two namespaces and the wire between them. Dropped, all of it is gone.
#[derive(Debug)]
pub struct Link {
    number: u32,
    a: Namespace,
    b: Namespace,
}

impl Link {
    /// Makes both namespaces and joins them by a veth pair named `wire` on either side, with the
    /// addresses of [`Link::address`].
    ///
    /// # Errors
    /// Without privileges, or where the kernel has no veth.
    pub fn create(plan: &LinkPlan) -> Result<Self> {
        let number = names::next_number();
        let a = Namespace::create(names::namespace(number, Side::A))?;
        let b = Namespace::create(names::namespace(number, Side::B))?;
        let mtu = plan.mtu.to_string();
        ip(
            &[
                "link",
                "add",
                "wire",
                "netns",
                a.name(),
                "mtu",
                &mtu,
                "type",
                "veth",
                "peer",
                "name",
                "wire",
                "netns",
                b.name(),
                "mtu",
                &mtu,
            ],
            "",
        )?;
        let link = Self { number, a, b };
        [Side::A, Side::B].into_iter().for_each(|side| guard::hold_interface(&link.interface(side)));
        link.set_up(Side::A, plan)?;
        link.set_up(Side::B, plan)?;
        Ok(link)
    }

    /// One of the two hosts.
    pub const fn side(&self, side: Side) -> &Namespace {
        match side {
            Side::A => &self.a,
            Side::B => &self.b,
        }
    }

    /// The name that a tunnel interface on this side should have; unique on the machine. Socket files with this
    /// name go with the link, also those that a killed program could not remove.
    pub fn interface(&self, side: Side) -> String {
        names::interface(self.number, side)
    }

    /// A host's address on the wire: 10.77.0.1 and .2, or fd77::1 and ::2.
    pub const fn address(side: Side, v6: bool) -> IpAddr {
        match v6 {
            false => IpAddr::V4(Ipv4Addr::new(10, 77, 0, side.number())),
            true => IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, side.number() as u16)),
        }
    }

    fn set_up(&self, side: Side, plan: &LinkPlan) -> Result<()> {
        let (v4, v6) = (Self::address(side, false), Self::address(side, true));
        let cut = if plan.offloads { "" } else { "link set wire gso_max_segs 1\n" };
        // `nodad`: an IPv6 address that waits for duplicates could not be used for a second.
        self.side(side).ip(&format!(
            "addr add {v4}/24 dev wire\naddr add {v6}/64 dev wire nodad\n{cut}link set wire up\n"
        ))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        [Side::A, Side::B].into_iter().for_each(|side| guard::release_interface(&self.interface(side)));
    }
}
