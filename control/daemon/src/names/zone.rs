//! What we answer for: the names of one circle, and its addresses back to names.
//!
//! Three trees: `CIRCLE.internal`, and the circle's IPv4 block and IPv6 prefix under `in-addr.arpa` and `ip6.arpa`. Everything else
//! under `internal` does not exist for us: that domain is nobody's on the internet (ICANN has set it aside), so nothing of it is ever
//! passed on.
//!
//! **Invariant:** pure: a zone is made once and only looked into; names are compared without regard to case (RFC 4343).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ringmesh_mesh::address::{Ipv4Block, PREFIX_V6};
use ringmesh_mesh::name::SUFFIX;

/// Hexadecimal digits of the part of an IPv6 address that all devices of a circle share.
const PREFIX_NIBBLES: usize = PREFIX_V6 as usize / 4;
/// Hexadecimal digits of an IPv6 address.
const NIBBLES: usize = 32;
/// Bytes of an IPv4 address.
const OCTETS: usize = 4;

/// The addresses of one name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Addresses {
    /// None in a block that is crowded.
    pub(crate) v4: Option<Ipv4Addr>,
    /// The device's identity as an address.
    pub(crate) v6: Ipv6Addr,
}

/// The names of a circle at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Zone {
    circle: String,
    block: Ipv4Block,
    prefix: Ipv6Addr,
    names: BTreeMap<String, Addresses>,
    devices: BTreeMap<IpAddr, String>,
}

/// What there is at a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Found<'a> {
    /// It is the top of a tree that we answer for.
    Apex,
    /// A device.
    Device(Addresses),
    /// An address of this device.
    Pointer(&'a str),
    /// Nothing itself, but there may be something below it.
    Between,
    /// No such name.
    Nothing,
}

/// A name that we answer for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place<'a> {
    /// What there is.
    pub(crate) found: Found<'a>,
    /// How many labels the top of its tree has.
    pub(crate) apex_labels: usize,
}

impl Zone {
    /// A circle without names.
    pub(crate) fn new(circle: &str, block: Ipv4Block, prefix: Ipv6Addr) -> Self {
        Self {
            circle: circle.to_ascii_lowercase(),
            block,
            prefix,
            names: BTreeMap::new(),
            devices: BTreeMap::new(),
        }
    }

    /// Adds a device under the name that everybody uses.
    pub(crate) fn device(&mut self, name: &str, addresses: Addresses) {
        let name = name.to_ascii_lowercase();
        let ips = addresses.v4.map(IpAddr::from).into_iter().chain([addresses.v6.into()]);
        self.devices.extend(ips.map(|ip| (ip, name.clone())));
        self.names.insert(name, addresses);
    }

    /// Adds a name of our own for a device. One that a device goes by stays that device's.
    pub(crate) fn nickname(&mut self, name: &str, addresses: Addresses) {
        self.names.entry(name.to_ascii_lowercase()).or_insert(addresses);
    }

    /// The domain: `CIRCLE.internal`.
    pub(crate) fn domain(&self) -> String {
        format!("{}.{SUFFIX}", self.circle)
    }

    /// The domains of the addresses, each written without a final dot: what a resolver of the system must know to ask us for names of
    /// addresses.
    pub(crate) fn reverse_domains(&self) -> Vec<String> {
        let octets = octets_of(&self.block);
        let step = 1_u32 << (8 * (OCTETS - octets));
        let count = 1_u32 << (octets * 8 - usize::from(self.block.prefix()));
        let v4 = (0..count).map(|number| {
            let base = Ipv4Addr::from(self.block.base().to_bits() + number * step).octets();
            let labels: Vec<String> = base[..octets].iter().rev().map(ToString::to_string).collect();
            format!("{}.in-addr.arpa", labels.join("."))
        });
        let nibbles: Vec<String> = nibbles(self.prefix)
            .take(PREFIX_NIBBLES)
            .map(|nibble| format!("{nibble:x}"))
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .collect();
        v4.chain([format!("{}.ip6.arpa", nibbles.join("."))]).collect()
    }

    /// Whether an address is one that this circle's devices have, whoever has it. An IPv4 address in IPv6 clothes (RFC 4291, section
    /// 2.5.5) is one too.
    pub(crate) fn is_mesh(&self, ip: IpAddr) -> bool {
        match ip.to_canonical() {
            IpAddr::V4(v4) => self.block.contains(v4),
            IpAddr::V6(v6) => {
                let compatible = v6.octets()[..12] == [0; 12] && self.block.contains(low_bits(v6));
                compatible
                    || v6.octets()[..PREFIX_V6 as usize / 8] == self.prefix.octets()[..PREFIX_V6 as usize / 8]
            }
        }
    }

    /// What there is at a name, its labels from left to right; none if it is not ours to answer.
    pub(crate) fn look(&self, labels: &[&[u8]]) -> Option<Place<'_>> {
        let labels: Vec<String> = labels.iter().map(|label| text(label)).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        match labels.as_slice() {
            [rest @ .., SUFFIX] => Some(self.look_internal(rest)),
            [rest @ .., "in-addr", "arpa"] => self.look_v4(rest),
            [rest @ .., "ip6", "arpa"] => self.look_v6(rest),
            _ => None,
        }
    }

    /// Below `internal`: our circle, and nothing beside it.
    fn look_internal(&self, labels: &[&str]) -> Place<'_> {
        let (found, apex_labels) = match labels {
            [] => (Found::Between, 1),
            [circle] if *circle == self.circle => (Found::Apex, 2),
            [name, circle] if *circle == self.circle => {
                (self.names.get(*name).map_or(Found::Nothing, |addresses| Found::Device(*addresses)), 2)
            }
            [.., circle] if *circle == self.circle => (Found::Nothing, 2),
            _ => (Found::Nothing, 1),
        };
        Place { found, apex_labels }
    }

    /// Below `in-addr.arpa`: bytes in decimal, the last one first.
    fn look_v4(&self, labels: &[&str]) -> Option<Place<'_>> {
        let top = octets_of(&self.block);
        if labels.len() < top {
            return None;
        }
        let mut octets = [0; OCTETS];
        let readable = labels.iter().rev().zip(&mut octets).all(|(label, octet)| {
            // One way of writing each number, so that no name has two places.
            label.parse().is_ok_and(|number: u8| {
                number.to_string() == **label && {
                    *octet = number;
                    true
                }
            })
        });
        let ip = Ipv4Addr::from(octets);
        let top_readable = labels.iter().rev().take(top).all(|label| label.parse::<u8>().is_ok());
        if !top_readable || !self.block.contains(ip) {
            return None;
        }
        let found = match labels.len() {
            len if len == top => Found::Apex,
            _ if !readable => Found::Nothing,
            OCTETS => self.pointer(ip.into()),
            len if len < OCTETS => Found::Between,
            _ => Found::Nothing,
        };
        Some(Place { found, apex_labels: top + 2 })
    }

    /// Below `ip6.arpa`: hexadecimal digits, the last one first.
    fn look_v6(&self, labels: &[&str]) -> Option<Place<'_>> {
        if labels.len() < PREFIX_NIBBLES {
            return None;
        }
        let digits: Vec<Option<u8>> = labels.iter().rev().map(|label| digit(label)).collect();
        let prefix = nibbles(self.prefix).take(PREFIX_NIBBLES).map(Some);
        if !digits.iter().copied().take(PREFIX_NIBBLES).eq(prefix) {
            return None;
        }
        let address = || {
            let bits =
                digits.iter().try_fold(0_u128, |bits, digit| Some(bits << 4 | u128::from((*digit)?)))?;
            Some(Ipv6Addr::from_bits(bits))
        };
        let found = match labels.len() {
            PREFIX_NIBBLES => Found::Apex,
            NIBBLES => address().map_or(Found::Nothing, |ip| self.pointer(ip.into())),
            len if len < NIBBLES && digits.iter().all(Option::is_some) => Found::Between,
            _ => Found::Nothing,
        };
        Some(Place { found, apex_labels: PREFIX_NIBBLES + 2 })
    }

    fn pointer(&self, ip: IpAddr) -> Found<'_> {
        self.devices.get(&ip).map_or(Found::Nothing, |name| Found::Pointer(name))
    }
}

/// Labels of the reverse tree that the block covers as a whole.
fn octets_of(block: &Ipv4Block) -> usize {
    usize::from(block.prefix()).div_ceil(8)
}

fn nibbles(ip: Ipv6Addr) -> impl Iterator<Item = u8> {
    ip.octets().into_iter().flat_map(|byte| [byte >> 4, byte & 15])
}

fn low_bits(ip: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = ip.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// One hexadecimal digit; labels are in lower case here.
fn digit(label: &str) -> Option<u8> {
    let [byte] = label.as_bytes() else { return None };
    char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A label in lower case. Bytes that no name of ours has become a character that none has either.
fn text(label: &[u8]) -> String {
    label
        .iter()
        .map(|byte| if byte.is_ascii() { char::from(byte.to_ascii_lowercase()) } else { '\u{fffd}' })
        .collect()
}

#[cfg(test)]
pub(in crate::names) mod tests;
