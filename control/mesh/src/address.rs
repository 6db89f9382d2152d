//! Mesh addresses: they follow from the signing key and the circle, and nobody hands them out.
//!
//! The IPv6 address *is* the identity: a /48 of the circle in fd00::/8 (RFC 4193) and 80 bits of the device, which nobody
//! can grind. IPv4 is a convenience from a block of 100.64.0.0/10 (RFC 6598); its few bits can be ground in
//! seconds, so each device has a list of wishes, and of two that wish for one address the senior has it. What a
//! device once had is not given to another, even after its removal: an old rule or cache never means a stranger.
//!
//! **Invariant:** the outcome depends on who is there and on their seniority, not on the order of insertion.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::codec::{Malformed, Reader, Writer};
use crate::hash::Domain;
use crate::identity::{CircleId, DeviceId};

const CIRCLE_PREFIX: Domain = Domain("ringmesh 2026 IPv6 prefix of a circle");
const DEVICE_PART: Domain = Domain("ringmesh 2026 IPv6 address of a device");
const WISH: Domain = Domain("ringmesh 2026 IPv4 wish of a device");

/// Wishes of one device. With a block half full, one of 64 is free but for one device in 2^64.
const WISHES_MAX: u32 = 64;

/// Length of the circle's IPv6 prefix, in bits.
pub const PREFIX_V6: u8 = 48;

/// The first address of a circle's /48.
#[must_use]
pub fn prefix_v6(circle: &CircleId) -> Ipv6Addr {
    let hash = CIRCLE_PREFIX.hash(&[&circle.0]);
    let mut bytes = [0; 16];
    bytes[0] = 0xfd;
    bytes[1..6].copy_from_slice(&hash[..5]);
    bytes.into()
}

/// The IPv6 address of a device in a circle.
#[must_use]
pub fn ipv6_of(circle: &CircleId, device: &DeviceId) -> Ipv6Addr {
    let hash = DEVICE_PART.hash(&[&circle.0, &device.0]);
    let mut bytes = prefix_v6(circle).octets();
    bytes[6..].copy_from_slice(&hash[..10]);
    bytes.into()
}

/// A range of 100.64.0.0/10 that a circle takes its IPv4 addresses from.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Ipv4Block {
    base: Ipv4Addr,
    prefix: u8,
}

impl Ipv4Block {
    /// The whole range (RFC 6598).
    pub const ALL: Self = Self { base: Ipv4Addr::new(100, 64, 0, 0), prefix: 10 };
    /// A block no smaller than this has room for a circle of 200 devices.
    pub const PREFIX_MAX: u8 = 24;

    /// The block of `prefix` bits that begins at `base`; none if it is not one within [`Ipv4Block::ALL`].
    #[must_use]
    pub fn new(base: Ipv4Addr, prefix: u8) -> Option<Self> {
        let fits = (Self::ALL.prefix..=Self::PREFIX_MAX).contains(&prefix);
        let block = Self { base, prefix };
        (fits && Self::ALL.contains(base) && base.to_bits() & block.host_mask() == 0).then_some(block)
    }

    /// The `number`-th of the 64 blocks of 16 bits, modulo 64: what `up` draws from and takes the next of.
    #[must_use]
    pub fn sixteen(number: u8) -> Self {
        let base = Self::ALL.base.to_bits() | u32::from(number % 64) << 16;
        Self { base: base.into(), prefix: 16 }
    }

    /// The first address.
    #[must_use]
    pub const fn base(&self) -> Ipv4Addr {
        self.base
    }

    /// The length of the prefix, in bits.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `ip` lies in the block.
    #[must_use]
    pub fn contains(&self, ip: Ipv4Addr) -> bool {
        ip.to_bits() & !self.host_mask() == self.base.to_bits()
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.base) || other.contains(self.base)
    }

    const fn host_mask(&self) -> u32 {
        u32::MAX >> self.prefix
    }

    /// The wish with this number. The first and last address of the block belong to nobody, as in every subnet.
    fn wish(&self, circle: &CircleId, device: &DeviceId, number: u32) -> Ipv4Addr {
        let hash = WISH.hash(&[&circle.0, &device.0, &number.to_le_bytes()]);
        let drawn = u64::from_le_bytes(hash.first_chunk().copied().unwrap_or_default());
        let hosts = u64::from(self.host_mask()) - 1;
        let host = u32::try_from(drawn % hosts + 1).unwrap_or(1);
        (self.base.to_bits() | host).into()
    }

    pub(crate) fn write(&self, out: &mut Writer<'_>) {
        out.bytes(&self.base.octets());
        out.u8(self.prefix);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let base: [u8; 4] = from.array("address block")?;
        Self::new(base.into(), from.u8("address block")?).ok_or(Malformed("address block"))
    }
}

/// Where a device stands in line: the earlier, the more senior. Ends in the device itself, so no two are equal.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Seniority {
    /// When its admission counts from, in seconds since 1970.
    pub since: u64,
    /// How many admissions lie between it and the founder.
    pub depth: u32,
    /// The last word between two that came in the same second.
    pub device: DeviceId,
}

/// Who has which IPv4 address. Each device asks for its wishes in turn; an address goes to the senior of those who ask, and
/// the junior asks on. Such an outcome is the same for every order of asking.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    circle: CircleId,
    block: Ipv4Block,
    holders: BTreeMap<Ipv4Addr, (Seniority, u32)>,
    addresses: BTreeMap<DeviceId, Ipv4Addr>,
}

impl Assignment {
    pub(crate) fn new(circle: CircleId, block: Ipv4Block) -> Self {
        Self { circle, block, holders: BTreeMap::new(), addresses: BTreeMap::new() }
    }

    pub(crate) fn address(&self, device: &DeviceId) -> Option<Ipv4Addr> {
        self.addresses.get(device).copied()
    }

    /// Notes that a device turned out to be more senior than it was entered as. False if that could move somebody.
    pub(crate) fn grew_older(&mut self, seniority: Seniority) -> bool {
        let address = self.address(&seniority.device);
        let holder = address.and_then(|address| self.holders.get_mut(&address));
        match holder {
            // It has its first wish already, and nobody can take that from it now.
            Some((held, 0)) if *held >= seniority => {
                *held = seniority;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Puts a device in line that was not there; gives all devices whose address changed by that.
    pub(crate) fn insert(&mut self, seniority: Seniority) -> Vec<DeviceId> {
        let mut changed = vec![seniority.device];
        let mut asking = (seniority, 0);
        while asking.1 < WISHES_MAX {
            let (who, wish) = asking;
            let address = self.block.wish(&self.circle, &who.device, wish);
            let loser = match self.holders.get(&address) {
                Some((holder, _)) if *holder < who => Some((who, wish)),
                holder => holder.copied(),
            };
            if loser != Some(asking) {
                self.holders.insert(address, asking);
                self.addresses.insert(who.device, address);
            }
            let Some((next, wish)) = loser else { return changed };
            if next != who {
                self.addresses.remove(&next.device);
                changed.push(next.device);
            }
            asking = (next, wish + 1);
        }
        changed
    }
}

#[cfg(test)]
mod tests;
