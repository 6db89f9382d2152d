//! The roster: what follows from a set of records. Who is a member, as what, with which key, name and addresses; who
//! waits, and for what; what each device allows.
//!
//! It reads no clock. Times in it are claims of authors, in seconds since 1970; [`crate::permission::Effective`] applies a clock to them.
//!
//! **Invariant:** the same records give the same roster, in whatever order they came and however often.

pub(crate) mod authority;
mod derive;
mod grants;
mod grow;
mod membership;
mod names;
pub(crate) mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringmesh_wire::keys::PublicKey;

use crate::address::{Ipv4Block, Seniority};
use crate::identity::{BeaconId, CircleId, DeviceId, RecordHash, UseId};
use crate::name::Label;
use crate::record::{Effect, Role};
pub(crate) use derive::Derived;
pub use grants::Grants;

/// What follows from a circle's records.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Roster {
    /// The circle.
    pub circle: CircleId,
    /// Its name.
    pub name: Label,
    /// The device that founded it.
    pub founder: DeviceId,
    /// The key that is kept offline.
    pub recovery: DeviceId,
    /// Where its IPv4 addresses come from.
    pub block: Ipv4Block,
    /// Who belongs to it.
    pub members: BTreeMap<DeviceId, Member>,
    /// Who belonged to it and does not any more.
    pub former: BTreeMap<DeviceId, Former>,
    /// Who has written an admission that does not count yet.
    pub waiting: BTreeMap<DeviceId, Waiting>,
    /// The invites of admins, whether open or not.
    pub invites: BTreeMap<UseId, InviteState>,
    /// Members by what others know them by.
    index: Index,
}

/// Members by name, address and key. Follows [`Roster::members`]; [`derive`] keeps it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Index {
    names: BTreeMap<Label, DeviceId>,
    v4: BTreeMap<Ipv4Addr, DeviceId>,
    v6: BTreeMap<Ipv6Addr, DeviceId>,
    keys: BTreeSet<(PublicKey, DeviceId)>,
}

impl Index {
    /// Enters a member, or takes one out as it was entered.
    fn put(&mut self, member: &Member) {
        self.names.insert(member.name.clone(), member.device);
        self.v6.insert(member.ipv6, member.device);
        self.v4.extend(member.ipv4.map(|ipv4| (ipv4, member.device)));
        self.keys.extend(member.wireguard.map(|key| (key, member.device)));
    }

    fn take(&mut self, member: &Member) {
        // Whoever was entered meanwhile under the same name or address stays.
        let device = member.device;
        if self.names.get(&member.name) == Some(&device) {
            self.names.remove(&member.name);
        }
        if member.ipv4.is_some_and(|ipv4| self.v4.get(&ipv4) == Some(&device)) {
            member.ipv4.iter().for_each(|ipv4| _ = self.v4.remove(ipv4));
        }
        self.v6.remove(&member.ipv6);
        member.wireguard.iter().for_each(|key| _ = self.keys.remove(&(*key, device)));
    }
}

/// A device that belongs to the circle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its identity.
    pub device: DeviceId,
    /// What it is.
    pub role: Role,
    /// The name that it goes by: what it chose, told apart if somebody had that name before.
    pub name: Label,
    /// What it chose, before it was told apart; none before its first profile.
    pub chosen: Option<Label>,
    /// Its WireGuard key; none before its first profile.
    pub wireguard: Option<PublicKey>,
    /// Its identity as an address.
    pub ipv6: Ipv6Addr,
    /// Its convenient address; none in a block that is crowded.
    pub ipv4: Option<Ipv4Addr>,
    /// Where it stands in line.
    pub seniority: Seniority,
    /// How it came in.
    pub admitted: Admitted,
    /// Set if it wrote two records with this number: what it permits from there on has no effect until an admin or the recovery
    /// key names the branch that counts.
    pub frozen: Option<u64>,
    /// What it lets others do to it, by whom and what. The newest of each.
    pub grants: Grants,
}

impl Member {
    /// Whether the two are the same but for grants.
    pub(crate) fn stands_as(&self, other: &Self) -> bool {
        let Self {
            device,
            role,
            name,
            chosen,
            wireguard,
            ipv6,
            ipv4,
            seniority,
            admitted,
            frozen,
            grants: _,
        } = self;
        (device, role, name, chosen, wireguard, ipv6)
            == (&other.device, &other.role, &other.name, &other.chosen, &other.wireguard, &other.ipv6)
            && (ipv4, seniority, admitted, frozen)
                == (&other.ipv4, &other.seniority, &other.admitted, &other.frozen)
    }
}

/// How a member came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Admitted {
    /// It founded the circle.
    Founder,
    /// An admin or the recovery key admitted it.
    By(DeviceId),
    /// It admitted itself with an invite.
    Invite(UseId),
}

/// One entry of what a device lets another do to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Granted {
    /// Whether, and until when.
    pub effect: Effect,
    /// The record that says so.
    pub record: RecordHash,
}

/// A device that does not belong to the circle any more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Former {
    /// Who ended its membership; itself if it left.
    pub by: DeviceId,
    /// When, by that author's clock.
    pub time: u64,
    /// What it was.
    pub role: Role,
    /// The name that it went by last.
    pub name: Option<Label>,
    /// Its WireGuard key, which must not be a peer any more.
    pub wireguard: Option<PublicKey>,
}

/// A device whose admission does not count yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Waiting {
    /// The invite that it used.
    pub invite: UseId,
    /// The hash of its admission: what a witness names.
    pub record: RecordHash,
    /// What it waits for.
    pub reason: Pending,
    /// The name that it chose.
    pub name: Option<Label>,
    /// Its WireGuard key.
    pub wireguard: Option<PublicKey>,
}

/// What an admission waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Pending {
    /// No member and no beacon of the invite has signed that it saw the admission in time.
    #[error("no member has witnessed it before the invite expired")]
    Unwitnessed,
    /// More devices used the invite than it has uses: an admin must confirm the right ones.
    #[error("the invite was used by more devices than it is for; an admin must confirm the right ones")]
    Overused,
    /// The invite was cancelled, or its author was no admin when it was signed.
    #[error("the invite does not count any more; an admin must confirm it")]
    Cancelled,
}

/// An invite, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InviteState {
    /// The admin who signed it.
    pub by: DeviceId,
    /// Whether it admits guests.
    pub guest: bool,
    /// How many devices it is for.
    pub uses: u16,
    /// Which devices used it, witnessed in time.
    pub used: Vec<DeviceId>,
    /// The last second at which a witness counts.
    pub expires: u64,
    /// What its messages are sealed with; see [`crate::invite`].
    pub room: [u8; 32],
    /// Whose receipts count as witness.
    pub beacons: Vec<BeaconId>,
    /// Whether an admin cancelled it.
    pub cancelled: bool,
}

impl Roster {
    /// Whether the device belongs to the circle.
    #[must_use]
    pub fn is_member(&self, device: &DeviceId) -> bool {
        self.members.contains_key(device)
    }

    /// Whether the device admits, invites and revokes.
    #[must_use]
    pub fn is_admin(&self, device: &DeviceId) -> bool {
        self.members.get(device).is_some_and(|member| member.role == Role::Admin)
    }

    /// All admins, the most senior first.
    #[must_use]
    pub fn admins(&self) -> Vec<&Member> {
        let mut admins: Vec<_> = self.members.values().filter(|member| member.role == Role::Admin).collect();
        admins.sort_by_key(|member| member.seniority);
        admins
    }

    /// The member with this name, as others see it: `nas`, `nas.home` or `nas.home.internal`.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Member> {
        let name = name.strip_suffix('.').unwrap_or(name);
        let name = name.strip_suffix(&format!(".{}", crate::name::SUFFIX)).unwrap_or(name);
        let name = name.strip_suffix(&format!(".{}", self.name)).unwrap_or(name);
        let name: Label = name.parse().ok()?;
        self.members.get(self.index.names.get(&name)?)
    }

    /// The member with this mesh address.
    #[must_use]
    pub fn by_address(&self, address: IpAddr) -> Option<&Member> {
        let device = match address {
            IpAddr::V4(v4) => self.index.v4.get(&v4),
            IpAddr::V6(v6) => self.index.v6.get(&v6),
        };
        self.members.get(device?)
    }

    /// The member with this WireGuard key.
    #[must_use]
    pub fn by_wireguard(&self, key: &PublicKey) -> Option<&Member> {
        let first = (*key, DeviceId([0; 32]));
        let (_, device) = self.index.keys.range(first..).next().filter(|(found, _)| found == key)?;
        self.members.get(device)
    }

    /// What people call a device: its name, or the beginning of its key.
    #[must_use]
    pub fn call(&self, device: &DeviceId) -> String {
        let member = self.members.get(device).map(|member| member.name.to_string());
        let former = || self.former.get(device).and_then(|former| Some(former.name.as_ref()?.to_string()));
        let waiting =
            || self.waiting.get(device).and_then(|waiting| Some(waiting.name.as_ref()?.to_string()));
        let recovery = || (*device == self.recovery).then(|| "the recovery key".to_owned());
        member.or_else(former).or_else(waiting).or_else(recovery).unwrap_or_else(|| device.short())
    }
}

#[cfg(test)]
mod tests;
