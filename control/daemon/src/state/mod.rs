//! What the data plane should be: the device, its peers, their allowed IPs.
//!
//! A [`Command`] names a wanted state, so the same commands drive everything: they go to the data plane, and are applied
//! to this state, which is the *acknowledged* one, once the data plane has answered. What is wanted beyond it is the
//! commands that have not been answered. A data plane that dies is rebuilt from the acknowledged state's own commands.
//!
//! **Invariant:** [`State::apply`] is total: any sequence of commands, in particular one that a hostile data plane
//! sends as its state, leaves a consistent state.

mod endpoints;
mod peers;
pub(crate) mod plan;
mod ranges;

use std::net::IpAddr;

use ringmesh_abi::{Command, Secret};
use ringmesh_wire::ip::Cidr;
use ringmesh_wire::keys::PublicKey;
use x25519_dalek::StaticSecret;

pub(crate) use endpoints::Endpoints;
pub(crate) use peers::{More, Peer, Peers};
pub(crate) use ranges::Ranges;

/// Device and peers.
#[derive(Debug)]
pub(crate) struct State {
    /// The device's key and options.
    pub(crate) device: Device,
    /// Its peers.
    pub(crate) peers: Peers,
}

/// The device without its peers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Device {
    /// Its key; without one it answers nobody.
    pub(crate) private_key: Option<Secret>,
    /// The key's public half, to know our own key when somebody names it as a peer's.
    pub(crate) public_key: Option<PublicKey>,
    /// Largest inner packet, in bytes.
    pub(crate) mtu: u32,
    /// Whether the inner DSCP is copied to the outside.
    pub(crate) dscp_copy: bool,
    /// Timestamps of its own are later than this; see [`Command::SetDevice`].
    pub(crate) stamped_until_secs: u64,
}

impl State {
    /// A device without key and peers.
    pub(crate) fn new(mtu: u32) -> Self {
        let device =
            Device { private_key: None, public_key: None, mtu, dscp_copy: false, stamped_until_secs: 0 };
        Self { device, peers: Peers::default() }
    }

    /// Takes over what `command` wants. What contradicts the state (an allowed IP for a peer that is not there)
    /// is without effect.
    pub(crate) fn apply(&mut self, command: &Command) {
        match command {
            Command::SetDevice { private_key, mtu, dscp_copy, stamped_until_secs } => {
                let public_key = private_key.as_ref().map(public_half);
                let private_key = private_key.clone();
                self.device = Device {
                    private_key,
                    public_key,
                    mtu: *mtu,
                    dscp_copy: *dscp_copy,
                    stamped_until_secs: *stamped_until_secs,
                };
            }
            Command::SetPeer {
                slot,
                public_key,
                preshared_key,
                keepalive_secs,
                endpoints,
                greatest_timestamp,
                had_session,
            } => {
                let mut peer = Peer::new(PublicKey(*public_key));
                peer.keepalive_secs = *keepalive_secs;
                peer.endpoints = (*endpoints).into();
                peer.change_more(|more| {
                    *more = More {
                        preshared_key: preshared_key.clone(),
                        greatest_timestamp: *greatest_timestamp,
                        had_session: *had_session,
                    }
                });
                self.peers.set(*slot, peer);
            }
            Command::RemovePeer { slot, public_key } => self.peers.remove(*slot, PublicKey(*public_key)),
            Command::AddAllowedIp { slot, public_key, addr, prefix } => {
                if let Ok(range) = Cidr::new(*addr, *prefix) {
                    self.peers.add_range(*slot, PublicKey(*public_key), range);
                }
            }
            Command::RemoveAllowedIp { slot, public_key, addr, prefix } => {
                if let Ok(range) = Cidr::new(*addr, *prefix) {
                    self.peers.remove_range(*slot, PublicKey(*public_key), range);
                }
            }
            Command::ClearAllowedIps { slot, public_key } => {
                self.peers.clear_ranges(*slot, PublicKey(*public_key));
            }
            Command::Mtu { mtu } => self.device.mtu = *mtu,
        }
    }

    /// The commands that make this state out of nothing.
    pub(crate) fn commands(&self) -> impl Iterator<Item = Command> {
        std::iter::once(self.device.command()).chain(self.peers.iter().flat_map(|(slot, peer)| {
            std::iter::once(peer.command(slot))
                .chain(peer.allowed_ips.as_slice().iter().map(move |range| peer.add(slot, *range)))
        }))
    }
}

impl Device {
    /// The command that makes this device.
    pub(crate) fn command(&self) -> Command {
        let Self { private_key, mtu, dscp_copy, stamped_until_secs, .. } = self;
        Command::SetDevice {
            private_key: private_key.clone(),
            mtu: *mtu,
            dscp_copy: *dscp_copy,
            stamped_until_secs: *stamped_until_secs,
        }
    }
}

impl Peer {
    /// The command that makes this peer, without its allowed IPs.
    pub(crate) fn command(&self, slot: u32) -> Command {
        let More { preshared_key, greatest_timestamp, had_session } = self.more();
        Command::SetPeer {
            slot,
            public_key: self.public_key.0,
            preshared_key,
            keepalive_secs: self.keepalive_secs,
            endpoints: self.endpoints.all(),
            greatest_timestamp,
            had_session,
        }
    }

    /// The command that gives `range` to this peer.
    pub(crate) fn add(&self, slot: u32, range: Cidr) -> Command {
        let (addr, prefix): (IpAddr, u8) = (range.addr, range.prefix);
        Command::AddAllowedIp { slot, public_key: self.public_key.0, addr, prefix }
    }

    /// The command that takes `range` from this peer.
    pub(crate) fn take(&self, slot: u32, range: Cidr) -> Command {
        let (addr, prefix): (IpAddr, u8) = (range.addr, range.prefix);
        Command::RemoveAllowedIp { slot, public_key: self.public_key.0, addr, prefix }
    }
}

/// The public key of a private one (RFC 7748, section 6.1).
fn public_half(private_key: &Secret) -> PublicKey {
    let secret = StaticSecret::from(*private_key.expose());
    PublicKey(x25519_dalek::PublicKey::from(&secret).to_bytes())
}

#[cfg(test)]
mod tests;
