//! Who goes by which name. Of several that chose one, the first has it; the others are told apart by a suffix.
//!
//! Own devices come before guests, whatever the time: a friend's device never takes the name of one's own.

use std::collections::{BTreeMap, BTreeSet};

use crate::identity::DeviceId;
use crate::name::Label;

/// A device's choice of a name, in the order in which choices are served.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Choice {
    pub(super) guest: bool,
    /// When it first chose the name that it still has, by its own clock.
    pub(super) since: u64,
    pub(super) device: DeviceId,
}

impl Choice {
    /// Before every other.
    const FIRST: Self = Self { guest: false, since: 0, device: DeviceId([0; 32]) };
}

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    choices: BTreeSet<(Label, Choice)>,
    chosen: BTreeMap<DeviceId, (Label, Choice)>,
}

impl Names {
    /// Notes what a device chose now, or that it is gone; gives everybody whose name may be another by that.
    pub(super) fn choose(&mut self, device: DeviceId, choice: Option<(Label, Choice)>) -> BTreeSet<DeviceId> {
        let before = self.chosen.remove(&device);
        if before == choice {
            self.chosen.extend(before.map(|before| (device, before)));
            return BTreeSet::new();
        }
        let mut touched = BTreeSet::from([device]);
        if let Some(before) = before {
            self.choices.remove(&before);
            touched.extend(self.first(&before.0).map(|first| first.device));
        }
        if let Some((label, new)) = choice {
            touched.extend(self.first(&label).map(|first| first.device));
            self.choices.insert((label.clone(), new));
            self.chosen.insert(device, (label, new));
        }
        touched
    }

    /// Everybody who chose this name.
    pub(super) fn holders(&self, label: &Label) -> impl Iterator<Item = DeviceId> {
        self.of(label).map(|choice| choice.device)
    }

    /// The name that a device goes by.
    pub(super) fn name(&self, device: &DeviceId) -> Label {
        match self.chosen.get(device) {
            Some((label, choice)) if self.first(label) == Some(*choice) => label.clone(),
            Some((label, _)) => label.told_apart(device),
            None => Label::nameless(device),
        }
    }

    fn first(&self, label: &Label) -> Option<Choice> {
        self.of(label).next()
    }

    /// The choices of one name, in the order in which they are served.
    fn of(&self, label: &Label) -> impl Iterator<Item = Choice> {
        let first = (label.clone(), Choice::FIRST);
        let own = self.choices.range(first..).take_while(move |(other, _)| other == label);
        own.map(|(_, choice)| *choice)
    }
}
