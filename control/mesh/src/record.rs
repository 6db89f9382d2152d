//! Records: signed statements, each naming its author, its number and the author's previous one.
//!
//! ```text
//! version 1 │ kind 1 │ circle 32 │ author 32 │ number 8 │ previous 32 │ time 8 │ length 2 │ body … │ signature 64
//! ```
//!
//! All numbers are big-endian. The signature is over a domain and everything before it; the hash that names the
//! record is over the same bytes, so another signature of the same author over the same statement is the same record.
//! The circle's id is the hash of its first record, *found*, whose own circle field is zero.
//!
//! **Invariant:** a [`Record`] carries signatures that hold: only [`verify`] and [`Record::sign`] make one. That says nothing of
//! whether its author may say what it says; the roster decides that.

mod body;

use std::fmt;

use crate::codec::{Malformed, Reader, Writer};
use crate::hash::Domain;
use crate::identity::{BeaconId, CircleId, DeviceId, KEY_LEN, RecordHash, SigningKey, UseId};
use crate::limits::{BODY_MAX, RECORD_MAX, SIGNATURE_LEN};
use crate::signature::{self, Claimed};
pub use body::{
    Admit, Body, Checkpoint, Effect, Found, Grant, Invite, Join, Kind, Proto, Receipt, Revoke, Role, Scope,
    What, Witness,
};
pub use body::{BadWhat, Profile};

/// The only version so far. A reader of another version keeps nothing of the record.
pub const VERSION: u8 = 1;
/// Times are seconds since 1970 and lie before the year 10000, so that every one can be printed.
pub const TIME_MAX: u64 = 253_402_300_799;

const HASH: Domain = Domain("ringmesh 2026 record");
const SIGNED: &[u8] = b"ringmesh record v1\0";
const USED: &[u8] = b"ringmesh use of an invite v1\0";
const RECEIVED: &[u8] = b"ringmesh receipt of a beacon v1\0";

/// A place in a chain: number and hash of a record.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Link {
    /// Counted from zero, in the author's own chain.
    pub number: u64,
    /// The hash of the record.
    pub hash: RecordHash,
}

impl Link {
    pub(crate) fn write(&self, out: &mut Writer<'_>) {
        out.u64(self.number);
        out.bytes(&self.hash.0);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self { number: from.u64("link")?, hash: RecordHash(from.array("link")?) })
    }
}

/// Where an author's next record goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// The circle that the record speaks in.
    pub circle: CircleId,
    /// The author's last record; none before its first.
    pub after: Option<Link>,
}

impl Place {
    fn number(&self) -> u64 {
        self.after.map_or(0, |link| link.number + 1)
    }

    fn previous(&self) -> RecordHash {
        self.after.map_or(RecordHash::NONE, |link| link.hash)
    }
}

/// What a record says, before it is known whether its signatures hold.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Statement {
    circle: CircleId,
    author: DeviceId,
    number: u64,
    previous: RecordHash,
    time: u64,
    body: Body,
}

/// A record as it came from a stranger: well formed, but nobody has looked at its signatures.
#[derive(Clone, Debug)]
pub struct Unverified(Record);

/// A record whose signatures hold.
#[derive(Clone, Eq, PartialEq)]
pub struct Record {
    hash: RecordHash,
    signature: [u8; SIGNATURE_LEN],
    says: Statement,
}

/// A signature of the record does not hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("record {0} of {1} carries a forged signature", number, author.short())]
pub struct Forged {
    /// Who is said to have signed.
    pub author: DeviceId,
    /// Which record of that author it claims to be.
    pub number: u64,
    /// The hash of what was not signed.
    pub hash: RecordHash,
}

impl Statement {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut writer = Writer(out);
        writer.u8(VERSION);
        writer.u8(self.body.kind() as u8);
        let founds = self.body.kind() == Kind::Found;
        writer.bytes(if founds { &[0; KEY_LEN] } else { &self.circle.0 });
        writer.bytes(&self.author.0);
        writer.u64(self.number);
        writer.bytes(&self.previous.0);
        writer.u64(self.time);
        let mut body = Vec::new();
        self.body.write(&mut Writer(&mut body));
        writer.long(&body);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        if from.u8("version")? != VERSION {
            return Err(Malformed("version"));
        }
        let kind = Kind::read(from)?;
        let circle = CircleId(from.array("circle")?);
        let author = DeviceId(from.array("author")?);
        let number = from.u64("number")?;
        let previous = RecordHash(from.array("previous")?);
        let time = from.u64("time")?;
        let mut body = Reader::new(from.long(BODY_MAX, "body")?);
        let says = Self { circle, author, number, previous, time, body: Body::read(kind, &mut body)? };
        body.end("body")?;
        says.check()?;
        Ok(says)
    }

    /// What must hold between the fields.
    fn check(&self) -> Result<(), Malformed> {
        let first = self.number == 0;
        if first != (self.previous == RecordHash::NONE) {
            return Err(Malformed("previous"));
        }
        if self.time > TIME_MAX {
            return Err(Malformed("time"));
        }
        let founds = self.body.kind() == Kind::Found;
        if founds != (self.circle.0 == [0; KEY_LEN]) {
            return Err(Malformed("circle"));
        }
        if !first && (founds || self.body.kind() == Kind::Join) {
            return Err(Malformed("number"));
        }
        Ok(())
    }
}

impl Unverified {
    /// Reads one record; nothing may follow it.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the one encoding of a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > RECORD_MAX {
            return Err(Malformed("length"));
        }
        let mut reader = Reader::new(bytes);
        let mut says = Statement::read(&mut reader)?;
        let signed = &bytes[..bytes.len() - reader.rest().len()];
        let signature = reader.array("signature")?;
        reader.end("record")?;
        let hash = RecordHash(HASH.hash(&[signed]));
        if says.body.kind() == Kind::Found {
            says.circle = CircleId(hash.0);
        }
        Ok(Self(Record { hash, signature, says }))
    }

    /// Who claims to have written it.
    #[must_use]
    pub fn author(&self) -> DeviceId {
        self.0.says.author
    }

    /// The circle that it claims to belong to.
    #[must_use]
    pub fn circle(&self) -> CircleId {
        self.0.says.circle
    }

    /// Its hash, with which a known record can be passed over before any signature is looked at.
    #[must_use]
    pub fn hash(&self) -> RecordHash {
        self.0.hash
    }

    /// Looks at this one's signatures.
    ///
    /// # Errors
    /// [`Forged`] when one does not hold.
    pub fn verify(self) -> Result<Record, Forged> {
        let holds = signature::verify(&self.0.claims()).into_iter().all(|holds| holds);
        self.0.unless_forged(holds)
    }
}

/// Looks at the signatures of many records at once, which takes half the time of one after the other. The verdicts come in the
/// order of the records.
#[must_use]
pub fn verify(records: Vec<Unverified>) -> Vec<Result<Record, Forged>> {
    let mut claims = Vec::with_capacity(records.len());
    let counts: Vec<_> = records
        .iter()
        .map(|record| {
            let own = record.0.claims();
            let count = own.len();
            claims.extend(own);
            count
        })
        .collect();
    let verdicts = signature::verify(&claims);
    let mut rest = verdicts.as_slice();
    let judge = |(record, count): (Unverified, usize)| {
        let (own, others) = rest.split_at(count);
        rest = others;
        record.0.unless_forged(own.iter().all(|holds| *holds))
    };
    records.into_iter().zip(counts).map(judge).collect()
}

impl Record {
    /// Writes and signs the author's next record.
    ///
    /// # Panics
    /// If `time` lies beyond [`TIME_MAX`], or a *found* or *join* is not the first of its chain: such a record could never
    /// be read again.
    #[must_use]
    pub fn sign(key: &SigningKey, place: Place, time: u64, body: Body) -> Self {
        let founds = body.kind() == Kind::Found;
        let circle = if founds { CircleId([0; KEY_LEN]) } else { place.circle };
        let (number, previous) = (place.number(), place.previous());
        let mut says = Statement { circle, author: key.device(), number, previous, time, body };
        says.check().expect("the caller gives a place and a time that records may have");
        let mut message = SIGNED.to_vec();
        says.encode(&mut message);
        let hash = RecordHash(HASH.hash(&[&message[SIGNED.len()..]]));
        if founds {
            says.circle = CircleId(hash.0);
        }
        Self { hash, signature: key.sign(&message), says }
    }

    /// Founds a circle: its first record, from which its id follows.
    #[must_use]
    pub fn found(key: &SigningKey, time: u64, found: Found) -> Self {
        let place = Place { circle: CircleId([0; KEY_LEN]), after: None };
        Self::sign(key, place, time, Body::Found(found))
    }

    /// Appends the one encoding of this record.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.says.encode(out);
        out.extend_from_slice(&self.signature);
    }

    /// The one encoding of this record.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// The circle that it belongs to.
    #[must_use]
    pub fn circle(&self) -> CircleId {
        self.says.circle
    }

    /// Who wrote it.
    #[must_use]
    pub fn author(&self) -> DeviceId {
        self.says.author
    }

    /// Its number in the author's chain, counted from zero.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.says.number
    }

    /// The hash of the author's previous record; [`RecordHash::NONE`] for the first.
    #[must_use]
    pub fn previous(&self) -> RecordHash {
        self.says.previous
    }

    /// The author's clock when it wrote, in seconds since 1970: a claim.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.says.time
    }

    /// What it says.
    #[must_use]
    pub fn body(&self) -> &Body {
        &self.says.body
    }

    /// Its name: the hash of all but the signature.
    #[must_use]
    pub fn hash(&self) -> RecordHash {
        self.hash
    }

    /// Its place in the author's chain.
    #[must_use]
    pub fn link(&self) -> Link {
        Link { number: self.says.number, hash: self.hash }
    }

    /// Every signature that must hold: the author's, and those of an invite's key or a beacon's within.
    fn claims(&self) -> Vec<Claimed> {
        let mut message = SIGNED.to_vec();
        self.says.encode(&mut message);
        let mut claims = vec![Claimed { key: self.says.author.0, message, signature: self.signature }];
        let circle = &self.says.circle;
        match &self.says.body {
            Body::Join(join) => claims.push(Claimed {
                key: join.invite.0,
                message: use_message(circle, &join.invite, &self.says.author),
                signature: join.signature,
            }),
            Body::Witness(Witness { record, receipt: Some(receipt), .. }) => claims.push(Claimed {
                key: receipt.beacon.0,
                message: receipt_message(circle, record, receipt.time),
                signature: receipt.signature,
            }),
            Body::Found(_)
            | Body::Admit(_)
            | Body::Revoke(_)
            | Body::Invite(_)
            | Body::Grant(_)
            | Body::Profile(_)
            | Body::Witness(_)
            | Body::Checkpoint(_) => {}
        }
        claims
    }

    fn unless_forged(self, holds: bool) -> Result<Self, Forged> {
        let forged = Forged { author: self.says.author, number: self.says.number, hash: self.hash };
        if holds { Ok(self) } else { Err(forged) }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = &self.says;
        write!(f, "Record({} #{} at {}: {:?})", says.author.short(), says.number, says.time, says.body)
    }
}

impl Join {
    /// What a device writes to admit itself: the invite's key signs that it means this device in this circle.
    #[must_use]
    pub fn sign(invite: &SigningKey, circle: &CircleId, device: &DeviceId) -> Self {
        let id = invite.invite();
        Self { invite: id, signature: invite.sign(&use_message(circle, &id, device)) }
    }
}

impl Receipt {
    /// What a beacon signs when it has been given the admission with the hash `record`.
    #[must_use]
    pub fn sign(beacon: &SigningKey, circle: &CircleId, record: &RecordHash, time: u64) -> Self {
        let signature = beacon.sign(&receipt_message(circle, record, time));
        Self { beacon: beacon.beacon(), time, signature }
    }

    /// Whether the beacon has signed this receipt for the admission with the hash `record`.
    #[must_use]
    pub fn holds(&self, circle: &CircleId, record: &RecordHash) -> bool {
        signature::verify_one(&self.beacon.0, &receipt_message(circle, record, self.time), &self.signature)
    }
}

fn use_message(circle: &CircleId, invite: &UseId, device: &DeviceId) -> Vec<u8> {
    [USED, &circle.0, &invite.0, &device.0].concat()
}

fn receipt_message(circle: &CircleId, record: &RecordHash, time: u64) -> Vec<u8> {
    [RECEIVED, &circle.0, &record.0, &time.to_be_bytes()].concat()
}

/// Reads a list of beacons' keys in ascending order.
pub(crate) fn read_beacons(from: &mut Reader<'_>) -> Result<Vec<BeaconId>, Malformed> {
    let beacons =
        from.list(crate::limits::BEACONS_MAX, "beacons", |from| from.array("beacon").map(BeaconId))?;
    if beacons.is_sorted_by(|a, b| a < b) { Ok(beacons) } else { Err(Malformed("beacons")) }
}

#[cfg(test)]
mod tests;
