//! The ways to one peer, small for what nearly every peer has: one address, or none.
//!
//! **Invariant:** equal ways are equal values, however they came about.

use std::net::SocketAddr;

use ringmesh_abi::command::ENDPOINTS_PER_PEER;
use ringmesh_abi::{Endpoint, UdpPath};

/// Where a peer may be reached; the first is where to begin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoints(Ways);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Ways {
    /// At most an address, over the first socket, from whatever address of ours.
    Address(Option<SocketAddr>),
    Any(Box<[Endpoint; ENDPOINTS_PER_PEER]>),
}

const _: () = assert!(size_of::<Endpoints>() <= 32, "100,000 peers have one each");

impl Default for Endpoints {
    fn default() -> Self {
        Self(Ways::Address(None))
    }
}

impl From<[Endpoint; ENDPOINTS_PER_PEER]> for Endpoints {
    fn from(all: [Endpoint; ENDPOINTS_PER_PEER]) -> Self {
        let [first, others @ ..] = &all;
        let plain = match first {
            Endpoint::None => Some(None),
            Endpoint::Udp(UdpPath { remote, local: None, socket: 0 }) => Some(Some(*remote)),
            Endpoint::Udp(_) | Endpoint::Turn { .. } | Endpoint::Control { .. } => None,
        };
        let alone = others.iter().all(|other| *other == Endpoint::None);
        match plain.filter(|_| alone) {
            Some(address) => Self(Ways::Address(address)),
            None => Self(Ways::Any(Box::new(all))),
        }
    }
}

impl Endpoints {
    /// All of them, as a command names them.
    pub(crate) fn all(&self) -> [Endpoint; ENDPOINTS_PER_PEER] {
        match &self.0 {
            Ways::Address(address) => {
                let mut all = [Endpoint::None; ENDPOINTS_PER_PEER];
                if let Some(remote) = *address {
                    all[0] = Endpoint::Udp(UdpPath { remote, local: None, socket: 0 });
                }
                all
            }
            Ways::Any(all) => **all,
        }
    }

    /// Where to begin.
    pub(crate) fn first(&self) -> Endpoint {
        self.all()[0]
    }

    /// Begins there; the other ways stay.
    pub(crate) fn set_first(&mut self, first: Endpoint) {
        let mut all = self.all();
        all[0] = first;
        *self = all.into();
    }
}

#[cfg(test)]
mod tests;
