//! Numbered datagrams: their header, and the tally that the receiving side keeps.

use super::report::{Delays, Slot, Stopwatch, UdpReport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Bytes of the header; no numbered datagram is shorter.
pub(super) const HEADER_LEN: usize = 32;
/// What a numbered datagram begins with.
const MAGIC: u32 = 0x6c61_6221;
/// One run numbers at most this many: a bound for the receiver's memory (16 MiB of bits).
pub(super) const NUMBERS_MAX: u64 = 1 << 27;
/// Milliseconds of one slot.
pub(super) const SLOT_MILLIS: u64 = 100;

/// What stands at the begin of every numbered datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    /// Which run; chosen at random by the sender.
    pub(super) run: u64,
    /// Its number, from 0.
    pub(super) number: u64,
    /// When it was sent, by the clock that all processes share.
    pub(super) sent: Duration,
    /// UDP payload bytes; where several arrive joined, all but the last have this size.
    pub(super) size: u32,
}

impl Header {
    pub(super) fn emit(self, out: &mut [u8; HEADER_LEN]) {
        out[0..4].copy_from_slice(&MAGIC.to_be_bytes());
        out[4..8].copy_from_slice(&self.size.to_be_bytes());
        out[8..16].copy_from_slice(&self.run.to_be_bytes());
        out[16..24].copy_from_slice(&self.number.to_be_bytes());
        let nanos = u64::try_from(self.sent.as_nanos()).unwrap_or(u64::MAX);
        out[24..32].copy_from_slice(&nanos.to_be_bytes());
    }

    /// Reads a header; `None` if this is no numbered datagram.
    pub(super) fn parse(datagram: &[u8]) -> Option<Self> {
        let (header, _) = datagram.split_first_chunk::<HEADER_LEN>()?;
        let word =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let long = |at: usize| u64::from(word(at)) << 32 | u64::from(word(at + 4));
        let (size, number) = (word(4), long(16));
        let sound = word(0) == MAGIC && size as usize >= HEADER_LEN && number < NUMBERS_MAX;
        sound.then(|| Self { run: long(8), number, sent: Duration::from_nanos(long(24)), size })
    }
}

/// What one run's datagrams have looked like so far, where they arrive.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    seen: Vec<u64>,
    received: u64,
    duplicates: u64,
    reordered: u64,
    highest: Option<u64>,
    /// Transit time of the one before (RFC 3550: R − S), and the smoothed difference.
    transit: Option<Duration>,
    jitter_nanos: f64,
    delays: Stopwatch,
    slots: BTreeMap<u64, u32>,
}

/// A tally as it crosses the network.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Counted {
    received: u64,
    duplicates: u64,
    reordered: u64,
    jitter_us: f64,
    delay: Delays,
    slots: BTreeMap<u64, u32>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            seen: Vec::new(),
            received: 0,
            duplicates: 0,
            reordered: 0,
            highest: None,
            transit: None,
            jitter_nanos: 0.0,
            delays: Stopwatch::new(),
            slots: BTreeMap::new(),
        }
    }

    /// Counts one datagram that arrived at `now`.
    pub(super) fn count(&mut self, header: Header, now: Duration) {
        if !self.mark(header.number) {
            self.duplicates += 1;
            return;
        }
        self.received += 1;
        match self.highest {
            Some(highest) if header.number < highest => self.reordered += 1,
            Some(_) | None => self.highest = Some(header.number),
        }
        let transit = now.saturating_sub(header.sent);
        if let Some(before) = self.transit.replace(transit) {
            let difference = transit.abs_diff(before).as_nanos() as f64;
            self.jitter_nanos += (difference - self.jitter_nanos) / 16.0;
        }
        self.delays.record(transit);
        *self.slots.entry(slot_of(header.sent)).or_default() += 1;
    }

    pub(super) fn counted(&self) -> Counted {
        Counted {
            received: self.received,
            duplicates: self.duplicates,
            reordered: self.reordered,
            jitter_us: self.jitter_nanos / 1_000.0,
            delay: self.delays.delays(),
            slots: self.slots.clone(),
        }
    }

    /// Whether the number is new. Numbers are below [`NUMBERS_MAX`], see [`Header::parse`].
    fn mark(&mut self, number: u64) -> bool {
        let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
        if word >= self.seen.len() {
            self.seen.resize((word + 1).next_power_of_two(), 0);
        }
        let new = self.seen[word] & bit == 0;
        self.seen[word] |= bit;
        new
    }
}

impl Counted {
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Joins what arrived with what the sender knows.
    pub(super) fn into_report(self, sent: &Sent) -> UdpReport {
        let slots = sent.slots.iter().map(|(slot, count)| Slot {
            at_millis: slot * SLOT_MILLIS,
            sent: *count,
            received: self.slots.get(slot).copied().unwrap_or(0),
        });
        UdpReport {
            size: sent.size,
            sent: sent.count,
            received: self.received,
            duplicates: self.duplicates,
            reordered: self.reordered,
            refused: sent.refused,
            secs: sent.secs,
            jitter_us: self.jitter_us,
            delay: self.delay,
            slots: slots.collect(),
        }
    }
}

/// What the sender knows of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    /// UDP payload bytes of each datagram.
    pub(super) size: u32,
    /// Datagrams that the system took.
    pub(super) count: u64,
    /// Datagrams that it refused.
    pub(super) refused: u64,
    /// How long it took.
    pub(super) secs: f64,
    /// Datagrams per slot of their time stamp.
    pub(super) slots: BTreeMap<u64, u32>,
}

/// The slot in which something was sent.
pub(super) fn slot_of(sent: Duration) -> u64 {
    u64::try_from(sent.as_millis()).unwrap_or(u64::MAX) / SLOT_MILLIS
}

#[cfg(test)]
mod tests;
