//! Permissions: what other devices may do to this one.

use serde::{Deserialize, Serialize};

/// `allow`. Answer: [`Permitted`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// Whom.
    pub peer: String,
    /// `reach`, `ssh`, `tcp/PORT`, `udp/PORT`, `files`, `exit` or `lan`; the last two by root only.
    pub what: String,
    /// For how long, in seconds; none for good.
    #[serde(default)]
    pub for_secs: Option<u64>,
    /// Only say what would change.
    #[serde(default)]
    pub preview: bool,
}

/// `deny`. Answer: [`Permitted`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// Whom.
    pub peer: String,
    /// As in [`Allow::what`].
    pub what: String,
    /// Only say what would change.
    #[serde(default)]
    pub preview: bool,
}

/// What a change of permissions does.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Permitted {
    /// The change in one sentence.
    pub preview: String,
    /// Whether it was made.
    pub made: bool,
    /// What keeps it from having effect, one sentence each: rules of somebody else's packet filter.
    pub blocked: Vec<String>,
}

/// `can`: would it be allowed? Answer: [`CanAnswer`].
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Can {
    /// Who wants to.
    pub from: String,
    /// What it wants to reach: `nas`, `nas:445`, `nas:udp/53`. Without a name (`:445`), this device.
    pub target: String,
    /// What it wants to do instead of reaching a port: as in [`Allow::what`].
    #[serde(default)]
    pub what: Option<String>,
}

/// Whether it would be allowed, and by what.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CanAnswer {
    /// Whether.
    pub allowed: bool,
    /// The last second at which it is, since 1970, if it ends by itself.
    pub until_secs: Option<u64>,
    /// The whole as a sentence.
    pub sentence: String,
    /// The record that decides, if one does.
    pub record: Option<String>,
    /// What keeps it from having effect, one sentence each.
    pub blocked: Vec<String>,
}

/// The answer to `permissions`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Permissions {
    /// Between this device and each other, both directions.
    pub lines: Vec<Permission>,
}

/// One permission.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Permission {
    /// Who may or may not.
    pub from: String,
    /// To whom.
    pub to: String,
    /// What, as in [`Allow::what`].
    pub what: String,
    /// Whether.
    pub allowed: bool,
    /// The last second, since 1970, if it ends by itself.
    pub until_secs: Option<u64>,
    /// The whole as a sentence.
    pub sentence: String,
}
