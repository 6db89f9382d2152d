//! Numbered datagrams at a steady rate: how many were lost, how many came out of order, how long was it silent.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::Duration;

use ringmesh_lab::clock;

use super::{Stop, pattern};

/// After the last datagram was sent, late ones are waited for so long.
const GRACE: Duration = Duration::from_secs(1);

/// Bytes of each datagram: its number, and a pattern made from the number.
const LEN: usize = 256;

/// What became of the datagrams.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many left.
    pub sent: u64,
    /// How many of them never came.
    pub lost: u64,
    /// How many came after one with a greater number.
    pub reordered: u64,
    /// How many came more than once.
    pub repeated: u64,
    /// The longest time between two that came.
    pub longest_silence: Duration,
}

/// Datagrams under way; [`Numbered::finish`] ends them.
#[derive(Debug)]
pub struct Numbered {
    stop: Stop,
    sender: JoinHandle<u64>,
    sink: JoinHandle<Seen>,
    sent: Stop,
}

impl Numbered {
    /// Sends `per_second` datagrams from `from` to `to` until finished, and counts what arrives at `sink`: the socket at
    /// `to`, or, where an [`super::Echo`] is at `to`, a clone of `from`.
    pub fn start(from: UdpSocket, to: SocketAddr, per_second: u32, sink: UdpSocket) -> Self {
        let (stop, sent) = (Stop::default(), Stop::default());
        let (until, done) = (stop.clone(), sent.clone());
        let sender = std::thread::spawn(move || {
            let sent = send(&from, to, per_second, &until);
            done.now();
            sent
        });
        let until = sent.clone();
        let sink = std::thread::spawn(move || count(&sink, &until));
        Self { stop, sender, sink, sent }
    }

    /// Ends the sending, waits for what is late, and tells.
    ///
    /// # Panics
    /// When a datagram came with bytes that were never sent.
    pub fn finish(self) -> Report {
        self.stop.now();
        let sent = self.sender.join().expect("the sender ended well");
        self.sent.now();
        let seen = self.sink.join().expect("the sink ended well");
        Report {
            sent,
            lost: sent - (seen.numbers.len() as u64).min(sent),
            reordered: seen.reordered,
            repeated: seen.repeated,
            longest_silence: seen.longest_silence,
        }
    }
}

fn send(socket: &UdpSocket, to: SocketAddr, per_second: u32, until: &Stop) -> u64 {
    let start = clock::now();
    let mut number = 0;
    while !until.is_now() {
        clock::pause_until(start + Duration::from_secs(number) / per_second);
        let mut datagram = [0; LEN];
        datagram[..8].copy_from_slice(&number.to_le_bytes());
        pattern::fill(number, 8, &mut datagram[8..]);
        // One that does not leave (the interface is away for a moment) is one that does not come.
        let _lost = socket.send_to(&datagram, to);
        number += 1;
    }
    number
}

#[derive(Default)]
struct Seen {
    numbers: BTreeSet<u64>,
    greatest: Option<u64>,
    reordered: u64,
    repeated: u64,
    longest_silence: Duration,
    last: Option<Duration>,
}

fn count(socket: &UdpSocket, sent: &Stop) -> Seen {
    let mut seen = Seen::default();
    let mut ends = None;
    let mut buffer = [0; 65_536];
    while ends.is_none_or(|ends| clock::now() < ends) {
        if let Ok(len) = socket.recv(&mut buffer) {
            seen.take(&buffer[..len]);
        }
        if ends.is_none() && sent.is_now() {
            ends = Some(clock::now() + GRACE);
        }
    }
    seen
}

impl Seen {
    fn take(&mut self, datagram: &[u8]) {
        let (number, rest) = datagram.split_first_chunk().expect("a datagram of ours");
        let number = u64::from_le_bytes(*number);
        assert_eq!(datagram.len(), LEN, "datagram {number} has another length");
        assert_eq!(pattern::difference(number, 8, rest), None, "datagram {number} was changed");
        let now = clock::now();
        if let Some(last) = self.last {
            self.longest_silence = self.longest_silence.max(now - last);
        }
        self.last = Some(now);
        if !self.numbers.insert(number) {
            self.repeated += 1;
        } else if self.greatest.is_some_and(|greatest| greatest > number) {
            self.reordered += 1;
        }
        self.greatest = self.greatest.max(Some(number));
    }
}

#[cfg(test)]
mod tests;
