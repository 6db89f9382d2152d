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

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    choices: BTreeMap<Label, BTreeSet<Choice>>,
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
        if let Some((label, old)) = before
            && let Some(choices) = self.choices.get_mut(&label)
        {
            choices.remove(&old);
            touched.extend(choices.first().map(|first| first.device));
            if choices.is_empty() {
                self.choices.remove(&label);
            }
        }
        if let Some((label, new)) = choice {
            let choices = self.choices.entry(label.clone()).or_default();
            touched.extend(choices.first().map(|first| first.device));
            choices.insert(new);
            self.chosen.insert(device, (label, new));
        }
        touched
    }

    /// Everybody who chose this name.
    pub(super) fn holders(&self, label: &Label) -> impl Iterator<Item = DeviceId> {
        self.choices.get(label).into_iter().flatten().map(|choice| choice.device)
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
        self.choices.get(label)?.first().copied()
    }
}
