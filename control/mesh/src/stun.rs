//! STUN binding requests (RFC 8489): "what is my address, as you see it?", and the answer.
//!
//! A tunnel answers them on its own port, so whoever asks learns the mapping of exactly the hole that will carry the tunnel; a
//! beacon answers them on its port. A device asks from its tunnel's port.
//!
//! **Invariant:** pure, and no amplifier: an answer is at most [`ANSWER_LEN_MAX`] bytes long, and there are at most [`PER_SECOND`] of
//! them a second, whoever asks.

mod watch;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use watch::{EVERY, SERVERS_MAX, Watch};

/// The longest answer: header (20 bytes) and one IPv6 address (24 bytes).
pub const ANSWER_LEN_MAX: usize = 44;
/// Answers a second, on average.
pub const PER_SECOND: u32 = 200;
/// Answers at once after a rest.
const BURST: u32 = 100;

/// Answers requests as far as the rate allows.
#[derive(Debug)]
pub struct Responder {
    tokens: u32,
    refilled_at: Duration,
}

impl Default for Responder {
    fn default() -> Self {
        Self { tokens: BURST, refilled_at: Duration::ZERO }
    }
}

impl Responder {
    /// The answer to `datagram` from `source`; `None` for what is no plain binding request, and beyond the rate.
    ///
    /// `now` is the time since boot.
    pub fn answer(&mut self, datagram: &[u8], source: SocketAddr, now: Duration) -> Option<Vec<u8>> {
        let answer = answer(datagram, source)?;
        self.take(now).then_some(answer)
    }

    fn take(&mut self, now: Duration) -> bool {
        let gained = now.saturating_sub(self.refilled_at).as_millis() * u128::from(PER_SECOND) / 1000;
        if gained > 0 {
            self.tokens = BURST.min(self.tokens.saturating_add(u32::try_from(gained).unwrap_or(BURST)));
            self.refilled_at = now;
        }
        let any = self.tokens > 0;
        self.tokens -= u32::from(any);
        any
    }
}

/// The answer to `datagram` from `source`, if it is a plain binding request. The caller answers for the rate.
#[must_use]
pub fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    binding_request(datagram).map(|transaction| binding_success(transaction, source))
}

/// The transaction number of a well-formed binding request (RFC 8489, section 5).
///
/// Attributes are walked over. One that must be understood and is not (section 6.3.1) gets no answer: a request with
/// credentials is not for us.
fn binding_request(datagram: &[u8]) -> Option<&[u8; TRANSACTION_LEN]> {
    let (header, mut attributes) = datagram.split_first_chunk::<HEADER_LEN>()?;
    let kind = u16::from_be_bytes([header[0], header[1]]);
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if kind != BINDING_REQUEST || header[4..8] != COOKIE || len != attributes.len() || !len.is_multiple_of(4)
    {
        return None;
    }
    while let Some((head, rest)) = attributes.split_first_chunk::<4>() {
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let padded = usize::from(u16::from_be_bytes([head[2], head[3]])).next_multiple_of(4);
        if kind < COMPREHENSION_OPTIONAL {
            return None;
        }
        attributes = rest.get(padded..)?;
    }
    header[8..].try_into().ok()
}

/// A success with XOR-MAPPED-ADDRESS (section 14.2).
fn binding_success(transaction: &[u8; TRANSACTION_LEN], source: SocketAddr) -> Vec<u8> {
    let mut value = vec![0, 0];
    value.extend((source.port() ^ u16::from_be_bytes([COOKIE[0], COOKIE[1]])).to_be_bytes());
    let mask = COOKIE.iter().chain(transaction);
    match source.ip().to_canonical() {
        IpAddr::V4(ip) => {
            value[1] = 1;
            value.extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        }
        IpAddr::V6(ip) => {
            value[1] = 2;
            value.extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        }
    }
    let mut answer = Vec::with_capacity(ANSWER_LEN_MAX);
    answer.extend(BINDING_SUCCESS.to_be_bytes());
    answer.extend((value.len() as u16 + 4).to_be_bytes());
    answer.extend(COOKIE);
    answer.extend(transaction);
    answer.extend(XOR_MAPPED_ADDRESS.to_be_bytes());
    answer.extend((value.len() as u16).to_be_bytes());
    answer.extend(value);
    answer
}

/// A binding request. `transaction` is random, so that only who saw the request can answer it.
#[must_use]
pub fn request(transaction: &[u8; TRANSACTION_LEN]) -> [u8; HEADER_LEN] {
    let mut datagram = [0; HEADER_LEN];
    datagram[..2].copy_from_slice(&BINDING_REQUEST.to_be_bytes());
    datagram[4..8].copy_from_slice(&COOKIE);
    datagram[8..].copy_from_slice(transaction);
    datagram
}

/// The address in the answer to the request with this transaction; `None` for any other datagram.
#[must_use]
pub fn mapped(datagram: &[u8], transaction: &[u8; TRANSACTION_LEN]) -> Option<SocketAddr> {
    let (header, mut attributes) = datagram.split_first_chunk::<HEADER_LEN>()?;
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let ours = header[..2] == BINDING_SUCCESS.to_be_bytes()
        && header[4..8] == COOKIE
        && header[8..] == transaction[..];
    if !ours || len != attributes.len() {
        return None;
    }
    while let Some((head, rest)) = attributes.split_first_chunk::<4>() {
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if head[..2] == XOR_MAPPED_ADDRESS.to_be_bytes() {
            return unmask(rest.get(..len)?, transaction);
        }
        attributes = rest.get(len.next_multiple_of(4)..)?;
    }
    None
}

/// The value of XOR-MAPPED-ADDRESS (section 14.2), read.
fn unmask(value: &[u8], transaction: &[u8; TRANSACTION_LEN]) -> Option<SocketAddr> {
    let (head, address) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([head[2] ^ COOKIE[0], head[3] ^ COOKIE[1]]);
    let mut plain = [0; 16];
    let mask = COOKIE.iter().chain(transaction);
    plain.iter_mut().zip(address.iter().zip(mask)).for_each(|(out, (byte, mask))| *out = byte ^ mask);
    let ip: IpAddr = match (head[1], address.len()) {
        (1, 4) => [plain[0], plain[1], plain[2], plain[3]].into(),
        (2, 16) => plain.into(),
        _ => return None,
    };
    (port != 0 && !ip.is_unspecified()).then_some(SocketAddr::new(ip, port))
}

/// Length of a message's header, in bytes; a request is no longer.
pub const HEADER_LEN: usize = 20;
/// Length of a transaction's number, in bytes.
pub const TRANSACTION_LEN: usize = 12;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const COMPREHENSION_OPTIONAL: u16 = 0x8000;

#[cfg(test)]
mod tests;
