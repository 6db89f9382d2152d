//! Where a device can be reached: announced on the LAN, or told to one member through a beacon.
//!
//! Both are signed by the device and sealed (to the circle, or to a room for those who want to join): whoever listens
//! learns neither who nor how many are there, and nobody can put a device's name to another's address. The time and a
//! serial number make old ones useless: a receiver keeps the newest per device.
//!
//! ```text
//! version 1 │ circle 32 │ from 32 │ to 1 or 33 │ time 8 │ serial 8 │ WireGuard key 32 │ count 2 │ candidates … │ signature 64
//! ```
//!
//! **Invariant:** an address here is where to *try*; only a WireGuard handshake makes it a path.

use std::net::{IpAddr, SocketAddr};

use ringmesh_wire::keys::PublicKey;

use super::{CannotOpen, Purpose, SealKey};
use crate::codec::{Malformed, Reader, Writer};
use crate::identity::{CircleId, DeviceId, SigningKey};
use crate::limits::CANDIDATES_MAX;
use crate::signature;

const VERSION: u8 = 1;
const SIGNED: &[u8] = b"ringmesh signal v1\0";
/// How far the sender's clock may differ from ours before its word is thrown away, in seconds. Clocks are wrong by
/// days where this matters most, so it only bounds how long a recorded message can be played back to somebody new.
pub const SKEW_SECS_MAX: u64 = 3 * 86_400;

/// How an address was learned; the more direct first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Kind {
    /// An address of an interface.
    Host = 1,
    /// What a beacon saw.
    Reflexive = 2,
    /// A port that the router has opened on request.
    Mapped = 3,
    /// On a relay.
    Relayed = 4,
}

/// Somewhere to try.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Candidate {
    /// How it was learned.
    pub kind: Kind,
    /// Where.
    pub address: SocketAddr,
}

/// What a device says about where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signal {
    /// In which circle.
    pub circle: CircleId,
    /// Who.
    pub from: DeviceId,
    /// To whom; none for all who can open it.
    pub to: Option<DeviceId>,
    /// The sender's clock, in seconds since 1970.
    pub time: u64,
    /// Counts up with every signal of the device, also over restarts.
    pub serial: u64,
    /// Its WireGuard key now. The roster's word counts; a joiner has no other.
    pub wireguard: PublicKey,
    /// At most [`CANDIDATES_MAX`], without port 0.
    pub candidates: Vec<Candidate>,
}

/// Why a signal was not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BadSignal {
    /// It could not be opened.
    #[error(transparent)]
    CannotOpen(#[from] CannotOpen),
    /// It is no signal.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Not of this circle, or for somebody else.
    #[error("the signal is for somebody else")]
    NotForUs,
    /// Its time is too far from ours.
    #[error("the signal is too old, or a clock is wrong by days")]
    Time,
    /// The signature does not hold.
    #[error("the signal is forged")]
    Forged,
}

impl Signal {
    /// Signs and seals it. `purpose` is [`Purpose::Announcement`] on the LAN, [`Purpose::Signal`] through a beacon. `nonce` is random.
    #[must_use]
    pub fn seal(&self, key: &SealKey, purpose: Purpose, sender: &SigningKey, nonce: [u8; 24]) -> Vec<u8> {
        let mut content = Vec::new();
        self.write(&mut Writer(&mut content));
        let signature = sender.sign(&[SIGNED, &content].concat());
        content.extend_from_slice(&signature);
        key.seal(purpose, nonce, &content)
    }

    /// Opens one that is for us, at our time `now`.
    ///
    /// # Errors
    /// [`BadSignal`] unless all of it holds. Whether the sender is a member, and the serial newer than its last, is the caller's to look at.
    pub fn open(
        key: &SealKey,
        purpose: Purpose,
        us: &DeviceId,
        now: u64,
        sealed: &[u8],
    ) -> Result<Self, BadSignal> {
        let content = key.open(purpose, sealed)?;
        let (signal, signature) = Self::decode(&content)?;
        if signal.circle != key.circle || signal.to.is_some_and(|to| to != *us) {
            return Err(BadSignal::NotForUs);
        }
        if signal.time.abs_diff(now) > SKEW_SECS_MAX {
            return Err(BadSignal::Time);
        }
        let message = [SIGNED, &content[..content.len() - signature.len()]].concat();
        if signature::verify_one(&signal.from.0, &message, &signature) {
            Ok(signal)
        } else {
            Err(BadSignal::Forged)
        }
    }

    /// Reads an opened signal and its signature, which nobody has looked at yet.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the one encoding.
    pub fn decode(content: &[u8]) -> Result<(Self, [u8; 64]), Malformed> {
        let mut from = Reader::new(content);
        if from.u8("version")? != VERSION {
            return Err(Malformed("version"));
        }
        let circle = CircleId(from.array("circle")?);
        let sender = DeviceId(from.array("sender")?);
        let to = from.option("receiver", |from| from.array("receiver").map(DeviceId))?;
        let time = from.u64("time")?;
        let serial = from.u64("serial")?;
        let wireguard = PublicKey(from.array("key")?);
        let candidates = from.list(CANDIDATES_MAX, "candidates", Candidate::read)?;
        let signature = from.array("signature")?;
        from.end("signal")?;
        Ok((Self { circle, from: sender, to, time, serial, wireguard, candidates }, signature))
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.u8(VERSION);
        out.bytes(&self.circle.0);
        out.bytes(&self.from.0);
        out.option(self.to.as_ref(), |out, to| out.bytes(&to.0));
        out.u64(self.time);
        out.u64(self.serial);
        out.bytes(&self.wireguard.0);
        let most = self.candidates.len().min(CANDIDATES_MAX);
        out.count(most);
        self.candidates[..most].iter().for_each(|candidate| candidate.write(out));
    }
}

impl Candidate {
    fn write(&self, out: &mut Writer<'_>) {
        out.u8(self.kind as u8);
        match self.address.ip() {
            IpAddr::V4(v4) => {
                out.u8(4);
                out.bytes(&v4.octets());
            }
            IpAddr::V6(v6) => {
                out.u8(6);
                out.bytes(&v6.octets());
            }
        }
        out.u16(self.address.port());
    }

    /// Refuses what no datagram can be sent to, and IPv4 in the clothes of IPv6.
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let kind = match from.u8("candidate")? {
            1 => Kind::Host,
            2 => Kind::Reflexive,
            3 => Kind::Mapped,
            4 => Kind::Relayed,
            _ => return Err(Malformed("candidate")),
        };
        let ip: IpAddr = match from.u8("candidate")? {
            4 => from.array::<4>("candidate")?.into(),
            6 => from.array::<16>("candidate")?.into(),
            _ => return Err(Malformed("candidate")),
        };
        let port = from.u16("candidate")?;
        let nowhere = port == 0 || ip.is_unspecified() || ip.is_multicast() || ip.to_canonical() != ip;
        if nowhere { Err(Malformed("candidate")) } else { Ok(Self { kind, address: (ip, port).into() }) }
    }
}

#[cfg(test)]
mod tests;
