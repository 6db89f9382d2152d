//! Where a peer is, small for what nearly every peer has: one address, or none.
//!
//! **Invariant:** what is put in comes out.

use std::net::SocketAddr;

use ringmesh_wire::{Endpoint, UdpPath};

/// The way to one peer.
pub(super) enum Way {
    /// At most an address, over the first socket, from whatever address of ours.
    Address(Option<SocketAddr>),
    Any(Box<Endpoint>),
}

const _: () = assert!(size_of::<Way>() <= 32, "100,000 peers have one each");

impl From<Option<Endpoint>> for Way {
    fn from(endpoint: Option<Endpoint>) -> Self {
        match endpoint {
            None => Self::Address(None),
            Some(Endpoint::Udp(UdpPath { remote, local: None, socket: 0 })) => Self::Address(Some(remote)),
            Some(endpoint) => Self::Any(Box::new(endpoint)),
        }
    }
}

impl Way {
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Address(remote) => {
                remote.map(|remote| Endpoint::Udp(UdpPath { remote, local: None, socket: 0 }))
            }
            Self::Any(endpoint) => Some(**endpoint),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmesh_wire::LocalAddr;

    #[test]
    fn every_way_comes_out_as_it_was_put_in() {
        let local = Some(LocalAddr { ip: [10, 0, 0, 1].into(), ifindex: 3 });
        let remotes = ["192.0.2.1:51820", "[2001:db8::1]:1", "[fe80::1%7]:65535"];
        let mut ways = vec![None, Some(Endpoint::Control { token: u64::MAX })];
        for remote in remotes.map(|text| text.parse().expect("an address")) {
            for (local, socket) in [(None, 0), (None, 1), (local, 0), (local, 1)] {
                let path = UdpPath { remote, local, socket };
                ways.extend(
                    [Endpoint::Udp(path), Endpoint::Turn { server: path, channel: 0x4001 }].map(Some),
                );
            }
        }
        for way in ways {
            assert_eq!(Way::from(way).endpoint(), way);
        }
    }
}
