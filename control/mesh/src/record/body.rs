//! What a record says: nine kinds, and *join*, the admission that a device writes for itself.
//!
//! A body has no field that its author could not answer for alone, and no two encodings.

use std::fmt;
use std::str::FromStr;

use ringmesh_wire::keys::PublicKey;

use super::{Link, TIME_MAX, read_beacons};
use crate::address::Ipv4Block;
use crate::codec::{Malformed, Reader, Writer};
use crate::identity::{BeaconId, DeviceId, RecordHash, UseId};
use crate::limits::{INVITE_USES_MAX, KEPT_MAX, SIGNATURE_LEN};
use crate::name::Label;

/// The kinds of records, as they are numbered on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub enum Kind {
    /// The first record of a circle.
    Found = 1,
    /// An admin admits a device, or names an admin.
    Admit = 2,
    /// A device admits itself with an invite.
    Join = 3,
    /// A device, an admin's power, an invite or a branch of history ends.
    Revoke = 4,
    /// An admin signs a short-lived key with which devices may admit themselves.
    Invite = 5,
    /// What one device lets another do to it.
    Grant = 6,
    /// A device's name and WireGuard key.
    Profile = 7,
    /// A member has seen an admission.
    Witness = 8,
    /// An admin says what still matters of an author's history.
    Checkpoint = 9,
}

impl Kind {
    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match from.u8("kind")? {
            1 => Self::Found,
            2 => Self::Admit,
            3 => Self::Join,
            4 => Self::Revoke,
            5 => Self::Invite,
            6 => Self::Grant,
            7 => Self::Profile,
            8 => Self::Witness,
            9 => Self::Checkpoint,
            _ => return Err(Malformed("kind")),
        })
    }
}

/// What a record says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// See [`Found`].
    Found(Found),
    /// See [`Admit`].
    Admit(Admit),
    /// See [`Join`].
    Join(Join),
    /// See [`Revoke`].
    Revoke(Revoke),
    /// See [`Invite`].
    Invite(Invite),
    /// See [`Grant`].
    Grant(Grant),
    /// See [`Profile`].
    Profile(Profile),
    /// See [`Witness`].
    Witness(Witness),
    /// See [`Checkpoint`].
    Checkpoint(Checkpoint),
}

/// A circle begins; its author is the first admin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// The circle's name.
    pub name: Label,
    /// The recovery key, kept offline: it can only revoke and name admins.
    pub recovery: DeviceId,
    /// Where IPv4 addresses come from.
    pub block: Ipv4Block,
    /// Random, so that no two circles are one.
    pub nonce: [u8; 16],
}

/// What a device may be in a circle, the lesser first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Role {
    /// A friend's device: may do nothing until allowed, and writes only about itself.
    Guest = 1,
    /// An own device.
    Member = 2,
    /// An own device that admits, invites and revokes.
    Admin = 3,
}

/// An admin admits a device, or names an admin. Also confirms the admission by an invite.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Admit {
    /// The device that comes in.
    pub device: DeviceId,
    /// As what. Somebody who is more already stays so.
    pub role: Role,
}

/// A device admits itself: the first record of its chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Join {
    /// The invite that it uses.
    pub invite: UseId,
    /// By the invite's key, over circle, invite and device.
    pub signature: [u8; SIGNATURE_LEN],
}

/// What a revocation ends.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[repr(u8)]
pub enum Scope {
    /// The device is no member any more, and never will be again under this key.
    Membership = 1,
    /// The device is no admin any more, and never will be again under this key.
    Admin = 2,
    /// Of an author that wrote two records with one number: only the branch through `last` counts, and the author goes on.
    Branches = 3,
}

/// An end: of a membership, an admin's power, or an invite.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Revoke {
    /// About a device. An author may end its own membership: it leaves.
    Device {
        /// Whose power ends.
        device: DeviceId,
        /// What ends.
        scope: Scope,
        /// The device's last record that counts; none if none does. Without it a stolen key could write records into the past.
        last: Option<Link>,
    },
    /// About an invite: it admits nobody any more, except whom an admin confirms.
    Invite(UseId),
}

/// A short-lived key that admits devices.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invite {
    /// The key's public half; the code carries the private one.
    pub key: UseId,
    /// What the joiner's first message and the answers to it are sealed with, and where they are found. Follows from the private half.
    pub room: [u8; 32],
    /// Whether it admits guests; otherwise own devices.
    pub guest: bool,
    /// How many devices may use it: 1 to [`INVITE_USES_MAX`].
    pub uses: u16,
    /// The last second at which a witness still counts, since 1970.
    pub expires: u64,
    /// Beacons whose receipts count as witness, in ascending order.
    pub beacons: Vec<BeaconId>,
}

/// TCP or UDP.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Proto {
    /// TCP.
    Tcp = 6,
    /// UDP.
    Udp = 17,
}

/// What may be done to a device.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum What {
    /// Reach it on every port.
    Reach,
    /// Reach it on one port.
    Port(Proto, u16),
    /// Reach its SSH server, which is `tcp/22`.
    Ssh,
    /// Send it files.
    Files,
    /// Reach the internet through it.
    Exit,
    /// Reach its LAN.
    Lan,
}

/// Which way a grant goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// Allowed, until a time (the last second, since 1970) or for good.
    Allow {
        /// The last second at which it holds, since 1970; none for good.
        until: Option<u64>,
    },
    /// Denied, also where the default would allow it.
    Deny,
}

/// What the author's device lets another one do to it. The newest of an author about one device and thing counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Grant {
    /// Who may.
    pub to: DeviceId,
    /// What.
    pub what: What,
    /// Whether, and until when.
    pub effect: Effect,
}

/// A device's name and WireGuard key; the newest counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Profile {
    /// The name that it goes by.
    pub name: Label,
    /// Its WireGuard key, to which the circle key is sealed too.
    pub wireguard: PublicKey,
}

/// A receipt of a beacon: it was given this admission at this time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Receipt {
    /// Who signed; counts only if the invite names it.
    pub beacon: BeaconId,
    /// The beacon's clock, in seconds since 1970.
    pub time: u64,
    /// Over circle, the admission's hash and the time.
    pub signature: [u8; SIGNATURE_LEN],
}

/// The author has seen an admission, or passes on a beacon's receipt for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Witness {
    /// The device that admits itself.
    pub device: DeviceId,
    /// The hash of its *join*.
    pub record: RecordHash,
    /// With a receipt the joiner itself may be the author.
    pub receipt: Option<Receipt>,
}

/// What still matters of an author's chain up to its last entry here; the rest need not be kept or shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Checkpoint {
    /// Whose chain.
    pub device: DeviceId,
    /// In ascending order, 1 to [`KEPT_MAX`] of them.
    pub kept: Vec<Link>,
}

impl Body {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Found(_) => Kind::Found,
            Self::Admit(_) => Kind::Admit,
            Self::Join(_) => Kind::Join,
            Self::Revoke(_) => Kind::Revoke,
            Self::Invite(_) => Kind::Invite,
            Self::Grant(_) => Kind::Grant,
            Self::Profile(_) => Kind::Profile,
            Self::Witness(_) => Kind::Witness,
            Self::Checkpoint(_) => Kind::Checkpoint,
        }
    }

    pub(super) fn write(&self, out: &mut Writer<'_>) {
        match self {
            Self::Found(found) => found.write(out),
            Self::Admit(Admit { device, role }) => {
                out.bytes(&device.0);
                out.u8(*role as u8);
            }
            Self::Join(Join { invite, signature }) => {
                out.bytes(&invite.0);
                out.bytes(signature);
            }
            Self::Revoke(revoke) => revoke.write(out),
            Self::Invite(invite) => invite.write(out),
            Self::Grant(grant) => grant.write(out),
            Self::Profile(Profile { name, wireguard }) => {
                name.write(out);
                out.bytes(&wireguard.0);
            }
            Self::Witness(witness) => witness.write(out),
            Self::Checkpoint(Checkpoint { device, kept }) => {
                out.bytes(&device.0);
                out.count(kept.len());
                kept.iter().for_each(|link| link.write(out));
            }
        }
    }

    pub(super) fn read(kind: Kind, from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match kind {
            Kind::Found => Self::Found(Found::read(from)?),
            Kind::Admit => Self::Admit(Admit { device: device(from)?, role: Role::read(from)? }),
            Kind::Join => {
                Self::Join(Join { invite: UseId(from.array("invite")?), signature: from.array("use")? })
            }
            Kind::Revoke => Self::Revoke(Revoke::read(from)?),
            Kind::Invite => Self::Invite(Invite::read(from)?),
            Kind::Grant => Self::Grant(Grant::read(from)?),
            Kind::Profile => {
                Self::Profile(Profile { name: Label::read(from)?, wireguard: PublicKey(from.array("key")?) })
            }
            Kind::Witness => Self::Witness(Witness::read(from)?),
            Kind::Checkpoint => Self::Checkpoint(Checkpoint::read(from)?),
        })
    }
}

impl Found {
    fn write(&self, out: &mut Writer<'_>) {
        self.name.write(out);
        out.bytes(&self.recovery.0);
        self.block.write(out);
        out.bytes(&self.nonce);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let name = Label::read(from)?;
        let recovery = DeviceId(from.array("recovery key")?);
        Ok(Self { name, recovery, block: Ipv4Block::read(from)?, nonce: from.array("nonce")? })
    }
}

impl Role {
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match from.u8("role")? {
            1 => Self::Guest,
            2 => Self::Member,
            3 => Self::Admin,
            _ => return Err(Malformed("role")),
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Guest => "guest",
            Self::Member => "own device",
            Self::Admin => "admin",
        })
    }
}

impl Revoke {
    fn write(&self, out: &mut Writer<'_>) {
        match self {
            Self::Device { device, scope, last } => {
                out.u8(*scope as u8);
                out.bytes(&device.0);
                out.option(last.as_ref(), |out, link| link.write(out));
            }
            Self::Invite(invite) => {
                out.u8(4);
                out.bytes(&invite.0);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let scope = match from.u8("scope")? {
            1 => Scope::Membership,
            2 => Scope::Admin,
            3 => Scope::Branches,
            4 => return Ok(Self::Invite(UseId(from.array("invite")?))),
            _ => return Err(Malformed("scope")),
        };
        let revoke = Self::Device { device: device(from)?, scope, last: from.option("last", Link::read)? };
        // A branch is chosen by naming a record on it.
        let unnamed = matches!(revoke, Self::Device { scope: Scope::Branches, last: None, .. });
        if unnamed { Err(Malformed("last")) } else { Ok(revoke) }
    }
}

impl Invite {
    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.key.0);
        out.bytes(&self.room);
        out.flag(self.guest);
        out.u16(self.uses);
        out.u64(self.expires);
        out.count(self.beacons.len());
        self.beacons.iter().for_each(|beacon| out.bytes(&beacon.0));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let key = UseId(from.array("invite")?);
        let room = from.array("room")?;
        let guest = from.flag("guest")?;
        let uses = from.u16("uses")?;
        if uses == 0 || uses > INVITE_USES_MAX {
            return Err(Malformed("uses"));
        }
        Ok(Self { key, room, guest, uses, expires: time(from)?, beacons: read_beacons(from)? })
    }
}

impl Grant {
    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.to.0);
        match self.what {
            What::Reach => out.u8(1),
            What::Port(proto, port) => {
                out.u8(2);
                out.u8(proto as u8);
                out.u16(port);
            }
            What::Ssh => out.u8(3),
            What::Files => out.u8(4),
            What::Exit => out.u8(5),
            What::Lan => out.u8(6),
        }
        match self.effect {
            Effect::Deny => out.u8(0),
            Effect::Allow { until: None } => out.u8(1),
            Effect::Allow { until: Some(until) } => {
                out.u8(2);
                out.u64(until);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let to = device(from)?;
        let what = What::read(from)?;
        let effect = match from.u8("effect")? {
            0 => Effect::Deny,
            1 => Effect::Allow { until: None },
            2 => Effect::Allow { until: Some(time(from)?) },
            _ => return Err(Malformed("effect")),
        };
        Ok(Self { to, what, effect })
    }
}

impl What {
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match from.u8("permission")? {
            1 => Self::Reach,
            2 => {
                let proto = match from.u8("protocol")? {
                    6 => Proto::Tcp,
                    17 => Proto::Udp,
                    _ => return Err(Malformed("protocol")),
                };
                match from.u16("port")? {
                    0 => return Err(Malformed("port")),
                    port => Self::Port(proto, port),
                }
            }
            3 => Self::Ssh,
            4 => Self::Files,
            5 => Self::Exit,
            6 => Self::Lan,
            _ => return Err(Malformed("permission")),
        })
    }
}

impl Witness {
    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.device.0);
        out.bytes(&self.record.0);
        out.option(self.receipt.as_ref(), |out, receipt| {
            out.bytes(&receipt.beacon.0);
            out.u64(receipt.time);
            out.bytes(&receipt.signature);
        });
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let device = device(from)?;
        let record = RecordHash(from.array("record")?);
        let receipt = from.option("receipt", |from| {
            let beacon = BeaconId(from.array("beacon")?);
            Ok(Receipt { beacon, time: time(from)?, signature: from.array("receipt")? })
        })?;
        Ok(Self { device, record, receipt })
    }
}

impl Checkpoint {
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let device = device(from)?;
        let kept = from.list(KEPT_MAX, "kept", Link::read)?;
        let ordered = kept.is_sorted_by(|a, b| a.number < b.number);
        if kept.is_empty() || !ordered { Err(Malformed("kept")) } else { Ok(Self { device, kept }) }
    }
}

fn device(from: &mut Reader<'_>) -> Result<DeviceId, Malformed> {
    from.array("device").map(DeviceId)
}

fn time(from: &mut Reader<'_>) -> Result<u64, Malformed> {
    from.u64("time").and_then(|time| if time <= TIME_MAX { Ok(time) } else { Err(Malformed("time")) })
}

/// A text that names no permission.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadWhat {
    /// No word of ours, and no port.
    #[error("a permission is one of reach, ssh, files, exit, lan, tcp/PORT and udp/PORT")]
    Word,
    /// The port is no number from 1 to 65535.
    #[error("a port is a number from 1 to 65535")]
    Port,
}

impl FromStr for What {
    type Err = BadWhat;

    fn from_str(text: &str) -> Result<Self, BadWhat> {
        let port = |text: &str| match text.parse() {
            Ok(port) if port > 0 && text.starts_with(|c: char| c.is_ascii_digit()) => Ok(port),
            _ => Err(BadWhat::Port),
        };
        match text.split_once('/') {
            Some(("tcp", number)) => Ok(Self::Port(Proto::Tcp, port(number)?)),
            Some(("udp", number)) => Ok(Self::Port(Proto::Udp, port(number)?)),
            Some(_) => Err(BadWhat::Word),
            None => match text {
                "reach" => Ok(Self::Reach),
                "ssh" => Ok(Self::Ssh),
                "files" => Ok(Self::Files),
                "exit" => Ok(Self::Exit),
                "lan" => Ok(Self::Lan),
                _ => Err(BadWhat::Word),
            },
        }
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reach => f.pad("reach"),
            Self::Port(proto, port) => f.pad(&format!("{proto}/{port}")),
            Self::Ssh => f.pad("ssh"),
            Self::Files => f.pad("files"),
            Self::Exit => f.pad("exit"),
            Self::Lan => f.pad("lan"),
        }
    }
}
