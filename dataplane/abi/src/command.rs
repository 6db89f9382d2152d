//! What control wants of the data plane, in slots of 512 bytes.
//!
//! Each command names the wanted state, not a change of it, so one that was never answered is simply sent again, and
//! the state of a data plane *is* the list of commands that would make it (see [`crate::FromPlane::State`]).
//!
//! A slot: id (8 bytes), kind (4 bytes), then the fields of that kind in the order of the variant, then zeros.
//!
//! **Invariant:** secrets exist in a slot only until its consumer has read it, and in private copies only inside
//! types that wipe themselves.

use crate::endpoint::ENDPOINT_LEN;
use crate::fields::{Reader, Writer};
use crate::{Claim, Endpoint, PEERS_MAX, Refused, Secret};
use core::net::IpAddr;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a command slot.
pub const COMMAND_LEN: usize = 512;

/// Ways to reach one peer that the data plane keeps.
pub const ENDPOINTS_PER_PEER: usize = 4;

/// A private copy of a command slot; wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct CommandSlot(pub [u8; COMMAND_LEN]);

impl CommandSlot {
    /// An empty slot.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; COMMAND_LEN])
    }

    /// The first eight bytes: what whoever wrote the slot called it.
    pub(crate) fn id(&self) -> u64 {
        self.0.first_chunk().map_or(0, |id| u64::from_le_bytes(*id))
    }
}

impl Default for CommandSlot {
    fn default() -> Self {
        Self::new()
    }
}

/// A wanted state.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(clippy::large_enum_variant)] // One at a time exists, and only on slow paths.
pub enum Command {
    /// The device itself.
    SetDevice {
        /// Our static key; without one the device answers nobody.
        private_key: Option<Secret>,
        /// Largest inner packet, in bytes.
        mtu: u32,
        /// Whether the inner DSCP is copied to the outer header; it shows observers what kind of traffic flows.
        dscp_copy: bool,
        /// The timestamps of our own initiations are later than this, in seconds since 1970: peers have seen so late ones. 0 when
        /// the wall clock says enough.
        stamped_until_secs: u64,
    },
    /// A peer as it should be. Its allowed IPs are commands of their own.
    SetPeer {
        /// The row of the peer table, below [`PEERS_MAX`].
        slot: u32,
        /// Who the peer is.
        public_key: [u8; 32],
        /// The pre-shared key; zeros when there is none.
        preshared_key: Secret,
        /// Persistent keepalive, in seconds; 0 is off.
        keepalive_secs: u16,
        /// Where it may be reached; the first is where to begin.
        endpoints: [Endpoint; ENDPOINTS_PER_PEER],
        /// Greatest TAI64N timestamp that an initiation of this peer had (the paper, section 5.1).
        greatest_timestamp: [u8; 12],
        /// Whether a session was alive when this was written: a restarted data plane then handshakes at once.
        had_session: bool,
    },
    /// No such peer.
    RemovePeer {
        /// The row.
        slot: u32,
        /// Who must be in that row.
        public_key: [u8; 32],
    },
    /// Packets for this range go to this peer, and to no other.
    AddAllowedIp {
        /// The row.
        slot: u32,
        /// Who must be in that row.
        public_key: [u8; 32],
        /// The range.
        addr: IpAddr,
        /// Its length: at most 32 for IPv4, 128 for IPv6.
        prefix: u8,
    },
    /// This range does not belong to this peer.
    RemoveAllowedIp {
        /// The row.
        slot: u32,
        /// Who must be in that row.
        public_key: [u8; 32],
        /// The range.
        addr: IpAddr,
        /// Its length: at most 32 for IPv4, 128 for IPv6.
        prefix: u8,
    },
    /// No range belongs to this peer.
    ClearAllowedIps {
        /// The row.
        slot: u32,
        /// Who must be in that row.
        public_key: [u8; 32],
    },
    /// The interface has another MTU now.
    Mtu {
        /// Largest inner packet, in bytes.
        mtu: u32,
    },
}

impl Command {
    /// Writes the command into a slot. IPv4 addresses inside IPv6 become plain IPv4.
    pub fn encode(&self, id: u64, slot: &mut CommandSlot) {
        let mut fields = Writer::new(&mut slot.0);
        fields.u64(id).u32(self.kind());
        self.emit(&mut fields);
        fields.zero_rest();
    }

    /// Checks a private copy of a slot.
    ///
    /// # Errors
    /// [`Refused::Field`] names the first field that is out of bounds.
    pub fn decode(slot: &CommandSlot) -> Result<(u64, Self), Refused> {
        let mut fields = Reader::new(&slot.0);
        let id = fields.u64()?;
        let command = match fields.u32()? {
            SET_DEVICE => Self::read_device(&mut fields),
            SET_PEER => Self::read_peer(&mut fields),
            REMOVE_PEER => {
                let (slot, public_key) = read_who(&mut fields)?;
                Ok(Self::RemovePeer { slot, public_key })
            }
            ADD_ALLOWED_IP => {
                let ((slot, public_key), (addr, prefix)) = (read_who(&mut fields)?, read_range(&mut fields)?);
                Ok(Self::AddAllowedIp { slot, public_key, addr, prefix })
            }
            REMOVE_ALLOWED_IP => {
                let ((slot, public_key), (addr, prefix)) = (read_who(&mut fields)?, read_range(&mut fields)?);
                Ok(Self::RemoveAllowedIp { slot, public_key, addr, prefix })
            }
            CLEAR_ALLOWED_IPS => {
                let (slot, public_key) = read_who(&mut fields)?;
                Ok(Self::ClearAllowedIps { slot, public_key })
            }
            MTU => Ok(Self::Mtu { mtu: read_mtu(&mut fields)? }),
            _ => Err(Refused::Field("command kind")),
        }?;
        fields.rest_is_zero()?;
        Ok((id, command))
    }

    const fn kind(&self) -> u32 {
        match self {
            Self::SetDevice { .. } => SET_DEVICE,
            Self::SetPeer { .. } => SET_PEER,
            Self::RemovePeer { .. } => REMOVE_PEER,
            Self::AddAllowedIp { .. } => ADD_ALLOWED_IP,
            Self::RemoveAllowedIp { .. } => REMOVE_ALLOWED_IP,
            Self::ClearAllowedIps { .. } => CLEAR_ALLOWED_IPS,
            Self::Mtu { .. } => MTU,
        }
    }

    fn emit(&self, fields: &mut Writer<'_>) {
        match self {
            Self::SetDevice { private_key, mtu, dscp_copy, stamped_until_secs } => {
                let key = private_key.as_ref().map_or(&[0; 32], Secret::expose);
                fields
                    .bool(private_key.is_some())
                    .raw(key)
                    .u32(*mtu)
                    .bool(*dscp_copy)
                    .u64(*stamped_until_secs);
            }
            Self::SetPeer {
                slot,
                public_key,
                preshared_key,
                keepalive_secs,
                endpoints,
                greatest_timestamp,
                had_session,
            } => {
                fields.u32(*slot).raw(public_key).raw(preshared_key.expose()).u16(*keepalive_secs);
                for endpoint in endpoints {
                    fields.raw(&endpoint.encode());
                }
                fields.raw(greatest_timestamp).bool(*had_session);
            }
            Self::RemovePeer { slot, public_key } | Self::ClearAllowedIps { slot, public_key } => {
                fields.u32(*slot).raw(public_key);
            }
            Self::AddAllowedIp { slot, public_key, addr, prefix }
            | Self::RemoveAllowedIp { slot, public_key, addr, prefix } => {
                fields.u32(*slot).raw(public_key).ip(*addr).u8(*prefix);
            }
            Self::Mtu { mtu } => {
                fields.u32(*mtu);
            }
        }
    }

    fn read_device(fields: &mut Reader<'_>) -> Result<Self, Refused> {
        let has_key = fields.bool("key mark")?;
        let key = fields.raw()?;
        if !has_key && *key != [0; 32] {
            return Err(Refused::Field("reserved bytes"));
        }
        let private_key = has_key.then(|| Secret::new(key));
        let (mtu, dscp_copy) = (read_mtu(fields)?, fields.bool("DSCP option")?);
        Ok(Self::SetDevice { private_key, mtu, dscp_copy, stamped_until_secs: fields.u64()? })
    }

    fn read_peer(fields: &mut Reader<'_>) -> Result<Self, Refused> {
        let (slot, public_key) = read_who(fields)?;
        let preshared_key = Secret::new(fields.raw()?);
        let keepalive_secs = fields.u16()?;
        let mut endpoints = [Endpoint::None; ENDPOINTS_PER_PEER];
        for endpoint in &mut endpoints {
            *endpoint = Endpoint::decode(fields.raw()?)?;
        }
        let greatest_timestamp = *fields.raw()?;
        let had_session = fields.bool("session mark")?;
        Ok(Self::SetPeer {
            slot,
            public_key,
            preshared_key,
            keepalive_secs,
            endpoints,
            greatest_timestamp,
            had_session,
        })
    }
}

fn read_who(fields: &mut Reader<'_>) -> Result<(u32, [u8; 32]), Refused> {
    Ok((Claim::new(fields.u32()?).below(PEERS_MAX, "peer slot")?, *fields.raw()?))
}

fn read_range(fields: &mut Reader<'_>) -> Result<(IpAddr, u8), Refused> {
    let addr = fields.ip()?;
    let longest = if addr.is_ipv4() { 32 } else { 128 };
    Ok((addr, Claim::new(fields.u8()?).at_most(longest, "prefix")?))
}

fn read_mtu(fields: &mut Reader<'_>) -> Result<u32, Refused> {
    Claim::new(fields.u32()?).at_most(MTU_MAX, "MTU")
}

/// No IP packet is longer.
const MTU_MAX: u32 = 65_535;

const SET_DEVICE: u32 = 1;
const SET_PEER: u32 = 2;
const REMOVE_PEER: u32 = 3;
const ADD_ALLOWED_IP: u32 = 4;
const REMOVE_ALLOWED_IP: u32 = 5;
const CLEAR_ALLOWED_IPS: u32 = 6;
const MTU: u32 = 7;

/// The longest command: id and kind, slot and keys, keepalive, endpoints, timestamp, session mark.
const LONGEST: usize = 12 + 4 + 32 + 32 + 2 + ENDPOINTS_PER_PEER * ENDPOINT_LEN + 12 + 1;
const _: () = assert!(LONGEST <= COMMAND_LEN);

#[cfg(test)]
mod tests;
