//! The first two messages: each side proves its key by a signature over the TLS channel.
//!
//! The beacon begins, so a device tells nothing about itself to one with another key than it was told.

use std::net::{IpAddr, SocketAddr};

use crate::codec::{Malformed, Reader, Writer};
use crate::identity::{BeaconId, CircleId, DeviceId, SigningKey, UseId};
use crate::limits::{HELLO_MAX, PROOF_MAX, PROOF_RECORD_MAX, SIGNATURE_LEN};
use crate::signature;

const VERSION: u8 = 1;
const GREETS: &[u8] = b"ringmesh beacon greets v1\0";
const ENTERS: &[u8] = b"ringmesh device enters beacon v1\0";
const USES: &[u8] = b"ringmesh invite enters beacon v1\0";

/// Keying material of one TLS connection, which both ends know and nobody else ([`super::EXPORTER`]). The challenge that both sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Binding(pub [u8; 32]);

/// What a beacon says first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Greeting {
    /// Its key.
    pub beacon: BeaconId,
    /// From where the connection comes, as it sees it.
    pub seen: SocketAddr,
    /// Its clock, in seconds since 1970.
    pub time: u64,
    signature: [u8; SIGNATURE_LEN],
}

impl Greeting {
    /// Signs the channel.
    #[must_use]
    pub fn sign(beacon: &SigningKey, binding: &Binding, seen: SocketAddr, time: u64) -> Self {
        let seen = SocketAddr::new(seen.ip().to_canonical(), seen.port());
        let mut greeting = Self { beacon: beacon.beacon(), seen, time, signature: [0; SIGNATURE_LEN] };
        greeting.signature = beacon.sign(&greeting.message(binding));
        greeting
    }

    /// Whether the key has signed this channel.
    #[must_use]
    pub fn holds(&self, binding: &Binding) -> bool {
        signature::verify_one(&self.beacon.0, &self.message(binding), &self.signature)
    }

    /// The one encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.content();
        bytes.extend_from_slice(&self.signature);
        bytes
    }

    /// Reads a greeting.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the one encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = Reader::new(bytes);
        version(&mut from)?;
        let greeting = Self {
            beacon: BeaconId(from.array("beacon")?),
            seen: read_address(&mut from)?,
            time: from.u64("time")?,
            signature: from.array("signature")?,
        };
        from.end("greeting")?;
        Ok(greeting)
    }

    fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer(&mut bytes);
        out.u8(VERSION);
        out.bytes(&self.beacon.0);
        write_address(&mut out, self.seen);
        out.u64(self.time);
        bytes
    }

    fn message(&self, binding: &Binding) -> Vec<u8> {
        [GREETS, &binding.0, &self.content()].concat()
    }
}

/// As what a device comes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Who {
    /// As one of the circle.
    Member {
        /// Who founded the circle; names its box.
        founder: DeviceId,
        /// Why the device is an admin, if it is one; see [`super::roll::proof`].
        proof: Vec<Vec<u8>>,
    },
    /// With an invite, to store an admission and to wait for the answer.
    Invited(UseId),
}

/// What a device says first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Hello {
    /// Which circle.
    pub circle: CircleId,
    /// Who.
    pub device: DeviceId,
    /// As what.
    pub who: Who,
    device_signature: [u8; SIGNATURE_LEN],
    /// All zero unless there is an invite.
    invite_signature: [u8; SIGNATURE_LEN],
}

impl Hello {
    /// A member signs the channel. At most [`PROOF_MAX`] records of a proof are told.
    #[must_use]
    pub fn member(
        device: &SigningKey,
        (binding, beacon): (&Binding, &BeaconId),
        circle: CircleId,
        founder: DeviceId,
        mut proof: Vec<Vec<u8>>,
    ) -> Self {
        proof.truncate(PROOF_MAX);
        proof.retain(|record| record.len() <= PROOF_RECORD_MAX);
        let mut hello = Self::new(device, circle, Who::Member { founder, proof });
        hello.device_signature = device.sign(&hello.message(ENTERS, binding, beacon));
        hello
    }

    /// Somebody with an invite signs the channel with both keys.
    #[must_use]
    pub fn invited(
        device: &SigningKey,
        (binding, beacon): (&Binding, &BeaconId),
        circle: CircleId,
        invite: &SigningKey,
    ) -> Self {
        let mut hello = Self::new(device, circle, Who::Invited(invite.invite()));
        hello.device_signature = device.sign(&hello.message(ENTERS, binding, beacon));
        hello.invite_signature = invite.sign(&hello.message(USES, binding, beacon));
        hello
    }

    fn new(device: &SigningKey, circle: CircleId, who: Who) -> Self {
        let none = [0; SIGNATURE_LEN];
        Self { circle, device: device.device(), who, device_signature: none, invite_signature: none }
    }

    /// Whether every key has signed this channel to this beacon.
    #[must_use]
    pub fn holds(&self, binding: &Binding, beacon: &BeaconId) -> bool {
        let device = self.message(ENTERS, binding, beacon);
        let invited = match &self.who {
            Who::Member { .. } => true,
            Who::Invited(invite) => {
                let message = self.message(USES, binding, beacon);
                signature::verify_one(&invite.0, &message, &self.invite_signature)
            }
        };
        invited && signature::verify_one(&self.device.0, &device, &self.device_signature)
    }

    /// The one encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.content();
        bytes.extend_from_slice(&self.device_signature);
        if let Who::Invited(_) = self.who {
            bytes.extend_from_slice(&self.invite_signature);
        }
        bytes
    }

    /// Reads a hello.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the one encoding of a hello within its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > HELLO_MAX {
            return Err(Malformed("length"));
        }
        let mut from = Reader::new(bytes);
        version(&mut from)?;
        let circle = CircleId(from.array("circle")?);
        let device = DeviceId(from.array("device")?);
        let who = match from.u8("who")? {
            1 => Who::Member {
                founder: DeviceId(from.array("founder")?),
                proof: from.list(PROOF_MAX, "proof", |from| {
                    from.long(PROOF_RECORD_MAX, "proof").map(<[u8]>::to_vec)
                })?,
            },
            2 => Who::Invited(UseId(from.array("invite")?)),
            _ => return Err(Malformed("who")),
        };
        let device_signature = from.array("signature")?;
        let invite_signature = match who {
            Who::Member { .. } => [0; SIGNATURE_LEN],
            Who::Invited(_) => from.array("signature")?,
        };
        from.end("hello")?;
        Ok(Self { circle, device, who, device_signature, invite_signature })
    }

    fn content(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer(&mut bytes);
        out.u8(VERSION);
        out.bytes(&self.circle.0);
        out.bytes(&self.device.0);
        match &self.who {
            Who::Member { founder, proof } => {
                out.u8(1);
                out.bytes(&founder.0);
                out.count(proof.len());
                proof.iter().for_each(|record| out.long(record));
            }
            Who::Invited(invite) => {
                out.u8(2);
                out.bytes(&invite.0);
            }
        }
        bytes
    }

    fn message(&self, domain: &[u8], binding: &Binding, beacon: &BeaconId) -> Vec<u8> {
        [domain, &binding.0, &beacon.0, &self.content()].concat()
    }
}

fn version(from: &mut Reader<'_>) -> Result<(), Malformed> {
    if from.u8("version")? == VERSION { Ok(()) } else { Err(Malformed("version")) }
}

fn write_address(out: &mut Writer<'_>, address: SocketAddr) {
    match address.ip() {
        IpAddr::V4(v4) => {
            out.u8(4);
            out.bytes(&v4.octets());
        }
        IpAddr::V6(v6) => {
            out.u8(6);
            out.bytes(&v6.octets());
        }
    }
    out.u16(address.port());
}

fn read_address(from: &mut Reader<'_>) -> Result<SocketAddr, Malformed> {
    let ip: IpAddr = match from.u8("address")? {
        4 => from.array::<4>("address")?.into(),
        6 => from.array::<16>("address")?.into(),
        _ => return Err(Malformed("address")),
    };
    Ok((ip, from.u16("address")?).into())
}
