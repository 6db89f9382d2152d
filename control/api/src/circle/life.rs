//! The life of a circle: founded, joined, left, and who belongs to it.

use serde::{Deserialize, Serialize};

/// `up`: founds a circle, or takes one up again that this device belongs to. Answer: [`Upped`].
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Up {
    /// What this device is called; by default as the machine.
    pub name: Option<String>,
    /// The circle; by default the one that this device belongs to, else `home`.
    pub circle: Option<String>,
    /// Beacons to use from now on: `beacon://HOST/KEY` each. Root only.
    pub beacons: Vec<String>,
    /// Found nothing: for a caller that could not show the recovery key to anybody.
    pub resume_only: bool,
}

/// What `up` did.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Upped {
    /// The circle.
    pub circle: String,
    /// What this device is called in it.
    pub name: String,
    /// Whether it was founded just now.
    pub founded: bool,
    /// The recovery key of a circle that was founded just now: to be kept offline. It is a secret, and not stored anywhere.
    pub recovery_key: Option<String>,
    /// This device's mesh addresses.
    pub addresses: Vec<String>,
    /// What the user should know, one sentence each.
    pub notes: Vec<String>,
}

/// `invite`. Answer: [`Invited`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Invite {
    /// For a friend's device instead of an own one.
    pub guest: bool,
    /// For how many devices.
    pub uses: u16,
    /// For how long, in seconds.
    pub for_secs: u64,
}

impl Default for Invite {
    fn default() -> Self {
        Self { guest: false, uses: 1, for_secs: 86_400 }
    }
}

/// An invite. Text and link are secrets: whoever has one gets in.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Invited {
    /// The code as text in groups.
    pub code: String,
    /// The code as a link.
    pub link: String,
    /// For a friend's device instead of an own one.
    pub guest: bool,
    /// For how many devices.
    pub uses: u16,
    /// The last second at which it is good, since 1970.
    pub expires_secs: u64,
    /// Its name, with which it can be cancelled.
    pub id: String,
}

/// `cancel`: an invite admits nobody any more. Answer: [`super::Done`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// [`Invited::id`], or its beginning.
    pub id: String,
}

/// `join`. Answers when the device belongs to the circle, or waits to: [`Joined`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The code, as text or link.
    pub code: String,
    /// What this device is called; by default as the machine.
    #[serde(default)]
    pub name: Option<String>,
    /// How long to wait for a member or beacon, in seconds. Joining goes on afterwards.
    #[serde(default = "join_secs")]
    pub wait_secs: u64,
}

const fn join_secs() -> u64 {
    20
}

/// How far joining has come.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Joined {
    /// The circle.
    pub circle: String,
    /// What this device is called in it.
    pub name: String,
    /// Whether it belongs to the circle now; else it goes on trying.
    pub member: bool,
    /// As what: `admin`, `own device` or `guest`.
    pub role: Option<String>,
    /// This device's mesh addresses.
    pub addresses: Vec<String>,
    /// What it waits for, in a sentence.
    pub waits_for: Option<String>,
}

/// `rename`: what this device is called from now on. Answer: [`super::Done`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// The new name.
    pub name: String,
}

/// `nickname`: what this device calls another one; nobody else sees it. Answer: [`super::Done`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Nickname {
    /// The other one.
    pub peer: String,
    /// Its nickname; none takes it away.
    #[serde(default)]
    pub nickname: Option<String>,
}

/// `remove`: a device belongs to the circle no more. Answer: [`super::Done`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Remove {
    /// Its name, address or key.
    pub peer: String,
    /// None of its records counts, not only those that are unknown here yet: its key was stolen.
    #[serde(default)]
    pub distrust_all: bool,
}

/// `leave`: this device belongs to the circle no more, and forgets it. Answer: [`super::Done`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Leave {
    /// Also as the last admin of others.
    pub force: bool,
}

/// `down`: the circle takes no part on this device until the next `up`. Answer: [`super::Done`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Down {
    /// The daemon ends too, also where no circle is up. Only root may ask for that, since only root can start one.
    pub daemon: bool,
}

/// `confirm`: an admin confirms a device that waits. Answer: [`super::Done`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    /// Its name or key.
    pub peer: String,
}

/// `admin`: makes a device an admin, or ends that. Answer: [`super::Done`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// The device.
    pub peer: String,
    /// Whether it shall be one.
    pub admin: bool,
}

/// `recover`: with the recovery key, makes a device an admin or removes one. Root only. Answer: [`super::Done`].
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// The recovery key as `up` printed it. A secret.
    pub key: String,
    /// Whom to make an admin; by default this device.
    #[serde(default)]
    pub admin: Option<String>,
    /// Whom to remove, instead.
    #[serde(default)]
    pub remove: Option<String>,
}
