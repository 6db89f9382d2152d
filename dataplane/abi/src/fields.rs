//! Fields of a slot or message, written and read one after the other, little-endian.
//!
//! **Invariant:** the reader never reads outside its bytes, and a slot whose unused rest is not zero is refused: a
//! layout that somebody extended without a new version does not pass.

use crate::Refused;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Writes fields into a slot of ours, which is large enough by its layout.
pub(crate) struct Writer<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn raw(&mut self, field: &[u8]) -> &mut Self {
        self.bytes[self.at..self.at + field.len()].copy_from_slice(field);
        self.at += field.len();
        self
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.raw(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_le_bytes())
    }

    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(value.into())
    }

    /// One byte that says 4 or 6, then 16 bytes.
    pub(crate) fn ip(&mut self, ip: IpAddr) -> &mut Self {
        match ip {
            IpAddr::V4(v4) => self.u8(4).raw(&v4.octets()).raw(&[0; 12]),
            IpAddr::V6(v6) => self.u8(6).raw(&v6.octets()),
        }
    }

    /// Bytes written so far.
    pub(crate) const fn written(&self) -> usize {
        self.at
    }

    /// Zeroes what is left.
    pub(crate) fn zero_rest(&mut self) {
        self.bytes[self.at..].fill(0);
        self.at = self.bytes.len();
    }
}

/// Reads fields from a private copy.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn slice(&mut self, len: usize) -> Result<&'a [u8], Refused> {
        let (field, rest) = self.rest.split_at_checked(len).ok_or(Refused::Field("length"))?;
        self.rest = rest;
        Ok(field)
    }

    pub(crate) fn raw<const N: usize>(&mut self) -> Result<&'a [u8; N], Refused> {
        let (field, rest) = self.rest.split_first_chunk().ok_or(Refused::Field("length"))?;
        self.rest = rest;
        Ok(field)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Refused> {
        self.raw().map(|&[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Refused> {
        self.raw().map(|bytes| u16::from_le_bytes(*bytes))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Refused> {
        self.raw().map(|bytes| u32::from_le_bytes(*bytes))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Refused> {
        self.raw().map(|bytes| u64::from_le_bytes(*bytes))
    }

    pub(crate) fn bool(&mut self, what: &'static str) -> Result<bool, Refused> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Refused::Field(what)),
        }
    }

    /// An address as [`Writer::ip`] wrote it. IPv4 inside IPv6 is refused: it would be a second name for one address.
    pub(crate) fn ip(&mut self) -> Result<IpAddr, Refused> {
        let (family, bytes) = (self.u8()?, *self.raw::<16>()?);
        match family {
            4 if bytes[4..] == [0; 12] => {
                Ok(IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])))
            }
            6 => match Ipv6Addr::from(bytes) {
                mapped if mapped.to_ipv4_mapped().is_some() => Err(Refused::Field("mapped address")),
                v6 => Ok(IpAddr::V6(v6)),
            },
            _ => Err(Refused::Field("address family")),
        }
    }

    /// Nothing but zeros may follow.
    pub(crate) fn rest_is_zero(&self) -> Result<(), Refused> {
        if self.rest.iter().all(|&byte| byte == 0) { Ok(()) } else { Err(Refused::Field("reserved bytes")) }
    }

    /// Nothing at all may follow.
    pub(crate) const fn end(&self) -> Result<(), Refused> {
        if self.rest.is_empty() { Ok(()) } else { Err(Refused::Field("length")) }
    }
}
