//! What one device lets others do to it: the newest of each.
//!
//! **Invariant:** in order of who may and what, each pair once. It is made whole and never edited, so it takes no byte more than its
//! entries: a circle has one for each member, mostly with few entries.

use std::collections::BTreeMap;

use super::Granted;
use crate::identity::DeviceId;
use crate::record::What;

/// See the module.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grants(Box<[((DeviceId, What), Granted)]>);

impl Grants {
    /// What was said about `to` and `what`.
    #[must_use]
    pub fn get(&self, to: &DeviceId, what: What) -> Option<&Granted> {
        let spot = self.0.binary_search_by_key(&(*to, what), |(key, _)| *key).ok()?;
        self.0.get(spot).map(|(_, granted)| granted)
    }

    /// What was said about `to`, in the order of [`What`].
    pub fn about(&self, to: &DeviceId) -> impl Iterator<Item = (What, &Granted)> {
        let from = self.0.partition_point(|((other, _), _)| other < to);
        let own = self.0[from..].iter().take_while(move |((other, _), _)| other == to);
        own.map(|((_, what), granted)| (*what, granted))
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (DeviceId, What, &Granted)> {
        self.0.iter().map(|((to, what), granted)| (*to, *what, granted))
    }
}

impl From<BTreeMap<(DeviceId, What), Granted>> for Grants {
    fn from(said: BTreeMap<(DeviceId, What), Granted>) -> Self {
        Self(said.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
