//! Socket addresses as the kernel writes them (`sockaddr_in`, `sockaddr_in6`).
//!
//! **Invariant:** inside the program no address is IPv4-mapped. Mapping belongs to sockets of both
//! families and happens here, on the way in and out.
#![forbid(unsafe_code)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Bytes of the longest address that we meet.
pub(crate) const NAME_LEN: usize = 28;
const NAME4_LEN: usize = 16;
const _: () =
    assert!(size_of::<libc::sockaddr_in6>() == NAME_LEN && size_of::<libc::sockaddr_in>() == NAME4_LEN);

/// The address family that a socket was made for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Family {
    V4,
    /// IPv6, and IPv4 as mapped addresses.
    Both,
}

/// Writes `address` for a socket of `family` and returns how many bytes it takes; `None` if an IPv4
/// socket cannot reach it.
pub(crate) fn encode(address: SocketAddr, family: Family, name: &mut [u8; NAME_LEN]) -> Option<usize> {
    match (address, family) {
        (SocketAddr::V4(address), Family::V4) => Some(encode4(address, name)),
        (SocketAddr::V4(address), Family::Both) => {
            let mapped = address.ip().to_ipv6_mapped();
            Some(encode6(SocketAddrV6::new(mapped, address.port(), 0, 0), name))
        }
        (SocketAddr::V6(address), Family::Both) => Some(encode6(address, name)),
        (SocketAddr::V6(_), Family::V4) => None,
    }
}

fn encode4(address: SocketAddrV4, name: &mut [u8; NAME_LEN]) -> usize {
    name[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    name[2..4].copy_from_slice(&address.port().to_be_bytes());
    name[4..8].copy_from_slice(&address.ip().octets());
    name[8..].fill(0);
    NAME4_LEN
}

fn encode6(address: SocketAddrV6, name: &mut [u8; NAME_LEN]) -> usize {
    name[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
    name[2..4].copy_from_slice(&address.port().to_be_bytes());
    name[4..8].fill(0);
    name[8..24].copy_from_slice(&address.ip().octets());
    name[24..].copy_from_slice(&address.scope_id().to_ne_bytes());
    NAME_LEN
}

/// Reads an address that the kernel wrote, unmapped. The scope counts for link-local addresses only.
pub(crate) fn decode(name: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_ne_bytes(*name.first_chunk()?);
    let port = u16::from_be_bytes([*name.get(2)?, *name.get(3)?]);
    if i32::from(family) == libc::AF_INET {
        let ip: [u8; 4] = *name.get(4..8)?.first_chunk()?;
        return Some(SocketAddr::new(Ipv4Addr::from(ip).into(), port));
    }
    if i32::from(family) != libc::AF_INET6 {
        return None;
    }
    let ip: [u8; 16] = *name.get(8..24)?.first_chunk()?;
    let scope = u32::from_ne_bytes(*name.get(24..28)?.first_chunk()?);
    Some(match Ipv6Addr::from(ip).to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), port),
        IpAddr::V6(ip) => {
            SocketAddrV6::new(ip, port, 0, if ip.is_unicast_link_local() { scope } else { 0 }).into()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_way_there_and_back() {
        let cases = [
            ("192.0.2.1:51820", Family::V4, Some(16)),
            ("192.0.2.1:51820", Family::Both, Some(28)),
            ("[2001:db8::1]:1", Family::Both, Some(28)),
            ("[fe80::1%7]:65535", Family::Both, Some(28)),
            ("[2001:db8::1]:1", Family::V4, None),
        ];
        for (text, family, len) in cases {
            let address: SocketAddr = text.parse().expect("a literal address");
            let mut name = [0xee; NAME_LEN];
            assert_eq!(encode(address, family, &mut name), len, "{text}");
            if let Some(len) = len {
                assert_eq!(decode(&name[..len]), Some(address), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let mut name = [0; NAME_LEN];
        let address: SocketAddr = "[2001:db8::1]:1".parse().expect("a literal address");
        encode(address, Family::Both, &mut name);
        for cut in 0..NAME_LEN {
            assert_eq!(decode(&name[..cut]), None, "cut to {cut}");
        }
        name[..2].copy_from_slice(&(libc::AF_UNIX as u16).to_ne_bytes());
        assert_eq!(decode(&name), None);
    }
}
