//! Numbered datagrams at a steady rate.

use super::numbered::{Counted, HEADER_LEN, Header, NUMBERS_MAX, Sent, slot_of};
use super::plan::Udp;
use super::report::{Progress, UdpReport};
use super::{NUMBERED_GRO_PORT, NUMBERED_PORT, at, sockets, tcp};
use crate::{Error, Result, clock};
use std::net::UdpSocket;
use std::num::NonZeroU64;
use std::time::Duration;

/// No wait between two bursts is shorter: a sender that spins would take the core that a tunnel needs.
const BURST_INTERVAL: Duration = Duration::from_micros(150);
/// The timer slack of the sending thread; 50 µs is the default.
const TIMER_SLACK_NANOS: u64 = 1_000;
/// How often progress is shown.
const SHOW_INTERVAL: Duration = Duration::from_millis(250);
/// After the last datagram, the count is asked for at this interval until it stands still …
const SETTLE_INTERVAL: Duration = Duration::from_millis(40);
/// … or this time has passed.
const SETTLE_LIMIT: Duration = Duration::from_secs(3);
/// Bytes of one send at most: the largest UDP payload over IPv4.
const SEND_LEN_MAX: u32 = 65_507;
/// Datagrams of one send at most (the kernel's UDP_MAX_SEGMENTS of old).
const PER_SEND_MAX: u32 = 64;

/// Sends as planned, then asks the sink what arrived.
pub(super) fn numbered(plan: &Udp, show: &mut dyn FnMut(&Progress)) -> Result<UdpReport> {
    check(plan)?;
    let run = random()?;
    let sent = send(plan, run, show)?;
    let counted = settle(plan, run, sent.count)?;
    Ok(counted.into_report(&sent))
}

fn check(plan: &Udp) -> Result<()> {
    let count = plan.rate_pps * plan.millis as f64 / 1_000.0;
    let sound = (HEADER_LEN as u32..=SEND_LEN_MAX).contains(&plan.size)
        && (1..=PER_SEND_MAX).contains(&plan.per_send)
        && plan.size.saturating_mul(plan.per_send) <= SEND_LEN_MAX
        && count.is_finite()
        && (0.0..NUMBERS_MAX as f64).contains(&count);
    if sound { Ok(()) } else { Err(Error::Traffic(format!("such datagrams cannot be sent: {plan:?}"))) }
}

fn random() -> Result<u64> {
    getrandom::u64().map_err(|error| Error::Needs(format!("no randomness: {error}")))
}

fn send(plan: &Udp, run: u64, show: &mut dyn FnMut(&Progress)) -> Result<Sent> {
    let port = if plan.per_send > 1 { NUMBERED_GRO_PORT } else { NUMBERED_PORT };
    let socket = sockets::connected(at(plan.to, port), SETTLE_LIMIT)?;
    if plan.per_send > 1 {
        sockets::segment(&socket, plan.size)?;
    }
    // Only precision is lost if the slack stays as it is.
    let _best_effort = rustix::thread::set_current_timer_slack(NonZeroU64::new(TIMER_SLACK_NANOS));
    let mut sender = Sender::new(socket, plan, run);
    let (start, length) = (clock::now(), Duration::from_millis(plan.millis));
    let mut shown = (start, 0);
    loop {
        let now = clock::now();
        let elapsed = now.saturating_sub(start).min(length);
        let due = (elapsed.as_secs_f64() * plan.rate_pps) as u64;
        sender.send_until(due, start + length);
        if now >= start + length {
            break;
        }
        if now >= shown.0 + SHOW_INTERVAL {
            let (secs, count) = ((now - shown.0).as_secs_f64(), sender.sent.count - shown.1);
            let packets_per_sec = count as f64 / secs;
            let bits_per_sec = packets_per_sec * f64::from(plan.size) * 8.0;
            show(&Progress { secs: elapsed.as_secs_f64(), bits_per_sec, packets_per_sec });
            shown = (now, sender.sent.count);
        }
        let next_due = start + Duration::from_secs_f64((due + 1) as f64 / plan.rate_pps.max(0.001));
        clock::pause_until(next_due.max(now + BURST_INTERVAL).min(start + length));
    }
    sender.sent.secs = clock::now().saturating_sub(start).as_secs_f64();
    Ok(sender.sent)
}

struct Sender {
    socket: UdpSocket,
    buffer: Vec<u8>,
    run: u64,
    next: u64,
    per_send: u64,
    sent: Sent,
}

impl Sender {
    fn new(socket: UdpSocket, plan: &Udp, run: u64) -> Self {
        let buffer = vec![0x5a; (plan.size * plan.per_send) as usize];
        let sent = Sent { size: plan.size, ..Sent::default() };
        Self { socket, buffer, run, next: 0, per_send: u64::from(plan.per_send), sent }
    }

    /// Sends until `due` numbers have been used, but not beyond `deadline`.
    fn send_until(&mut self, due: u64, deadline: Duration) {
        while self.next < due {
            let now = clock::now();
            if now > deadline {
                return;
            }
            self.number(now);
            let count = u32::try_from(self.per_send).unwrap_or(1);
            match self.socket.send(&self.buffer) {
                Ok(_) => {
                    self.sent.count += self.per_send;
                    *self.sent.slots.entry(slot_of(now)).or_default() += count;
                }
                // ENOBUFS, or ECONNREFUSED of an earlier one: counted, and the next is tried.
                Err(_) => self.sent.refused += self.per_send,
            }
            self.next += self.per_send;
        }
    }

    fn number(&mut self, now: Duration) {
        let size = self.sent.size as usize;
        for (datagram, number) in self.buffer.chunks_exact_mut(size).zip(self.next..) {
            if let Some((header, _)) = datagram.split_first_chunk_mut() {
                Header { run: self.run, number, sent: now, size: self.sent.size }.emit(header);
            }
        }
    }
}

/// Asks for the count until it no longer grows.
fn settle(plan: &Udp, run: u64, sent: u64) -> Result<Counted> {
    let deadline = clock::now() + SETTLE_LIMIT;
    let mut counted = tcp::counted(plan.to, run)?;
    loop {
        if counted.received() >= sent || clock::now() > deadline {
            return Ok(counted);
        }
        clock::pause_until(clock::now() + SETTLE_INTERVAL);
        let again = tcp::counted(plan.to, run)?;
        if again.received() == counted.received() {
            return Ok(again);
        }
        counted = again;
    }
}
