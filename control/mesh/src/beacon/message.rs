//! Requests, their answers, and what a beacon says unasked.

use crate::codec::{Malformed, Reader, Writer};
use crate::identity::{DeviceId, RecordHash, UseId};
use crate::limits::{
    ENTRIES_MAX, ENTRY_MAX, FRAME_MAX, OFFERS_MAX, PARCEL_BYTES_MAX, ROLL_ENTRIES_MAX, SIGNAL_BYTES_MAX,
    SIGNAL_TO_MAX,
};
use crate::record::Receipt;

use super::refusal::Refusal;
use super::roll::{Entry, Offer};

/// What a device asks for. Each is answered with one [`Answer`], in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// Stores entries at the end of the log. The same bytes are stored once. At most [`ENTRIES_MAX`], together at most [`ENTRY_MAX`] bytes.
    Append {
        /// The invite that they answer; none for entries that are sealed to the circle.
        room: Option<UseId>,
        /// Sealed entries.
        sealed: Vec<Vec<u8>>,
    },
    /// Entries of the log from a position on.
    Fetch {
        /// The first position that is wanted.
        from: u64,
    },
    /// An admin drops the log before a position, after it has stored what still matters again.
    Trim {
        /// The first position that stays.
        before: u64,
    },
    /// An admin tells who belongs to the circle, and which invites are open.
    Roll {
        /// At most [`ROLL_ENTRIES_MAX`].
        entries: Vec<Entry>,
        /// At most [`OFFERS_MAX`].
        offers: Vec<Offer>,
        /// Invites that are good no more, at most [`OFFERS_MAX`].
        cancelled: Vec<UseId>,
    },
    /// Keeps a circle key, sealed to one device, until that device gets a newer one from the same sender.
    Parcel {
        /// To whom.
        to: DeviceId,
        /// At most [`PARCEL_BYTES_MAX`].
        bytes: Vec<u8>,
    },
    /// Passes a sealed signal to devices that are connected now.
    Signal {
        /// To whom, at most [`SIGNAL_TO_MAX`]; to everybody, also to who comes later while the sender is connected, if there are none.
        to: Vec<DeviceId>,
        /// At most [`SIGNAL_BYTES_MAX`].
        sealed: Vec<u8>,
    },
    /// Stores a joiner's admission, once, and asks for a receipt.
    Admission {
        /// The hash of its *join*.
        record: RecordHash,
        /// The records, sealed to the invite's room.
        sealed: Vec<u8>,
    },
    /// Says that the device is still there.
    Ping,
}

/// What a beacon answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// To a hello.
    Welcome(Welcome),
    /// It is done, and on the disk where it has to be.
    Done,
    /// To [`Request::Fetch`].
    Page(Page),
    /// To [`Request::Admission`].
    Receipt(Receipt),
    /// It was not done.
    Refused(Refusal),
}

/// What a beacon says unasked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Push {
    /// The log has new entries.
    Grown {
        /// The position after the last.
        end: u64,
    },
    /// A parcel for the device.
    Parcel {
        /// Who sent it.
        from: DeviceId,
        /// What it is.
        bytes: Vec<u8>,
    },
    /// A signal for the device.
    Signal {
        /// Who sent it.
        from: DeviceId,
        /// What it is.
        sealed: Vec<u8>,
    },
}

/// Anything that comes from a beacon.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToDevice {
    /// The answer to the oldest open request.
    Answer(Answer),
    /// Said unasked.
    Push(Push),
}

/// What a device finds at a beacon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Welcome {
    /// Which log it is: drawn at random when the box was made. Positions of another log mean nothing.
    pub log: u64,
    /// The first position that still can be fetched.
    pub first: u64,
    /// The position after the last.
    pub end: u64,
    /// Whether the device may keep the roll.
    pub admin: bool,
    /// Of the roll that the beacon has; see [`super::roll::digest`].
    pub roll: [u8; 32],
}

/// One entry of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Stored {
    /// Where it stands.
    pub position: u64,
    /// The invite that it belongs to; none for entries that are sealed to the circle.
    pub room: Option<UseId>,
    /// What was stored.
    pub sealed: Vec<u8>,
}

/// A stretch of the log.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Page {
    /// In order of position, with gaps where entries are not for the asker or were dropped.
    pub entries: Vec<Stored>,
    /// From where to go on.
    pub next: u64,
    /// The position after the last entry; nothing is left when `next` has reached it.
    pub end: u64,
}

impl Request {
    /// The one encoding.
    ///
    /// # Panics
    /// If a list or text is far beyond its bound ([`Self::fits`] says so beforehand).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer(&mut bytes);
        match self {
            Self::Append { room, sealed } => {
                out.u8(1);
                write_room(&mut out, room.as_ref());
                write_blobs(&mut out, sealed);
            }
            Self::Fetch { from } => {
                out.u8(2);
                out.u64(*from);
            }
            Self::Trim { before } => {
                out.u8(3);
                out.u64(*before);
            }
            Self::Roll { entries, offers, cancelled } => {
                out.u8(4);
                out.count(entries.len());
                entries.iter().for_each(|entry| entry.write(&mut out));
                out.count(offers.len());
                offers.iter().for_each(|offer| offer.write(&mut out));
                out.count(cancelled.len());
                cancelled.iter().for_each(|invite| out.bytes(&invite.0));
            }
            Self::Parcel { to, bytes } => {
                out.u8(5);
                out.bytes(&to.0);
                out.long(bytes);
            }
            Self::Signal { to, sealed } => {
                out.u8(6);
                out.count(to.len());
                to.iter().for_each(|device| out.bytes(&device.0));
                out.long(sealed);
            }
            Self::Admission { record, sealed } => {
                out.u8(7);
                out.bytes(&record.0);
                out.long(sealed);
            }
            Self::Ping => out.u8(8),
        }
        bytes
    }

    /// Reads a request.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the one encoding of a request within its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = open(bytes)?;
        let request = match from.u8("request")? {
            1 => Self::Append { room: read_room(&mut from)?, sealed: read_blobs(&mut from)? },
            2 => Self::Fetch { from: from.u64("from")? },
            3 => Self::Trim { before: from.u64("before")? },
            4 => Self::Roll {
                entries: from.list(ROLL_ENTRIES_MAX, "entries", Entry::read)?,
                offers: from.list(OFFERS_MAX, "offers", Offer::read)?,
                cancelled: from.list(OFFERS_MAX, "cancelled", |from| from.array("invite").map(UseId))?,
            },
            5 => Self::Parcel { to: device(&mut from)?, bytes: blob(&mut from, PARCEL_BYTES_MAX)? },
            6 => Self::Signal {
                to: from.list(SIGNAL_TO_MAX, "to", device)?,
                sealed: blob(&mut from, SIGNAL_BYTES_MAX)?,
            },
            7 => Self::Admission {
                record: RecordHash(from.array("record")?),
                sealed: blob(&mut from, ENTRY_MAX)?,
            },
            8 => Self::Ping,
            _ => return Err(Malformed("request")),
        };
        from.end("request")?;
        Ok(request)
    }

    /// Whether every part is within its bound: only then a beacon reads it.
    #[must_use]
    pub fn fits(&self) -> bool {
        match self {
            Self::Append { sealed, .. } => blobs_fit(sealed),
            Self::Roll { entries, offers, cancelled } => {
                entries.len() <= ROLL_ENTRIES_MAX
                    && offers.len() <= OFFERS_MAX
                    && cancelled.len() <= OFFERS_MAX
            }
            Self::Parcel { bytes, .. } => (1..=PARCEL_BYTES_MAX).contains(&bytes.len()),
            Self::Signal { to, sealed } => {
                to.len() <= SIGNAL_TO_MAX && (1..=SIGNAL_BYTES_MAX).contains(&sealed.len())
            }
            Self::Admission { sealed, .. } => (1..=ENTRY_MAX).contains(&sealed.len()),
            Self::Fetch { .. } | Self::Trim { .. } | Self::Ping => true,
        }
    }
}

impl ToDevice {
    /// The one encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer(&mut bytes);
        match self {
            Self::Answer(Answer::Welcome(welcome)) => {
                out.u8(1);
                welcome.write(&mut out);
            }
            Self::Answer(Answer::Done) => out.u8(2),
            Self::Answer(Answer::Page(page)) => {
                out.u8(3);
                page.write(&mut out);
            }
            Self::Answer(Answer::Receipt(receipt)) => {
                out.u8(4);
                out.bytes(&receipt.beacon.0);
                out.u64(receipt.time);
                out.bytes(&receipt.signature);
            }
            Self::Answer(Answer::Refused(refusal)) => {
                out.u8(5);
                out.u8(*refusal as u8);
            }
            Self::Push(Push::Grown { end }) => {
                out.u8(16);
                out.u64(*end);
            }
            Self::Push(Push::Parcel { from, bytes }) => {
                out.u8(17);
                out.bytes(&from.0);
                out.long(bytes);
            }
            Self::Push(Push::Signal { from, sealed }) => {
                out.u8(18);
                out.bytes(&from.0);
                out.long(sealed);
            }
        }
        bytes
    }

    /// Reads what a beacon said.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the one encoding of a message within its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut from = open(bytes)?;
        let message = match from.u8("answer")? {
            1 => Self::Answer(Answer::Welcome(Welcome::read(&mut from)?)),
            2 => Self::Answer(Answer::Done),
            3 => Self::Answer(Answer::Page(Page::read(&mut from)?)),
            4 => Self::Answer(Answer::Receipt(read_receipt(&mut from)?)),
            5 => Self::Answer(Answer::Refused(Refusal::read(&mut from)?)),
            16 => Self::Push(Push::Grown { end: from.u64("end")? }),
            17 => Self::Push(Push::Parcel {
                from: device(&mut from)?,
                bytes: blob(&mut from, PARCEL_BYTES_MAX)?,
            }),
            18 => Self::Push(Push::Signal {
                from: device(&mut from)?,
                sealed: blob(&mut from, SIGNAL_BYTES_MAX)?,
            }),
            _ => return Err(Malformed("answer")),
        };
        from.end("answer")?;
        Ok(message)
    }
}

impl Welcome {
    fn write(&self, out: &mut Writer<'_>) {
        out.u64(self.log);
        out.u64(self.first);
        out.u64(self.end);
        out.flag(self.admin);
        out.bytes(&self.roll);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            log: from.u64("log")?,
            first: from.u64("first")?,
            end: from.u64("end")?,
            admin: from.flag("admin")?,
            roll: from.array("roll")?,
        })
    }
}

impl Page {
    /// What an entry of this length takes of a page's room, which is [`ENTRY_MAX`] in all, as long as it is not the only one.
    #[must_use]
    pub const fn room_of(sealed: usize) -> usize {
        8 + 33 + 2 + sealed
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.u64(self.next);
        out.u64(self.end);
        out.count(self.entries.len());
        for Stored { position, room, sealed } in &self.entries {
            out.u64(*position);
            write_room(out, room.as_ref());
            out.long(sealed);
        }
    }

    /// Refuses what would make a device go round in circles: positions must go up, and `next` must be beyond them.
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (next, end) = (from.u64("next")?, from.u64("end")?);
        let entries = from.list(ENTRIES_MAX, "entries", |from| {
            let (position, room) = (from.u64("position")?, read_room(from)?);
            Ok(Stored { position, room, sealed: blob(from, ENTRY_MAX)? })
        })?;
        let rising = entries.windows(2).all(|pair| pair[0].position < pair[1].position);
        if rising && entries.last().is_none_or(|last| last.position < next) && next <= end {
            Ok(Self { entries, next, end })
        } else {
            Err(Malformed("page"))
        }
    }
}

/// The reader of a message that is short enough.
fn open(bytes: &[u8]) -> Result<Reader<'_>, Malformed> {
    if bytes.len() > FRAME_MAX { Err(Malformed("length")) } else { Ok(Reader::new(bytes)) }
}

fn device(from: &mut Reader<'_>) -> Result<DeviceId, Malformed> {
    from.array("device").map(DeviceId)
}

/// Something sealed, which is never empty.
fn blob(from: &mut Reader<'_>, max: usize) -> Result<Vec<u8>, Malformed> {
    let bytes = from.long(max, "sealed")?;
    if bytes.is_empty() { Err(Malformed("sealed")) } else { Ok(bytes.to_vec()) }
}

fn blobs_fit(blobs: &[Vec<u8>]) -> bool {
    let total: usize = blobs.iter().map(|blob| 2 + blob.len()).sum();
    (1..=ENTRIES_MAX).contains(&blobs.len())
        && blobs.iter().all(|blob| (1..=ENTRY_MAX).contains(&blob.len()))
        && total <= ENTRY_MAX + 2
}

fn write_blobs(out: &mut Writer<'_>, blobs: &[Vec<u8>]) {
    out.count(blobs.len());
    blobs.iter().for_each(|blob| out.long(blob));
}

fn read_blobs(from: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let blobs = from.list(ENTRIES_MAX, "sealed", |from| blob(from, ENTRY_MAX))?;
    if blobs_fit(&blobs) { Ok(blobs) } else { Err(Malformed("sealed")) }
}

fn write_room(out: &mut Writer<'_>, room: Option<&UseId>) {
    out.option(room, |out, room| out.bytes(&room.0));
}

fn read_room(from: &mut Reader<'_>) -> Result<Option<UseId>, Malformed> {
    from.option("room", |from| from.array("room").map(UseId))
}

fn read_receipt(from: &mut Reader<'_>) -> Result<Receipt, Malformed> {
    Ok(Receipt {
        beacon: crate::identity::BeaconId(from.array("beacon")?),
        time: from.u64("time")?,
        signature: from.array("signature")?,
    })
}
