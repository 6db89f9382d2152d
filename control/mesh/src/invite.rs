//! Invites: the code that one person gives another, and what a device writes with it to admit itself.
//!
//! The code pins all that a joiner must not be lied to about: the circle, the inviter's key, the beacons' keys. Its secret of 128 bits
//! gives two keys: the *use key*, which signs the joiner's admission, and the *room key*, with which joiner and members seal
//! what they tell each other before the joiner has the circle key. Members know the room key from the invite's record.
//!
//! As text a code is base32 in groups, with a checksum; a link is the same behind `ringmesh://`. Letters that are easily
//! mistaken (`i`, `l`, `o`, `u`) do not occur, and are read as what they look like.
//!
//! **Invariant:** a code is never printed by `Debug`, and its secret is wiped when it is dropped.

mod base32;

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::codec::{Malformed, Reader, Writer};
use crate::hash::Domain;
use crate::identity::{BeaconId, CircleId, DeviceId, SigningKey, UseId};
use crate::limits::{BEACON_URL_MAX, BEACONS_MAX, INVITE_SECS_MAX, INVITE_USES_MAX};
use crate::name::Label;
use crate::record::{self, Body, Join, Place, Record, TIME_MAX};
use crate::roster::{InviteState, Roster};
use crate::time::Utc;

/// What a link begins with.
pub const LINK: &str = "ringmesh://join/";
/// Length of a code's secret, in bytes.
pub const SECRET_LEN: usize = 16;

const VERSION: u8 = 1;
const CHECK_LEN: usize = 5;
/// Longest code in bytes: all beacons with the longest addresses.
const CODE_MAX: usize = 1200;
const CHECK: Domain = Domain("ringmesh 2026 checksum of a code");
const USE_KEY: Domain = Domain("ringmesh 2026 use key of an invite");
const ROOM_KEY: Domain = Domain("ringmesh 2026 room key of an invite");

/// Where a beacon is, and the key by which it is known.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Beacon {
    /// Its key; a certificate of any authority is not needed.
    pub key: BeaconId,
    /// Its address as a person would type it: host, or host and port. Printable ASCII without spaces.
    pub address: Box<str>,
}

/// An invite, with its secret.
#[derive(Clone, Eq, PartialEq)]
pub struct Code {
    secret: Zeroizing<[u8; SECRET_LEN]>,
    circle: CircleId,
    name: Label,
    inviter: DeviceId,
    guest: bool,
    uses: u16,
    expires: u64,
    beacons: Vec<Beacon>,
}

/// What an invite shall be good for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Whether it admits guests; otherwise own devices.
    pub guest: bool,
    /// How many devices may use it: 1 to [`INVITE_USES_MAX`].
    pub uses: u16,
    /// The last second at which it is good, since 1970.
    pub expires: u64,
    /// Where the joiner finds the circle, at most [`BEACONS_MAX`].
    pub beacons: Vec<Beacon>,
}

/// Why no invite was made of what was wanted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadWish {
    /// Zero uses, or too many.
    #[error("an invite is for 1 to {INVITE_USES_MAX} devices")]
    Uses,
    /// It would be expired already, or good for too long.
    #[error("an invite is good for a second to {} days", INVITE_SECS_MAX / 86_400)]
    Expires,
    /// Too many beacons, or an address that cannot be one.
    #[error("an invite names at most {BEACONS_MAX} beacons, each by a key and an address without spaces")]
    Beacons,
}

/// Why a text is no code.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadCode {
    /// Far too short or too long, or not of the alphabet.
    #[error("this is not an invite code; one begins with ringmesh:// or is a long row of letters and digits")]
    NotACode,
    /// The checksum does not fit.
    #[error("the code was mistyped or is incomplete; copy it again as a whole")]
    Mistyped,
    /// Made by a later version of Ringmesh.
    #[error("the code was made by a newer version of Ringmesh; update this device first")]
    Newer,
}

/// Why a code that is well formed does not let a device in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CannotJoin {
    /// Its time is over.
    #[error("the invite expired at {}; ask for a new one", Utc(*.0))]
    Expired(u64),
    /// As many devices as it is for have used it.
    #[error("the invite was used up: it was for {0} device(s); ask for a new one")]
    UsedUp(u16),
    /// It belongs to another circle than the one that was asked for.
    #[error("the code is for the circle {theirs}, not for {ours}")]
    OtherCircle {
        /// The circle's name in the code.
        theirs: Label,
        /// The name of the circle that was asked for.
        ours: Label,
    },
    /// An admin took it back.
    #[error("the invite was cancelled; ask for a new one")]
    Cancelled,
    /// The circle has no such invite of an admin.
    #[error("the circle {0} knows no such invite; ask for a new one")]
    Unknown(Label),
    /// This key was removed from the circle.
    #[error("this device was removed from the circle {0}; it needs a new identity to join again")]
    Removed(Label),
    /// The device belongs to it already.
    #[error("this device belongs to the circle {0} already")]
    Member(Label),
}

impl Code {
    /// Makes an invite: the code to hand out; [`Code::record`] is what its author signs. `secret` is random.
    ///
    /// # Errors
    /// [`BadWish`] for what no invite can be. `now` is in seconds since 1970.
    pub fn new(
        secret: [u8; SECRET_LEN],
        circle: CircleId,
        name: Label,
        inviter: DeviceId,
        now: u64,
        wanted: Wanted,
    ) -> Result<Self, BadWish> {
        let Wanted { guest, uses, expires, mut beacons } = wanted;
        if !(1..=INVITE_USES_MAX).contains(&uses) {
            return Err(BadWish::Uses);
        }
        if expires <= now || expires - now > INVITE_SECS_MAX || expires > TIME_MAX {
            return Err(BadWish::Expires);
        }
        beacons.sort();
        let told_apart = beacons.is_sorted_by(|a, b| a.key < b.key);
        if beacons.len() > BEACONS_MAX
            || !told_apart
            || !beacons.iter().all(|beacon| is_address(&beacon.address))
        {
            return Err(BadWish::Beacons);
        }
        let secret = Zeroizing::new(secret);
        Ok(Self { secret, circle, name, inviter, guest, uses, expires, beacons })
    }

    /// The circle that it lets in to.
    #[must_use]
    pub fn circle(&self) -> CircleId {
        self.circle
    }

    /// What that circle is called.
    #[must_use]
    pub fn name(&self) -> &Label {
        &self.name
    }

    /// The admin who made it.
    #[must_use]
    pub fn inviter(&self) -> DeviceId {
        self.inviter
    }

    /// Whether it admits guests.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        self.guest
    }

    /// How many devices it is for.
    #[must_use]
    pub fn uses(&self) -> u16 {
        self.uses
    }

    /// The last second at which it is good, since 1970.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// Where the circle is found.
    #[must_use]
    pub fn beacons(&self) -> &[Beacon] {
        &self.beacons
    }

    /// Its name: the public half of the use key.
    #[must_use]
    pub fn id(&self) -> UseId {
        self.use_key().invite()
    }

    /// The key that signs admissions.
    #[must_use]
    pub fn use_key(&self) -> SigningKey {
        let seed = Zeroizing::new(USE_KEY.hash(&[&self.circle.0, &*self.secret]));
        SigningKey::from_seed(&seed)
    }

    /// The key that seals what joiner and members tell each other before the joiner has the circle key.
    #[must_use]
    pub fn room(&self) -> [u8; 32] {
        ROOM_KEY.hash(&[&self.circle.0, &*self.secret])
    }

    /// What its author signs and gives to the circle.
    #[must_use]
    pub fn record(&self) -> record::Invite {
        record::Invite {
            key: self.id(),
            room: self.room(),
            guest: self.guest,
            uses: self.uses,
            expires: self.expires,
            beacons: self.beacons.iter().map(|beacon| beacon.key).collect(),
        }
    }

    /// What a device writes to admit itself: the first record of its chain. It counts from its first witness on; so the inviter
    /// may be offline. The device's profile should follow as its second record.
    #[must_use]
    pub fn join(&self, device: &SigningKey, time: u64) -> Record {
        let join = Join::sign(&self.use_key(), &self.circle, &device.device());
        Record::sign(device, Place { circle: self.circle, after: None }, time, Body::Join(join))
    }

    /// Whether the code can still let `device` in, as far as is known: by the code alone, and by the roster once the joiner was sent
    /// one. `now` is the joiner's clock: it saves a useless attempt and decides nothing.
    ///
    /// # Errors
    /// [`CannotJoin`] with the reason as a sentence.
    pub fn check(&self, device: &DeviceId, roster: Option<&Roster>, now: u64) -> Result<(), CannotJoin> {
        let Some(roster) = roster else {
            return if now > self.expires { Err(CannotJoin::Expired(self.expires)) } else { Ok(()) };
        };
        if roster.circle != self.circle {
            return Err(CannotJoin::OtherCircle { theirs: self.name.clone(), ours: roster.name.clone() });
        }
        if roster.former.contains_key(device) {
            return Err(CannotJoin::Removed(self.name.clone()));
        }
        if roster.is_member(device) {
            return Err(CannotJoin::Member(self.name.clone()));
        }
        let state = roster.invites.get(&self.id()).ok_or_else(|| CannotJoin::Unknown(self.name.clone()))?;
        check_state(state, device, now)
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Room for the longest code, so that no half of the secret stays behind in a buffer that was outgrown.
        let mut out = Zeroizing::new(Vec::with_capacity(CODE_MAX + CHECK_LEN));
        let mut writer = Writer(&mut out);
        writer.u8(VERSION);
        writer.bytes(&*self.secret);
        writer.bytes(&self.circle.0);
        self.name.write(&mut writer);
        writer.bytes(&self.inviter.0);
        writer.flag(self.guest);
        writer.u16(self.uses);
        writer.u64(self.expires);
        writer.count(self.beacons.len());
        for beacon in &self.beacons {
            writer.bytes(&beacon.key.0);
            writer.long(beacon.address.as_bytes());
        }
        let check = CHECK.hash(&[&out]);
        out.extend_from_slice(&check[..CHECK_LEN]);
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, BadCode> {
        let (payload, check) = bytes.split_last_chunk::<CHECK_LEN>().ok_or(BadCode::NotACode)?;
        if CHECK.hash(&[payload])[..CHECK_LEN] != check[..] {
            return Err(BadCode::Mistyped);
        }
        // With a checksum that fits, an unknown version is a version and no slip of the finger.
        let mut reader = Reader::new(payload);
        match reader.u8("version") {
            Ok(VERSION) => Self::read(reader).map_err(|_| BadCode::NotACode),
            Ok(_) => Err(BadCode::Newer),
            Err(_) => Err(BadCode::NotACode),
        }
    }

    fn read(mut from: Reader<'_>) -> Result<Self, Malformed> {
        let secret = Zeroizing::new(from.array("secret")?);
        let circle = CircleId(from.array("circle")?);
        let name = Label::read(&mut from)?;
        let inviter = DeviceId(from.array("inviter")?);
        let guest = from.flag("guest")?;
        let uses = from.u16("uses")?;
        let expires = from.u64("expires")?;
        let beacons = from.list(BEACONS_MAX, "beacons", |from| {
            let key = BeaconId(from.array("beacon")?);
            let address = std::str::from_utf8(from.long(BEACON_URL_MAX, "address")?);
            let address = address.ok().filter(|address| is_address(address)).ok_or(Malformed("address"))?;
            Ok(Beacon { key, address: address.into() })
        })?;
        from.end("code")?;
        let sound = (1..=INVITE_USES_MAX).contains(&uses)
            && expires <= TIME_MAX
            && beacons.is_sorted_by(|a, b| a.key < b.key);
        if sound {
            Ok(Self { secret, circle, name, inviter, guest, uses, expires, beacons })
        } else {
            Err(Malformed("code"))
        }
    }

    /// The code as text, in groups. It is a secret: whoever has it gets in.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        base32::grouped(&self.encode())
    }

    /// The code as a link. It is a secret too.
    #[must_use]
    pub fn link(&self) -> Zeroizing<String> {
        let text = base32::plain(&self.encode());
        Zeroizing::new(format!("{LINK}{}", *text))
    }
}

impl FromStr for Code {
    type Err = BadCode;

    /// Reads a code or link as people pass it on: in any case, with spaces, line breaks and hyphens anywhere.
    fn from_str(text: &str) -> Result<Self, BadCode> {
        let text = text.trim();
        let start = text.get(..LINK.len()).filter(|start| start.eq_ignore_ascii_case(LINK));
        let text = start.map_or(text, |start| &text[start.len()..]);
        let bytes = base32::read(text, CODE_MAX + CHECK_LEN).ok_or(BadCode::NotACode)?;
        if bytes.len() < CHECK_LEN + 100 { Err(BadCode::Mistyped) } else { Self::decode(&bytes) }
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.guest { "guest" } else { "own device" };
        write!(f, "Code({} for {}, {} uses, secret)", kind, self.name, self.uses)
    }
}

fn check_state(state: &InviteState, device: &DeviceId, now: u64) -> Result<(), CannotJoin> {
    if state.cancelled {
        Err(CannotJoin::Cancelled)
    } else if !state.used.contains(device) && state.used.len() >= usize::from(state.uses) {
        Err(CannotJoin::UsedUp(state.uses))
    } else if now > state.expires {
        Err(CannotJoin::Expired(state.expires))
    } else {
        Ok(())
    }
}

fn is_address(text: &str) -> bool {
    (1..=BEACON_URL_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests;
