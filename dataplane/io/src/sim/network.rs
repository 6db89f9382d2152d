//! The datagrams on their way, in the order of their arrival.
//!
//! **Invariant:** the same calls with the same seed give the same arrivals. Nothing here depends on
//! addresses in memory, on a clock, or on the order of a hash table.
#![forbid(unsafe_code)]

use super::{Conditions, Stray};
use crate::SEGMENTS_MAX;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::Duration;

/// One datagram, or a run of them that nothing tears apart.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Flight {
    at: Duration,
    /// Breaks ties: first sent, first delivered.
    order: u64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) tos: u8,
    pub(super) segment: usize,
    pub(super) bytes: Vec<u8>,
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

pub(super) struct Network {
    now: Duration,
    conditions: Conditions,
    random: u64,
    sent: u64,
    /// When the last datagram that keeps its place arrives, by its two ends.
    last: BTreeMap<(SocketAddr, SocketAddr), Duration>,
    flights: BinaryHeap<Reverse<Flight>>,
    /// What has arrived, by address; addresses of ports always have an entry.
    arrived: BTreeMap<SocketAddr, std::collections::VecDeque<Flight>>,
    strays: Vec<Stray>,
    /// Emptied vectors to use again.
    spare: Vec<Vec<u8>>,
}

impl Network {
    pub(super) const fn new(seed: u64, conditions: Conditions) -> Self {
        Self {
            now: Duration::ZERO,
            conditions,
            random: seed,
            sent: 0,
            last: BTreeMap::new(),
            flights: BinaryHeap::new(),
            arrived: BTreeMap::new(),
            strays: Vec::new(),
            spare: Vec::new(),
        }
    }

    pub(super) const fn now(&self) -> Duration {
        self.now
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.now += by;
        self.land();
    }

    pub(super) fn next_arrival(&self) -> Option<Duration> {
        self.flights.peek().map(|Reverse(flight)| flight.at)
    }

    pub(super) const fn set_conditions(&mut self, conditions: Conditions) {
        self.conditions = conditions;
    }

    /// Gives an address to a port, or takes it from one.
    pub(super) fn claim(&mut self, address: SocketAddr) {
        self.arrived.entry(address).or_default();
    }

    pub(super) fn give_up(&mut self, address: SocketAddr) {
        self.arrived.remove(&address);
    }

    /// Sends `bytes` as datagrams of `segment` bytes.
    pub(super) fn send(&mut self, from: SocketAddr, to: SocketAddr, tos: u8, bytes: &[u8], segment: usize) {
        let segment = segment.max(1);
        if self.conditions.is_kind() {
            let at = self.arrival(from, to);
            self.launch(at, from, to, tos, bytes, segment);
        } else if bytes.is_empty() {
            self.send_one(from, to, tos, bytes);
        } else {
            bytes.chunks(segment).for_each(|datagram| self.send_one(from, to, tos, datagram));
        }
        self.land();
    }

    fn send_one(&mut self, from: SocketAddr, to: SocketAddr, tos: u8, datagram: &[u8]) {
        // All dice are thrown for each datagram, so that one chance does not shift the others.
        let lost = self.chance(self.conditions.loss_ppm);
        let twice = self.chance(self.conditions.duplicate_ppm);
        let late = self.chance(self.conditions.reorder_ppm);
        let mut at = self.arrival(from, to);
        if late {
            at += self.conditions.reorder_by;
        } else {
            self.last.insert((from, to), at);
        }
        for _ in 0..if lost { 0 } else { 1 + u32::from(twice) } {
            self.launch(at, from, to, tos, datagram, datagram.len().max(1));
        }
    }

    fn launch(
        &mut self,
        at: Duration,
        from: SocketAddr,
        to: SocketAddr,
        tos: u8,
        bytes: &[u8],
        segment: usize,
    ) {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.extend_from_slice(bytes);
        self.sent += 1;
        self.flights.push(Reverse(Flight { at, order: self.sent, from, to, tos, segment, bytes: copy }));
    }

    fn arrival(&mut self, from: SocketAddr, to: SocketAddr) -> Duration {
        let jitter = self.conditions.jitter.as_nanos() as u64;
        let extra = if jitter == 0 { 0 } else { self.next_random() % jitter };
        let at = self.now + self.conditions.delay + Duration::from_nanos(extra);
        self.last.get(&(from, to)).map_or(at, |last| at.max(*last))
    }

    /// Moves what is due to where it belongs.
    fn land(&mut self) {
        while self.flights.peek().is_some_and(|Reverse(flight)| flight.at <= self.now)
            && let Some(Reverse(flight)) = self.flights.pop()
        {
            match self.arrived.get_mut(&flight.to) {
                Some(queue) => queue.push_back(flight),
                None => {
                    let Flight { from, to, bytes, .. } = flight;
                    self.strays.push(Stray { from, to, bytes });
                }
            }
        }
    }

    /// The next run for an address, moved into `room` by `take`, or nothing.
    pub(super) fn receive(&mut self, address: SocketAddr, room: &mut [u8]) -> Option<(Flight, usize)> {
        let queue = self.arrived.get_mut(&address)?;
        let mut first = queue.pop_front()?;
        let mut len = first.bytes.len().min(room.len());
        room[..len].copy_from_slice(&first.bytes[..len]);
        let mut count = len.div_ceil(first.segment).max(1);
        while self.conditions.gro
            && len == count * first.segment
            && let Some(next) = queue.front()
            && joins(&first, next, count, len, room.len())
            && let Some(mut next) = queue.pop_front()
        {
            room[len..len + next.bytes.len()].copy_from_slice(&next.bytes);
            len += next.bytes.len();
            count += next.bytes.len().div_ceil(next.segment);
            next.bytes.clear();
            self.spare.push(next.bytes);
        }
        let mut bytes = std::mem::take(&mut first.bytes);
        bytes.clear();
        self.spare.push(bytes);
        Some((first, len))
    }

    pub(super) fn take_strays(&mut self) -> Vec<Stray> {
        std::mem::take(&mut self.strays)
    }

    fn chance(&mut self, ppm: u32) -> bool {
        self.next_random() % 1_000_000 < u64::from(ppm)
    }

    /// SplitMix64: tiny, and good enough for dice.
    const fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Whether `next` may follow in a run that began with `first`: same ends, same class, same size.
fn joins(first: &Flight, next: &Flight, count: usize, len: usize, room: usize) -> bool {
    let same = (first.from, first.to, first.tos) == (next.from, next.to, next.tos);
    let sizes = if next.bytes.len() > next.segment {
        next.segment == first.segment
    } else {
        next.bytes.len() <= first.segment
    };
    let more = next.bytes.len().div_ceil(next.segment);
    same && sizes
        && !next.bytes.is_empty()
        && count + more <= SEGMENTS_MAX
        && len + next.bytes.len() <= room.min(65_535)
}
