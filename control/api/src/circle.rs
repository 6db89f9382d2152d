//! What is asked of the daemon of a circle, and what it answers.
//!
//! Over HTTP on its unix socket: `POST /v1/VERB` with the question as JSON; the answer is `{"ok": …}` with status 200, or
//! `{"error": {"code", "message", "fix"}}` with another. Each verb of `ringmesh` is one verb here, named alike.
//!
//! **Invariant:** only three answers carry a secret, and only when the question asks for one: an invite's code, and the recovery key
//! of a circle that was just founded or is to be shown again.

pub mod life;
pub mod look;
pub mod permit;

use serde::{Deserialize, Serialize};

/// What the paths of all verbs begin with; the verb follows.
pub const PATH: &str = "/v1/";
/// Longest question, in bytes.
pub const QUESTION_LEN_MAX: usize = 64 << 10;

/// The answer to every verb.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply<T> {
    /// It was done.
    Ok(T),
    /// It was not, and nothing was changed.
    Error(Refusal),
}

/// Why something was not done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// For scripts.
    pub code: Code,
    /// One clear sentence, without a full stop.
    pub message: String,
    /// What to do about it, if something can be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// What kind of refusal it is. Codes are added, never renamed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The question makes no sense.
    Usage,
    /// The caller may not ask this.
    NotAllowed,
    /// This device is in no circle, or the circle is down.
    NotUp,
    /// There is something of that name already.
    Exists,
    /// Nobody has that name, address or key.
    Unknown,
    /// Only an admin may.
    NotAdmin,
    /// The invite does not let this device in.
    Invite,
    /// It took longer than it may.
    Timeout,
    /// A disk, file or database.
    Storage,
    /// The system refused something.
    System,
    /// The daemon does not run. Said by the command line, as there is nobody else to say it.
    NotRunning,
    /// The user was asked, and did not agree. Said by the command line.
    Declined,
}

impl Refusal {
    /// A refusal without a fix.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), fix: None }
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

/// The answer of verbs that have nothing to tell but that it was done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Done {
    /// What was done, in one sentence.
    pub sentence: String,
}

/// A question without anything to say.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

#[cfg(test)]
mod tests;
