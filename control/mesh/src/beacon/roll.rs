//! How a beacon knows a circle's devices without reading a record: the *roll*, which admins keep.
//!
//! A device's standing only ever goes up in the order of [`Standing`], as in the records, where a removed key never comes
//! back. So two admins may tell a beacon what they know in any order and as often as they like; an admin that was away for a
//! year undoes nothing.
//!
//! The box of a circle is named by circle and founder. Who would open one, or act in it as an admin, is the founder, was named
//! by an admin on the roll, or shows the *admit* records that lead from one of these to it ([`proves`]). These
//! records name keys and nothing else. (Only where the recovery key named the first of them, and the beacon has no roll yet, *found* is
//! shown too, and with it the circle's name.) So somebody who only knows a circle's id cannot squat on it.
//!
//! An invite is *offered* to the beacon: its own key signs for which circle and founder, so only who has the code can.

use std::collections::{BTreeMap, BTreeSet};

use crate::circle::Circle;
use crate::codec::{Malformed, Reader, Writer};
use crate::hash::Domain;
use crate::identity::{CircleId, DeviceId, SigningKey, UseId};
use crate::limits::{INVITE_USES_MAX, PROOF_MAX, SIGNATURE_LEN};
use crate::record::{Body, Record, Role, TIME_MAX, Unverified};
use crate::roster::Roster;
use crate::signature;

const DIGEST: Domain = Domain("ringmesh 2026 digest of a beacon's roll");
const OFFERED: &[u8] = b"ringmesh invite offered to a beacon v1\0";

/// What a device is to a beacon. A later one replaces an earlier one, never the other way.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Standing {
    /// Stores and fetches.
    Member = 1,
    /// Also keeps the roll, offers invites and trims the log: an admin, or the recovery key.
    Admin = 2,
    /// Was an admin and is a member.
    Demoted = 3,
    /// Belongs to the circle no more.
    Removed = 4,
}

impl Standing {
    /// The standing that `code` stands for.
    #[must_use]
    pub const fn of(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Member),
            2 => Some(Self::Admin),
            3 => Some(Self::Demoted),
            4 => Some(Self::Removed),
            _ => None,
        }
    }
}

/// One line of the roll.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Entry {
    /// The device, or the recovery key.
    pub device: DeviceId,
    /// What it is.
    pub standing: Standing,
}

impl Entry {
    pub(crate) fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.device.0);
        out.u8(self.standing as u8);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let device = DeviceId(from.array("device")?);
        let standing = Standing::of(from.u8("standing")?).ok_or(Malformed("standing"))?;
        Ok(Self { device, standing })
    }
}

/// An invite, as far as a beacon has to know it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offer {
    /// The invite.
    pub invite: UseId,
    /// How many devices may store an admission.
    pub uses: u16,
    /// The last second at which they may, since 1970.
    pub expires: u64,
    signature: [u8; SIGNATURE_LEN],
}

impl Offer {
    /// Offers the invite whose use key is `invite`.
    #[must_use]
    pub fn sign(invite: &SigningKey, circle: &CircleId, founder: &DeviceId, uses: u16, expires: u64) -> Self {
        let mut offer = Self { invite: invite.invite(), uses, expires, signature: [0; SIGNATURE_LEN] };
        offer.signature = invite.sign(&offer.message(circle, founder));
        offer
    }

    /// Whether the invite's key has signed it for this box.
    #[must_use]
    pub fn holds(&self, circle: &CircleId, founder: &DeviceId) -> bool {
        signature::verify_one(&self.invite.0, &self.message(circle, founder), &self.signature)
    }

    /// The encoding, to be stored by who made it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut Writer(&mut bytes));
        bytes
    }

    /// Reads a stored one.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the one encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        let offer = Self::read(&mut from)?;
        from.end("offer")?;
        Ok(offer)
    }

    fn message(&self, circle: &CircleId, founder: &DeviceId) -> Vec<u8> {
        let numbers = (self.uses.to_be_bytes(), self.expires.to_be_bytes());
        [OFFERED, &circle.0, &founder.0, &self.invite.0, &numbers.0, &numbers.1].concat()
    }

    pub(crate) fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.invite.0);
        out.u16(self.uses);
        out.u64(self.expires);
        out.bytes(&self.signature);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let offer = Self {
            invite: UseId(from.array("invite")?),
            uses: from.u16("uses")?,
            expires: from.u64("expires")?,
            signature: from.array("signature")?,
        };
        let sound = (1..=INVITE_USES_MAX).contains(&offer.uses) && offer.expires <= TIME_MAX;
        if sound { Ok(offer) } else { Err(Malformed("offer")) }
    }
}

/// The roll that follows from a roster: what an admin's device tells its beacons.
#[must_use]
pub fn of(roster: &Roster) -> Vec<Entry> {
    let member = |(device, member): (&DeviceId, &crate::roster::Member)| {
        let admin = member.role == Role::Admin;
        Entry { device: *device, standing: if admin { Standing::Admin } else { Standing::Member } }
    };
    let removed = roster.former.keys().map(|device| Entry { device: *device, standing: Standing::Removed });
    let recovery = Entry { device: roster.recovery, standing: Standing::Admin };
    let mut entries: Vec<_> = roster.members.iter().map(member).chain(removed).chain([recovery]).collect();
    entries.sort();
    entries
}

/// What two rolls that say the same have in common. Of a device that is named twice the later standing counts.
#[must_use]
pub fn digest(entries: impl IntoIterator<Item = Entry>) -> [u8; 32] {
    let mut standings: BTreeMap<DeviceId, Standing> = BTreeMap::new();
    for Entry { device, standing } in entries {
        let known = standings.entry(device).or_insert(standing);
        *known = standing.max(*known);
    }
    let mut bytes = Vec::with_capacity(standings.len() * 33);
    for (device, standing) in standings {
        bytes.extend_from_slice(&device.0);
        bytes.push(standing as u8);
    }
    DIGEST.hash(&[&bytes])
}

/// The *admit* records that lead from the founder to `device`, the first of them first; empty for the founder itself. A way that
/// begins at the recovery key has *found* before it. None if the device is no admin, or the way is longer than a beacon takes.
#[must_use]
pub fn proof(circle: &Circle, device: &DeviceId) -> Option<Vec<Vec<u8>>> {
    let roster = circle.roster();
    let mut named: BTreeMap<DeviceId, Vec<&Record>> = BTreeMap::new();
    for record in circle.records() {
        if let Body::Admit(admit) = record.body()
            && admit.role == Role::Admin
        {
            named.entry(admit.device).or_default().push(record);
        }
    }
    // Breadth first, so that the shortest way is found; each entry leads from its device to ours.
    let mut seen = BTreeSet::from([*device]);
    let mut ways = vec![(*device, Vec::new())];
    while let Some((at, way)) = (!ways.is_empty()).then(|| ways.remove(0)) {
        if at == roster.founder {
            return Some(way);
        }
        if at == roster.recovery {
            let found = circle.records().next()?;
            return Some([vec![found.to_bytes()], way].concat());
        }
        for record in named.get(&at).into_iter().flatten() {
            if way.len() + 1 < PROOF_MAX && seen.insert(record.author()) {
                let longer = [vec![record.to_bytes()], way.clone()].concat();
                ways.push((record.author(), longer));
            }
        }
    }
    None
}

/// Whether `proof` shows that `device` is an admin: the founder, somebody on the roll for whom `is_admin` holds, or the recovery
/// key that *found* names made it one, perhaps by others in between, of none of whom `has_ended` holds.
#[must_use]
pub fn proves(
    proof: &[Vec<u8>],
    (circle, founder): (&CircleId, &DeviceId),
    device: &DeviceId,
    is_admin: impl Fn(&DeviceId) -> bool,
    has_ended: impl Fn(&DeviceId) -> bool,
) -> bool {
    let mut believed = *founder;
    for bytes in proof {
        let Ok(record) = Unverified::decode(bytes) else { return false };
        let Ok(record) = record.verify() else { return false };
        let author = record.author();
        if record.circle() != *circle || has_ended(&author) || !(author == believed || is_admin(&author)) {
            return false;
        }
        believed = match record.body() {
            Body::Found(found) => found.recovery,
            Body::Admit(admit) if admit.role == Role::Admin => admit.device,
            Body::Admit(_)
            | Body::Join(_)
            | Body::Revoke(_)
            | Body::Invite(_)
            | Body::Grant(_)
            | Body::Profile(_)
            | Body::Witness(_)
            | Body::Checkpoint(_) => return false,
        };
    }
    believed == *device && !has_ended(device)
}
