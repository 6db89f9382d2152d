//! Packets that wait to be sent, each inner flow in a line of its own: start-time fair queueing (Goyal, Vin and Cheng,
//! 1996), and CoDel (RFC 8289) for each line.
//!
//! The line that has sent least goes first, and a line that was empty begins where the one in service stands: so a
//! game's packet waits for what is on its way, never for a transfer's queue. Only a few packets can wait, at most one for
//! each receive buffer, so they are kept in one vector in the order of their arrival and looked through.
//!
//! **Invariant:** packets of one flow leave in the order in which they came.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::codel::{Codel, LINK};
use crate::flow::Flow;

/// A packet that was read, and waits for a send buffer or for the link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting<T> {
    /// Where it lies.
    pub(crate) item: T,
    /// Its length in bytes.
    len: usize,
    /// Segments that have left already.
    pub(crate) done: usize,
    /// When it came.
    since: Duration,
    flow: u64,
}

/// One flow's share.
#[derive(Debug)]
struct Line {
    flow: u64,
    /// Bytes sent, counted from where the others stood when it was last empty.
    served: u64,
    waiting: u32,
    codel: Codel,
}

/// All that waits at one worker.
#[derive(Debug)]
pub(crate) struct Fair<T> {
    waiting: Vec<Waiting<T>>,
    lines: Vec<Line>,
    /// Where the line stood that was served last, before it was.
    served: u64,
    /// Strangers must not be able to choose flows that share a line.
    keys: RandomState,
}

impl<T> Default for Fair<T> {
    fn default() -> Self {
        Self {
            waiting: Vec::with_capacity(WAITING_ROOM),
            lines: Vec::with_capacity(LINES_MAX),
            served: 0,
            keys: RandomState::new(),
        }
    }
}

impl<T: Copy> Fair<T> {
    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) const fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Lets a packet wait behind those of its flow; `packet` are its bytes, of which `done` segments have left.
    pub(crate) fn push(&mut self, item: T, packet: &[u8], done: usize, now: Duration) {
        let flow = self.flow(packet);
        self.waiting.push(Waiting { item, len: packet.len(), done, since: now, flow });
        let served = self.served;
        let line = self.line(flow);
        if line.waiting == 0 {
            line.served = line.served.max(served);
        }
        line.waiting += 1;
    }

    /// The place of the packet that goes next.
    pub(crate) fn next(&self) -> Option<usize> {
        let heads = self.waiting.iter().enumerate().filter(|&(place, one)| self.is_head(place, one.flow));
        heads.min_by_key(|(_, one)| self.served(one.flow)).map(|(place, _)| place)
    }

    pub(crate) fn get(&self, place: usize) -> Option<Waiting<T>> {
        self.waiting.get(place).copied()
    }

    /// Notes that `bytes` of the packet were sent, and how many of its segments are now done.
    pub(crate) fn advance(&mut self, place: usize, bytes: usize, done: usize) {
        let Some(one) = self.waiting.get_mut(place) else { return };
        one.done = done;
        let flow = one.flow;
        let line = self.line(flow);
        let before = line.served;
        line.served += bytes as u64;
        self.served = before;
    }

    /// Takes the packet out.
    pub(crate) fn remove(&mut self, place: usize) {
        if place < self.waiting.len() {
            let one = self.waiting.remove(place);
            self.line(one.flow).waiting -= 1;
        }
    }

    /// Whether the sender of this packet has to be told to slow down. Who has few packets here waits for others, and
    /// has hardly a window left to make smaller (RFC 8289, section 4.2, spares a queue of less than one packet).
    pub(crate) fn is_due(&mut self, place: usize, now: Duration) -> bool {
        let Some(&Waiting { flow, since, .. }) = self.waiting.get(place) else { return false };
        let line = self.line(flow);
        let waited = if line.waiting > FEW { now.saturating_sub(since) } else { Duration::ZERO };
        line.codel.is_due(waited, now)
    }

    /// The oldest packet of the flow of which most bytes wait: what goes when there is no room for others.
    pub(crate) fn fattest(&self) -> Option<usize> {
        let bytes = |flow| {
            let of_flow = self.waiting.iter().filter(|one| one.flow == flow);
            of_flow.map(|one| one.len).sum::<usize>()
        };
        let fattest =
            self.lines.iter().filter(|line| line.waiting > 0).max_by_key(|line| bytes(line.flow))?;
        self.waiting.iter().position(|one| one.flow == fattest.flow)
    }

    fn is_head(&self, place: usize, flow: u64) -> bool {
        self.waiting.iter().position(|one| one.flow == flow) == Some(place)
    }

    fn served(&self, flow: u64) -> u64 {
        self.lines.iter().find(|line| line.flow == flow).map_or(0, |line| line.served)
    }

    /// The flow's line, made if need be in the place of an empty one.
    fn line(&mut self, flow: u64) -> &mut Line {
        let new = Line { flow, served: 0, waiting: 0, codel: Codel::new(LINK) };
        let place = match self.lines.iter().position(|line| line.flow == flow) {
            Some(place) => place,
            None if self.lines.len() < LINES_MAX => {
                self.lines.push(new);
                self.lines.len() - 1
            }
            None => {
                // More lines than packets: one is empty, and of those the one that was served least lately.
                let empty = self.lines.iter().enumerate().filter(|(_, line)| line.waiting == 0);
                let place = empty.min_by_key(|(_, line)| line.served).map_or(0, |(place, _)| place);
                self.lines[place] = new;
                place
            }
        };
        &mut self.lines[place]
    }

    /// The packet's flow as one number.
    fn flow(&self, packet: &[u8]) -> u64 {
        self.keys.hash_one(Flow::of(packet))
    }
}

/// Packets of a flow that are no standing queue. They may be super-packets, but a slow flow's are of few segments.
const FEW: u32 = 2;
/// A packet for each receive buffer, and some.
const WAITING_ROOM: usize = 256;
/// Flows that are remembered: more than packets can wait with the buffers that a worker has.
const LINES_MAX: usize = 256;

#[cfg(test)]
mod tests;
