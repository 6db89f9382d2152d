//! A range of addresses: `10.0.0.0/8`, `fd00::/64`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network address and the number of its leading bits that count.
///
/// The fields are for reading; only the constructors make one, and they clear the bits that do not count.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Cidr {
    /// The first address of the range.
    pub addr: IpAddr,
    /// How many leading bits count: 0 to 32 for IPv4, 0 to 128 for IPv6.
    pub prefix: u8,
}

impl Cidr {
    /// The range of `prefix` bits that `addr` lies in.
    ///
    /// # Errors
    /// [`BadCidr`] when the address has fewer bits than `prefix`.
    pub fn new(addr: IpAddr, prefix: u8) -> Result<Self, BadCidr> {
        if prefix > width(addr) {
            return Err(BadCidr);
        }
        Ok(Self { addr: masked(addr, prefix), prefix })
    }

    /// The range of one address.
    #[must_use]
    pub fn host(addr: IpAddr) -> Self {
        Self { addr, prefix: width(addr) }
    }

    /// Whether `addr` lies in the range. An address of the other family never does.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        addr.is_ipv4() == self.addr.is_ipv4() && masked(addr, self.prefix) == self.addr
    }
}

/// Bits of an address of this family.
fn width(addr: IpAddr) -> u8 {
    match addr {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(addr: IpAddr, prefix: u8) -> IpAddr {
    let dropped = u32::from(width(addr).saturating_sub(prefix));
    // A shift by the whole width clears everything, which `checked_shl` does not say by itself.
    match addr {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(dropped).unwrap_or(0);
            Ipv4Addr::from_bits(ip.to_bits() & mask).into()
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(dropped).unwrap_or(0);
            Ipv6Addr::from_bits(ip.to_bits() & mask).into()
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

/// Not an address, or more bits than it has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BadCidr;

impl fmt::Display for BadCidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an address range like 10.0.0.0/8 or fd00::/64")
    }
}

impl std::error::Error for BadCidr {}

impl FromStr for Cidr {
    type Err = BadCidr;

    /// Reads `ADDRESS/BITS`, or `ADDRESS` alone for that one address.
    fn from_str(text: &str) -> Result<Self, BadCidr> {
        let Some((addr, prefix)) = text.split_once('/') else {
            return text.parse().map(Self::host).map_err(|_| BadCidr);
        };
        // `u8::from_str` would also take a sign.
        if !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadCidr);
        }
        let addr = addr.parse().map_err(|_| BadCidr)?;
        Self::new(addr, prefix.parse().map_err(|_| BadCidr)?)
    }
}

#[cfg(test)]
mod tests;
