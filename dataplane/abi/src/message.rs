//! What control and the data plane say over their socket, and which fds go along.
//!
//! A message: magic (4 bytes), version (4), kind (4), then the fields of that kind. Wherever fds are many, they come in the order
//! in which the variant names them.
//!
//! First start: control sends `Start` on a socketpair, the data plane answers `Ready` or `Failed`; when it has answered the commands
//! that make the state, control says `Rebuilt`. A later control process
//! connects to the listener, sends `Dump` and hears `Hello`; it answers `Attach`, then hears one `State` for each command that
//! would make the data plane's state, then `End`. A data plane that gets a question of another version answers it in its
//! own, from which control learns that it has to replace it.
//!
//! **Invariant:** magic, version and `Stop` mean the same in every version, so that a program can always end a data plane of
//! another version and replace it.

use crate::command::{COMMAND_LEN, CommandSlot};
use crate::endpoint::SOCKETS_MAX;
use crate::fields::{Reader, Writer};
use crate::{Claim, Command, Refused, VERSION, WORKERS_MAX};
use std::os::fd::OwnedFd;
use zeroize::Zeroizing;

/// Longest message in bytes.
pub const MESSAGE_MAX: usize = 1_024;

/// Fds in one message at most (the kernel's SCM_MAX_FD).
pub const FDS_MAX: usize = 253;

/// What can be sent over a [`crate::Link`]: [`ToPlane`] and [`FromPlane`].
pub trait Message: Sized {
    /// Writes kind and fields.
    #[doc(hidden)]
    fn emit(&self, fields: &mut Fields<'_, '_>);
    /// Reads the fields of a kind.
    #[doc(hidden)]
    fn read(kind: u32, fields: &mut Allegations<'_, '_>) -> Result<Self, Refused>;
    /// Fds that go with the message.
    #[must_use]
    fn fds(&self) -> usize;
}

/// Fields on their way out.
#[doc(hidden)]
pub struct Fields<'a, 'b>(&'a mut Writer<'b>);

/// Fields on their way in.
#[doc(hidden)]
pub struct Allegations<'a, 'b>(&'a mut Reader<'b>);

/// From control to the data plane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToPlane {
    /// Begin. Fds: TUN queues (two per worker), sockets, memory, the data plane's bell, control's bell, listener.
    Start {
        /// Of the memory.
        generation: u64,
        /// The TUN link.
        ifname: String,
        /// How many workers, and so pairs of TUN queues.
        workers: u16,
        /// How many sockets: one per worker in their order, then the one for everything that is no data message.
        sockets: u16,
        /// The TUN_F_* bits that control has set on the queues.
        offloads: u32,
        /// Where to begin looking for a free uid; 0 leaves the choice to the data plane.
        uid: u32,
    },
    /// Work with another control process. Fds: memory, the data plane's bell, control's bell.
    Attach {
        /// Of the memory.
        generation: u64,
    },
    /// Use these sockets from now on; the answer is `Moved`. Fds: sockets.
    Sockets {
        /// Which socket of each worker they are; see [`crate::UdpPath::socket`].
        set: u8,
        /// How many: in the order of the workers, and one more.
        count: u16,
    },
    /// Say what runs: the answer is `Hello`.
    Dump,
    /// The commands so far make all that was acknowledged before this data plane began. One that loses control earlier
    /// ends: half of a state must not pass for the whole.
    Rebuilt,
    /// Wipe the keys and end.
    Stop,
}

/// From the data plane to control.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(clippy::large_enum_variant)] // One at a time exists, and only on slow paths.
pub enum FromPlane {
    /// It runs.
    Ready,
    /// It does not, and ends.
    Failed {
        /// One line for a person; at most [`TEXT_MAX`] bytes are kept.
        text: String,
    },
    /// What runs here. Fds: TUN queues (two per worker), sockets of set 0, listener.
    Hello {
        /// The TUN link.
        ifname: String,
        /// How many workers, and so pairs of TUN queues.
        workers: u16,
        /// How many sockets in set 0.
        sockets: u16,
        /// The TUN_F_* bits that were set on the queues.
        offloads: u32,
    },
    /// Further sockets, after `Hello`. Fds: sockets.
    Sockets {
        /// Which socket of each worker they are.
        set: u8,
        /// How many: in the order of the workers, and one more.
        count: u16,
    },
    /// One of the commands that would make this state.
    State(Command),
    /// That was the whole state.
    End,
    /// Every worker uses the sockets that came over this connection; one for each `Sockets`, in their order.
    Moved,
}

/// Longest text of [`FromPlane::Failed`], in bytes.
pub const TEXT_MAX: usize = 512;

/// Fds of [`ToPlane::Start`], sorted.
pub struct StartFds {
    /// The TUN queues of each worker, bulk and quick.
    pub tun: Vec<[OwnedFd; 2]>,
    /// UDP sockets, in the order of the workers, and one more.
    pub sockets: Vec<OwnedFd>,
    /// The shared memory.
    pub memory: OwnedFd,
    /// The eventfd that wakes the data plane.
    pub plane_bell: OwnedFd,
    /// The eventfd that wakes control.
    pub control_bell: OwnedFd,
    /// Where later control processes connect.
    pub listener: OwnedFd,
}

impl StartFds {
    /// Sorts the fds that came with a `Start`; `None` (all closed) when their number is wrong.
    #[must_use]
    pub fn sort(workers: u16, sockets: u16, fds: Vec<OwnedFd>) -> Option<Self> {
        let mut fds = Line(fds.into_iter());
        let sorted = Self {
            tun: fds.take_pairs(workers)?,
            sockets: fds.take(sockets)?,
            memory: fds.0.next()?,
            plane_bell: fds.0.next()?,
            control_bell: fds.0.next()?,
            listener: fds.0.next()?,
        };
        fds.0.next().is_none().then_some(sorted)
    }
}

/// Fds of [`ToPlane::Attach`], sorted.
pub struct AttachFds {
    /// The shared memory.
    pub memory: OwnedFd,
    /// The eventfd that wakes the data plane.
    pub plane_bell: OwnedFd,
    /// The eventfd that wakes control.
    pub control_bell: OwnedFd,
}

impl AttachFds {
    /// Sorts the fds that came with an `Attach`; `None` (all closed) when their number is wrong.
    #[must_use]
    pub fn sort(fds: Vec<OwnedFd>) -> Option<Self> {
        let [memory, plane_bell, control_bell] = fds.try_into().ok()?;
        Some(Self { memory, plane_bell, control_bell })
    }
}

/// Fds of [`FromPlane::Hello`], sorted.
pub struct HelloFds {
    /// The TUN queues of each worker, bulk and quick.
    pub tun: Vec<[OwnedFd; 2]>,
    /// UDP sockets of set 0, in the order of the workers, and one more.
    pub sockets: Vec<OwnedFd>,
    /// Where control processes connect.
    pub listener: OwnedFd,
}

impl HelloFds {
    /// Sorts the fds that came with a `Hello`; `None` (all closed) when their number is wrong.
    #[must_use]
    pub fn sort(workers: u16, sockets: u16, fds: Vec<OwnedFd>) -> Option<Self> {
        let mut fds = Line(fds.into_iter());
        let sorted =
            Self { tun: fds.take_pairs(workers)?, sockets: fds.take(sockets)?, listener: fds.0.next()? };
        fds.0.next().is_none().then_some(sorted)
    }
}

struct Line(std::vec::IntoIter<OwnedFd>);

impl Line {
    fn take(&mut self, count: u16) -> Option<Vec<OwnedFd>> {
        let taken: Vec<_> = self.0.by_ref().take(count.into()).collect();
        (taken.len() == usize::from(count)).then_some(taken)
    }

    fn take_pairs(&mut self, count: u16) -> Option<Vec<[OwnedFd; 2]>> {
        (0..count).map(|_| Some([self.0.next()?, self.0.next()?])).collect()
    }
}

impl Message for ToPlane {
    fn emit(&self, Fields(fields): &mut Fields<'_, '_>) {
        match self {
            Self::Start { generation, ifname, workers, sockets, offloads, uid } => {
                fields.u32(START).u64(*generation);
                emit_text(fields, ifname, IFNAME_MAX);
                fields.u16(*workers).u16(*sockets).u32(*offloads).u32(*uid);
            }
            Self::Attach { generation } => {
                fields.u32(ATTACH).u64(*generation);
            }
            Self::Sockets { set, count } => {
                fields.u32(SOCKETS).u8(*set).u16(*count);
            }
            Self::Dump => {
                fields.u32(DUMP);
            }
            Self::Rebuilt => {
                fields.u32(REBUILT);
            }
            Self::Stop => {
                fields.u32(STOP);
            }
        }
    }

    fn read(kind: u32, Allegations(fields): &mut Allegations<'_, '_>) -> Result<Self, Refused> {
        match kind {
            START => {
                let generation = fields.u64()?;
                let ifname = read_ifname(fields)?;
                let (workers, sockets) = read_counts(fields)?;
                let (offloads, uid) = (fields.u32()?, fields.u32()?);
                Ok(Self::Start { generation, ifname, workers, sockets, offloads, uid })
            }
            ATTACH => Ok(Self::Attach { generation: fields.u64()? }),
            SOCKETS => read_sockets(fields).map(|(set, count)| Self::Sockets { set, count }),
            DUMP => Ok(Self::Dump),
            REBUILT => Ok(Self::Rebuilt),
            STOP => Ok(Self::Stop),
            _ => Err(Refused::Field("message kind")),
        }
    }

    fn fds(&self) -> usize {
        match self {
            Self::Start { workers, sockets, .. } => 2 * usize::from(*workers) + usize::from(*sockets) + 4,
            Self::Attach { .. } => 3,
            Self::Sockets { count, .. } => usize::from(*count),
            Self::Dump | Self::Rebuilt | Self::Stop => 0,
        }
    }
}

impl Message for FromPlane {
    fn emit(&self, Fields(fields): &mut Fields<'_, '_>) {
        match self {
            Self::Ready => {
                fields.u32(READY);
            }
            Self::Failed { text } => {
                fields.u32(FAILED);
                emit_text(fields, text, TEXT_MAX);
            }
            Self::Hello { ifname, workers, sockets, offloads } => {
                fields.u32(HELLO);
                emit_text(fields, ifname, IFNAME_MAX);
                fields.u16(*workers).u16(*sockets).u32(*offloads);
            }
            Self::Sockets { set, count } => {
                fields.u32(FURTHER_SOCKETS).u8(*set).u16(*count);
            }
            Self::State(command) => {
                let mut slot = CommandSlot::new();
                command.encode(0, &mut slot);
                fields.u32(STATE).raw(&slot.0);
            }
            Self::End => {
                fields.u32(END);
            }
            Self::Moved => {
                fields.u32(MOVED);
            }
        }
    }

    fn read(kind: u32, Allegations(fields): &mut Allegations<'_, '_>) -> Result<Self, Refused> {
        match kind {
            READY => Ok(Self::Ready),
            FAILED => Ok(Self::Failed { text: read_text(fields, TEXT_MAX)? }),
            HELLO => {
                let ifname = read_ifname(fields)?;
                let (workers, sockets) = read_counts(fields)?;
                Ok(Self::Hello { ifname, workers, sockets, offloads: fields.u32()? })
            }
            FURTHER_SOCKETS => read_sockets(fields).map(|(set, count)| Self::Sockets { set, count }),
            STATE => {
                let mut slot = CommandSlot::new();
                slot.0.copy_from_slice(fields.raw::<COMMAND_LEN>()?);
                Ok(Self::State(Command::decode(&slot)?.1))
            }
            END => Ok(Self::End),
            MOVED => Ok(Self::Moved),
            _ => Err(Refused::Field("message kind")),
        }
    }

    fn fds(&self) -> usize {
        match self {
            Self::Hello { workers, sockets, .. } => 2 * usize::from(*workers) + usize::from(*sockets) + 1,
            Self::Sockets { count, .. } => usize::from(*count),
            Self::Ready | Self::Failed { .. } | Self::State(_) | Self::End | Self::Moved => 0,
        }
    }
}

/// The bytes of a message; wiped when dropped, since a `State` carries keys.
pub(crate) fn encode<M: Message>(message: &M) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; MESSAGE_MAX]);
    let mut fields = Writer::new(&mut bytes);
    fields.raw(MAGIC).u32(VERSION);
    message.emit(&mut Fields(&mut fields));
    let len = fields.written();
    bytes.truncate(len);
    bytes
}

/// Checks a whole message.
pub(crate) fn decode<M: Message>(bytes: &[u8]) -> Result<M, Refused> {
    let mut fields = Reader::new(bytes);
    if fields.raw().map_err(|_| Refused::Magic)? != MAGIC {
        return Err(Refused::Magic);
    }
    let (version, kind) = (fields.u32()?, fields.u32()?);
    if version != VERSION && kind != STOP {
        return Err(Refused::Version { theirs: version });
    }
    let message = M::read(kind, &mut Allegations(&mut fields))?;
    fields.end()?;
    Ok(message)
}

/// Length (2 bytes) and text, cut at a character's end to at most `max` bytes.
fn emit_text(fields: &mut Writer<'_>, text: &str, max: usize) {
    let text = &text[..text.floor_char_boundary(max)];
    fields.u16(text.len() as u16).raw(text.as_bytes());
}

fn read_text(fields: &mut Reader<'_>, max: usize) -> Result<String, Refused> {
    let len = Claim::new(usize::from(fields.u16()?)).at_most(max, "text length")?;
    let text = core::str::from_utf8(fields.slice(len)?).map_err(|_| Refused::Field("text"))?;
    Ok(text.to_owned())
}

/// The name of a link as the kernel allows it.
fn read_ifname(fields: &mut Reader<'_>) -> Result<String, Refused> {
    Claim::new(read_text(fields, IFNAME_MAX)?).check("link name", |name| {
        let plain = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':');
        (plain && !matches!(name.as_str(), "" | "." | "..")).then_some(name)
    })
}

fn read_counts(fields: &mut Reader<'_>) -> Result<(u16, u16), Refused> {
    let workers = Claim::new(fields.u16()?).within(1, WORKERS_MAX as u16, "workers")?;
    let sockets = Claim::new(fields.u16()?).at_most(sockets_of(workers), "sockets")?;
    Ok((workers, sockets))
}

fn read_sockets(fields: &mut Reader<'_>) -> Result<(u8, u16), Refused> {
    let set = Claim::new(fields.u8()?).below(SOCKETS_MAX, "socket set")?;
    Ok((set, Claim::new(fields.u16()?).at_most(sockets_of(WORKERS_MAX as u16), "sockets")?))
}

/// Sockets of a set: one per worker, and one for what is no data message.
const fn sockets_of(workers: u16) -> u16 {
    workers + 1
}
const _: () = assert!(2 * WORKERS_MAX as usize + sockets_of(WORKERS_MAX as u16) as usize + 4 <= FDS_MAX);

/// IFNAMSIZ without its zero.
const IFNAME_MAX: usize = 15;

const MAGIC: &[u8; 4] = b"RMLK";

const START: u32 = 1;
const ATTACH: u32 = 2;
const SOCKETS: u32 = 3;
const DUMP: u32 = 4;
const STOP: u32 = 5;
const REBUILT: u32 = 6;
const READY: u32 = 101;
const FAILED: u32 = 102;
const HELLO: u32 = 103;
const FURTHER_SOCKETS: u32 = 104;
const STATE: u32 = 105;
const END: u32 = 106;
const MOVED: u32 = 107;

const _: () = assert!(12 + COMMAND_LEN <= MESSAGE_MAX && 14 + TEXT_MAX <= MESSAGE_MAX);

#[cfg(test)]
mod tests;
