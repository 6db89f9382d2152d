//! Control data of messages (`struct cmsghdr`, RFC 3542 section 20): what travels beside a datagram.
//!
//! Built and read as bytes, with the kernel's layout: a length, a level and a type in front of the
//! value, everything aligned to a machine word.
//!
//! **Invariant:** nothing here trusts a length it reads. Control data that does not add up ends the
//! list; what came before it counts.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// Bytes of control data that a send needs at most: source, traffic class, segment size.
pub(crate) const SEND_CONTROL_LEN: usize = 96;

/// Bytes of control data that a receive has room for: both kinds of source, both kinds of traffic class,
/// the segment size and the time are 192; what else a socket may have been told to report is cut off.
pub(crate) const RECV_CONTROL_LEN: usize = 208;

const WORD: usize = size_of::<usize>();
const HEADER: usize = WORD + 8;
const _: () = assert!(size_of::<libc::cmsghdr>() == HEADER, "the header that push() and entries() know");
const _: () = assert!(
    HEADER.next_multiple_of(WORD) + 20usize.next_multiple_of(WORD) + 2 * (HEADER + WORD) <= SEND_CONTROL_LEN,
    "source, class and segment size fit"
);

/// Control data of one send. Aligned like the kernel's header, which user space must be too.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(crate) struct Control {
    bytes: [u8; SEND_CONTROL_LEN],
    len: usize,
}

impl Control {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; SEND_CONTROL_LEN], len: 0 }
    }

    pub(crate) const fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The source address. The interface only counts for link-local addresses, which mean nothing without
    /// it: otherwise an old interface would overrule the routes, and for IPv4 silently.
    pub(crate) fn source(&mut self, ip: IpAddr, ifindex: u32) {
        match ip {
            IpAddr::V4(ip) => {
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&ip.octets());
                self.push(libc::SOL_IP, libc::IP_PKTINFO, &info);
            }
            IpAddr::V6(ip) => {
                let mut info = [0; 20];
                info[..16].copy_from_slice(&ip.octets());
                if ip.is_unicast_link_local() {
                    info[16..].copy_from_slice(&ifindex.to_ne_bytes());
                }
                self.push(libc::SOL_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }

    /// The TOS byte (IPv4) or the traffic class (IPv6) of a datagram to `remote`.
    pub(crate) fn tos(&mut self, remote: IpAddr, tos: u8) {
        let value = i32::from(tos).to_ne_bytes();
        match remote {
            IpAddr::V4(_) => self.push(libc::SOL_IP, libc::IP_TOS, &value),
            IpAddr::V6(_) => self.push(libc::SOL_IPV6, libc::IPV6_TCLASS, &value),
        }
    }

    /// Bytes per datagram, when the kernel is to cut the payload.
    pub(crate) fn segment(&mut self, bytes: u16) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, &bytes.to_ne_bytes());
    }

    fn push(&mut self, level: i32, kind: i32, value: &[u8]) {
        let entry = &mut self.bytes[self.len..self.len + HEADER + value.len().next_multiple_of(WORD)];
        entry[..WORD].copy_from_slice(&(HEADER + value.len()).to_ne_bytes());
        entry[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        entry[WORD + 4..HEADER].copy_from_slice(&kind.to_ne_bytes());
        entry[HEADER..HEADER + value.len()].copy_from_slice(value);
        entry[HEADER + value.len()..].fill(0);
        self.len += entry.len();
    }
}

/// What control data says about a received datagram or run of datagrams.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Received {
    /// Our address and the interface index, unmapped.
    pub(crate) local: Option<(IpAddr, u32)>,
    /// TOS or traffic class.
    pub(crate) tos: u8,
    /// Bytes per datagram if the kernel joined several; 0 if not.
    pub(crate) segment: u32,
    /// When the kernel got the first of them, since 1970; only if the socket was told to say so (SO_TIMESTAMPNS).
    pub(crate) arrived: Option<Duration>,
    /// Datagrams that found the socket full, since it was made, wrapping; only if it was told to say so
    /// (SO_RXQ_OVFL) and there were any.
    pub(crate) lost: Option<u32>,
}

impl Received {
    pub(crate) fn parse(control: &[u8]) -> Self {
        let mut received = Self::default();
        for (level, kind, value) in entries(control) {
            received.take(level, kind, value);
        }
        received
    }

    fn take(&mut self, level: i32, kind: i32, value: &[u8]) {
        match (level, kind) {
            (libc::SOL_IP, libc::IP_PKTINFO) => self.take_pktinfo4(value),
            (libc::SOL_IPV6, libc::IPV6_PKTINFO) => self.take_pktinfo6(value),
            (libc::SOL_IP, libc::IP_TOS) => self.tos = value.first().copied().unwrap_or(0),
            (libc::SOL_IPV6, libc::IPV6_TCLASS) => self.tos = word(value).unwrap_or(0) as u8,
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => self.arrived = timespec(value),
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => self.lost = word(value),
            (libc::SOL_UDP, libc::UDP_GRO) => self.segment = word(value).unwrap_or(0),
            _ => {}
        }
    }

    /// `in_pktinfo`: interface, local address, destination in the header. The second is what a reply
    /// must come from; the two differ for broadcasts.
    fn take_pktinfo4(&mut self, value: &[u8]) {
        if let (Some(ifindex), Some(ip)) = (word(value), value.get(4..8).and_then(<[u8]>::first_chunk::<4>)) {
            self.local = Some((Ipv4Addr::from(*ip).into(), ifindex));
        }
    }

    /// `in6_pktinfo`: destination, interface. IPv4 on a socket of both families comes as a mapped address.
    fn take_pktinfo6(&mut self, value: &[u8]) {
        if let (Some(ip), Some(ifindex)) = (value.first_chunk::<16>(), value.get(16..).and_then(word)) {
            self.local = Some((Ipv6Addr::from(*ip).to_canonical(), ifindex));
        }
    }
}

fn word(value: &[u8]) -> Option<u32> {
    value.first_chunk::<4>().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// A `struct timespec` with 64-bit fields.
fn timespec(value: &[u8]) -> Option<Duration> {
    let (secs, rest) = value.split_first_chunk::<8>()?;
    let nanos = i64::from_ne_bytes(*rest.first_chunk::<8>()?);
    let secs = u64::try_from(i64::from_ne_bytes(*secs)).ok()?;
    Some(Duration::new(secs, u32::try_from(nanos).ok().filter(|&nanos| nanos < 1_000_000_000)?))
}

/// The entries of received control data as (level, type, value).
fn entries(mut rest: &[u8]) -> impl Iterator<Item = (i32, i32, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = rest.split_first_chunk::<HEADER>()?;
        let len = usize::from_ne_bytes(*header.first_chunk::<WORD>()?);
        let value = rest.get(HEADER..len)?;
        let level = i32::from_ne_bytes(header[WORD..WORD + 4].try_into().ok()?);
        let kind = i32::from_ne_bytes(header[WORD + 4..].try_into().ok()?);
        rest = rest.get(len.next_multiple_of(WORD)..).unwrap_or(&[]);
        Some((level, kind, value))
    })
}

#[cfg(test)]
mod tests;
