//! Round trips: probes leave on schedule, whatever became of the ones before.
//!
//! A probe that waited for the answer to the last one would not be sent while things are slow, and the
//! slow times would be missing from the result. So sending and receiving are two threads.

use super::plan::Ping;
use super::report::{PingReport, Stopwatch};
use super::{ECHO_PORT, at, sockets};
use crate::{Error, Result, clock};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Number and time stamp.
const PROBE_LEN: usize = 16;
/// How long an answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// How often the receiving thread looks whether it may end.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How many losses a report lists.
const LOSSES_LISTED_MAX: usize = 1_000;

/// Sends every probe and waits for the last answers.
pub(super) fn ping(plan: &Ping) -> Result<PingReport> {
    let socket = sockets::connected(at(plan.to, ECHO_PORT), LOOK_INTERVAL)?;
    let (first, end) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(&socket, plan, &first, &end));
        let sent_at = send(&socket, plan, &first);
        // All answered, or as long as an answer may take.
        clock::until(ANSWER_LIMIT, || receiver.is_finished().then_some(()));
        end.store(true, Ordering::Relaxed);
        let (watch, answered) =
            receiver.join().map_err(|_| Error::Traffic("the receiving thread panicked".to_owned()))?;
        Ok(report(&sent_at, &watch, &answered))
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
        probe[..8].copy_from_slice(&u64::from(number).to_be_bytes());
        probe[8..PROBE_LEN].copy_from_slice(&u64::try_from(now.as_nanos()).unwrap_or(0).to_be_bytes());
        // A refused probe is a lost one.
        let _counted_as_lost = socket.send(&probe);
        sent_at.push(now);
    }
    sent_at
}

/// Takes answers until all have come or `end` says so: their times, and which came.
fn receive(socket: &UdpSocket, plan: &Ping, first: &AtomicBool, end: &AtomicBool) -> (Stopwatch, Vec<bool>) {
    let mut watch = Stopwatch::new();
    let mut answered = vec![false; plan.count as usize];
    let mut missing = plan.count;
    let mut buffer = vec![0; u16::MAX.into()];
    while missing > 0 && !end.load(Ordering::Relaxed) && !(plan.until_first && first.load(Ordering::Relaxed))
    {
        let len = match socket.recv(&mut buffer) {
            Ok(len) => len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            // An ICMP error of a probe; that probe is lost, the others may not be.
            Err(_) => continue,
        };
        let now = clock::now();
        let Some((number, sent)) = parse(&buffer[..len]) else { continue };
        let Some(seen) = usize::try_from(number).ok().and_then(|number| answered.get_mut(number)) else {
            continue;
        };
        if !std::mem::replace(seen, true) {
            missing -= 1;
            watch.record(now.saturating_sub(sent));
            first.store(true, Ordering::Relaxed);
        }
    }
    (watch, answered)
}

fn parse(answer: &[u8]) -> Option<(u64, Duration)> {
    let (number, rest) = answer.split_first_chunk::<8>()?;
    let (nanos, _) = rest.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), Duration::from_nanos(u64::from_be_bytes(*nanos))))
}

fn report(sent_at: &[Duration], watch: &Stopwatch, answered: &[bool]) -> PingReport {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let millis = |at: &Duration| u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    let lost = sent_at.iter().zip(answered).filter(|(_, seen)| !**seen).map(|(at, _)| millis(at));
    PingReport {
        sent: count(sent_at.len()),
        received: count(answered.iter().filter(|seen| **seen).count()),
        delay: watch.delays(),
        lost_at_millis: lost.take(LOSSES_LISTED_MAX).collect(),
    }
}
