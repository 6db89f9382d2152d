//! A circle that is up: its tunnel, and the three ways in which members talk (LAN, mesh, beacons).
//!
//! | file | what |
//! | --- | --- |
//! | `begin` | up and down |
//! | `naming` | from roster to names |
//! | `steer` | from roster to tunnel and addresses |
//! | `guard` | from permissions to the packet filter |
//! | `announce` | what is said and heard on the LAN |
//! | `beacons` | what is said and heard through beacons |
//! | `mailbox` | what lies at beacons, and is owed to them |
//! | `talk` | what is said and heard through the mesh |
//! | `brought` | what a connection has brought that waits, so that nobody is told what it told us |
//! | `change` | what follows from new records: witnesses, confirmations, a new circle key |
//! | `tick` | what time alone brings |
//!
//! **Invariant:** what the roster does not name is no peer, but for those who answered us while we join.

mod announce;
mod beacons;
mod begin;
mod brought;
mod change;
mod guard;
mod mailbox;
mod naming;
mod steer;
mod talk;
mod tick;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ringmesh_mesh::beacon::place::BeaconUrl;
use ringmesh_mesh::circle::Circle;
use ringmesh_mesh::identity::{DeviceId, RecordHash};
use ringmesh_mesh::record::Receipt;
use ringmesh_mesh::roster::Grants;
use ringmesh_mesh::sealed::SealKey;
use ringmesh_mesh::sync::Message;
use ringmesh_wire::keys::PublicKey;
use tokio::sync::mpsc;

pub(super) use beacons::Line;
pub(super) use naming::zone;

use brought::Brought;
use guard::Guard;

use super::exchange::{self, Exchange, Frame};
use super::lan::{self, Lan};
use super::membership::Membership;
use super::reach::Reach;
use super::tunnel::{SeenPeer, Tunnel};
use crate::beacon::Heard;
use crate::names::Names;
use crate::os::interfaces::Interface;

/// Devices that are no members and whose signals are kept: joiners on the LAN.
const STRANGERS_MAX: usize = 64;
/// Members that are talked to while we join and know no roster yet.
const PROVISIONAL_MAX: usize = 8;
/// Connections through the mesh.
const LINKS_MAX: usize = 256;

/// Where a circle hears from.
#[derive(Clone, Debug)]
pub(super) struct Ears {
    pub(super) lan: mpsc::Sender<lan::Heard>,
    pub(super) exchange: mpsc::Sender<exchange::News>,
    pub(super) beacons: mpsc::Sender<(BeaconUrl, Heard)>,
}

/// A circle that is up.
pub(super) struct Active {
    /// Who we are in it, and what is known of it.
    pub(super) membership: Membership,
    pub(super) tunnel: Tunnel,
    guard: Guard,
    /// How the tunnel's peers were at the last look.
    pub(super) seen: BTreeMap<PublicKey, SeenPeer>,
    /// Whether the tunnel answered at the last look.
    pub(super) runs: bool,
    /// Its UDP port.
    pub(super) port: u16,
    ifindex: u32,
    addresses: BTreeSet<(IpAddr, u8)>,
    /// Peers of the tunnel: what they are called there, by device.
    peers: BTreeMap<DeviceId, PublicKey>,
    /// Where others are.
    pub(super) reach: BTreeMap<DeviceId, Reach>,
    /// Members that say they have another WireGuard key than the roster names: that one, and what they say. Who rotated its key
    /// while we could not hear it could otherwise never tell us.
    renewed: BTreeMap<DeviceId, (Option<PublicKey>, PublicKey)>,
    /// Who answered us while we join.
    provisional: BTreeMap<DeviceId, PublicKey>,
    /// Keys of invites that are open: our own while we join.
    rooms: Vec<SealKey>,
    lan: Lan,
    exchange: Option<Exchange>,
    links: BTreeMap<u64, Link>,
    /// Connections that are being made, by number.
    dialing: BTreeMap<u64, DeviceId>,
    /// When we last began a connection to somebody.
    dialed: BTreeMap<DeviceId, Duration>,
    /// This machine's addresses.
    own_ips: Vec<IpAddr>,
    /// When to announce ourselves again, and how often that was done since we last had reason to.
    announce_at: Duration,
    announced: u32,
    /// When joiners were last answered.
    answered: BTreeMap<DeviceId, Duration>,
    /// Admissions that we have witnessed since the start, and devices that we have confirmed.
    witnessed: BTreeSet<RecordHash>,
    confirmed: BTreeSet<DeviceId>,
    /// When a new circle key is to be drawn, if it is.
    rekey_at: Option<Duration>,
    /// When our new WireGuard key takes the old one's place.
    switch_at: Option<Duration>,
    look_at: Duration,
    greet_at: Duration,
    mark_at: Duration,
    /// How the tunnel's port looks from outside, where that is another address than ours.
    outside: BTreeSet<SocketAddr>,
    outside_at: Duration,
    outside_hurries: u32,
    /// What the user should know, one sentence each.
    pub(super) notes: BTreeSet<String>,
    /// The names that this machine knows; none before it belongs to the circle.
    names: Option<Names>,
    /// What they were made of: the roster, and our own names for others.
    named: Option<(u64, BTreeMap<DeviceId, String>)>,
    /// The beacons that we come to.
    pub(super) beacons: BTreeMap<BeaconUrl, Line>,
    /// Signals through beacons that could not be heard yet, the last of each device.
    unheard: BTreeMap<DeviceId, Vec<u8>>,
    /// A beacon's receipt for our admission, until it is of use.
    receipt: Option<Receipt>,
    /// Where members are, as the disk knows.
    companions: Vec<super::store::Companion>,
    ears: Ears,
}

/// What of the circle's records the packet filter follows from: what others say of who may do what to them is of no
/// concern here, and it is most of what is said in a large circle.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Basis {
    standing: Option<u64>,
    /// What this device lets others do.
    grants: Option<Grants>,
}

/// A connection through the mesh.
struct Link {
    device: DeviceId,
    out: mpsc::Sender<Frame>,
    brought: Brought,
    /// What the other side said last that it holds; kept while we are restored from it.
    summary: Option<Message>,
}

impl Active {
    /// Where others may find us.
    pub(super) fn endpoints(&self) -> Vec<SocketAddr> {
        let own = self.own_ips.iter().map(|ip| SocketAddr::new(*ip, self.port));
        own.chain(self.outside.iter().copied()).collect()
    }

    fn basis(&self) -> Basis {
        let standing = self.membership.circle.as_ref().map(Circle::standing);
        Basis { standing, grants: self.membership.own().map(|own| own.grants.clone()) }
    }

    /// A member's row in the tunnel.
    pub(super) fn seen_of(&self, device: &DeviceId) -> Option<&SeenPeer> {
        self.seen.get(self.peers.get(device)?)
    }

    /// Whether a handshake with the device is fresh enough for a session, at wall time `now`.
    pub(super) fn is_online(&self, device: &DeviceId, now: u64) -> bool {
        self.seen_of(device).is_some_and(|seen| is_alive(seen, now))
    }

    /// The device behind a mesh address, among those that we talk to.
    fn device_at(&self, address: Ipv6Addr) -> Option<DeviceId> {
        let circle = &self.membership.id;
        self.peers.keys().find(|device| ringmesh_mesh::address::ipv6_of(circle, device) == address).copied()
    }
}

fn is_alive(seen: &SeenPeer, now: u64) -> bool {
    seen.handshake_secs != 0 && now.saturating_sub(seen.handshake_secs) < super::reach::ALIVE_SECS
}

/// This machine's addresses that others may try: none of a tunnel of ours, none that needs an interface's name beside it.
fn own_ips(interfaces: &[Interface]) -> Vec<IpAddr> {
    let real = interfaces.iter().filter(|interface| !super::paths::is_ours(&interface.name));
    let mut ips: Vec<IpAddr> = real.flat_map(|interface| interface.addresses.iter().copied()).collect();
    ips.retain(|ip| match ip {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_loopback() && !v6.is_unicast_link_local() && !v6.is_unspecified(),
    });
    ips.sort();
    ips.dedup();
    ips
}
