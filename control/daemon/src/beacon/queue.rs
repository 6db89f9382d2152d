//! What waits to be sent, and what was sent and waits for its answer: pure.
//!
//! **Invariant:** what must not be lost leaves only when it was acknowledged or refused for good; whatever was on its way when a
//! connection broke is sent again first.

use std::collections::VecDeque;

use ringmesh_mesh::beacon::{Answer, Entry, Request};
use ringmesh_mesh::limits::{ENTRIES_MAX, ENTRY_MAX, ROLL_ENTRIES_MAX};

use super::{Cursor, Heard, Say, UNSENT_BYTES_MAX};

/// Requests that are on their way at once.
const OPEN_MAX: usize = 16;

/// A request and how it is called towards the daemon.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    pub(super) what: &'static str,
    pub(super) request: Request,
}

impl Wish {
    fn lasts(&self) -> bool {
        !matches!(self.request, Request::Signal { .. } | Request::Ping | Request::Fetch { .. })
    }

    fn cost(&self) -> usize {
        match &self.request {
            Request::Append { sealed, .. } => sealed.iter().map(|sealed| sealed.len() + 64).sum(),
            Request::Parcel { bytes, .. } => bytes.len() + 64,
            Request::Admission { sealed, .. } | Request::Signal { sealed, .. } => sealed.len() + 64,
            Request::Roll { entries, .. } => 64 + entries.len() * 33,
            Request::Fetch { .. } | Request::Trim { .. } | Request::Ping => 64,
        }
    }
}

/// Both queues.
#[derive(Debug, Default)]
pub(super) struct Queue {
    unsent: VecDeque<Wish>,
    open: VecDeque<Wish>,
    bytes: usize,
}

impl Queue {
    /// Takes requests in; says which could not be kept.
    pub(super) fn put(&mut self, wishes: Vec<Wish>) -> Vec<Heard> {
        let mut dropped = vec![];
        for wish in wishes {
            if wish.request.fits() && self.bytes + wish.cost() <= UNSENT_BYTES_MAX {
                self.bytes += wish.cost();
                self.unsent.push_back(wish);
            } else {
                dropped.push(Heard::Dropped { what: wish.what });
            }
        }
        dropped
    }

    /// The next request to send, which then waits for its answer.
    pub(super) fn next(&mut self) -> Option<Request> {
        if self.open.len() >= OPEN_MAX {
            return None;
        }
        let wish = self.unsent.pop_front()?;
        let request = wish.request.clone();
        self.open.push_back(wish);
        Some(request)
    }

    /// The request that `answer` answers; none if nothing was asked, which is the beacon's mistake. What is refused for a
    /// passing reason waits to be sent again.
    pub(super) fn answered(&mut self, answer: &Answer) -> Option<Wish> {
        let wish = self.open.pop_front()?;
        let passing = matches!(answer, Answer::Refused(refusal) if refusal.is_passing());
        if passing && wish.lasts() {
            self.unsent.push_front(wish.clone());
        } else {
            self.bytes -= wish.cost();
        }
        Some(wish)
    }

    /// The connection is gone: what lasts is to be sent again, in the same order; the rest is forgotten.
    pub(super) fn lost(&mut self) {
        let waiting = self.open.drain(..).chain(self.unsent.drain(..));
        let kept: VecDeque<_> = waiting.filter(Wish::lasts).collect();
        self.bytes = kept.iter().map(Wish::cost).sum();
        self.unsent = kept;
    }
}

/// The requests that say what the daemon said, each within its bounds. `log` is the log that the beacon has; positions of another one
/// mean nothing.
pub(super) fn requests(say: Say, log: Option<u64>) -> Vec<Wish> {
    let one = |what, request| vec![Wish { what, request }];
    match say {
        Say::Records { room, sealed } => batches(sealed)
            .into_iter()
            .map(|sealed| Wish { what: "records", request: Request::Append { room, sealed } })
            .collect(),
        Say::Offer(offer) => {
            one("offer", Request::Roll { entries: vec![], offers: vec![offer], cancelled: vec![] })
        }
        Say::Cancel(invite) => {
            one("cancel", Request::Roll { entries: vec![], offers: vec![], cancelled: vec![invite] })
        }
        Say::Trim(Cursor { log: of, position }) if log == Some(of) => {
            one("trim", Request::Trim { before: position })
        }
        Say::Parcel { to, bytes } => one("parcel", Request::Parcel { to, bytes }),
        Say::Signal { to, sealed } => one("signal", Request::Signal { to, sealed }),
        Say::Admission { record, sealed } => one("admission", Request::Admission { record, sealed }),
        // These are no requests: the task compares the roll first, enters by a hello, and asks for pages by itself.
        Say::Trim(_) | Say::Roll(_) | Say::Enter(_) | Say::Back(_) => vec![],
    }
}

/// The requests that bring the beacon's roll up to date.
pub(super) fn roll(entries: &[Entry]) -> Vec<Wish> {
    let chunk = |entries: &[Entry]| Wish {
        what: "roll",
        request: Request::Roll { entries: entries.to_vec(), offers: vec![], cancelled: vec![] },
    };
    entries.chunks(ROLL_ENTRIES_MAX).map(chunk).collect()
}

/// Entries in as few batches as a request may carry. One that is too long stays alone, and is then refused.
fn batches(sealed: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let mut batches: Vec<Vec<Vec<u8>>> = vec![];
    let mut room = 0;
    for sealed in sealed {
        let takes = sealed.len() + 2;
        let full = takes > room || batches.last().is_none_or(|batch| batch.len() == ENTRIES_MAX);
        if full {
            batches.push(vec![]);
            room = ENTRY_MAX;
        }
        room = room.saturating_sub(takes);
        batches.last_mut().into_iter().for_each(|batch| batch.push(sealed.clone()));
    }
    batches
}
