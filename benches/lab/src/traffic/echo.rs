//! Round trips: probes leave on schedule, whatever became of the ones before.
//!
//! A probe that waited for the answer to the last one would not be sent while things are slow, and the
//! slow times would be missing from the result. So sending and receiving are two threads.
//!
//! Two times are taken of each. One is the programs': from the sending to where the answer was read. The other is the tunnel's:
//! from each send to when the kernel had the datagram for the other program, both ways together, without what the programs
//! then waited for a core. On a machine whose cores are all busy the first is mostly the scheduler's.

use super::plan::Ping;
use super::report::{PingReport, Stopwatch};
use super::{PROBE_PORT, at, sockets};
use crate::{Error, Result, clock};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Bytes of a probe at least: its number, when it was sent, when it came to the other end, and when that answered; 8 each.
const PROBE_LEN: usize = 32;
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How often the receiving thread looks whether it may end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How many losses a report lists.
const LOSSES_LISTED_MAX: usize = 1_000;

/// Sends every probe and waits for the last answers.
pub(super) fn ping(plan: &Ping) -> Result<PingReport> {
    let socket = sockets::connected(at(plan.to, PROBE_PORT), LOOK_INTERVAL)?;
    sockets::stamp(&socket)?;
    let (first, end) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(&socket, plan, &first, &end));
        let sent_at = send(&socket, plan, &first);
        // All answered, or as long as an answer may take.
        clock::until(ANSWER_LIMIT, || receiver.is_finished().then_some(()));
        end.store(true, Ordering::Relaxed);
        let answers =
            receiver.join().map_err(|_| Error::Traffic("the receiving thread panicked".to_owned()))?;
        Ok(answers.report(&sent_at))
    })
}

/// Sends on schedule and says when each left.
fn send(socket: &UdpSocket, plan: &Ping, first: &AtomicBool) -> Vec<Duration> {
    let mut probe = vec![0; (plan.size as usize).max(PROBE_LEN)];
    let mut sent_at = Vec::new();
    let start = clock::now();
    for number in 0..plan.count {
        if plan.until_first && first.load(Ordering::Relaxed) {
            break;
        }
        clock::pause_until(start + Duration::from_micros(plan.interval_us) * number);
        let now = clock::now();
        put(&mut probe, Field::Number, number.into());
        put(&mut probe, Field::Sent, nanos(now));
        // A refused probe is a lost one.
        let _counted_as_lost = socket.send(&probe);
        sent_at.push(now);
    }
    sent_at
}

/// Answers every probe with the same and two times, for as long as the process lives.
pub(super) fn answer_for_ever(socket: &UdpSocket) {
    let mut buffer = vec![0; u16::MAX.into()];
    loop {
        let Ok(received) = sockets::receive(socket, &mut buffer) else { continue };
        let (Some(from), Some(probe)) = (received.from, buffer.get_mut(..received.len)) else { continue };
        put(probe, Field::Arrived, nanos(received.arrived));
        put(probe, Field::Answered, nanos(clock::now()));
        // An answer that the system refuses is a lost one.
        let _lost = socket.send_to(probe, from);
    }
}

/// What has come so far.
struct Answers {
    /// As the programs see it.
    watch: Stopwatch,
    /// On the way only.
    tunnel: Stopwatch,
    seen: Vec<bool>,
    missing: u32,
}

/// Takes answers until all have come or `end` says so.
fn receive(socket: &UdpSocket, plan: &Ping, first: &AtomicBool, end: &AtomicBool) -> Answers {
    let mut answers = Answers {
        watch: Stopwatch::new(),
        tunnel: Stopwatch::new(),
        seen: vec![false; plan.count as usize],
        missing: plan.count,
    };
    let mut buffer = vec![0; u16::MAX.into()];
    let ends = || end.load(Ordering::Relaxed) || (plan.until_first && first.load(Ordering::Relaxed));
    while answers.missing > 0 && !ends() {
        // The time for it has passed, or an ICMP error of a probe: that one is lost, the others may not be.
        let Ok(received) = sockets::receive(socket, &mut buffer) else { continue };
        if answers.take(&buffer[..received.len], received.arrived, clock::now()).is_some() {
            first.store(true, Ordering::Relaxed);
        }
    }
    answers
}

impl Answers {
    /// `None` for what is no answer, or came before.
    fn take(&mut self, answer: &[u8], arrived: Duration, now: Duration) -> Option<()> {
        let seen = self.seen.get_mut(usize::try_from(get(answer, Field::Number)?).ok()?)?;
        let at = |field| get(answer, field).map(Duration::from_nanos);
        let (sent, there, back) = (at(Field::Sent)?, at(Field::Arrived)?, at(Field::Answered)?);
        if std::mem::replace(seen, true) {
            return None;
        }
        self.missing -= 1;
        self.watch.record(now.saturating_sub(sent));
        self.tunnel.record(there.saturating_sub(sent) + arrived.saturating_sub(back));
        Some(())
    }

    fn report(&self, sent_at: &[Duration]) -> PingReport {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let millis = |at: &Duration| u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let lost = sent_at.iter().zip(&self.seen).filter(|(_, seen)| !**seen).map(|(at, _)| millis(at));
        PingReport {
            sent: count(sent_at.len()),
            received: count(self.seen.iter().filter(|seen| **seen).count()),
            delay: self.watch.delays(),
            tunnel: self.tunnel.delays(),
            lost_at_millis: lost.take(LOSSES_LISTED_MAX).collect(),
        }
    }
}

/// What a probe carries, in the order of its bytes.
#[derive(Clone, Copy)]
enum Field {
    Number,
    Sent,
    Arrived,
    Answered,
}

/// Writes a field; what is too short for it stays as it is.
fn put(probe: &mut [u8], field: Field, value: u64) {
    if let Some(place) = probe.get_mut(field as usize * 8..).and_then(<[u8]>::first_chunk_mut) {
        *place = value.to_be_bytes();
    }
}

fn get(probe: &[u8], field: Field) -> Option<u64> {
    probe.get(field as usize * 8..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
