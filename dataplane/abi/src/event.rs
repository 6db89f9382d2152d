//! What the data plane tells control: completions of commands, and events.
//!
//! Events are hints that something changed; what it is now stands in the rows. So a lost event (the ring was full, which is
//! counted) costs freshness, never truth.

use crate::fields::{Reader, Writer};
use crate::{Claim, PEERS_MAX, Refused, WORKERS_MAX};

/// Bytes of a completion slot.
pub(crate) const COMPLETION_LEN: usize = 16;

/// Bytes of an event slot.
pub(crate) const EVENT_LEN: usize = 32;

/// The answer to one command.
///
/// Having one tells that its status is known here; not that the data plane ever got a command with this id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Completion {
    /// The id that [`crate::ControlSide::submit`] gave.
    pub id: u64,
    /// What became of it.
    pub status: Status,
}

/// What became of a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// The wanted state holds.
    Ok,
    /// Nothing was changed.
    Refused(Reason),
}

/// Why the data plane refused a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Reason {
    /// The slot's bytes were no command.
    #[error("the command was malformed")]
    Malformed,
    /// The row is empty.
    #[error("there is no such peer")]
    NoSuchPeer,
    /// The row belongs to another key.
    #[error("the row belongs to another peer")]
    OtherPeer,
    /// The key is our own, or already in another row.
    #[error("the key is already in use")]
    KeyInUse,
    /// A table is full.
    #[error("a table of the data plane is full")]
    TooMany,
    /// The data plane failed in a way that it has logged.
    #[error("the data plane could not do it")]
    Failed,
}

impl Reason {
    const ALL: [Self; 6] =
        [Self::Malformed, Self::NoSuchPeer, Self::OtherPeer, Self::KeyInUse, Self::TooMany, Self::Failed];
}

impl Completion {
    pub(crate) fn encode(self) -> [u8; COMPLETION_LEN] {
        let mut bytes = [0; COMPLETION_LEN];
        let code = match self.status {
            Status::Ok => 0,
            Status::Refused(reason) => reason as u32 + 1,
        };
        Writer::new(&mut bytes).u64(self.id).u32(code);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; COMPLETION_LEN]) -> Result<Self, Refused> {
        let mut fields = Reader::new(bytes);
        let id = fields.u64()?;
        let status = Claim::new(fields.u32()?).check("status", |code| match code {
            0 => Some(Status::Ok),
            code => Reason::ALL.get(code as usize - 1).map(|&reason| Status::Refused(reason)),
        })?;
        fields.rest_is_zero()?;
        Ok(Self { id, status })
    }
}

/// Something happened in the data plane.
///
/// Having one tells that its slot and worker are in range; not that a peer is in that slot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PlaneEvent {
    /// A session began.
    HandshakeDone {
        /// The peer's row.
        slot: u32,
    },
    /// An authenticated packet came from a new address.
    Roamed {
        /// The peer's row.
        slot: u32,
    },
    /// No handshake was answered for 90 seconds (the paper, section 6.4).
    GaveUp {
        /// The peer's row.
        slot: u32,
    },
    /// The peer is gone and its keys are wiped.
    Removed {
        /// The peer's row.
        slot: u32,
    },
    /// A worker had to do without a feature of the kernel or device.
    Fallback {
        /// The worker.
        worker: u32,
        /// Which feature: a bit number of [`crate::WorkerStats::features`].
        kind: u32,
        /// What the kernel answered, or 0.
        errno: i32,
    },
    /// The TUN link was deleted; the data plane ends.
    LinkGone,
    /// A worker asks to go before applications, or no longer needs to. Asked again as long as it is not so.
    Precedence {
        /// The worker.
        worker: u32,
        /// Whether it should.
        wanted: bool,
    },
}

impl PlaneEvent {
    pub(crate) fn encode(self) -> [u8; EVENT_LEN] {
        let mut bytes = [0; EVENT_LEN];
        let mut fields = Writer::new(&mut bytes);
        match self {
            Self::HandshakeDone { slot } => fields.u32(HANDSHAKE_DONE).u32(slot),
            Self::Roamed { slot } => fields.u32(ROAMED).u32(slot),
            Self::GaveUp { slot } => fields.u32(GAVE_UP).u32(slot),
            Self::Removed { slot } => fields.u32(REMOVED).u32(slot),
            Self::Fallback { worker, kind, errno } => {
                fields.u32(FALLBACK).u32(worker).u32(kind).u32(errno.cast_unsigned())
            }
            Self::LinkGone => fields.u32(LINK_GONE),
            Self::Precedence { worker, wanted } => fields.u32(PRECEDENCE).u32(worker).u32(wanted.into()),
        };
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; EVENT_LEN]) -> Result<Self, Refused> {
        let mut fields = Reader::new(bytes);
        let event = match fields.u32()? {
            HANDSHAKE_DONE => Self::HandshakeDone { slot: read_slot(&mut fields)? },
            ROAMED => Self::Roamed { slot: read_slot(&mut fields)? },
            GAVE_UP => Self::GaveUp { slot: read_slot(&mut fields)? },
            REMOVED => Self::Removed { slot: read_slot(&mut fields)? },
            FALLBACK => Self::Fallback {
                worker: Claim::new(fields.u32()?).below(WORKERS_MAX, "worker")?,
                kind: Claim::new(fields.u32()?).below(u64::BITS, "feature")?,
                errno: fields.u32()?.cast_signed(),
            },
            LINK_GONE => Self::LinkGone,
            PRECEDENCE => Self::Precedence {
                worker: Claim::new(fields.u32()?).below(WORKERS_MAX, "worker")?,
                wanted: Claim::new(fields.u32()?).below(2, "wish")? == 1,
            },
            _ => return Err(Refused::Field("event kind")),
        };
        fields.rest_is_zero()?;
        Ok(event)
    }
}

fn read_slot(fields: &mut Reader<'_>) -> Result<u32, Refused> {
    Claim::new(fields.u32()?).below(PEERS_MAX, "peer slot")
}

const HANDSHAKE_DONE: u32 = 1;
const ROAMED: u32 = 2;
const GAVE_UP: u32 = 3;
const REMOVED: u32 = 4;
const FALLBACK: u32 = 5;
const LINK_GONE: u32 = 6;
const PRECEDENCE: u32 = 7;

#[cfg(test)]
mod tests;
