//! The allowed IPs of one peer: a sorted set that is small when it holds little.
//!
//! **Invariant:** sorted, and nothing stands in it twice.

use ringmesh_wire::ip::Cidr;

/// The ranges of one peer, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ranges(Set);

#[derive(Clone, Debug, Default, Eq, PartialEq)]
enum Set {
    #[default]
    None,
    One(Cidr),
    #[allow(
        clippy::box_collection,
        reason = "a vector is 24 bytes, and so would each of 100,000 peers be more"
    )]
    Many(Box<Vec<Cidr>>),
}

const _: () = assert!(size_of::<Ranges>() <= 24, "100,000 peers have one each");

impl Ranges {
    /// All of them.
    pub(crate) fn as_slice(&self) -> &[Cidr] {
        match &self.0 {
            Set::None => &[],
            Set::One(range) => std::slice::from_ref(range),
            Set::Many(ranges) => ranges,
        }
    }

    /// Whether this very range is among them.
    pub(crate) fn contains(&self, range: &Cidr) -> bool {
        self.as_slice().binary_search(range).is_ok()
    }

    /// Puts a range in.
    pub(crate) fn insert(&mut self, range: Cidr) {
        let Err(at) = self.as_slice().binary_search(&range) else { return };
        match &mut self.0 {
            Set::None => self.0 = Set::One(range),
            Set::One(first) => {
                let mut both = Vec::with_capacity(2);
                both.extend(if at == 0 { [range, *first] } else { [*first, range] });
                self.0 = Set::Many(Box::new(both));
            }
            Set::Many(ranges) => ranges.insert(at, range),
        }
    }

    /// Takes a range out; says whether it was there.
    pub(crate) fn remove(&mut self, range: &Cidr) -> bool {
        let Ok(at) = self.as_slice().binary_search(range) else { return false };
        match &mut self.0 {
            Set::Many(ranges) if ranges.len() > 1 => drop(ranges.remove(at)),
            Set::Many(_) | Set::One(_) | Set::None => self.0 = Set::None,
        }
        true
    }
}

#[cfg(test)]
mod tests;
