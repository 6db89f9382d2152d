//! What members tell each other until they hold the same records. It goes through the mesh, so a lost beacon stops nothing,
//! and one that leaves records out or shows two members different ones is found out by the heads.
//!
//! ```text
//! A ── Summary ──► B    256 digests over the ends of chains, by the first byte of their authors
//! A ◄── Heads ──── B    the ends of the chains where the digests differ
//! A ── Want ─────► B    from which number on A lacks them
//! A ◄── Records ── B    bounded batches, each record after what it needs; then again from the start, until nothing is new
//! ```
//!
//! Each side begins when it meets the other, and when it has something new. The messages carry no signature of their own:
//! records have theirs, and a lie about heads costs a question that is answered with nothing.
//!
//! **Invariant:** an answer never grows beyond its bound, whatever was asked.

use std::collections::BTreeMap;

use crate::circle::Circle;
use crate::codec::{Malformed, Reader, Writer};
use crate::hash::Domain;
use crate::identity::{DeviceId, KEY_LEN};
use crate::limits::{BATCH_BYTES_MAX, BATCH_RECORDS_MAX, HEADS_MAX, RECORD_MAX};
use crate::record::{Link, Unverified};

const VERSION: u8 = 1;
const BUCKETS: usize = 256;
const DIGEST_LEN: usize = 8;
const DIGEST: Domain = Domain("ringmesh 2026 digest of chain heads");
/// Most messages with which one is answered.
pub const ANSWERS_MAX: usize = 16;

/// One message between two members.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// What the sender has, in short.
    Summary(Summary),
    /// The ends of some chains: one per author, more for a forked one. At most [`HEADS_MAX`].
    Heads(Vec<(DeviceId, Link)>),
    /// Whose records the sender lacks, each from a number on. At most [`HEADS_MAX`].
    Want(Vec<(DeviceId, u64)>),
    /// Encoded records, at most [`BATCH_RECORDS_MAX`] and [`BATCH_BYTES_MAX`] bytes of them.
    Records(Vec<Vec<u8>>),
}

/// A digest for each first byte that an author's key can have.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary(Box<[[u8; DIGEST_LEN]; BUCKETS]>);

impl Summary {
    /// What `circle` holds.
    #[must_use]
    pub fn of(circle: &Circle) -> Self {
        let mut heads: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for (author, link) in circle.heads() {
            let bytes = heads.entry(author.0[0]).or_default();
            bytes.extend_from_slice(&author.0);
            bytes.extend_from_slice(&link.hash.0);
        }
        let mut digests = Box::new([[0; DIGEST_LEN]; BUCKETS]);
        for (bucket, bytes) in heads {
            let hash = DIGEST.hash(&[&bytes]);
            digests[usize::from(bucket)].copy_from_slice(&hash[..DIGEST_LEN]);
        }
        Self(digests)
    }

    /// Whether both hold the same.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self == other
    }
}

impl Message {
    /// What to say first, and again whenever there is something new.
    #[must_use]
    pub fn greeting(circle: &Circle) -> Self {
        Self::Summary(Summary::of(circle))
    }

    /// The messages with which a member answers this one. [`Message::Records`] is answered by taking the records in, and a new
    /// greeting if one of them was new.
    #[must_use]
    pub fn answer(&self, circle: &Circle) -> Vec<Self> {
        match self {
            Self::Summary(theirs) => heads_where_different(circle, theirs),
            Self::Heads(heads) => lacking(circle, heads).map_or(vec![], |want| vec![Self::Want(want)]),
            Self::Want(wants) => batches(circle, wants),
            Self::Records(_) => vec![],
        }
    }

    /// The records of this message, well formed but not verified. Others and what is malformed give none: its sender
    /// will offer it again.
    #[must_use]
    pub fn records(&self) -> Vec<Unverified> {
        match self {
            Self::Records(records) => {
                records.iter().filter_map(|bytes| Unverified::decode(bytes).ok()).collect()
            }
            Self::Summary(_) | Self::Heads(_) | Self::Want(_) => vec![],
        }
    }

    /// The one encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Writer(&mut bytes);
        out.u8(VERSION);
        match self {
            Self::Summary(summary) => {
                out.u8(1);
                summary.0.iter().for_each(|digest| out.bytes(digest));
            }
            Self::Heads(heads) => {
                out.u8(2);
                out.count(heads.len());
                for (author, link) in heads {
                    out.bytes(&author.0);
                    link.write(&mut out);
                }
            }
            Self::Want(wants) => {
                out.u8(3);
                out.count(wants.len());
                for (author, from) in wants {
                    out.bytes(&author.0);
                    out.u64(*from);
                }
            }
            Self::Records(records) => {
                out.u8(4);
                out.count(records.len());
                records.iter().for_each(|record| out.long(record));
            }
        }
        bytes
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`Malformed`] for anything but the one encoding of a message within its bounds.
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > BATCH_BYTES_MAX + 2 * BATCH_RECORDS_MAX + KEY_LEN {
            return Err(Malformed("length"));
        }
        let mut from = Reader::new(bytes);
        if from.u8("version")? != VERSION {
            return Err(Malformed("version"));
        }
        let message = match from.u8("message")? {
            1 => Self::Summary(Summary::read(&mut from)?),
            2 => Self::Heads(from.list(HEADS_MAX, "heads", |from| Ok((author(from)?, Link::read(from)?)))?),
            3 => Self::Want(from.list(HEADS_MAX, "wants", |from| Ok((author(from)?, from.u64("number")?)))?),
            4 => Self::Records(from.list(BATCH_RECORDS_MAX, "records", |from| {
                from.long(RECORD_MAX, "record").map(<[u8]>::to_vec)
            })?),
            _ => return Err(Malformed("message")),
        };
        from.end("message")?;
        Ok(message)
    }
}

impl Summary {
    fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut digests = Box::new([[0; DIGEST_LEN]; BUCKETS]);
        for digest in digests.iter_mut() {
            *digest = from.array("digest")?;
        }
        Ok(Self(digests))
    }
}

fn author(from: &mut Reader<'_>) -> Result<DeviceId, Malformed> {
    from.array("author").map(DeviceId)
}

fn heads_where_different(circle: &Circle, theirs: &Summary) -> Vec<Message> {
    let ours = Summary::of(circle);
    let differs = |author: &DeviceId| ours.0[usize::from(author.0[0])] != theirs.0[usize::from(author.0[0])];
    let heads: Vec<_> = circle.heads().filter(|(author, _)| differs(author)).collect();
    let messages = heads.chunks(HEADS_MAX).map(|heads| Message::Heads(heads.to_vec()));
    messages.take(ANSWERS_MAX).collect()
}

/// Whose records are missing here, from the lowest number that helps: after our own end, or all, if ours leads somewhere else.
fn lacking(circle: &Circle, heads: &[(DeviceId, Link)]) -> Option<Vec<(DeviceId, u64)>> {
    let mut wants = BTreeMap::new();
    for (author, link) in heads {
        if circle.record(&link.hash).is_some() {
            continue;
        }
        let own = circle.place(author).after.map_or(0, |own| own.number + 1);
        let from = if own > link.number || circle.waits_for(author) { 0 } else { own };
        let lowest = wants.entry(*author).or_insert(from);
        *lowest = from.min(*lowest);
    }
    (!wants.is_empty()).then(|| wants.into_iter().take(HEADS_MAX).collect())
}

/// The wanted records in the order in which they were linked here, so that each comes after what it needs.
fn batches(circle: &Circle, wants: &[(DeviceId, u64)]) -> Vec<Message> {
    let wants: BTreeMap<_, _> = wants.iter().copied().collect();
    let wanted = circle
        .records()
        .filter(|record| wants.get(&record.author()).is_some_and(|from| record.number() >= *from));
    let mut batches: Vec<Vec<Vec<u8>>> = vec![];
    let mut room = 0;
    for bytes in wanted.map(crate::record::Record::to_bytes) {
        let full = batches.last().is_none_or(|batch| batch.len() == BATCH_RECORDS_MAX || bytes.len() > room);
        if full {
            if batches.len() == ANSWERS_MAX {
                break;
            }
            batches.push(vec![]);
            room = BATCH_BYTES_MAX;
        }
        room -= bytes.len();
        if let Some(batch) = batches.last_mut() {
            batch.push(bytes);
        }
    }
    batches.into_iter().map(Message::Records).collect()
}

#[cfg(test)]
mod tests;
